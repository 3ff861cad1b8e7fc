package scenetest

import (
	"slices"
	"sync"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"

	"proscenium/catalog"
	"proscenium/engine"
	"proscenium/facts"
	"proscenium/rules"
	"proscenium/scenes"
	"proscenium/scenes/source"
)

// The kinds of what tests can exercise, in the order of reports.
const (
	KindScene       = "scene"
	KindRule        = "rule"
	KindGroup       = "experiment group"
	KindPool        = "voucher pool"
	KindBypass      = "bypass rule"
	KindEligibility = "eligibility rule"
	KindExpression  = "expression"
)

// Kinds are all kinds, in the order of reports.
func Kinds() []string {
	return []string{KindScene, KindRule, KindGroup, KindPool, KindBypass, KindEligibility, KindExpression}
}

// Covered is an entity of the configuration, or an expression of one, and how much of it was exercised.
type Covered struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	File string `json:"file"`
	Line int    `json:"line"`
	// Points is what there is to exercise: 2 for a condition, which is to be true and to be false, 1 for all else. Reached are those that were.
	Points  int `json:"points"`
	Reached int `json:"reached"`
	// Missing says what was not, such as never false.
	Missing []string `json:"missing,omitempty"`
}

// Coverage is what of a configuration the tests of a run exercised, in the order of kinds, files and lines.
type Coverage struct {
	Entries []Covered `json:"entries"`
}

// Count sums the points of a kind; of all kinds for an empty one.
func (c *Coverage) Count(kind string) (reached, points int) {
	for _, e := range c.Entries {
		if kind == "" || e.Kind == kind {
			reached += e.Reached
			points += e.Points
		}
	}
	return reached, points
}

// Percent is the part of all points that was reached, rounded down to a tenth; 100 where there is none.
func (c *Coverage) Percent(kind string) float64 {
	reached, points := c.Count(kind)
	if points == 0 {
		return 100
	}
	return float64(reached*1000/points) / 10
}

// coverage counts while tests run. The snapshot's rules are probed for it, so it belongs to one Suite. It is safe for concurrent use.
type coverage struct {
	snap      *scenes.Snapshot
	root      *source.Place
	rules     map[string]*probedRule // by kind of list and name
	eligible  map[string]*rules.Probe
	units     map[string]*rules.Probe
	scenarios map[string]*scenes.Scenario

	mu       sync.Mutex
	scenes   map[string]bool
	groups   map[[2]string]bool
	bypasses map[string]bool
	pools    map[string]*poolSeen
	seen     map[poolAt]bool
}

// probedRule is an exclusion or inclusion rule. Its probe counts the promotions that its types let through.
type probedRule struct{ probe rules.Probe }

// poolSeen says what the condition of a pool said of the vouchers that it was asked about.
type poolSeen struct{ matched, missed bool }

// poolAt is a set of vouchers that a pool was asked about.
type poolAt struct {
	pool    *scenes.VoucherPool
	catalog *catalog.Catalog
	set     *facts.VoucherSet
}

// instrument probes the rules of a snapshot that nobody uses yet.
func instrument(snap *scenes.Snapshot, root *source.Place) *coverage {
	c := &coverage{
		snap: snap, root: root, rules: map[string]*probedRule{}, eligible: map[string]*rules.Probe{}, units: map[string]*rules.Probe{},
		scenarios: map[string]*scenes.Scenario{}, scenes: map[string]bool{}, groups: map[[2]string]bool{}, bypasses: map[string]bool{},
		pools: map[string]*poolSeen{}, seen: map[poolAt]bool{},
	}
	// A rule without a condition matches whatever its types let through: with a condition that is always true it can be probed.
	always, _ := rules.Compile(rules.PromoRule, "true")
	probe := func(list string, r *scenes.PromoRule) {
		if r == nil || c.rules[list+r.Name] != nil {
			return
		}
		p := &probedRule{}
		c.rules[list+r.Name] = p
		if r.When == nil {
			r.When = always
		}
		r.When = r.When.Probed(&p.probe)
	}
	for _, s := range snap.Scenes {
		probe("exclusion_rules", s.Exclusion)
		probe("inclusion_rules", s.Inclusion)
		probe("inclusion_rules", s.ItemTeaserInclusion)
		c.scenarios[s.Scenario.Name] = s.Scenario
	}
	for command, r := range snap.EligibilityRules {
		if r != nil {
			c.eligible[command] = &rules.Probe{}
			snap.EligibilityRules[command] = r.Probed(c.eligible[command])
		}
	}
	for _, x := range snap.Experiments {
		if x.Unit != nil {
			c.units[x.Name] = &rules.Probe{}
			x.Unit = x.Unit.Probed(c.units[x.Name])
		}
		for _, g := range x.Groups {
			if g.Scenario != nil {
				c.scenarios[g.Scenario.Name] = g.Scenario
			}
		}
	}
	return c
}

// saw notes what an answer exercised.
func (c *coverage) saw(answer *pricingv1.GetPromotionInfoResponse, cat *catalog.Catalog) {
	trace := answer.GetTrace()
	scene := c.snap.ScenesByName[trace.GetScene()]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scenes[trace.GetScene()] = true
	if trace.GetGroup() != "" {
		c.groups[[2]string{trace.GetExperiment(), trace.GetGroup()}] = true
	}
	asked := slices.ContainsFunc(trace.GetCalls(), func(call *pricingv1.TraceCall) bool { return call.GetCommand() == engine.BestVouchers.String() })
	if scene == nil || !asked {
		return
	}
	if scene.Bypass != nil {
		c.bypasses[scene.Bypass.Name] = true
	}
	pools := []*scenes.VoucherPool{c.scenarios[trace.GetScenario()].ShopPool, c.scenarios[trace.GetScenario()].PlatformPool}
	if slices.ContainsFunc(trace.GetDowngrades(), func(d *pricingv1.TraceDowngrade) bool { return d.GetFeature() == "price_after_voucher" }) {
		pools = []*scenes.VoucherPool{scene.DowngradedShopPool, scene.DowngradedPlatformPool}
	}
	for _, pool := range pools {
		if pool != nil {
			c.asked(pool, cat, answer.GetPricedAt().AsTime().UnixNano())
		}
	}
}

// asked notes that vouchers were chosen from a pool. Its condition runs when vouchers are indexed, for all pools: so what it says of the
// vouchers that there are is found out here.
func (c *coverage) asked(pool *scenes.VoucherPool, cat *catalog.Catalog, at int64) {
	seen := c.pools[pool.Name]
	if seen == nil {
		seen = &poolSeen{}
		c.pools[pool.Name] = seen
	}
	set := cat.Vouchers(at)
	key := poolAt{pool, cat, set}
	if pool.When == nil || c.seen[key] {
		return
	}
	c.seen[key] = true
	for i := range set.Vouchers {
		matches, err := pool.When.Bool(&rules.Input{Voucher: &set.Vouchers[i]})
		if err == nil {
			seen.matched, seen.missed = seen.matched || matches, seen.missed || !matches
		}
	}
}
