package scenes

import (
	"fmt"
	"maps"
	"slices"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// commands are the calls to dependencies that a pipeline may make.
var commands = [...]string{
	"price.query", "stock.query", "eligibility.exclusive_price", "eligibility.live_stream", "eligibility.welcome_package",
	"listing.items", "listing.labels", "tax.rates", "rebate.query", "voucher.best_vouchers", "gmv.query", "decoration.query", "package.query",
}

// Commands are the calls to dependencies that a pipeline may make.
func Commands() []string { return slices.Clone(commands[:]) }

func (l *linker) clientReferences() {
	type owner struct {
		client int
		at     *source.Place
	}
	owners := map[string]owner{}
	for i, c := range l.bundle.GetClients() {
		l.pace.Step()
		at := l.root.Field("clients").Index(i)
		l.findAll(l.scenes, c.GetAllowedScenes(), at.Field("allowed_scenes"))
		for j, credential := range c.GetCredentialIds() {
			here := at.Field("credential_ids").Index(j)
			first, taken := owners[credential]
			switch {
			case !taken:
				owners[credential] = owner{i, here}
			case first.client != i:
				l.twice(diag.DuplicateCredential, fmt.Sprintf("credential %s belongs to two clients", credential), "a credential is one client's: take it out of the other", here, first.at)
			}
		}
	}
}

func (l *linker) scenarioReferences() {
	for i, s := range l.bundle.GetScenarios() {
		at := l.root.Field("scenarios").Index(i).Field("voucher")
		l.find(l.pools, s.GetVoucher().GetShopVoucherPool(), at, "shop_voucher_pool")
		l.find(l.pools, s.GetVoucher().GetPlatformVoucherPool(), at, "platform_voucher_pool")
	}
}

func (l *linker) sceneReferences() {
	allowed := sets(l.bundle.GetClients(), (*configv1.Client).GetAllowedScenes)
	listed := sets(l.bundle.GetExperiments(), (*configv1.Experiment).GetScenes)
	for i, s := range l.bundle.GetScenes() {
		l.pace.Step()
		at := l.root.Field("scenes").Index(i)
		if c, ok := l.find(l.clients, s.GetClient(), at, "client"); ok && !allowed[c][s.GetName()] && l.lists(l.clientScenes(c), s.GetName(), at) {
			client := l.root.Field("clients").Index(c)
			d := at.Field("client").Error(diag.SceneNotAllowed, fmt.Sprintf("client %s owns scene %s but does not allow it", s.GetClient(), s.GetName()),
				fmt.Sprintf("add %s to the client's allowed_scenes", s.GetName()))
			d.Related = []diag.Related{client.Field("allowed_scenes").Span().Related("the client's allowed_scenes")}
			l.report(d)
		}
		l.scenario(s.GetScenario(), at.Field("scenario"))
		l.find(l.bypasses, s.GetVoucher().GetBypassValidation(), at, "voucher", "bypass_validation")
		l.find(l.pools, s.GetVoucher().GetDowngradedShopVoucherPool(), at, "voucher", "downgraded_shop_voucher_pool")
		l.find(l.pools, s.GetVoucher().GetDowngradedPlatformVoucherPool(), at, "voucher", "downgraded_platform_voucher_pool")
		l.find(l.exclusions, s.GetProductPromotion().GetExclusionRule(), at, "product_promotion", "exclusion_rule")
		l.find(l.inclusions, s.GetProductPromotion().GetInclusionRule(), at, "product_promotion", "inclusion_rule")
		l.find(l.inclusions, s.GetItemDisplay().GetItemTeaserPromoInclusionRule(), at, "item_display", "item_teaser_promo_inclusion_rule")
		l.experimentOf(s, at, listed)
		l.stock(s.GetStock(), at.Field("stock"))
	}
}

// nameList is a list of names of scenes, with its place.
type nameList struct {
	names []string
	at    *source.Place
}

func (l *linker) clientScenes(i int) nameList {
	return nameList{l.bundle.GetClients()[i].GetAllowedScenes(), l.root.Field("clients").Index(i).Field("allowed_scenes")}
}

func (l *linker) experimentScenes(i int) nameList {
	return nameList{l.bundle.GetExperiments()[i].GetScenes(), l.root.Field("experiments").Index(i).Field("scenes")}
}

// lists says whether it is worth a finding that a list lacks a scene: not where the list was not understood, or names the scene wrongly, or the
// scene's own name is wrong, each of which was reported.
func (l *linker) lists(list nameList, scene string, at *source.Place) bool {
	return scene != "" && !list.at.Bad() && !l.scenes.means(list.names, scene) && (len(l.broken) == 0 || !l.broken[at.Field("name").Path()])
}

// sets are the names that each entity lists.
func sets[E any](entities []E, names func(E) []string) []map[string]bool {
	out := make([]map[string]bool, len(entities))
	for i, e := range entities {
		out[i] = make(map[string]bool, len(names(e)))
		for _, name := range names(e) {
			out[i][name] = true
		}
	}
	return out
}

// scenario finds a scenario that may be used.
func (l *linker) scenario(name string, at *source.Place) {
	i, ok := l.find(l.scenarios, name, at)
	if ok && l.bundle.GetScenarios()[i].GetRetired() {
		d := at.Error(diag.RetiredScenario, fmt.Sprintf("scenario %s is retired", name), "use another scenario: a retired one only reserves its id and name")
		d.Related = []diag.Related{l.root.Field("scenarios").Index(i).Field("retired").Span().Related("retired here")}
		l.report(d)
	}
}

// experimentOf checks that the experiment which a scene names lists the scene.
func (l *linker) experimentOf(s *configv1.Scene, scene *source.Place, listed []map[string]bool) {
	at := scene.Field("ab_test")
	i, ok := l.find(l.experiments, s.GetAbTest(), at)
	if !ok || listed[i][s.GetName()] || !l.lists(l.experimentScenes(i), s.GetName(), scene) {
		return
	}
	d := at.Error(diag.ExperimentMismatch, fmt.Sprintf("experiment %s does not list scene %s", s.GetAbTest(), s.GetName()),
		fmt.Sprintf("add %s to the experiment's scenes, or take ab_test out", s.GetName()))
	d.Related = []diag.Related{l.root.Field("experiments").Index(i).Field("scenes").Span().Related("the experiment's scenes")}
	l.report(d)
}

// stock checks that what is a part of the stock is asked for together with it.
func (l *linker) stock(s *configv1.SceneStock, at *source.Place) {
	if s.GetNeedStock() || at.Field("need_stock").Bad() {
		return
	}
	for _, part := range []struct {
		on    bool
		field string
	}{
		{s.GetNeedStockBreakdown(), "need_stock_breakdown"},
		{s.GetNeedTimeslotStocks(), "need_timeslot_stocks"},
		{s.GetNeedToApplyPurchaseLimit(), "need_to_apply_purchase_limit"},
	} {
		if part.on {
			l.report(at.Field(part.field).Error(diag.NeedsStock, part.field+" needs need_stock", "add need_stock: true, or take it out"))
		}
	}
}

func (l *linker) ruleReferences() {
	for i, r := range l.bundle.GetExclusionRules() {
		l.findAll(l.types, r.GetExcludedPriceRuleTypes(), l.root.Field("exclusion_rules").Index(i).Field("excluded_price_rule_types"))
	}
	for i, r := range l.bundle.GetInclusionRules() {
		l.findAll(l.types, r.GetIncludedPriceRuleTypes(), l.root.Field("inclusion_rules").Index(i).Field("included_price_rule_types"))
	}
	seen := map[string]*source.Place{}
	for i, r := range l.bundle.GetEligibilityRules() {
		l.oncePerCommand(seen, "eligibility rules", r.GetCommand(), l.root.Field("eligibility_rules").Index(i).Field("command"))
	}
}

func (l *linker) dependencyReferences() {
	seen := map[string]*source.Place{}
	for i, d := range l.bundle.GetDependencies() {
		at := l.root.Field("dependencies").Index(i)
		if d.GetCommand() != "" && !slices.Contains(commands[:], d.GetCommand()) {
			l.report(at.Field("command").Error(diag.UnknownCommand, fmt.Sprintf("there is no command %s", d.GetCommand()),
				diag.Suggest(d.GetCommand(), "commands", commands[:])))
		}
		l.oncePerCommand(seen, "dependencies", d.GetCommand(), at.Field("command"))
		l.limitsIn(d.GetLimits(), at.Field("limits"))
		l.rateLimiter(d.GetRateLimiter(), at.Field("rate_limiter"))
		for _, code := range slices.Sorted(maps.Keys(d.GetRegions())) {
			l.find(l.regions, code, at.Field("regions").Key(code))
		}
	}
}

func (l *linker) oncePerCommand(seen map[string]*source.Place, plural, command string, at *source.Place) {
	if first := seen[command]; first != nil {
		l.twice(diag.DuplicateCommand, fmt.Sprintf("command %s has two %s", command, plural), "make one of the two", at, first)
	} else if command != "" {
		seen[command] = at
	}
}

func (l *linker) downgradeReferences() {
	for i, d := range l.bundle.GetDowngrades() {
		at := l.root.Field("downgrades").Index(i)
		l.findAll(l.regions, d.GetRegions(), at.Field("regions"))
		l.findAll(l.scenes, d.GetScenes(), at.Field("scenes"))
	}
}
