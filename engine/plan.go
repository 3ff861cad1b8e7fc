package engine

import (
	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes"
)

// plan is a scene compiled: the stages that it needs with everything static resolved. It is immutable.
type plan struct {
	scene    *scenes.Scene
	scenario *scenes.Scenario
	// downgraded is the plan while the scene is downgraded; nil if this is it.
	downgraded *plan
	// isDowngraded says that the configuration itself downgrades the scene.
	isDowngraded bool
	stages       []Stage
	propagate    bool

	// Query.
	orderFlow bool
	anyTime   bool // a request may name the time
	withStock bool
	ongoing   bool // lists of promotions are returned
	upcoming  bool // some part of the answer announces what comes

	// Rules and eligibility.
	exclusion, inclusion, itemTeaserInclusion promoRule
	rulesNeedItems, rulesNeedLabels           bool
	login                                     bool
	enableOngoingLiveStreams                  bool
	strictTeaser                              bool

	taxInfo   bool
	taxMode   configv1.TaxSelectionMode
	detail    bool
	modelSort configv1.MainPromoSorting
	itemSort  configv1.MainPromoSorting
	// teasers
	modelTeaserSort, itemTeaserSort configv1.TeaserPromoSorting
	coexist                         bool

	rebate     bool // the final price or the answer needs it
	rebateInfo bool
	addBack    bool

	vouchers                           bool
	shopPool, platformPool             *scenes.VoucherPool
	downgradedShop, downgradedPlatform *scenes.VoucherPool
	voucherDetail                      bool
	voucherBest, voucherNext           bool
	voucherHighest                     bool

	stock, stockBreakdown, timeslots, purchaseLimit bool

	modelMain, modelMainDecor, modelTeaser, modelTeaserDecor, modelOriginal, soldOutLive bool
	itemMain, itemMainDecor, itemTeaser, itemTeaserDecor, itemOriginal                   bool
	itemDisplay                                                                          bool
	gmv                                                                                  bool
	packages                                                                             bool
	models                                                                               bool // the answer has models
}

// promoRule is a rule of the scene, or none, with what it looks at.
type promoRule struct {
	*scenes.PromoRule
	needsItems, needsLabels bool
}

func newPromoRule(r *scenes.PromoRule) promoRule {
	p := promoRule{PromoRule: r}
	if r != nil && r.When != nil {
		p.needsItems, p.needsLabels = usesItemFacts(r), r.When.Uses("item.labels")
	}
	return p
}

// variant is what an experiment's group changes of a scene.
type variant struct {
	scenario *scenes.Scenario
	vouchers bool
}

// compilePlan compiles a scene under a variant.
func compilePlan(s *scenes.Scene, v variant) *plan {
	full := buildPlan(s, v, false)
	full.downgraded = buildPlan(s, v, true)
	if full.isDowngraded {
		full.downgraded.isDowngraded = true
		return full.downgraded
	}
	return full
}

func buildPlan(s *scenes.Scene, v variant, downgraded bool) *plan {
	spec, scenario := s.Spec, v.scenario
	optional := !downgraded
	p := &plan{
		scene: s, scenario: scenario,
		isDowngraded: spec.GetDowngrade().GetIsDowngraded(),
		propagate:    spec.GetDowngrade().GetPropagateErrorWhenFinalPriceRelatedDependencyFails(),
		orderFlow:    spec.GetOrderFlow(),
		anyTime:      timeMode(spec, scenario) == configv1.TimeMode_TIME_MODE_ANY_TIME,
		ongoing:      spec.GetProductPromotion().GetNeedOngoingPromos(),
		exclusion:    newPromoRule(s.Exclusion), inclusion: newPromoRule(s.Inclusion),
		login:                    scenario.Spec.GetEligibility().GetLoginMode(),
		enableOngoingLiveStreams: scenario.Spec.GetEligibility().GetAutomaticallyEnableOngoingLiveStreamPromotions(),
		taxMode:                  scenario.Spec.GetTax().GetSelectionMode(),
		detail:                   spec.GetProductPromotion().GetNeedPriceDetail(),
		modelSort:                scenario.Spec.GetModelDisplay().GetMainPromoSorting(),
		itemSort:                 scenario.Spec.GetItemDisplay().GetMainPromoSorting(),
		modelTeaserSort:          scenario.Spec.GetModelDisplay().GetTeaserPromoSorting(),
		itemTeaserSort:           scenario.Spec.GetItemDisplay().GetTeaserPromoSorting(),
		coexist:                  scenario.Spec.GetItemDisplay().GetAllowTeaserToCoexistWithMainPromo(),
		addBack:                  scenario.Spec.GetRebate().GetAddBackRebateToFinalPrice(),
	}
	m, i := spec.GetModelDisplay(), spec.GetItemDisplay()
	p.modelMain, p.modelTeaser = m.GetNeedModelMainPromo(), m.GetNeedModelTeaserPromo()
	p.modelOriginal, p.soldOutLive = m.GetNeedModelOriginalPromo(), m.GetNeedSoldOutFlexibleLiveStreamPromo()
	if optional {
		p.modelMainDecor, p.modelTeaserDecor = m.GetNeedModelMainPromoDecoration(), m.GetNeedModelTeaserPromoDecoration()
		p.itemMain, p.itemMainDecor = i.GetNeedItemMainPromo(), i.GetNeedItemMainPromoDecoration()
		p.itemTeaser, p.itemTeaserDecor = i.GetNeedItemTeaserPromo(), i.GetNeedItemTeaserPromoDecoration()
		p.itemOriginal = i.GetNeedItemOriginalPromo()
		p.itemDisplay = p.itemMain || p.itemTeaser || p.itemOriginal
		p.gmv = p.itemDisplay && p.itemSort == configv1.MainPromoSorting_MAIN_PROMO_SORTING_GMV
		p.packages = spec.GetPackagePromotions().GetNeedPackagePromotions()
		p.taxInfo = spec.GetTax().GetNeedTaxInfo()
		p.rebateInfo = spec.GetRebate().GetNeedRebateInfo()
		p.rebate = p.rebateInfo || p.addBack
		p.compileVouchers(s, v)
		stock := spec.GetStock()
		p.stock = stock.GetNeedStock()
		p.stockBreakdown = p.stock && stock.GetNeedStockBreakdown()
		p.timeslots = p.stock && stock.GetNeedTimeslotStocks()
		p.purchaseLimit = p.stock && stock.GetNeedToApplyPurchaseLimit()
	}
	if downgraded && i.GetNeedItemMainPromo() {
		p.itemMain, p.itemDisplay = true, true // what is left of a scene of items is their price
	}
	p.withStock = p.stock
	p.upcoming = spec.GetProductPromotion().GetNeedUpcomingPromos() || p.modelTeaser || p.itemTeaser
	p.strictTeaser = p.itemTeaser && scenario.Spec.GetItemDisplay().GetTeaserStrictness() == configv1.TeaserStrictness_TEASER_STRICTNESS_STRICT
	if p.itemTeaser {
		p.itemTeaserInclusion = newPromoRule(s.ItemTeaserInclusion)
	}
	for _, rule := range []promoRule{p.exclusion, p.inclusion, p.itemTeaserInclusion} {
		p.rulesNeedLabels = p.rulesNeedLabels || rule.needsLabels
		p.rulesNeedItems = p.rulesNeedItems || rule.needsItems
	}
	p.models = p.modelMain || p.modelTeaser || p.modelOriginal || p.soldOutLive || p.ongoing || p.listsUpcoming() || p.stock || p.taxInfo ||
		p.rebateInfo || p.voucherDetail || p.voucherBest || p.voucherNext || p.voucherHighest
	p.stages = p.stageList()
	return p
}

// timeMode is the scene's own, or that of the scenario that it runs.
func timeMode(s *configv1.Scene, scenario *scenes.Scenario) configv1.TimeMode {
	if m := s.GetTimeMode(); m != configv1.TimeMode_TIME_MODE_UNSPECIFIED {
		return m
	}
	return scenario.Spec.GetTimeMode()
}

// usesItemFacts says whether a rule looks at more of an item than the request and the price records tell.
func usesItemFacts(rule *scenes.PromoRule) bool {
	for _, name := range []string{"item.name", "item.brand", "item.categories", "item.category", "item.seller_type"} {
		if rule.When.Uses(name) {
			return true
		}
	}
	return false
}

func (p *plan) compileVouchers(s *scenes.Scene, v variant) {
	spec := s.Spec.GetVoucher()
	p.shopPool, p.platformPool = v.scenario.ShopPool, v.scenario.PlatformPool
	p.downgradedShop, p.downgradedPlatform = s.DowngradedShopPool, s.DowngradedPlatformPool
	p.vouchers = v.vouchers && spec.GetEnabled() && (p.shopPool != nil || p.platformPool != nil)
	if !p.vouchers {
		return
	}
	p.voucherDetail = spec.GetNeedAppliedVoucherDetail()
	p.voucherBest = spec.GetNeedApplicableBestVouchers()
	p.voucherNext = spec.GetNeedNextBestVouchers()
	p.voucherHighest = spec.GetNeedHighestTierVouchers()
}

func (p *plan) hasRules() bool { return p.exclusion.PromoRule != nil || p.inclusion.PromoRule != nil }

// showsOriginal says whether the answer needs the original price whatever the rules drop.
func (p *plan) showsOriginal() bool { return p.modelOriginal || p.itemOriginal || p.detail }

func (p *plan) listsUpcoming() bool {
	return p.scene.Spec.GetProductPromotion().GetNeedUpcomingPromos()
}

// stageList is the stages in the order in which the plan runs them.
func (p *plan) stageList() []Stage {
	stages := []Stage{StageQuery}
	add := func(needed bool, s Stage) {
		if needed {
			stages = append(stages, s)
		}
	}
	add(p.rulesNeedItems || p.rulesNeedLabels, StageFacts)
	add(p.hasRules(), StageRules)
	add(p.login, StageEligibility)
	stages = append(stages, StageTax, StageModelDisplay)
	add(p.rebate, StageRebate)
	add(p.vouchers, StageVouchers)
	add(p.stock, StageStock)
	stages = append(stages, StageFinalPrice)
	add(p.itemDisplay || p.packages, StageItemDisplay)
	add(p.modelMainDecor || p.modelTeaserDecor || p.itemMainDecor || p.itemTeaserDecor, StageDecoration)
	return append(stages, StageResult)
}

func (p *plan) has(stage Stage) bool {
	for _, s := range p.stages {
		if s == stage {
			return true
		}
	}
	return false
}
