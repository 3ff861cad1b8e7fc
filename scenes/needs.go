package scenes

import configv1 "proscenium/gen/proscenium/config/v1"

// answers says whether a scene's answers hold anything while a feature is downgraded.
func answers(s *configv1.Scene, off configv1.DowngradeFeature) bool {
	m, i, v, p := s.GetModelDisplay(), s.GetItemDisplay(), s.GetVoucher(), s.GetProductPromotion()
	if m.GetNeedModelMainPromo() || m.GetNeedModelTeaserPromo() || m.GetNeedModelOriginalPromo() || m.GetNeedSoldOutFlexibleLiveStreamPromo() ||
		p.GetNeedOngoingPromos() || p.GetNeedUpcomingPromos() {
		return true
	}
	if off == configv1.DowngradeFeature_DOWNGRADE_FEATURE_SCENE {
		return i.GetNeedItemMainPromo()
	}
	if needsItems(s) && off != configv1.DowngradeFeature_DOWNGRADE_FEATURE_ITEM_DISPLAY {
		return true
	}
	vouchers := v.GetEnabled() && (v.GetNeedAppliedVoucherDetail() || v.GetNeedApplicableBestVouchers() || v.GetNeedNextBestVouchers() || v.GetNeedHighestTierVouchers())
	return s.GetStock().GetNeedStock() && off != configv1.DowngradeFeature_DOWNGRADE_FEATURE_STOCK ||
		s.GetTax().GetNeedTaxInfo() && off != configv1.DowngradeFeature_DOWNGRADE_FEATURE_TAX ||
		s.GetRebate().GetNeedRebateInfo() && off != configv1.DowngradeFeature_DOWNGRADE_FEATURE_REBATE ||
		vouchers && (off != configv1.DowngradeFeature_DOWNGRADE_FEATURE_PRICE_AFTER_VOUCHER || v.GetDowngradedShopVoucherPool()+v.GetDowngradedPlatformVoucherPool() != "") ||
		s.GetPackagePromotions().GetNeedPackagePromotions()
}

func needsItems(s *configv1.Scene) bool {
	i := s.GetItemDisplay()
	return i.GetNeedItemMainPromo() || i.GetNeedItemTeaserPromo() || i.GetNeedItemOriginalPromo()
}

func needsDecoration(s *configv1.Scene) bool {
	m, i := s.GetModelDisplay(), s.GetItemDisplay()
	return m.GetNeedModelMainPromoDecoration() || m.GetNeedModelTeaserPromoDecoration() || i.GetNeedItemMainPromoDecoration() || i.GetNeedItemTeaserPromoDecoration()
}

// scenarios are those that a scene runs: its own, and those of its experiment's groups.
func (c *checker) scenarios(s *configv1.Scene) []*configv1.Scenario {
	var out []*configv1.Scenario
	add := func(name string) {
		if i, ok := c.links.scenarios.byName[name]; ok {
			out = append(out, c.bundle.GetScenarios()[i])
		}
	}
	add(s.GetScenario())
	if i, ok := c.links.experiments.byName[s.GetAbTest()]; ok {
		for _, g := range c.bundle.GetExperiments()[i].GetGroups() {
			add(g.GetFeatures().GetScenario())
		}
	}
	return out
}

// uses says whether a feature is a part of what a scene does, in one of its groups at least.
func (c *checker) uses(s *configv1.Scene, feature configv1.DowngradeFeature) bool {
	some := func(has func(*configv1.Scenario) bool) bool {
		for _, scenario := range c.scenarios(s) {
			if has(scenario) {
				return true
			}
		}
		return false
	}
	switch feature {
	case configv1.DowngradeFeature_DOWNGRADE_FEATURE_PRICE_AFTER_VOUCHER:
		return s.GetVoucher().GetEnabled() && some(func(x *configv1.Scenario) bool {
			return x.GetVoucher().GetShopVoucherPool() != "" || x.GetVoucher().GetPlatformVoucherPool() != ""
		})
	case configv1.DowngradeFeature_DOWNGRADE_FEATURE_EXCLUSIVE_PRICE,
		configv1.DowngradeFeature_DOWNGRADE_FEATURE_LIVE_STREAM_PRICE,
		configv1.DowngradeFeature_DOWNGRADE_FEATURE_WELCOME_PACKAGE:
		return some(func(x *configv1.Scenario) bool { return x.GetEligibility().GetLoginMode() })
	case configv1.DowngradeFeature_DOWNGRADE_FEATURE_REBATE:
		return s.GetRebate().GetNeedRebateInfo() || some(func(x *configv1.Scenario) bool { return x.GetRebate().GetAddBackRebateToFinalPrice() })
	case configv1.DowngradeFeature_DOWNGRADE_FEATURE_STOCK:
		return s.GetStock().GetNeedStock()
	case configv1.DowngradeFeature_DOWNGRADE_FEATURE_ITEM_DISPLAY:
		return needsItems(s)
	}
	return true // taxes also make up for prices that records lack
}

// calls says whether a scene calls the command, in one of its groups at least. What any scene may call counts as called.
func (c *checker) calls(s *configv1.Scene, command string) bool {
	switch command {
	case "stock.query":
		return s.GetStock().GetNeedStock()
	case "rebate.query":
		return c.uses(s, configv1.DowngradeFeature_DOWNGRADE_FEATURE_REBATE)
	case "voucher.best_vouchers":
		return c.uses(s, configv1.DowngradeFeature_DOWNGRADE_FEATURE_PRICE_AFTER_VOUCHER)
	case "eligibility.exclusive_price", "eligibility.live_stream", "eligibility.welcome_package":
		return c.uses(s, configv1.DowngradeFeature_DOWNGRADE_FEATURE_EXCLUSIVE_PRICE)
	case "decoration.query":
		return needsDecoration(s)
	case "package.query":
		return s.GetPackagePromotions().GetNeedPackagePromotions()
	case "gmv.query":
		for _, scenario := range c.scenarios(s) {
			if needsItems(s) && scenario.GetItemDisplay().GetMainPromoSorting() == configv1.MainPromoSorting_MAIN_PROMO_SORTING_GMV {
				return true
			}
		}
		return false
	}
	return true
}

func (c *checker) called(command string) bool {
	for _, s := range c.bundle.GetScenes() {
		if c.calls(s, command) {
			return true
		}
	}
	return false
}
