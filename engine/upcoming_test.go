package engine_test

import (
	"context"
	"testing"
	"time"

	"proscenium/engine"
	"proscenium/facts"
)

const announcements = `
    model_display: {need_model_main_promo: true, need_model_teaser_promo: true}
    item_display: {need_item_teaser_promo: true}
    product_promotion: {need_upcoming_promos: true}
`

// soon starts in an hour.
func soon(p facts.Promo) facts.Promo { return between(p, noon.Add(time.Hour), noon.Add(2*time.Hour)) }

func TestUpcomingPromotionsAreForWhoMayHaveThem(t *testing.T) {
	const downgraded, sceneDowngraded = "downgrades:\n  - {feature: EXCLUSIVE_PRICE}\n", "downgrades:\n  - {feature: SCENE}\n"
	for _, tt := range []struct {
		name, strictness, downgrade string
		eligible, fails             bool
		onModel, onItem             bool
	}{
		{"eligible", "NO_CHECK", "", true, false, true, true},
		{"eligible, strictly", "STRICT", "", true, false, true, true},
		{"not eligible: only the item announces it", "NO_CHECK", "", false, false, false, true},
		{"not eligible, strictly", "STRICT", "", false, false, false, false},
		{"not checked, strictly", "STRICT", "", true, true, false, false},
		{"downgraded", "NO_CHECK", downgraded, true, false, false, false},
		{"downgraded, strictly", "STRICT", downgraded, true, false, false, false},
		{"a downgraded scene", "NO_CHECK", sceneDowngraded, false, false, false, false},
		{"a downgraded strict scene", "STRICT", sceneDowngraded, false, false, false, false},
		{"a downgraded scene, eligible", "STRICT", sceneDowngraded, true, false, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(noon, model(10, promo(0, original, 100), soon(promo(2, exclusive, 50))))
			w.exclusivePrice.answer = func(*engine.Call, engine.EligibilityKey) bool { return tt.eligible }
			if tt.fails {
				misbehave(w, "eligibility.exclusive_price", func(context.Context) error { return errDown })
			}
			scenario := "    eligibility: {login_mode: true}\n    item_display: {teaser_strictness: " + tt.strictness + "}\n"
			resp := ask(t, w.engine(t, base+scene("s", scenario, announcements)+tt.downgrade), asUser(request("s", 1), 7))
			m := onlyModel(t, resp)
			if (m.TeaserPromo != nil) != tt.onModel || (len(m.UpcomingPromos) == 1) != tt.onModel {
				t.Errorf("the model announces %v, lists %v; want: %v", m.TeaserPromo, m.UpcomingPromos, tt.onModel)
			}
			if got := resp.Items[0].TeaserPromo; (got != nil) != tt.onItem {
				t.Errorf("the item announces %v; want: %v", got, tt.onItem)
			}
		})
	}
}

func TestAChangeOfTheListPriceIsNotAnnounced(t *testing.T) {
	w := newWorld(noon, model(10, between(promo(0, original, 100), noon.Add(-time.Hour), noon.Add(time.Hour)), soon(promo(7, original, 120))))
	resp := ask(t, w.engine(t, base+scene("s", "", announcements)), request("s", 1))
	if it, m := resp.Items[0], onlyModel(t, resp); it.TeaserPromo != nil || m.TeaserPromo != nil || len(m.UpcomingPromos) != 1 {
		t.Errorf("got %v", resp)
	}
}

func TestAStrictTeaserIsComparedInThePricesShown(t *testing.T) {
	dear := withTax(soon(promo(2, flashSale, 50)), 120)
	for scenario, want := range map[string]int64{postTax: 0, "    tax: {selection_mode: PRE_TAX}\n": 2} {
		w := newWorld(noon, model(10, withTax(promo(0, original, 100), 110), dear))
		e := w.engine(t, base+scene("s", scenario+"    item_display: {teaser_strictness: STRICT}\n", "    item_display: {need_item_teaser_promo: true}\n"))
		if got := ask(t, e, request("s", 1)).Items[0].TeaserPromo.GetPromotionId(); got != want {
			t.Errorf("%s: teaser %d, want %d", scenario, got, want)
		}
	}
}

func TestATeaserRuleThatFailsAnnouncesNothing(t *testing.T) {
	for when, want := range map[string]int64{"promo.price == 80": 2, "promo.price != 80": 0, "promo.price / (promo.price - promo.price) == 1": 0} {
		w := newWorld(noon, model(10, promo(0, original, 100), soon(promo(2, flashSale, 80))))
		e := w.engine(t, base+"inclusion_rules:\n  - {id: 1, name: i, when: \""+when+"\"}\n"+
			scene("s", "", "    item_display: {need_item_teaser_promo: true, item_teaser_promo_inclusion_rule: i}\n"))
		if got := ask(t, e, request("s", 1)).Items[0].TeaserPromo.GetPromotionId(); got != want {
			t.Errorf("%s: teaser %d, want %d", when, got, want)
		}
	}
}

func TestTheTraceOfAModelWithNothingButUpcomingPromotions(t *testing.T) {
	w := newWorld(noon, model(10, soon(promo(2, flashSale, 80)), soon(promo(3, weeklyCut, 90))))
	req := request("s", 1)
	req.Explain = true
	resp := ask(t, w.engine(t, base+scene("s", "", announcements)), req)
	if len(resp.Trace.Promos) != 2 || onlyModel(t, resp).TeaserPromo.GetPromotionId() != 2 {
		t.Errorf("got %v", resp)
	}
	for _, p := range resp.Trace.Promos {
		if !p.Kept {
			t.Errorf("dropped: %v", p)
		}
	}
}

func TestWhatIsNoSoldOutFlexibleLiveStreamPromotionBesideTheMainPromo(t *testing.T) {
	const body = "    model_display: {need_model_main_promo: true, need_sold_out_flexible_live_stream_promo: true}\n"
	for _, tt := range []struct {
		name   string
		promos []facts.Promo
		main   int64
	}{
		{"it can be bought, but is not the best", []facts.Promo{promo(4, welcome, 40), promo(6, flexibleLive, 50)}, 4},
		{"it is the main promo", []facts.Promo{promo(6, flexibleLive, 50)}, 6},
		{"it is sold out, and the main promo itself", []facts.Promo{soldOut(promo(6, flexibleLive, 50))}, 6},
	} {
		w := newWorld(noon, model(10, tt.promos...))
		if m := onlyModel(t, ask(t, w.engine(t, base+scene("s", "", body)), request("s", 1))); m.MainPromo.GetPromotionId() != tt.main || m.SoldOutFlexibleLiveStreamPromo != nil {
			t.Errorf("%s: got %v", tt.name, m)
		}
	}
}
