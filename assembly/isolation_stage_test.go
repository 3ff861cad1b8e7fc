package assembly_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/protobuf/proto"

	"proscenium/assembly"
	"proscenium/catalog/catalogtest"
	"proscenium/engine"
	"proscenium/engine/policy"
	"proscenium/engine/policy/hierarchy"
	"proscenium/engine/policy/limit"
	"proscenium/engine/policy/shed"
	"proscenium/engine/pricecache"
	"proscenium/fault"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/kv"
	"proscenium/providers"
	"proscenium/scenes"
	"proscenium/traffic"
)

// isolationStage is a process with everything that live and shadow traffic could meet in, and the transcript of one of them.
type isolationStage struct {
	// subject is the class whose transcript it is.
	subject traffic.Class
	now     func() time.Time
	// exact says that Redis has the clock of the process; otherwise what depends on its time is left out.
	exact bool
	// queues says that the process is one of a fleet.
	queues   bool
	stores   *kv.KV
	system   *assembly.System
	policies *policy.Registry
	fleets   [traffic.Count]*hierarchy.Fleet
	market   *isolationMarket
	// patience is how long the other class waits for an answer; 0: for as long as it takes.
	patience time.Duration

	// oneCache says that the classes were joined in it.
	oneCache bool

	mu          sync.Mutex
	transitions []string // of this step
	lines       []string // the transcript
	strange     []string // what a request of one class saw of the other's
}

// openStage makes the process. join, unless nil, takes the separation out of it before it serves.
func openStage(t testing.TB, s *isolationStage, config string, join func(testing.TB, *isolationStage)) {
	t.Helper()
	began := s.now()
	if s.queues {
		for _, class := range traffic.All() {
			clock := func() int64 { return int64(s.now().Sub(began)) + 1 }
			s.fleets[class] = hierarchy.NewFleet(s.stores.Of(class), hierarchy.Deps{ID: 1 + uint64(class), Now: clock})
		}
	}
	s.policies = policy.New(policy.Deps{
		Now: s.now, Random: func() float64 { return 0.5 }, KV: s.stores, Fleets: s.fleets, Shedder: shed.New(shed.Rule{}), Process: "p",
		Transition: func(c policy.Transition) {
			if c.Class == s.subject {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.transitions = append(s.transitions, fmt.Sprintf("transition %s %s -> %s at %v", c.Breaker, c.From, c.To, c.At.Sub(began)))
			}
		},
	})
	t.Cleanup(s.policies.Close)
	started := &cachesStarted{failures: &failures{rules: map[string]int{}}, all: make(chan struct{})}
	started.left.Store(int64(traffic.Count) * int64(pricecache.Kinds))
	system, err := assembly.Over(catalogtest.Open(t, nil), assembly.Options{
		Now: s.now, Stores: s.stores, Policies: s.policies, Observer: started, Providers: []providers.Option{providers.Named("market", s.market.providers())},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(system.Close)
	s.system = system
	if join != nil {
		join(t, s)
		if s.oneCache {
			started.left.Store(int64(pricecache.Kinds))
		}
	}
	loaded := scenes.Load(fstest.MapFS{"bundle.yaml": {Data: []byte(config)}}, began)
	if loaded.Snapshot == nil {
		t.Fatal(loaded.Diagnostics)
	}
	if err := system.Apply(loaded.Snapshot); err != nil {
		t.Fatal(err)
	}
	<-started.all
}

// cachesStarted tells when the caches of both classes have found their place among the purges of the fleet: they then forget what they had until now.
type cachesStarted struct {
	*failures
	left atomic.Int64
	all  chan struct{}
}

func (c *cachesStarted) Traffic(traffic.Class) engine.TrafficObserver { return c }

func (c *cachesStarted) CachePurged(_ engine.CacheName, from pricecache.Source, _ int) {
	if from == pricecache.FromStart && c.left.Add(-1) == 0 {
		close(c.all)
	}
}

// act makes the step of the subject, and writes down what it sees.
func (s *isolationStage) act(ctx context.Context, i int, step *isolationStep) {
	if step.change {
		s.market.set(s.subject, step.command, step.treat)
	}
	s.linef("step %d: %v", i, step)
	if step.purge {
		// How many entries there were is not told: it counts those of both classes, as it is the catalog that has changed.
		_, err := s.system.Engine.DeleteCached(ctx, engine.PriceSoldOutCache, "US", []engine.PriceKey{{ItemID: step.item}})
		s.linef("purged: %v", err)
	}
	resp, verdicts, err := s.ask(ctx, s.subject, step.request)
	for _, v := range verdicts {
		s.linef("verdict %s", s.verdict(v))
	}
	if err != nil {
		s.linef("error %s", s.failure(err))
	} else {
		s.linef("answer %s", answerText(resp))
	}
	s.mu.Lock()
	slices.Sort(s.transitions) // calls of one request go side by side
	s.lines = append(s.lines, s.transitions...)
	s.transitions = nil
	s.mu.Unlock()
	if i%20 == 0 {
		s.status("now ")
	}
}

// disturb makes a step of the other class.
func (s *isolationStage) disturb(ctx context.Context, step *isolationStep) {
	class := s.other()
	if step.change {
		s.market.set(class, step.command, step.treat)
	}
	if step.purge && class == traffic.Shadow {
		s.policies.PurgeShadow()
		_, err := s.system.Engine.PurgeShadow(ctx)
		s.check(err)
		_, err = s.stores.Of(traffic.Shadow).Purge(ctx)
		s.check(err)
	}
	for range step.times {
		s.askInHaste(ctx, class, step.request)
	}
}

func (s *isolationStage) askInHaste(ctx context.Context, class traffic.Class, req *pricingv1.GetPromotionInfoRequest) {
	if s.patience > 0 {
		hasty, cancel := context.WithTimeout(ctx, s.patience)
		defer cancel()
		ctx = hasty
	}
	_, _, _ = s.ask(ctx, class, req)
}

func (s *isolationStage) other() traffic.Class {
	if s.subject == traffic.Live {
		return traffic.Shadow
	}
	return traffic.Live
}

func (s *isolationStage) check(err error) {
	if err != nil {
		s.stranger("a purge: %v", err)
	}
}

// ask prices a request, and looks for prices and vouchers of the other class in the answer.
func (s *isolationStage) ask(ctx context.Context, class traffic.Class, req *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, []limit.Verdict, error) {
	var verdicts []limit.Verdict
	resp, err := s.system.Engine.Price(ctx, engine.Caller{Client: "shop", Class: class, Draw: 1, Verdicts: &verdicts}, req)
	for _, item := range resp.GetItems() {
		for _, m := range item.GetModels() {
			if p := m.GetFinalPrice(); (p > farApart/2) != (class == traffic.Shadow) {
				s.stranger("an answer to %v traffic has the price %d", class, p)
			}
		}
	}
	return resp, verdicts, err
}

func (s *isolationStage) stranger(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.strange = append(s.strange, fmt.Sprintf(format, args...))
}

func (s *isolationStage) linef(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

// verdict is the whole verdict; its reset is left out where Redis has a clock of its own.
func (s *isolationStage) verdict(v limit.Verdict) string {
	if !s.exact {
		v.Reset = 0
	}
	return fmt.Sprintf("%+v", v)
}

// failure is the whole error that the caller gets.
func (s *isolationStage) failure(err error) string {
	var e *fault.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	if !s.exact {
		return fmt.Sprintf("%d %s %v %v", e.Kind, e.Reason, e.Metadata, e.Violations)
	}
	return fmt.Sprintf("%d %s %q %v %v retry in %v", e.Kind, e.Reason, e.Message, e.Metadata, e.Violations, e.RetryAfter)
}

// answerText is the price, for people, and a digest of every byte.
func answerText(resp *pricingv1.GetPromotionInfoResponse) string {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(resp)
	if err != nil {
		return err.Error()
	}
	var prices []string
	for _, item := range resp.GetItems() {
		for _, m := range item.GetModels() {
			prices = append(prices, fmt.Sprint(m.GetFinalPrice()))
		}
	}
	for _, d := range resp.GetDegradations() {
		prices = append(prices, d.GetFeature()+"@"+d.GetScope()+":"+d.GetCause().String())
	}
	return fmt.Sprintf("%s %x", strings.Join(prices, " "), sha256.Sum256(raw))
}

// status writes down the breakers, limits, and grants of the subject.
func (s *isolationStage) status(when string) {
	for _, b := range s.policies.Breakers() {
		if b.Class == s.subject {
			s.linef("%sbreaker %+v", when, b)
		}
	}
	for _, l := range s.policies.Limits() {
		if l.Class != s.subject {
			continue
		}
		word := "limit"
		if l.Algorithm == "hierarchy" {
			word = "grant"
		}
		s.linef("%s%s %+v", when, word, l)
	}
}
