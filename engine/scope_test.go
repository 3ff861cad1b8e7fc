package engine_test

import (
	"testing"
	"time"

	"proscenium/engine"
	"proscenium/facts"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

func TestASceneThatNeedsNothingCallsAndReturnsNothing(t *testing.T) {
	w := fullWorld()
	resp := ask(t, w.engine(t, base+scene("s", "", "")), request("s", 1))
	it := resp.Items[0]
	if it.Status != pricingv1.Status_STATUS_OK || len(it.Models) != 0 || it.MainPromo != nil || it.PriceRange != nil || resp.Totals != nil {
		t.Errorf("got %v", resp)
	}
	for command, calls := range map[string]int64{
		"stock": w.stock.calls.Load(), "tax": w.tax.calls.Load(), "rebate": w.rebate.calls.Load(), "voucher": w.voucher.calls.Load(),
		"items": w.items.calls.Load(), "labels": w.labels.calls.Load(), "gmv": w.gmv.calls.Load(), "decoration": w.decoration.calls.Load(),
		"packages": w.packages.calls.Load(), "exclusive": w.exclusivePrice.calls.Load(),
	} {
		if calls != 0 {
			t.Errorf("%s was called %d times", command, calls)
		}
	}
}

// TestEachNeedAddsItsPart switches one need on at a time and looks for its part of the answer, and for nothing of the others.
func TestEachNeedAddsItsPart(t *testing.T) {
	upcoming := between(promo(20, flashSale, 70), noon.Add(time.Hour), noon.Add(2*time.Hour))
	limited := promo(1, weeklyCut, 80)
	limited.PurchaseLimit = 3
	type answer = *pricingv1.Item
	first := func(it answer) *pricingv1.Model {
		if len(it.Models) == 0 {
			return &pricingv1.Model{}
		}
		return it.Models[0]
	}
	needs := []struct {
		name, yaml string
		present    func(answer) bool
	}{
		{"model main promo", "model_display: {need_model_main_promo: true}", func(it answer) bool { return first(it).MainPromo.GetPromotionId() == 1 }},
		{"model teaser", "model_display: {need_model_teaser_promo: true}", func(it answer) bool { return first(it).TeaserPromo.GetPromotionId() == 20 }},
		{"model original price", "model_display: {need_model_original_promo: true}", func(it answer) bool { return first(it).OriginalPromo.GetPrice() == 100 }},
		{"ongoing promotions", "product_promotion: {need_ongoing_promos: true}", func(it answer) bool { return len(first(it).OngoingPromos) == 2 }},
		{"upcoming promotions", "product_promotion: {need_upcoming_promos: true}", func(it answer) bool {
			return len(first(it).UpcomingPromos) == 1 && first(it).UpcomingPromos[0].PromotionId == 20
		}},
		{"item main promo", "item_display: {need_item_main_promo: true}", func(it answer) bool { return it.MainPromo.GetPromotionId() == 1 && it.MainModelId == 10 }},
		{"item original price", "item_display: {need_item_original_promo: true}", func(it answer) bool { return it.OriginalPromo.GetPrice() == 100 }},
		{"package promotions", "package_promotions: {need_package_promotions: true}", func(it answer) bool {
			return len(it.PackagePromotions) == 1 && it.PackagePromotions[0].PackagePrice == 150
		}},
		{"rebate", "rebate: {need_rebate_info: true}", func(it answer) bool { return first(it).Rebate.GetProductPromoRebate() == 5 }},
		{"tax", "tax: {need_tax_info: true}", func(it answer) bool { return first(it).Tax.GetTaxValue() == 8 && first(it).Tax.GetTaxRate() == 10_000 }},
		{"stock", "stock: {need_stock: true}", func(it answer) bool { return first(it).Stock.GetAvailable() == 12 }},
		{"vouchers applied", "voucher: {enabled: true, need_applied_voucher_detail: true}", func(it answer) bool { return len(first(it).Vouchers.GetApplied()) == 1 }},
		{"best vouchers", "voucher: {enabled: true, need_applicable_best_vouchers: true}", func(it answer) bool { return first(it).Vouchers.GetBestShop().GetVoucherId() == 77 }},
		{"next best voucher", "voucher: {enabled: true, need_next_best_vouchers: true}", func(it answer) bool { return first(it).Vouchers.GetNextBestMissingSpend() == 9 }},
		{"highest tier", "voucher: {enabled: true, need_highest_tier_vouchers: true}", func(it answer) bool { return first(it).Vouchers.GetHighestTier().GetDiscount() == 30 }},
	}
	for _, need := range needs {
		t.Run(need.name, func(t *testing.T) {
			w := newWorld(noon, model(10, promo(0, original, 100), limited, upcoming))
			w.rebate.answer = func(*engine.Call, engine.RebateKey) int64 { return 5 }
			w.tax.answer = func(*engine.Call, engine.PriceKey) facts.TaxRate { return facts.TaxRate{Known: true, Rate: 10_000} }
			w.stock.answer = func(*engine.Call, engine.PromoKey) facts.Stock { return facts.Stock{Known: true, Available: 12} }
			w.packages.answer = func(*engine.Call, int64) []facts.Package {
				return []facts.Package{{ID: 5, Name: "pair", ModelIDs: []int64{10, 11}, Price: 150}}
			}
			v := &facts.Voucher{ID: 77, Start: facts.Always, End: facts.Never}
			w.voucher.answer = func(c *engine.Call, _ engine.VoucherKey) facts.VoucherChoice {
				choice := facts.VoucherChoice{Shop: facts.VoucherUse{Voucher: v, Discount: 10}}
				if c.Vouchers.NeedBest {
					choice.BestShop = choice.Shop
				}
				if c.Vouchers.NeedNext {
					choice.NextBest, choice.NextBestReason, choice.NextBestMissing = facts.VoucherUse{Voucher: v, Discount: 20}, "MIN_SPEND", 9
				}
				if c.Vouchers.NeedHighest {
					choice.HighestTier = facts.VoucherUse{Voucher: v, Discount: 30}
				}
				return choice
			}
			const scenario = "    voucher: {shop_voucher_pool: SHOP}\n    item_display: {allow_teaser_to_coexist_with_main_promo: true}\n"
			it := ask(t, w.engine(t, base+scene("s", scenario, "    "+need.yaml+"\n")), request("s", 1)).Items[0]
			for _, other := range needs {
				if got := other.present(it); got != (other.name == need.name) {
					t.Errorf("%s is there: %v\n%v", other.name, got, it)
				}
			}
		})
	}
}

func TestStockDetails(t *testing.T) {
	limited := promo(1, weeklyCut, 80)
	limited.PurchaseLimit, limited.Stock = 3, 50
	slot := facts.TimeslotStock{Start: noon.UnixNano(), End: noon.Add(time.Hour).UnixNano(), Available: 4}
	newW := func(purchased, available int64) *world {
		w := newWorld(noon, model(10, limited))
		w.stock.answer = func(c *engine.Call, _ engine.PromoKey) facts.Stock {
			if !c.StockBreakdown || !c.StockTimeslots || !c.StockPurchased {
				t.Errorf("the provider was not asked for everything: %+v", c)
			}
			return facts.Stock{
				Known: true, Available: available, Purchased: purchased,
				Breakdown: []facts.LocationStock{{Location: "east", Available: 7}}, Timeslots: []facts.TimeslotStock{slot},
			}
		}
		return w
	}
	const body = "    stock: {need_stock: true, need_stock_breakdown: true, need_timeslot_stocks: true, need_to_apply_purchase_limit: true}\n"
	for _, tt := range []struct {
		name                           string
		purchased, available, quantity int64
		purchasable                    int64
		exceeded                       bool
	}{
		{"all of the limit", 0, 12, 3, 3, false},
		{"one more than the limit", 0, 12, 4, 3, true},
		{"what was bought counts", 2, 12, 1, 1, false},
		{"nothing is left", 3, 12, 1, 0, true},
		{"more was bought than allowed", 9, 12, 1, 0, true},
		{"the stock is the smaller bound", 0, 2, 2, 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := request("s")
			req.Items = []*pricingv1.RequestItem{{ItemId: 1, Models: []*pricingv1.RequestModel{{ModelId: 10, Quantity: &tt.quantity}}}}
			s := onlyModel(t, ask(t, newW(tt.purchased, tt.available).engine(t, base+scene("s", "", body)), req)).Stock
			if s.GetAvailable() != tt.available || len(s.Breakdown) != 1 || s.Breakdown[0].Location != "east" || len(s.Timeslots) != 1 || s.Timeslots[0].Available != 4 {
				t.Errorf("got %v", s)
			}
			if l := s.PurchaseLimit; l.GetLimit() != 3 || l.Purchased != tt.purchased || l.GetPurchasable() != tt.purchasable || l.Exceeded != tt.exceeded {
				t.Errorf("got %v, want purchasable %d, exceeded %v", l, tt.purchasable, tt.exceeded)
			}
		})
	}
}

func TestPriceDetail(t *testing.T) {
	cut := promo(1, weeklyCut, 75)
	cut.PostTax, cut.PurchaseLimit = 83, 2
	w := newWorld(noon, model(10, promo(0, original, 100), cut))
	m := onlyModel(t, ask(t, w.engine(t, base+scene("s", "", modelMain+"    product_promotion: {need_price_detail: true}\n")), request("s", 1)))
	d := m.MainPromo.GetDetail()
	if d.GetPreTaxPrice() != 75 || d.GetPostTaxPrice() != 83 || d.PriceRuleTypeId != weeklyCut || d.Priority != 20 || d.DiscountRate != 25_000 || d.PurchaseLimit != 2 {
		t.Errorf("got %v", d)
	}
}

func TestASoldOutFlexibleLiveStreamPromotionIsShownBesideTheMainPromo(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100), soldOut(promo(6, flexibleLive, 40)), soldOut(promo(5, live, 30))))
	w.liveStream.answer = func(*engine.Call, engine.EligibilityKey) bool { return true }
	const body = "    model_display: {need_model_main_promo: true, need_sold_out_flexible_live_stream_promo: true}\n"
	m := onlyModel(t, ask(t, w.engine(t, base+scene("s", "", body)), request("s", 1)))
	if m.MainPromo.GetPrice() != 100 || m.SoldOutFlexibleLiveStreamPromo.GetPromotionId() != 6 || m.SoldOut {
		t.Errorf("got %v", m)
	}
}

func TestDecorationsDressWhatTheSceneShows(t *testing.T) {
	upcoming := between(promo(20, flashSale, 70), noon.Add(time.Hour), noon.Add(2*time.Hour))
	w := newWorld(noon, model(10, promo(0, original, 100), promo(1, weeklyCut, 80), upcoming), model(11, promo(0, original, 50)))
	w.decoration.answer = func(_ *engine.Call, k engine.DecorationKey) facts.Decoration {
		if k.Teaser {
			return facts.Decoration{Label: "soon"}
		}
		return facts.Decoration{Label: "now", Color: "#f00", ImageURL: "https://example.com/now.png"}
	}
	e := w.engine(t, base+scene("s", "    item_display: {allow_teaser_to_coexist_with_main_promo: true}\n", `
    model_display: {need_model_main_promo: true, need_model_main_promo_decoration: true, need_model_teaser_promo: true, need_model_teaser_promo_decoration: true}
    item_display: {need_item_main_promo: true, need_item_main_promo_decoration: true, need_item_teaser_promo: true, need_item_teaser_promo_decoration: true}
`))
	it := ask(t, e, request("s", 1)).Items[0]
	for name, got := range map[string]string{
		"now":  it.MainPromo.GetDecoration().GetLabel() + it.Models[0].MainPromo.GetDecoration().GetLabel(),
		"soon": it.TeaserPromo.GetDecoration().GetLabel() + it.Models[0].TeaserPromo.GetDecoration().GetLabel(),
	} {
		if got != name+name {
			t.Errorf("want %s twice, got %q", name, got)
		}
	}
	if it.Models[1].MainPromo.GetDecoration() != nil {
		t.Errorf("an original price is no promotion to dress up: %v", it.Models[1].MainPromo)
	}
	if w.decoration.keys.Load() != 2 {
		t.Errorf("asked for %d decorations; what item and model share is asked for once", w.decoration.keys.Load())
	}
}

func TestExclusionAndInclusionRules(t *testing.T) {
	models := []facts.Model{model(10, promo(0, original, 100), promo(1, weeklyCut, 80), promo(2, flashSale, 60))}
	for _, tt := range []struct {
		name, rules, use string
		want             int64 // final price; 0: no promotion
	}{
		{"without rules", "", "", 60},
		{"a type is dropped", "exclusion_rules: [{id: 1, name: r, excluded_price_rule_types: [flash_sale]}]", "exclusion_rule: r", 80},
		{"a type is dropped on a condition", "exclusion_rules: [{id: 1, name: r, excluded_price_rule_types: [flash_sale], when: 'promo.price < 50'}]", "exclusion_rule: r", 60},
		{"a condition alone concerns every type", "exclusion_rules: [{id: 1, name: r, when: 'promo.price < 90'}]", "exclusion_rule: r", 100},
		{"an error excludes", "exclusion_rules: [{id: 1, name: r, excluded_price_rule_types: [flash_sale], when: 'promo.price / (promo.price - promo.price) == 1'}]", "exclusion_rule: r", 80},
		{"only a type is kept", "inclusion_rules: [{id: 1, name: r, included_price_rule_types: [weekly_cut]}]", "inclusion_rule: r", 80},
		{"an error does not include", "inclusion_rules: [{id: 1, name: r, when: 'promo.price / (promo.price - promo.price) == 1'}]", "inclusion_rule: r", 0},
		{"rules see labels", "exclusion_rules: [{id: 1, name: r, when: '\"clean\" in item.labels && promo.type != \"original_price\"'}]", "exclusion_rule: r", 100},
		{"rules see categories", "exclusion_rules: [{id: 1, name: r, when: 'item.category == \"soap\" && promo.is_original == false'}]", "exclusion_rule: r", 100},
		{"both rules apply", "exclusion_rules: [{id: 1, name: r, when: 'promo.price == 60'}]\ninclusion_rules: [{id: 1, name: q, when: 'promo.price < 90'}]", "exclusion_rule: r, inclusion_rule: q", 80},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(noon, models...)
			w.items.answer = func(_ *engine.Call, id int64) *facts.Item {
				return &facts.Item{ID: id, Categories: []string{"home", "soap"}}
			}
			w.labels.answer = func(*engine.Call, int64) []string { return []string{"clean"} }
			body := modelMain
			if tt.use != "" {
				body += "    product_promotion: {" + tt.use + "}\n"
			}
			m := onlyModel(t, ask(t, w.engine(t, base+tt.rules+"\n"+scene("s", "", body)), request("s", 1)))
			if m.GetFinalPrice() != tt.want || (tt.want == 0) != (m.Status == pricingv1.Status_STATUS_NO_PROMOTION) {
				t.Errorf("got %v, want %d", m, tt.want)
			}
			if m.OriginalPromo.GetPrice() != 100 {
				t.Errorf("the original price is there whatever the rules drop, got %v", m.OriginalPromo)
			}
		})
	}
}

func TestRulesThatCannotSeeTheItemLeaveOut(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100), promo(2, flashSale, 60)))
	misbehave(w, "listing.labels", func(contextT) error { return errDown })
	conf := base + "exclusion_rules: [{id: 1, name: r, excluded_price_rule_types: [flash_sale], when: '\"x\" in item.labels'}]\n" +
		scene("s", "", modelMain+"    product_promotion: {exclusion_rule: r}\n")
	resp := ask(t, w.engine(t, conf), request("s", 1))
	if m := onlyModel(t, resp); m.GetFinalPrice() != 100 || resp.GetAccurate() {
		t.Errorf("what is not known must not look empty: got %v, accurate %v", m, resp.GetAccurate())
	}
}

func TestEligibility(t *testing.T) {
	promos := []facts.Promo{promo(0, original, 100), promo(2, exclusive, 50), promo(3, live, 60), promo(4, welcome, 40)}
	for _, tt := range []struct {
		name      string
		login     bool
		exclusive bool
		welcome   bool
		want      int64
	}{
		{"a guest's scene checks nothing", false, false, false, 40},
		{"nobody is eligible", true, false, false, 100},
		{"only the exclusive price", true, true, false, 50},
		{"the welcome package outranks it", true, true, true, 40},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(noon, model(10, promos...))
			w.exclusivePrice.answer = func(*engine.Call, engine.EligibilityKey) bool { return tt.exclusive }
			w.welcomePackage.answer = func(*engine.Call, engine.EligibilityKey) bool { return tt.welcome }
			scenario, req := "", request("s", 1)
			if tt.login {
				scenario, req = "    eligibility: {login_mode: true}\n", asUser(req, 7)
			}
			if got := onlyModel(t, ask(t, w.engine(t, base+scene("s", scenario, modelMain)), req)).GetFinalPrice(); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
			if calls := w.exclusivePrice.calls.Load() + w.liveStream.calls.Load() + w.welcomePackage.calls.Load(); (calls == 3) != tt.login {
				t.Errorf("%d checks", calls)
			}
		})
	}
	t.Run("promotions without exclusivity are never checked", func(t *testing.T) {
		w := newWorld(noon, model(10, promo(0, original, 100), promo(1, weeklyCut, 80)))
		ask(t, w.engine(t, base+scene("s", "    eligibility: {login_mode: true}\n", modelMain)), asUser(request("s", 1), 7))
		if calls := w.exclusivePrice.calls.Load() + w.liveStream.calls.Load() + w.welcomePackage.calls.Load(); calls != 0 {
			t.Errorf("%d checks", calls)
		}
	})
}
