package engine

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/engine/policy"
	"proscenium/engine/pricecache"
	"proscenium/facts"
	"proscenium/fault"
	"proscenium/rules"
	"proscenium/scenes"
	"proscenium/traffic"
)

// program is a snapshot compiled for serving. It is immutable; a request uses one from its start to its end.
type program struct {
	snap *scenes.Snapshot
	// markets by class of traffic and region.
	markets [traffic.Count]map[string]*market
	scenes  map[*scenes.Scene]*sceneEntry
	// thrown are the switches that may apply to a scene; nil: none.
	thrown map[*scenes.Scene][]*scenes.Downgrade
	// policies of the snapshot; nil: none.
	policies *policy.Set
}

// market is what requests of one region and one class of traffic use.
type market struct {
	region *scenes.Region
	caches [cacheCount]*pricecache.View // nil: switched off

	price       dependency[PriceKey, []facts.Model]
	stock       dependency[PromoKey, facts.Stock]
	eligibility [3]dependency[EligibilityKey, bool] // exclusive price, live stream, welcome package
	items       dependency[int64, *facts.Item]
	labels      dependency[int64, []string]
	tax         dependency[PriceKey, facts.TaxRate]
	rebate      dependency[RebateKey, int64]
	voucher     dependency[VoucherKey, facts.VoucherChoice]
	gmv         dependency[PriceKey, int64]
	decoration  dependency[DecorationKey, facts.Decoration]
	packages    dependency[int64, []facts.Package]
}

// sceneEntry is a scene with the plan of each experiment group.
type sceneEntry struct {
	scene *scenes.Scene
	base  *plan
	// groups follow scene.Experiment.Groups.
	groups []*plan
	obs    [traffic.Count]SceneObserver // nil: nobody listens
	guards [traffic.Count]guards
	// downgrades are those that may apply to the scene, in the order of the configuration.
	downgrades []*scenes.Downgrade
}

func compileProgram(snap *scenes.Snapshot, deps *Deps, obs [traffic.Count]TrafficObserver, caches *pricecache.Caches) (*program, error) {
	p := &program{snap: snap, scenes: make(map[*scenes.Scene]*sceneEntry, len(snap.Scenes))}
	for _, class := range traffic.All() {
		p.markets[class] = make(map[string]*market, len(snap.Regions))
		for code, region := range snap.Regions {
			m, err := openMarket(snap, region, class, deps)
			if err != nil {
				return nil, fmt.Errorf("region %s: %w", code, err)
			}
			p.markets[class][code] = m
		}
	}
	if deps.Policies != nil {
		var err error
		if p.policies, err = deps.Policies.Apply(snap); err != nil {
			return nil, err
		}
	}
	// Nothing can fail from here on: what is shared with the program before changes last.
	p.openCaches(caches, snap)
	for _, s := range snap.Scenes {
		p.scenes[s] = compileScene(s, snap, obs)
		for _, class := range traffic.All() {
			p.scenes[s].guards[class] = compileGuards(p.policies, class, s, snap)
		}
	}
	return p, nil
}

// fingerprint of the price rule types: ids of another configuration may mean others.
func fingerprint(types []*facts.PriceRuleType) uint64 {
	h := fnv.New64a()
	for _, t := range types {
		if t != nil {
			_, _ = fmt.Fprintf(h, "%d %s\n", t.ID, t.Name) // a hash takes everything
		}
	}
	return h.Sum64()
}

func compileScene(s *scenes.Scene, snap *scenes.Snapshot, obs [traffic.Count]TrafficObserver) *sceneEntry {
	e := &sceneEntry{scene: s, base: compilePlan(s, variant{scenario: s.Scenario, vouchers: true})}
	if s.Experiment != nil {
		for _, g := range s.Experiment.Groups {
			v := variant{scenario: s.Scenario, vouchers: true}
			if g.Scenario != nil {
				v.scenario = g.Scenario
			}
			if g.PriceAfterVoucher != nil {
				v.vouchers = *g.PriceAfterVoucher
			}
			e.groups = append(e.groups, compilePlan(s, v))
		}
	}
	for _, d := range snap.Downgrades {
		if d.Scenes == nil || d.Scenes[s] {
			e.downgrades = append(e.downgrades, d)
		}
	}
	client := ""
	if s.Client != nil {
		client = s.Client.Name
	}
	for class, o := range obs {
		if o != nil {
			e.obs[class] = o.Scene(SceneLabels{Scene: s.Name, Client: client, Scenario: s.Scenario.Name, NeedStock: e.base.withStock})
		}
	}
	return e
}

func openMarket(snap *scenes.Snapshot, region *scenes.Region, class traffic.Class, deps *Deps) (*market, error) {
	providers, err := deps.Open(snap, region, class)
	if err != nil {
		return nil, err
	}
	return newMarket(region, providers, snap, class)
}

func newMarket(region *scenes.Region, p *Providers, snap *scenes.Snapshot, class traffic.Class) (*market, error) {
	m := &market{region: region}
	conf := func(c Command) *configv1.Dependency { return snap.Dependencies[c.String()] }
	var errs [commandCount]error
	m.price, errs[PriceQuery] = newDependency(PriceQuery, p.Price, conf(PriceQuery), class)
	m.stock, errs[StockQuery] = newDependency(StockQuery, p.Stock, conf(StockQuery), class)
	for i, provider := range []EligibilityProvider{p.ExclusivePrice, p.LiveStream, p.WelcomePackage} {
		c := CheckExclusivePrice + Command(i)
		m.eligibility[i], errs[c] = newDependency(c, provider, conf(c), class)
	}
	m.items, errs[ListingItems] = newDependency(ListingItems, p.Items, conf(ListingItems), class)
	m.labels, errs[ListingLabels] = newDependency(ListingLabels, p.Labels, conf(ListingLabels), class)
	m.tax, errs[TaxRates] = newDependency(TaxRates, p.Tax, conf(TaxRates), class)
	m.rebate, errs[RebateQuery] = newDependency(RebateQuery, p.Rebate, conf(RebateQuery), class)
	m.voucher, errs[BestVouchers] = newDependency(BestVouchers, p.Voucher, conf(BestVouchers), class)
	m.gmv, errs[GMVQuery] = newDependency(GMVQuery, p.GMV, conf(GMVQuery), class)
	m.decoration, errs[DecorationQuery] = newDependency(DecorationQuery, p.Decoration, conf(DecorationQuery), class)
	m.packages, errs[PackageQuery] = newDependency(PackageQuery, p.Package, conf(PackageQuery), class)
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	m.price.check, m.stock.check, m.tax.check, m.rebate.check, m.voucher.check = checkPrices, checkStocks, checkTaxes, checkRebates, checkVouchers
	return m, nil
}

// scene finds the scene that a request names.
func (p *program) sceneByID(id int64) (*scenes.Scene, error) {
	if s := p.snap.ScenesByID[id]; s != nil {
		return s, nil
	}
	return nil, noScene("scene_id", strconv.FormatInt(id, 10))
}

func (p *program) sceneByName(name string) (*scenes.Scene, error) {
	if s := p.snap.ScenesByName[name]; s != nil {
		return s, nil
	}
	return nil, noScene("scene_name", strconv.Quote(name))
}

func noScene(field, what string) error {
	e := fault.New(fault.NotFound, "SCENE_NOT_FOUND", "no scene %s in this configuration: name one of the client's allowed_scenes", what)
	e.Field = field
	return e
}

// assign picks the plan of the request: the scene's, or that of the group its unit falls into.
func (st *state) assign(e *sceneEntry) {
	st.plan = e.base
	x := e.scene.Experiment
	if x == nil {
		return
	}
	var bucket uint32
	switch {
	case x.Unit != nil:
		unit, err := x.Unit.Key(&st.input)
		if err != nil {
			st.ruleError("experiment "+x.Name, err)
			return // the safe answer: outside of the experiment
		}
		bucket = rules.Bucket(x.Salt, unit, 100_000)
	case st.user.ID != 0:
		var buf [20]byte
		bucket = rules.Bucket(x.Salt, string(strconv.AppendInt(buf[:0], st.user.ID, 10)), 100_000)
	default:
		return
	}
	for i := range x.Groups {
		if bucket < x.Groups[i].Upper {
			st.group, st.plan = x.Groups[i].Name, e.groups[i]
			return
		}
	}
}

// findDowngrades collects the downgrades in force and, where the scene itself is downgraded, changes to its downgraded plan.
func (st *state) findDowngrades(now time.Time) {
	for _, d := range st.scene.downgrades {
		st.turnOff(d, now)
	}
	for _, d := range st.program.thrown[st.scene.scene] {
		st.turnOff(d, now)
	}
	if st.off.has(configv1.DowngradeFeature_DOWNGRADE_FEATURE_SCENE) && st.plan.downgraded != nil {
		st.plan = st.plan.downgraded
	}
	if st.plan.isDowngraded {
		st.downgradedBy(featureNames[configv1.DowngradeFeature_DOWNGRADE_FEATURE_SCENE], "scene:"+st.scene.scene.Name)
	}
}

// turnOff turns a feature off if the downgrade is in force for the request.
func (st *state) turnOff(d *scenes.Downgrade, now time.Time) {
	if d.Regions != nil && !d.Regions[st.market.region.Code] || !inForce(d.Until, now) {
		return
	}
	st.off.add(d.Feature)
	if st.plan.affectedBy(d.Feature) {
		st.downgradedBy(featureNames[d.Feature], d.Scope)
	}
	if d.Feature == configv1.DowngradeFeature_DOWNGRADE_FEATURE_TAX {
		st.taxScope = d.Scope
	}
}

// featureNames are the names of the features in responses, traces and metrics.
var featureNames = [...]string{
	configv1.DowngradeFeature_DOWNGRADE_FEATURE_UNSPECIFIED:         "",
	configv1.DowngradeFeature_DOWNGRADE_FEATURE_PRICE_AFTER_VOUCHER: "price_after_voucher",
	configv1.DowngradeFeature_DOWNGRADE_FEATURE_EXCLUSIVE_PRICE:     "exclusive_price",
	configv1.DowngradeFeature_DOWNGRADE_FEATURE_LIVE_STREAM_PRICE:   "live_stream_price",
	configv1.DowngradeFeature_DOWNGRADE_FEATURE_WELCOME_PACKAGE:     "welcome_package",
	configv1.DowngradeFeature_DOWNGRADE_FEATURE_REBATE:              "rebate",
	configv1.DowngradeFeature_DOWNGRADE_FEATURE_TAX:                 "tax",
	configv1.DowngradeFeature_DOWNGRADE_FEATURE_STOCK:               "stock",
	configv1.DowngradeFeature_DOWNGRADE_FEATURE_ITEM_DISPLAY:        "item_display",
	configv1.DowngradeFeature_DOWNGRADE_FEATURE_SCENE:               "scene",
}

// affectedBy says whether a feature is part of the plan at all: what a scene does not need cannot be missing from its answers.
func (p *plan) affectedBy(f configv1.DowngradeFeature) bool {
	switch f {
	case configv1.DowngradeFeature_DOWNGRADE_FEATURE_PRICE_AFTER_VOUCHER:
		return p.vouchers
	case configv1.DowngradeFeature_DOWNGRADE_FEATURE_EXCLUSIVE_PRICE,
		configv1.DowngradeFeature_DOWNGRADE_FEATURE_LIVE_STREAM_PRICE,
		configv1.DowngradeFeature_DOWNGRADE_FEATURE_WELCOME_PACKAGE:
		return p.login
	case configv1.DowngradeFeature_DOWNGRADE_FEATURE_REBATE:
		return p.rebate
	case configv1.DowngradeFeature_DOWNGRADE_FEATURE_TAX:
		return p.taxInfo
	case configv1.DowngradeFeature_DOWNGRADE_FEATURE_STOCK:
		return p.stock
	case configv1.DowngradeFeature_DOWNGRADE_FEATURE_ITEM_DISPLAY:
		return p.itemDisplay
	}
	return true
}
