package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"proscenium/engine"
	"proscenium/facts"
)

func TestARuleMissesOnlyTheFactsThatItUses(t *testing.T) {
	const exclusion, inclusion = "exclusion_rules:\n  - {id: 1, name: r, excluded_price_rule_types: [flash_sale], when: \"", "inclusion_rules:\n  - {id: 1, name: i, when: \""
	const byLabel, byBrand, byPrice = "'dirty' in item.labels", "item.brand == 'y'", "promo.price > 1000"
	for _, tt := range []struct {
		name, exclusion, teaser, down string
		want                          int64
	}{
		{"labels are there, the teaser's brand is not", byLabel, byBrand, "listing.items", 60},
		{"the brand is there, the teaser's labels are not", byBrand, byLabel, "listing.labels", 60},
		{"a rule of prices needs neither", byPrice, byBrand + " && " + byLabel, "listing.items", 60},
		{"its own labels are not there", byLabel, byBrand, "listing.labels", 100},
		{"its own brand is not there", byBrand, byLabel, "listing.items", 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(noon, model(10, promo(0, original, 100), promo(2, flashSale, 60)))
			w.items.answer = func(_ *engine.Call, id int64) *facts.Item { return &facts.Item{ID: id, Brand: "x"} }
			w.labels.answer = func(*engine.Call, int64) []string { return []string{"clean"} }
			misbehave(w, tt.down, func(context.Context) error { return errDown })
			e := w.engine(t, base+exclusion+tt.exclusion+"\"}\n"+inclusion+tt.teaser+"\"}\n"+scene("s", "", modelMain+
				"    product_promotion: {exclusion_rule: r}\n    item_display: {need_item_teaser_promo: true, item_teaser_promo_inclusion_rule: i}\n"))
			if got := onlyModel(t, ask(t, e, request("s", 1))).GetFinalPrice(); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestListingThatFailedForTheRulesIsNotAskedAgainForVouchers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fullWorld()
		w.fromMemory = false
		misbehave(w, "listing.items", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		e := w.engine(t, base+"exclusion_rules:\n  - {id: 1, name: r, excluded_price_rule_types: [flash_sale], when: \"item.brand == 'x'\"}\n"+
			scene("s", fullScenario, full+"    product_promotion: {exclusion_rule: r}\n"))
		resp := ask(t, e, asUser(request("s", 1), 7))
		if m := onlyModel(t, resp); w.items.calls.Load() != 1 || w.voucher.calls.Load() != 0 || m.GetFinalPrice() != 40 || resp.GetAccurate() {
			t.Errorf("%d calls of listing.items, %d of voucher.best_vouchers: %v", w.items.calls.Load(), w.voucher.calls.Load(), resp)
		}
		if waited := time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)); waited >= time.Second {
			t.Errorf("waited %v for a dependency of 500ms", waited)
		}
	})
}

func TestChecksAreToldWhatTheScenarioEnables(t *testing.T) {
	for enabled, setting := range map[bool]string{false: "", true: ", automatically_enable_ongoing_live_stream_promotions: true"} {
		w := newWorld(noon, model(10, promo(0, original, 100), promo(3, live, 60)))
		w.liveStream.answer = func(c *engine.Call, _ engine.EligibilityKey) bool { return c.EnableOngoingLiveStreams }
		e := w.engine(t, base+scene("s", "    eligibility: {login_mode: true"+setting+"}\n", modelMain))
		if got := onlyModel(t, ask(t, e, asUser(request("s", 1), 7))).GetFinalPrice(); (got == 60) != enabled {
			t.Errorf("enabled %v: got %d", enabled, got)
		}
	}
}

func TestTheTraceTellsWhatCouldNotBeChecked(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100), promo(2, exclusive, 50), promo(3, live, 60)))
	misbehave(w, "eligibility.exclusive_price", func(context.Context) error { return errDown })
	req := asUser(request("s", 1), 7)
	req.Explain = true
	reasons := map[int64]string{}
	for _, p := range ask(t, w.engine(t, base+scene("s", "    eligibility: {login_mode: true}\n", modelMain)), req).Trace.Promos {
		reasons[p.PromotionId] = p.Reason
	}
	if reasons[2] != "NOT_CHECKED" || reasons[3] != "NOT_ELIGIBLE" {
		t.Errorf("got %v", reasons)
	}
}
