package scenes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/rules"
	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// scenes finds scenes that can give no price, or no answer at all. All references are good.
func (c *checker) scenes() {
	for i, s := range c.bundle.GetScenes() {
		at := c.root.Field("scenes").Index(i)
		if !answers(s, configv1.DowngradeFeature_DOWNGRADE_FEATURE_UNSPECIFIED) {
			c.report(at.Field("name").Warning(diag.EmptyScene, fmt.Sprintf("scene %s asks for nothing: its answers are empty", s.GetName()),
				"say what it needs, such as model_display: {need_model_main_promo: true}"))
		}
		c.nothingLeft(s, at)
		c.elsewhere(s, at)
	}
	for i, s := range c.bundle.GetScenarios() {
		c.poolOf(s.GetVoucher().GetShopVoucherPool(), "SHOP_VOUCHER", c.root.Field("scenarios").Index(i).Field("voucher").Field("shop_voucher_pool"))
		c.poolOf(s.GetVoucher().GetPlatformVoucherPool(), "PLATFORM_VOUCHER", c.root.Field("scenarios").Index(i).Field("voucher").Field("platform_voucher_pool"))
		if e := s.GetEligibility(); e.GetAutomaticallyEnableOngoingLiveStreamPromotions() && !e.GetLoginMode() {
			c.noEffect(c.root.Field("scenarios").Index(i).Field("eligibility").Field("automatically_enable_ongoing_live_stream_promotions"),
				"automatically_enable_ongoing_live_stream_promotions", "login_mode")
		}
	}
	for i, client := range c.bundle.GetClients() {
		if len(client.GetAllowedScenes()) == 0 {
			c.report(c.root.Field("clients").Index(i).Field("name").Warning(diag.Unused, fmt.Sprintf("client %s may use no scene", client.GetName()),
				"list its scenes in allowed_scenes, or take the client out"))
		}
	}
	c.exclusivities()
}

// nothingLeft finds scenes whose rules together leave no type of promotion. What a rule does by itself is reported at the rule.
func (c *checker) nothingLeft(s *configv1.Scene, at *source.Place) {
	p := s.GetProductPromotion()
	var excluded []string
	if i, ok := c.links.exclusions.byName[p.GetExclusionRule()]; ok && c.excludesAlways(i) {
		excluded = c.bundle.GetExclusionRules()[i].GetExcludedPriceRuleTypes()
		if len(excluded) == 0 || len(c.left(excluded, nil)) == 0 {
			return
		}
	}
	kept := c.left(excluded, nil)
	if i, ok := c.links.inclusions.byName[p.GetInclusionRule()]; ok {
		kept = c.sift(kept, i)
		if len(kept) == 0 && !c.never(c.exprs.inclusions[i]) && excluded != nil {
			c.report(at.Field("product_promotion").Field("inclusion_rule").Warning(diag.NothingLeft,
				fmt.Sprintf("scene %s has no price: exclusion rule %s drops every type that inclusion rule %s keeps", s.GetName(), p.GetExclusionRule(), p.GetInclusionRule()),
				"take one of the two rules out, or let them leave a type"))
			return
		}
	}
	if len(kept) == 0 {
		return
	}
	if i, ok := c.links.inclusions.byName[s.GetItemDisplay().GetItemTeaserPromoInclusionRule()]; ok && !c.never(c.exprs.inclusions[i]) && len(c.sift(kept, i)) == 0 {
		c.report(at.Field("item_display").Field("item_teaser_promo_inclusion_rule").Warning(diag.NothingLeft,
			fmt.Sprintf("scene %s has no teaser: its other rules drop every type that %s keeps", s.GetName(), s.GetItemDisplay().GetItemTeaserPromoInclusionRule()),
			"let the rules leave a type that may be a teaser, or take the teaser out"))
	}
	c.flexibleLeft(s, kept, at)
}

// flexibleLeft warns of a scene whose rules drop what it asks for.
func (c *checker) flexibleLeft(s *configv1.Scene, kept map[string]bool, at *source.Place) {
	if !s.GetModelDisplay().GetNeedSoldOutFlexibleLiveStreamPromo() {
		return
	}
	flexible := false
	for _, t := range c.bundle.GetPriceRuleTypes() {
		if t.GetFlexibleLiveStream() && kept[t.GetName()] {
			return
		}
		flexible = flexible || t.GetFlexibleLiveStream()
	}
	if flexible { // without any, switches has said so
		c.report(at.Field("model_display").Field("need_sold_out_flexible_live_stream_promo").Warning(diag.NoEffect,
			"the scene's rules drop every flexible_live_stream type, so there is none to return", "let the rules keep one, or take this out"))
	}
}

// sift is what an inclusion rule keeps of the types.
func (c *checker) sift(kept map[string]bool, rule int) map[string]bool {
	r, when := c.bundle.GetInclusionRules()[rule], c.exprs.inclusions[rule]
	out := map[string]bool{}
	for name := range kept {
		listed := len(r.GetIncludedPriceRuleTypes()) == 0 || slices.Contains(r.GetIncludedPriceRuleTypes(), name)
		if listed && (when == nil || when.Allows("promo.type", name)) {
			out[name] = true
		}
	}
	return out
}

// never says whether a condition is never true.
func (c *checker) never(when *rules.Rule) bool {
	if when == nil {
		return false
	}
	value, is := when.Constant()
	return is && !value
}

// elsewhere finds scenes with rules that ask for another scene, client or scenario.
func (c *checker) elsewhere(s *configv1.Scene, scene *source.Place) {
	promos := scene.Field("product_promotion")
	look := func(x *index, name string, compiled []*rules.Rule, effect string, at func() *source.Place) {
		i, ok := x.byName[name]
		if !ok || compiled[i] == nil || c.never(compiled[i]) {
			return
		}
		runs := false
		for _, scenario := range c.scenarios(s) {
			runs = runs || compiled[i].Allows("request.scenario", scenario.GetName())
		}
		var variable string
		switch {
		case !compiled[i].Allows("request.scene", s.GetName()):
			variable = "request.scene"
		case !compiled[i].Allows("request.client", s.GetClient()):
			variable = "request.client"
		case !runs:
			variable = "request.scenario"
		default:
			return
		}
		c.report(at().Warning(diag.NoEffect, fmt.Sprintf("%s %s %s in scene %s: its when asks for another %s", x.kind, name, effect, s.GetName(), variable),
			"mend the condition on "+variable+" in the rule, or use another rule here"))
	}
	look(c.links.exclusions, s.GetProductPromotion().GetExclusionRule(), c.exprs.exclusions, "drops nothing", func() *source.Place { return promos.Field("exclusion_rule") })
	look(c.links.inclusions, s.GetProductPromotion().GetInclusionRule(), c.exprs.inclusions, "keeps nothing", func() *source.Place { return promos.Field("inclusion_rule") })
	look(c.links.inclusions, s.GetItemDisplay().GetItemTeaserPromoInclusionRule(), c.exprs.inclusions, "keeps no teaser", func() *source.Place {
		return scene.Field("item_display").Field("item_teaser_promo_inclusion_rule")
	})
}

// poolOf finds pools that hold vouchers of the other kind only.
func (c *checker) poolOf(name, kind string, at *source.Place) {
	i, ok := c.links.pools.byName[name]
	if !ok || c.exprs.pools[i] == nil || c.never(c.exprs.pools[i]) || c.exprs.pools[i].Allows("voucher.type", kind) {
		return
	}
	c.report(at.Warning(diag.MatchesNothing, fmt.Sprintf("voucher pool %s has no voucher of type %s, and only such are taken from it here", name, kind),
		"name another pool: are the shop's and the platform's exchanged?"))
}

// exclusivities finds types that nobody gets, since the embedded provider has no rule for them.
func (c *checker) exclusivities() {
	ruled := map[string]bool{}
	for _, r := range c.bundle.GetEligibilityRules() {
		ruled[r.GetCommand()] = true
	}
	reported := map[string]bool{}
	for i, t := range c.bundle.GetPriceRuleTypes() {
		command := map[configv1.Exclusivity]string{
			configv1.Exclusivity_EXCLUSIVITY_EXCLUSIVE_PRICE: "eligibility.exclusive_price",
			configv1.Exclusivity_EXCLUSIVITY_WELCOME_PACKAGE: "eligibility.welcome_package",
		}[t.GetExclusivity()] // live streams have a rule of the provider's own
		if command == "" || ruled[command] || reported[command] || !c.asksCatalog(command) || !c.called(command) {
			continue
		}
		reported[command] = true
		c.report(c.root.Field("price_rule_types").Index(i).Field("exclusivity").Warning(diag.NobodyEligible,
			fmt.Sprintf("no logged-in user gets a promotion of type %s: there is no eligibility rule for %s", t.GetName(), command),
			"add one to eligibility_rules: the command, and a when such as promo.audience in user.segments"))
	}
}

// asksCatalog says whether the embedded provider over the catalog answers a command, in one region at least.
func (c *checker) asksCatalog(command string) bool {
	for _, d := range c.bundle.GetDependencies() {
		if d.GetCommand() != command {
			continue
		}
		embedded := d.GetProvider() == nil || isCatalog(d.GetProvider())
		for _, p := range d.GetRegions() {
			embedded = embedded || isCatalog(p)
		}
		return embedded
	}
	return true
}

func isCatalog(p *configv1.Provider) bool {
	return p.GetEmbedded() != nil && p.GetEmbedded().GetName() == ""
}

// listOf names a few of the names.
func listOf(names map[string]bool) string {
	sorted := slices.Sorted(maps.Keys(names))
	if len(sorted) > 3 {
		return strings.Join(sorted[:3], ", ") + fmt.Sprintf(" and %d more", len(sorted)-3)
	}
	return strings.Join(sorted, ", ")
}
