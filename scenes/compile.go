package scenes

import (
	"cmp"
	"slices"
	"strings"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/facts"
	"proscenium/rules"
	"proscenium/traffic"
)

// compile builds the snapshot of a bundle that has no errors: every reference resolves.
func compile(b *configv1.Bundle, links links, exprs expressions, forms *forms, sources []string, now time.Time) *Snapshot {
	c := &compiler{bundle: b, links: links, exprs: exprs, forms: forms}
	c.snap = &Snapshot{
		Version: versionOf(b, forms), LoadedAt: now, Sources: sources, Bundle: b,
		Regions: make(map[string]*Region, len(b.GetRegions())),
		Caches:  filled(forms, b.GetCaches()), Policies: &Policies{},
	}
	c.regions()
	c.types()
	c.rules()
	c.policies()
	c.vouchers()
	c.scenarios()
	c.scenes()
	c.clients()
	c.experiments()
	c.dependencies()
	c.downgrades()
	return c.snap
}

type compiler struct {
	bundle *configv1.Bundle
	links  links
	exprs  expressions
	forms  *forms
	snap   *Snapshot

	allSceneBreakers               [traffic.Count]map[string]BreakerRule // those of scenes without breakers of their own
	exclusionRules, inclusionRules map[string]*PromoRule
	scenariosByName                map[string]*Scenario
}

func (c *compiler) regions() {
	for _, r := range c.bundle.GetRegions() {
		full := filled(c.forms, r)
		location, _ := zone(r.GetTimeZone()) // it loaded when it was checked
		c.snap.Regions[r.GetCode()] = &Region{
			Code: r.GetCode(), Currency: r.GetCurrency(), Zone: location, Rounding: full.GetRounding(), TaxMode: full.GetDefaultTaxMode(),
		}
	}
}

func (c *compiler) types() {
	for _, t := range c.bundle.GetPriceRuleTypes() {
		full := filled(c.forms, t)
		typ := &facts.PriceRuleType{
			ID: t.GetId(), Name: t.GetName(), Priority: t.GetPriority(), Exclusivity: facts.Exclusivity(full.GetExclusivity()),
			Original: t.GetIsOriginalPrice(), FlexibleLiveStream: t.GetFlexibleLiveStream(),
		}
		if missing := int(t.GetId()) + 1 - len(c.snap.Types); missing > 0 {
			c.snap.Types = append(c.snap.Types, make([]*facts.PriceRuleType, missing)...)
		}
		c.snap.Types[t.GetId()] = typ
		if typ.Original {
			c.snap.OriginalType = typ
		}
	}
}

func (c *compiler) rules() {
	c.exclusionRules = make(map[string]*PromoRule, len(c.bundle.GetExclusionRules()))
	for i, r := range c.bundle.GetExclusionRules() {
		c.exclusionRules[r.GetName()] = &PromoRule{Name: r.GetName(), Types: c.typeSet(r.GetExcludedPriceRuleTypes()), When: c.exprs.exclusions[i]}
	}
	c.inclusionRules = make(map[string]*PromoRule, len(c.bundle.GetInclusionRules()))
	for i, r := range c.bundle.GetInclusionRules() {
		c.inclusionRules[r.GetName()] = &PromoRule{Name: r.GetName(), Types: c.typeSet(r.GetIncludedPriceRuleTypes()), When: c.exprs.inclusions[i]}
	}
	c.snap.EligibilityRules = make(map[string]*rules.Rule, len(c.bundle.GetEligibilityRules()))
	for i, r := range c.bundle.GetEligibilityRules() {
		c.snap.EligibilityRules[r.GetCommand()] = c.exprs.eligibility[i]
	}
}

// typeSet is indexed by the id of a price rule type; nil for no names: any type.
func (c *compiler) typeSet(names []string) []bool {
	if len(names) == 0 {
		return nil
	}
	set := make([]bool, len(c.snap.Types))
	for _, name := range names {
		set[c.bundle.GetPriceRuleTypes()[c.links.types.byName[name]].GetId()] = true
	}
	return set
}

func (c *compiler) vouchers() {
	c.snap.VoucherPools = make(map[string]*VoucherPool, len(c.bundle.GetVoucherPools()))
	for i, p := range c.bundle.GetVoucherPools() {
		c.snap.VoucherPools[p.GetName()] = &VoucherPool{Name: p.GetName(), When: c.exprs.pools[i]}
	}
	c.snap.BypassRules = make(map[string]*BypassRule, len(c.bundle.GetBypassRules()))
	for _, r := range c.bundle.GetBypassRules() {
		rule := &BypassRule{Name: r.GetName()}
		for _, validation := range r.GetSkip() {
			rule.Skip[validation] = true
		}
		c.snap.BypassRules[r.GetName()] = rule
	}
	reducing := c.bundle.GetVouchers().GetPriceReducingRewardTypes()
	if len(reducing) == 0 {
		reducing = []configv1.RewardType{configv1.RewardType_REWARD_TYPE_DISCOUNT, configv1.RewardType_REWARD_TYPE_PREPAID_DISCOUNT}
	}
	for _, t := range reducing {
		c.snap.ReducesPrice[t] = true
	}
}

func (c *compiler) scenarios() {
	c.scenariosByName = make(map[string]*Scenario, len(c.bundle.GetScenarios()))
	for _, s := range c.bundle.GetScenarios() {
		spec := filled(c.forms, s)
		c.scenariosByName[s.GetName()] = &Scenario{
			ID: s.GetId(), Name: s.GetName(), Spec: spec,
			ShopPool:     c.snap.VoucherPools[spec.GetVoucher().GetShopVoucherPool()],
			PlatformPool: c.snap.VoucherPools[spec.GetVoucher().GetPlatformVoucherPool()],
		}
	}
}

func (c *compiler) scenes() {
	n := len(c.bundle.GetScenes())
	c.snap.Scenes = make([]*Scene, 0, n)
	c.snap.ScenesByID = make(map[int64]*Scene, n)
	c.snap.ScenesByName = make(map[string]*Scene, n)
	for _, s := range c.bundle.GetScenes() {
		spec := filled(c.forms, s)
		scene := &Scene{
			ID: s.GetId(), Name: s.GetName(), Spec: spec, Scenario: c.scenariosByName[s.GetScenario()], TimeMode: s.GetTimeMode(),
			Exclusion:              c.exclusionRules[spec.GetProductPromotion().GetExclusionRule()],
			Inclusion:              c.inclusionRules[spec.GetProductPromotion().GetInclusionRule()],
			ItemTeaserInclusion:    c.inclusionRules[spec.GetItemDisplay().GetItemTeaserPromoInclusionRule()],
			Bypass:                 c.snap.BypassRules[spec.GetVoucher().GetBypassValidation()],
			DowngradedShopPool:     c.snap.VoucherPools[spec.GetVoucher().GetDowngradedShopVoucherPool()],
			DowngradedPlatformPool: c.snap.VoucherPools[spec.GetVoucher().GetDowngradedPlatformVoucherPool()],
			Limits:                 c.limitsOf(s.GetLimits()),
			Breakers:               c.sceneBreakers(s.GetBreakers()),
			Queue:                  c.queueOf(s.GetRateLimiter()),
			Priority:               s.GetPriority(),
		}
		if scene.TimeMode == configv1.TimeMode_TIME_MODE_UNSPECIFIED {
			scene.TimeMode = scene.Scenario.Spec.GetTimeMode()
		}
		c.snap.Scenes = append(c.snap.Scenes, scene)
		c.snap.ScenesByID[scene.ID] = scene
		c.snap.ScenesByName[scene.Name] = scene
	}
	slices.SortFunc(c.snap.Scenes, func(a, b *Scene) int { return cmp.Compare(a.ID, b.ID) })
}

func (c *compiler) clients() {
	c.snap.Clients = make(map[string]*Client, len(c.bundle.GetClients()))
	for _, cl := range c.bundle.GetClients() {
		client := &Client{
			ID: cl.GetId(), Name: cl.GetName(), CredentialIDs: slices.Clone(cl.GetCredentialIds()),
			Allowed: make(map[*Scene]bool, len(cl.GetAllowedScenes())),
			Quota:   c.snap.Policies.Limits[cl.GetQuota()], AllowShadow: cl.GetAllowShadow(), Priority: filled(c.forms, cl).GetPriority(),
		}
		for _, name := range cl.GetAllowedScenes() {
			client.Allowed[c.snap.ScenesByName[name]] = true
		}
		c.snap.Clients[cl.GetName()] = client
	}
	for _, s := range c.snap.Scenes {
		s.Client = c.snap.Clients[s.Spec.GetClient()]
	}
}

func (c *compiler) experiments() {
	c.snap.Experiments = make(map[string]*Experiment, len(c.bundle.GetExperiments()))
	for i, e := range c.bundle.GetExperiments() {
		experiment := &Experiment{Name: e.GetName(), Salt: e.GetSalt(), Unit: c.exprs.units[i]}
		upper := uint32(0)
		for _, g := range e.GetGroups() {
			upper += uint32(g.GetShare())
			group := ExperimentGroup{Name: g.GetName(), Upper: upper, Scenario: c.scenariosByName[g.GetFeatures().GetScenario()]}
			if f := g.GetFeatures(); f != nil && f.PriceAfterVoucher != nil {
				on := f.GetPriceAfterVoucher()
				group.PriceAfterVoucher = &on
			}
			experiment.Groups = append(experiment.Groups, group)
		}
		c.snap.Experiments[e.GetName()] = experiment
	}
	for _, s := range c.snap.Scenes {
		s.Experiment = c.snap.Experiments[s.Spec.GetAbTest()]
	}
}

func (c *compiler) dependencies() {
	c.snap.Dependencies = make(map[string]*configv1.Dependency, len(c.bundle.GetDependencies()))
	c.snap.DependencyLimits, c.snap.DependencyQueues = map[string][]*Limit{}, map[string]*QueueRef{}
	for _, d := range c.bundle.GetDependencies() {
		c.snap.Dependencies[d.GetCommand()] = filled(c.forms, d)
		if limits := c.limitsOf(d.GetLimits()); limits != nil {
			c.snap.DependencyLimits[d.GetCommand()] = limits
		}
		if queue := c.queueOf(d.GetRateLimiter()); queue != nil {
			c.snap.DependencyQueues[d.GetCommand()] = queue
		}
	}
}

func (c *compiler) downgrades() {
	for _, d := range c.bundle.GetDowngrades() {
		down := &Downgrade{Feature: d.GetFeature(), Reason: d.GetReason(), Scope: scopeOf(d)}
		if d.GetUntil() != nil {
			down.Until = d.GetUntil().AsTime()
		}
		for _, code := range d.GetRegions() {
			if down.Regions == nil {
				down.Regions = make(map[string]bool, len(d.GetRegions()))
			}
			down.Regions[code] = true
		}
		for _, name := range d.GetScenes() {
			if down.Scenes == nil {
				down.Scenes = make(map[*Scene]bool, len(d.GetScenes()))
			}
			down.Scenes[c.snap.ScenesByName[name]] = true
		}
		c.snap.Downgrades = append(c.snap.Downgrades, down)
	}
}

// scopeOf names where a downgrade holds, as responses do.
func scopeOf(d *configv1.Downgrade) string {
	var parts []string
	for _, code := range slices.Sorted(slices.Values(d.GetRegions())) {
		parts = append(parts, "region:"+code)
	}
	for _, name := range slices.Sorted(slices.Values(d.GetScenes())) {
		parts = append(parts, "scene:"+name)
	}
	if len(parts) == 0 {
		return "all"
	}
	return strings.Join(parts, ",")
}
