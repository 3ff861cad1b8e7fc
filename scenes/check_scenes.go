package scenes

import (
	"fmt"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// switches finds those of scenes that do nothing, because what they depend on is off.
func (c *checker) switches() {
	flexible := false
	for _, t := range c.bundle.GetPriceRuleTypes() {
		flexible = flexible || t.GetFlexibleLiveStream()
	}
	for i, s := range c.bundle.GetScenes() {
		at := c.root.Field("scenes").Index(i)
		c.voucherSwitches(s, at.Field("voucher"))
		c.displaySwitches(s, at)
		if s.GetModelDisplay().GetNeedSoldOutFlexibleLiveStreamPromo() && !flexible && c.whole && !c.root.Field("price_rule_types").Bad() {
			c.report(at.Field("model_display").Field("need_sold_out_flexible_live_stream_promo").Warning(diag.NoEffect,
				"no price rule type is flexible_live_stream, so there is none to return", "mark a type, or take this out"))
		}
	}
}

func (c *checker) voucherSwitches(s *configv1.Scene, at *source.Place) {
	v := s.GetVoucher()
	if v.GetEnabled() {
		c.voucherPools(s, at)
		return
	}
	if at.Field("enabled").Bad() {
		return
	}
	for _, dependent := range []struct {
		on    bool
		field string
	}{
		{v.GetNeedAppliedVoucherDetail(), "need_applied_voucher_detail"},
		{v.GetBypassValidation() != "", "bypass_validation"},
		{v.GetDowngradedShopVoucherPool() != "", "downgraded_shop_voucher_pool"},
		{v.GetDowngradedPlatformVoucherPool() != "", "downgraded_platform_voucher_pool"},
		{v.GetNeedApplicableBestVouchers(), "need_applicable_best_vouchers"},
		{v.GetNeedNextBestVouchers(), "need_next_best_vouchers"},
		{v.GetNeedHighestTierVouchers(), "need_highest_tier_vouchers"},
	} {
		if dependent.on {
			c.noEffect(at.Field(dependent.field), dependent.field, "voucher.enabled")
		}
	}
}

// voucherPools warns of a scene that chooses among no vouchers at all.
func (c *checker) voucherPools(s *configv1.Scene, at *source.Place) {
	i, ok := c.links.scenarios.byName[s.GetScenario()]
	if !ok {
		return
	}
	pools := c.bundle.GetScenarios()[i].GetVoucher()
	if pools.GetShopVoucherPool() == "" && pools.GetPlatformVoucherPool() == "" && !c.root.Field("scenarios").Index(i).Field("voucher").Bad() {
		c.report(at.Field("enabled").Warning(diag.NoEffect, fmt.Sprintf("vouchers are enabled, but scenario %s has no voucher pool", s.GetScenario()),
			"give the scenario a shop_voucher_pool or a platform_voucher_pool, or take enabled out"))
	}
}

func (c *checker) displaySwitches(s *configv1.Scene, at *source.Place) {
	model, item := s.GetModelDisplay(), s.GetItemDisplay()
	for _, dependent := range []struct {
		on, base           bool
		section, field, of string
	}{
		{model.GetNeedModelMainPromoDecoration(), model.GetNeedModelMainPromo(), "model_display", "need_model_main_promo_decoration", "need_model_main_promo"},
		{model.GetNeedModelTeaserPromoDecoration(), model.GetNeedModelTeaserPromo(), "model_display", "need_model_teaser_promo_decoration", "need_model_teaser_promo"},
		{item.GetNeedItemMainPromoDecoration(), item.GetNeedItemMainPromo(), "item_display", "need_item_main_promo_decoration", "need_item_main_promo"},
		{item.GetNeedItemTeaserPromoDecoration(), item.GetNeedItemTeaserPromo(), "item_display", "need_item_teaser_promo_decoration", "need_item_teaser_promo"},
		{item.GetItemTeaserPromoInclusionRule() != "", item.GetNeedItemTeaserPromo(), "item_display", "item_teaser_promo_inclusion_rule", "need_item_teaser_promo"},
	} {
		if dependent.on && !dependent.base && !at.Field(dependent.section).Field(dependent.of).Bad() {
			c.noEffect(at.Field(dependent.section).Field(dependent.field), dependent.field, dependent.of)
		}
	}
}

func (c *checker) noEffect(at *source.Place, field, needed string) {
	c.report(at.Warning(diag.NoEffect, fmt.Sprintf("%s does nothing without %s", field, needed), fmt.Sprintf("set %s too, or take this out", needed)))
}
