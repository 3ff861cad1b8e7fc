package engine_test

import (
	"strconv"
	"testing"
	"time"

	"proscenium/engine"
	"proscenium/facts"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

func TestMainPromoOfAModel(t *testing.T) {
	const byPriority, byPrice = "", "    model_display: {main_promo_sorting: LOWEST_PRICE}\n"
	later, evenLater := noon.Add(time.Hour), noon.Add(2*time.Hour)
	ends := func(p facts.Promo, end time.Time) facts.Promo { p.End = end.UnixNano(); return p }
	tests := []struct {
		name     string
		scenario string
		promos   []facts.Promo
		want     int64 // promotion id; -1: none
		soldOut  bool
	}{
		{"the highest priority wins, not the lowest price", byPriority, []facts.Promo{promo(1, weeklyCut, 50), promo(2, flashSale, 80)}, 2, false},
		{"the lowest price wins where the scenario says so", byPrice, []facts.Promo{promo(1, weeklyCut, 50), promo(2, flashSale, 80)}, 1, false},
		{"equal prices go by priority", byPrice, []facts.Promo{promo(1, weeklyCut, 80), promo(2, flashSale, 80)}, 2, false},
		{"equal priorities go by the lower price", byPriority, []facts.Promo{promo(1, flashSale, 80), promo(2, flashSale, 79)}, 2, false},
		{"then by the earlier end", byPriority, []facts.Promo{ends(promo(1, flashSale, 80), evenLater), ends(promo(2, flashSale, 80), later)}, 2, false},
		{"an open end is the latest", byPriority, []facts.Promo{promo(1, flashSale, 80), ends(promo(2, flashSale, 80), later)}, 2, false},
		{"then by the lower id", byPriority, []facts.Promo{promo(2, flashSale, 80), promo(1, flashSale, 80)}, 1, false},
		{"the order of records does not matter", byPriority, []facts.Promo{promo(1, flashSale, 80), promo(2, flashSale, 80)}, 1, false},
		{"a sold-out promotion is passed over", byPriority, []facts.Promo{promo(1, weeklyCut, 90), soldOut(promo(2, flashSale, 80))}, 1, false},
		{"the original price is what is left", byPriority, []facts.Promo{promo(0, original, 100), soldOut(promo(2, flashSale, 80))}, 0, false},
		{"all sold out: the best one, marked", byPriority, []facts.Promo{soldOut(promo(1, weeklyCut, 90)), soldOut(promo(2, flashSale, 80))}, 2, true},
		{"no promotion at all", byPriority, nil, -1, false},
		{"only upcoming ones", byPriority, []facts.Promo{between(promo(1, flashSale, 80), later, evenLater)}, -1, false},
		{"only ended ones", byPriority, []facts.Promo{between(promo(1, flashSale, 80), noon.Add(-time.Hour), noon)}, -1, false},
		{"a record of an unknown type is not a promotion", byPriority, []facts.Promo{promo(1, 99, 5), promo(0, original, 100)}, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(noon, model(10, tt.promos...))
			got := onlyModel(t, ask(t, w.engine(t, base+scene("s", tt.scenario, modelMain)), request("s", 1)))
			if tt.want < 0 {
				if got.Status != pricingv1.Status_STATUS_NO_PROMOTION || got.MainPromo != nil || got.GetFinalPrice() != 0 {
					t.Fatalf("want no promotion, got %v", got)
				}
				return
			}
			if got.Status != pricingv1.Status_STATUS_OK || got.MainPromo.GetPromotionId() != tt.want || got.SoldOut != tt.soldOut {
				t.Fatalf("want promotion %d (sold out: %v), got %v", tt.want, tt.soldOut, got)
			}
			if got.GetFinalPrice() != got.MainPromo.GetPrice() {
				t.Fatalf("final price %d is not the promotion's %d", got.GetFinalPrice(), got.MainPromo.GetPrice())
			}
		})
	}
}

func TestWindowsAreClosedAtTheStartAndOpenAtTheEnd(t *testing.T) {
	start, end := noon, noon.Add(time.Hour)
	w := newWorld(noon, model(10, promo(0, original, 100), between(promo(5, flashSale, 70), start, end)))
	e := w.engine(t, base+scene("s", "", modelMain))
	for _, tt := range []struct {
		name string
		now  time.Time
		want int64
	}{
		{"a nanosecond before the start", start.Add(-1), 100},
		{"at the start", start, 70},
		{"a nanosecond before the end", end.Add(-1), 70},
		{"at the end", end, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.now = tt.now
			if got := onlyModel(t, ask(t, e, request("s", 1))).GetFinalPrice(); got != tt.want {
				t.Fatalf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestTeaserOfAnItem(t *testing.T) {
	in := func(hours int, p facts.Promo) facts.Promo {
		return between(p, noon.Add(time.Duration(hours)*time.Hour), noon.Add(48*time.Hour))
	}
	const display = `
    item_display: {need_item_main_promo: true, need_item_teaser_promo: true}
`
	item := func(settings string) string { return "    item_display: {" + settings + "}\n" }
	tests := []struct {
		name     string
		scenario string
		promos   []facts.Promo
		want     int64 // 0: none
	}{
		{"the earliest start comes first", item(""), []facts.Promo{promo(0, original, 100), in(2, promo(1, weeklyCut, 80)), in(1, promo(2, weeklyCut, 90))}, 2},
		{"equal starts go by priority", item(""), []facts.Promo{promo(0, original, 100), in(1, promo(1, weeklyCut, 80)), in(1, promo(2, flashSale, 90))}, 2},
		{"the priority comes first where the scenario says so", item("teaser_promo_sorting: PROMO_PRIORITY"), []facts.Promo{promo(0, original, 100), in(2, promo(1, flashSale, 80)), in(1, promo(2, weeklyCut, 70))}, 1},
		{"no teaser beside a real main promo", item(""), []facts.Promo{promo(0, original, 100), promo(7, weeklyCut, 90), in(1, promo(2, flashSale, 80))}, 0},
		{"unless both may coexist", item("allow_teaser_to_coexist_with_main_promo: true"), []facts.Promo{promo(0, original, 100), promo(7, weeklyCut, 90), in(1, promo(2, flashSale, 80))}, 2},
		{"an unchecked teaser may be dearer", item(""), []facts.Promo{promo(0, original, 100), in(1, promo(2, flashSale, 120))}, 2},
		{"a strict one must be cheaper", item("teaser_strictness: STRICT"), []facts.Promo{promo(0, original, 100), in(1, promo(2, flashSale, 100)), in(2, promo(3, flashSale, 99))}, 3},
		{"a strict one must not be sold out", item("teaser_strictness: STRICT"), []facts.Promo{promo(0, original, 100), in(1, soldOut(promo(2, flashSale, 50)))}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(noon, model(10, tt.promos...))
			resp := ask(t, w.engine(t, base+scene("s", tt.scenario, display)), request("s", 1))
			it := resp.Items[0]
			if len(it.Models) != 0 {
				t.Fatalf("a scene of items only returned models: %v", it.Models)
			}
			if got := it.TeaserPromo.GetPromotionId(); got != tt.want {
				t.Fatalf("got teaser %d, want %d (%v)", got, tt.want, it)
			}
		})
	}
}

func TestStrictTeasersAreCheckedForTheUser(t *testing.T) {
	upcoming := between(promo(2, exclusive, 50), noon.Add(time.Hour), noon.Add(2*time.Hour))
	const display = `
    item_display: {need_item_teaser_promo: true}
`
	for _, tt := range []struct {
		name, strictness string
		want             int64
	}{
		{"strict: whoever may not have it is not told", "STRICT", 0},
		{"no check: everybody is told", "NO_CHECK", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(noon, model(10, promo(0, original, 100), upcoming)) // nobody is eligible
			scenario := "    eligibility: {login_mode: true}\n    item_display: {teaser_strictness: " + tt.strictness + "}\n"
			resp := ask(t, w.engine(t, base+scene("s", scenario, display)), asUser(request("s", 1), 7))
			if got := resp.Items[0].TeaserPromo.GetPromotionId(); got != tt.want {
				t.Fatalf("got teaser %d, want %d", got, tt.want)
			}
		})
	}
}

func TestItemMainPromo(t *testing.T) {
	models := []facts.Model{
		model(10, promo(1, weeklyCut, 50)),
		model(11, promo(2, flashSale, 80)),
		model(12, soldOut(promo(3, welcome, 10))),
	}
	const display = "    item_display: {need_item_main_promo: true}\n"
	for _, tt := range []struct {
		name, sorting string
		model         int64
	}{
		{"by priority, what is sold out last", "PROMO_PRIORITY", 11},
		{"by the lowest price", "LOWEST_PRICE", 10},
		{"by the model that sells most", "GMV", 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(noon, models...)
			w.gmv.answer = func(_ *engineCall, k priceKey) int64 { return map[int64]int64{10: 500, 11: 400, 12: 9000}[k.ModelID] }
			it := ask(t, w.engine(t, base+scene("s", "    item_display: {main_promo_sorting: "+tt.sorting+"}\n", display)), request("s", 1)).Items[0]
			if it.MainModelId != tt.model || it.GetFinalPrice() != it.MainPromo.GetPrice() {
				t.Fatalf("got model %d at %d, want model %d", it.MainModelId, it.GetFinalPrice(), tt.model)
			}
			if r := it.PriceRange; r.GetMinFinalPrice() != 10 || r.GetMaxFinalPrice() != 80 || r.GetMinPromoPrice() != 10 || r.GetMaxPromoPrice() != 80 {
				t.Fatalf("got range %v", r)
			}
			if asked := w.gmv.calls.Load(); (tt.sorting == "GMV") != (asked == 1) {
				t.Fatalf("gmv.query was called %d times", asked)
			}
		})
	}
}

func TestADiscountIsMeasuredAgainstTheOriginalPriceWhereThereIsOne(t *testing.T) {
	for price, want := range map[int64]int64{75: 25_000, 100: 0, 120: 0} {
		w := newWorld(noon, model(10, promo(0, original, 100), promo(1, weeklyCut, price)))
		m := onlyModel(t, ask(t, w.engine(t, base+scene("s", "", modelMain+"    product_promotion: {need_price_detail: true}\n")), request("s", 1)))
		if got := m.MainPromo.GetDetail().GetDiscountRate(); got != want || m.GetFinalPrice() != price {
			t.Errorf("%d instead of 100: rate %d, want %d", price, got, want)
		}
	}
}

func TestWhatIsPurchasableIsInStockOfTheModelAndOfThePromotion(t *testing.T) {
	for _, tt := range []struct {
		name    string
		stock   int64
		soldOut bool
		want    int64
	}{
		{"the model has less", 50, false, 12},
		{"the promotion has less", 2, false, 2},
		{"sold out, whatever the numbers say", 50, true, 0},
	} {
		p := promo(1, weeklyCut, 80)
		p.Stock, p.SoldOut = tt.stock, tt.soldOut
		w := newWorld(noon, model(10, p))
		w.stock.answer = func(*engine.Call, engine.PromoKey) facts.Stock { return facts.Stock{Known: true, Available: 12} }
		m := onlyModel(t, ask(t, w.engine(t, base+scene("s", "", "    stock: {need_stock: true, need_to_apply_purchase_limit: true}\n")), request("s", 1)))
		if got := m.Stock.GetPurchaseLimit(); got.GetPurchasable() != tt.want || got.GetExceeded() != (tt.want == 0) {
			t.Errorf("%s: got %v, want %d", tt.name, got, tt.want)
		}
	}
}

func TestItemsAndModelsMayAnnounceAndDressUpDifferentPromotions(t *testing.T) {
	early := between(promo(20, weeklyCut, 70), noon.Add(time.Hour), noon.Add(9*time.Hour))
	important := between(promo(21, flashSale, 60), noon.Add(2*time.Hour), noon.Add(9*time.Hour))
	for _, tt := range []struct {
		name, scenario, model string
		onModel, onItem       string // promotion and decoration
	}{
		{"different ones", "    model_display: {teaser_promo_sorting: PROMO_PRIORITY}\n", ", need_model_teaser_promo_decoration: true", "21 label 21", "20 label 20"},
		{"the same one", "", ", need_model_teaser_promo_decoration: true", "20 label 20", "20 label 20"},
		{"models without decoration", "", "", "20 ", "20 label 20"},
	} {
		w := newWorld(noon, model(10, promo(0, original, 100), early, important))
		w.decoration.answer = func(_ *engine.Call, k engine.DecorationKey) facts.Decoration {
			return facts.Decoration{Label: "label " + strconv.FormatInt(k.PromotionID, 10)}
		}
		resp := ask(t, w.engine(t, base+scene("s", tt.scenario, "    model_display: {need_model_teaser_promo: true"+tt.model+
			"}\n    item_display: {need_item_teaser_promo: true, need_item_teaser_promo_decoration: true}\n")), request("s", 1))
		shown := func(p *pricingv1.Promotion) string {
			return strconv.FormatInt(p.GetPromotionId(), 10) + " " + p.GetDecoration().GetLabel()
		}
		if onModel, onItem := shown(onlyModel(t, resp).TeaserPromo), shown(resp.Items[0].TeaserPromo); onModel != tt.onModel || onItem != tt.onItem {
			t.Errorf("%s: model %q, item %q; want %q, %q", tt.name, onModel, onItem, tt.onModel, tt.onItem)
		}
	}
}
