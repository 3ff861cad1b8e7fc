package assembly_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"google.golang.org/protobuf/proto"

	"proscenium/engine"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// isolationStep is one thing that somebody does.
type isolationStep struct {
	// change is how a dependency treats the class from now on; before the request.
	change  bool
	command engine.Command
	treat   behaviour
	// purge forgets what the caches have of an item (the subject), or all that shadow traffic left (its disturber).
	purge bool
	item  int64
	// times is how often the request is made.
	times   int
	request *pricingv1.GetPromotionInfoRequest
}

func (s *isolationStep) String() string {
	var b strings.Builder
	if s.change {
		fmt.Fprintf(&b, "%v is %s; ", s.command, behaviourNames[s.treat])
	}
	if s.purge {
		fmt.Fprintf(&b, "purge %d; ", s.item)
	}
	r := s.request
	fmt.Fprintf(&b, "%s of %d from %q for %d order=%v", r.GetSceneName(), r.GetUserId(), r.GetContext().GetUserPath(), r.GetItems()[0].GetItemId(), r.GetOrderFlow())
	return b.String()
}

// paths are what users can make part of keys: some look like keys of the other class.
var paths = []string{"home", "search", "live:", "shadow:", "live:{limit:of_path}:s:per_path:home", "../live/home", "\x00live", "=home", "", "*"}

var isolationCommands = []engine.Command{engine.PriceQuery, engine.TaxRates, engine.BestVouchers}

// stepsOf draws what the subject of a run does.
func stepsOf(seed uint64, n int, treats []behaviour) []isolationStep {
	r := rand.New(rand.NewPCG(seed, 1))
	steps := make([]isolationStep, n)
	for i := range steps {
		steps[i] = drawIsolationStep(r, treats)
		steps[i].purge = r.IntN(25) == 0
	}
	return steps
}

// disturbancesOf draws what the other class does before each step of the subject.
func disturbancesOf(seed uint64, n int) [][]isolationStep {
	r := rand.New(rand.NewPCG(seed, 2))
	every := []behaviour{answering, failing, failing, slow, hanging, panicking}
	all := make([][]isolationStep, n)
	for i := range all {
		for range r.IntN(4) {
			s := drawIsolationStep(r, every)
			if r.IntN(15) == 0 {
				s.times = 30
			}
			s.purge = r.IntN(60) == 0
			all[i] = append(all[i], s)
		}
	}
	return all
}

func drawIsolationStep(r *rand.Rand, treats []behaviour) isolationStep {
	s := isolationStep{times: 1, item: 1 + r.Int64N(4)}
	if r.IntN(4) == 0 {
		s.change, s.command, s.treat = true, isolationCommands[r.IntN(len(isolationCommands))], treats[r.IntN(len(treats))]
	}
	s.request = &pricingv1.GetPromotionInfoRequest{
		Scene: &pricingv1.GetPromotionInfoRequest_SceneName{SceneName: []string{"cart", "cart", "chat"}[r.IntN(3)]}, Region: "US",
		UserId:  proto.Int64(1 + r.Int64N(5)),
		Items:   []*pricingv1.RequestItem{{ItemId: 1 + r.Int64N(4)}},
		Context: &pricingv1.RequestContext{UserPath: paths[r.IntN(len(paths))]},
		// A few bypass the caches.
		OrderFlow: r.IntN(10) == 0,
	}
	return s
}
