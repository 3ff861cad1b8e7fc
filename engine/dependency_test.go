package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"proscenium/engine"
	"proscenium/facts"
	"proscenium/fault"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// full is a scene that needs every dependency. %s takes what the scene adds, such as propagation.
const full = `
    voucher: {enabled: true, need_applied_voucher_detail: true, downgraded_shop_voucher_pool: SHOP}
    model_display: {need_model_main_promo: true, need_model_main_promo_decoration: true}
    item_display: {need_item_main_promo: true}
    package_promotions: {need_package_promotions: true}
    rebate: {need_rebate_info: true}
    tax: {need_tax_info: true}
    stock: {need_stock: true}
`

const fullScenario = `
    eligibility: {login_mode: true}
    voucher: {shop_voucher_pool: SHOP, platform_voucher_pool: PLATFORM}
    item_display: {main_promo_sorting: GMV}
`

// fullWorld has a model on which every dependency has something to say: an exclusive price of 50, a live-stream price of 60, a welcome
// package of 40, a weekly cut of 80; rebates of 5, a voucher of 10, taxes of 10%.
func fullWorld() *world {
	w := newWorld(noon, model(10, promo(0, original, 100), promo(1, weeklyCut, 80), promo(2, exclusive, 50), promo(3, live, 60), promo(4, welcome, 40)))
	yes := func(*engine.Call, engine.EligibilityKey) bool { return true }
	w.exclusivePrice.answer, w.liveStream.answer, w.welcomePackage.answer = yes, yes, yes
	w.rebate.answer = func(*engine.Call, engine.RebateKey) int64 { return 5 }
	w.tax.answer = func(*engine.Call, engine.PriceKey) facts.TaxRate { return facts.TaxRate{Known: true, Rate: 10_000} }
	w.stock.answer = func(*engine.Call, engine.PromoKey) facts.Stock { return facts.Stock{Known: true, Available: 12} }
	w.items.answer = func(_ *engine.Call, id int64) *facts.Item { return &facts.Item{ID: id, ShopID: 9, Name: "soap"} }
	w.labels.answer = func(*engine.Call, int64) []string { return []string{"clean"} }
	w.gmv.answer = func(*engine.Call, engine.PriceKey) int64 { return 1 }
	w.packages.answer = func(*engine.Call, int64) []facts.Package { return []facts.Package{{ID: 5, Name: "pair"}} }
	w.decoration.answer = func(*engine.Call, engine.DecorationKey) facts.Decoration { return facts.Decoration{Label: "deal"} }
	voucher := &facts.Voucher{ID: 77, Start: facts.Always, End: facts.Never}
	w.voucher.answer = func(*engine.Call, engine.VoucherKey) facts.VoucherChoice {
		return facts.VoucherChoice{Shop: facts.VoucherUse{Voucher: voucher, Discount: 10}}
	}
	return w
}

// misbehave makes one command fail in a way.
func misbehave(w *world, command string, how func(ctx context.Context) error) {
	switch command {
	case "price.query":
		w.price.fault = func(ctx context.Context, _ []engine.PriceKey, _ [][]facts.Model) error { return how(ctx) }
	case "stock.query":
		w.stock.fault = func(ctx context.Context, _ []engine.PromoKey, _ []facts.Stock) error { return how(ctx) }
	case "eligibility.exclusive_price":
		w.exclusivePrice.fault = func(ctx context.Context, _ []engine.EligibilityKey, _ []bool) error { return how(ctx) }
	case "eligibility.live_stream":
		w.liveStream.fault = func(ctx context.Context, _ []engine.EligibilityKey, _ []bool) error { return how(ctx) }
	case "eligibility.welcome_package":
		w.welcomePackage.fault = func(ctx context.Context, _ []engine.EligibilityKey, _ []bool) error { return how(ctx) }
	case "listing.items":
		w.items.fault = func(ctx context.Context, _ []int64, _ []*facts.Item) error { return how(ctx) }
	case "listing.labels":
		w.labels.fault = func(ctx context.Context, _ []int64, _ [][]string) error { return how(ctx) }
	case "tax.rates":
		w.tax.fault = func(ctx context.Context, _ []engine.PriceKey, _ []facts.TaxRate) error { return how(ctx) }
	case "rebate.query":
		w.rebate.fault = func(ctx context.Context, _ []engine.RebateKey, _ []int64) error { return how(ctx) }
	case "voucher.best_vouchers":
		w.voucher.fault = func(ctx context.Context, _ []engine.VoucherKey, _ []facts.VoucherChoice) error { return how(ctx) }
	case "gmv.query":
		w.gmv.fault = func(ctx context.Context, _ []engine.PriceKey, _ []int64) error { return how(ctx) }
	case "decoration.query":
		w.decoration.fault = func(ctx context.Context, _ []engine.DecorationKey, _ []facts.Decoration) error { return how(ctx) }
	case "package.query":
		w.packages.fault = func(ctx context.Context, _ []int64, _ [][]facts.Package) error { return how(ctx) }
	default:
		panic("no command " + command)
	}
}

// consequences says, for each command but price.query, what its failure leaves of the answer: final price, the feature that degrades, and
// whether prices rest on it.
var consequences = map[string]struct {
	final        int64
	feature      string
	priceRelated bool
}{
	"eligibility.welcome_package": {50, "welcome_package", true}, // live stream 60 - 10
	"eligibility.live_stream":     {30, "live_stream_price", true},
	"eligibility.exclusive_price": {30, "exclusive_price", true},
	"listing.items":               {40, "price_after_voucher", true},
	"listing.labels":              {40, "price_after_voucher", true},
	"voucher.best_vouchers":       {40, "price_after_voucher", true},
	"rebate.query":                {30, "rebate", true},
	"tax.rates":                   {30, "tax", true},
	"stock.query":                 {30, "stock", false},
	"gmv.query":                   {30, "item_display", false},
	"decoration.query":            {30, "decoration", false},
	"package.query":               {30, "package_promotions", false},
}

// hang waits for the end of the call and then some: a provider that does not honour its context.
func hang(ctx context.Context) error {
	<-ctx.Done()
	time.Sleep(time.Minute)
	return errors.New("too late")
}

func TestEveryDependencyFailsInEveryWay(t *testing.T) {
	ways := map[string]struct {
		how   func(context.Context) error
		cause pricingv1.DegradationCause
		waits bool
	}{
		"failing":              {func(context.Context) error { return errors.New("down") }, pricingv1.DegradationCause_DEGRADATION_CAUSE_DEPENDENCY_ERROR, true},
		"failing in process":   {func(context.Context) error { return errors.New("down") }, pricingv1.DegradationCause_DEGRADATION_CAUSE_DEPENDENCY_ERROR, false},
		"panicking":            {func(context.Context) error { panic("bug") }, pricingv1.DegradationCause_DEGRADATION_CAUSE_DEPENDENCY_ERROR, true},
		"panicking in process": {func(context.Context) error { panic("bug") }, pricingv1.DegradationCause_DEGRADATION_CAUSE_DEPENDENCY_ERROR, false},
		"malformed":            {func(context.Context) error { return fmt.Errorf("%w: garbage", engine.ErrMalformed) }, pricingv1.DegradationCause_DEGRADATION_CAUSE_DEPENDENCY_ERROR, true},
		"slow":                 {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, pricingv1.DegradationCause_DEGRADATION_CAUSE_TIMEOUT, true},
		"hanging":              {hang, pricingv1.DegradationCause_DEGRADATION_CAUSE_TIMEOUT, true},
	}
	for way, fail := range ways {
		for command, want := range consequences {
			t.Run(command+" "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					defer time.Sleep(time.Hour) // of the bubble: until whoever hangs is done
					w := fullWorld()
					w.fromMemory = !fail.waits
					misbehave(w, command, fail.how)
					resp := ask(t, w.engine(t, base+scene("s", fullScenario, full)), asUser(request("s", 1), 7))
					m := onlyModel(t, resp)
					if m.GetFinalPrice() != want.final || resp.GetAccurate() == want.priceRelated {
						t.Errorf("final price %d, accurate %v; want %d, %v", m.GetFinalPrice(), resp.GetAccurate(), want.final, !want.priceRelated)
					}
					if len(resp.Degradations) != 1 || resp.Degradations[0].Feature != want.feature || resp.Degradations[0].Scope != command || resp.Degradations[0].Cause != fail.cause {
						t.Errorf("degradations %v; want %s of %s by %v", resp.Degradations, want.feature, command, fail.cause)
					}
				})
			})
			t.Run(command+" "+way+" propagated", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					defer time.Sleep(time.Hour) // of the bubble: until whoever hangs is done
					w := fullWorld()
					w.fromMemory = !fail.waits
					misbehave(w, command, fail.how)
					e := w.engine(t, base+scene("s", fullScenario, full+"    downgrade: {propagate_error_when_final_price_related_dependency_fails: true}\n"))
					_, err := e.Price(t.Context(), engine.Caller{}, asUser(request("s", 1), 7))
					if !want.priceRelated {
						if err != nil {
							t.Errorf("no price rests on %s, but its failure failed the request: %v", command, err)
						}
						return
					}
					var f *fault.Error
					if !errors.As(err, &f) || f.Kind != fault.Unavailable || f.Reason != "DEPENDENCY_FAILED" || f.Metadata["command"] != command {
						t.Errorf("got %v, want DEPENDENCY_FAILED of %s", err, command)
					}
				})
			})
		}
		t.Run("price.query "+way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer time.Sleep(time.Hour) // of the bubble: until whoever hangs is done
				w := fullWorld()
				w.fromMemory = !fail.waits
				misbehave(w, "price.query", fail.how)
				_, err := w.engine(t, base+scene("s", fullScenario, full)).Price(t.Context(), engine.Caller{}, asUser(request("s", 1), 7))
				if fault.Reason(err) != "PRICE_STOCK_UNAVAILABLE" {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestEveryDowngradeIsNoError(t *testing.T) {
	// What is downgraded is not called, is listed, and never fails the request, not even one that propagates errors.
	for _, tt := range []struct {
		feature string
		silent  []string // commands that must not be called
		final   int64
	}{
		{"WELCOME_PACKAGE", []string{"eligibility.welcome_package"}, 50},
		{"LIVE_STREAM_PRICE", []string{"eligibility.live_stream"}, 30},
		{"EXCLUSIVE_PRICE", []string{"eligibility.exclusive_price"}, 30},
		{"REBATE", []string{"rebate.query"}, 30},
		{"TAX", []string{"tax.rates"}, 30},
		{"STOCK", []string{"stock.query"}, 30},
		{"ITEM_DISPLAY", []string{"gmv.query"}, 30},
		{"SCENE", []string{"rebate.query", "voucher.best_vouchers", "tax.rates", "stock.query", "gmv.query", "package.query"}, 40},
	} {
		t.Run(tt.feature, func(t *testing.T) {
			w := fullWorld()
			for _, command := range tt.silent {
				misbehave(w, command, func(context.Context) error { t.Errorf("%s was called", command); return errors.New("down") })
			}
			e := w.engine(t, base+scene("s", fullScenario, full+"    downgrade: {propagate_error_when_final_price_related_dependency_fails: true}\n")+
				"downgrades:\n  - {feature: "+tt.feature+", reason: test}\n")
			resp := ask(t, e, asUser(request("s", 1), 7))
			if got := onlyModel(t, resp).GetFinalPrice(); got != tt.final || !resp.GetAccurate() {
				t.Errorf("final price %d, accurate %v; want %d, true", got, resp.GetAccurate(), tt.final)
			}
			want := &pricingv1.Degradation{Feature: strings.ToLower(tt.feature), Scope: "all", Cause: pricingv1.DegradationCause_DEGRADATION_CAUSE_OPERATOR}
			if len(resp.Degradations) != 1 || resp.Degradations[0].String() != want.String() {
				t.Errorf("degradations %v, want %v", resp.Degradations, want)
			}
		})
	}
}

func TestPriceAfterVoucherDowngradeUsesTheDowngradedPools(t *testing.T) {
	const on = "downgrades:\n  - {feature: PRICE_AFTER_VOUCHER, scenes: [s], regions: [US]}\n"
	for _, tt := range []struct {
		name, pools string
		calls       int64
		final       int64
	}{
		{"a downgraded shop pool", "downgraded_shop_voucher_pool: SHOP", 1, 30},
		{"no downgraded pool: no call, the price before voucher", "need_applied_voucher_detail: true", 0, 40},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := fullWorld()
			answer := w.voucher.answer
			w.voucher.answer = func(c *engine.Call, k engine.VoucherKey) facts.VoucherChoice {
				if c.Vouchers.ShopPool == nil || c.Vouchers.PlatformPool != nil {
					t.Errorf("wrong pools: %+v", c.Vouchers)
				}
				return answer(c, k)
			}
			conf := replace(full, "need_applied_voucher_detail: true, downgraded_shop_voucher_pool: SHOP", tt.pools)
			resp := ask(t, w.engine(t, base+scene("s", fullScenario, conf)+on), asUser(request("s", 1), 7))
			if got := onlyModel(t, resp).GetFinalPrice(); got != tt.final || w.voucher.calls.Load() != tt.calls || !resp.GetAccurate() {
				t.Errorf("final price %d after %d calls; want %d after %d", got, w.voucher.calls.Load(), tt.final, tt.calls)
			}
			if len(resp.Degradations) != 1 || resp.Degradations[0].Scope != "region:US,scene:s" {
				t.Errorf("degradations %v", resp.Degradations)
			}
		})
	}
}

func TestADowngradeEndsByItself(t *testing.T) {
	w := fullWorld()
	e := w.engine(t, base+scene("s", fullScenario, full)+"downgrades:\n  - {feature: REBATE, until: \"2026-03-01T12:00:00Z\"}\n")
	for _, tt := range []struct {
		now  time.Time
		want int
	}{{noon.Add(-1), 1}, {noon, 0}} {
		w.now = tt.now
		if got := ask(t, e, asUser(request("s", 1), 7)).Degradations; len(got) != tt.want {
			t.Errorf("at %v: %v", tt.now, got)
		}
	}
}

func TestQueriesAreSplitIntoBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(time.Hour) // of the bubble: until whoever hangs is done
		var models []facts.Model
		for id := int64(1); id <= 101; id++ {
			models = append(models, model(id, promo(0, original, id)))
		}
		w := newWorld(noon, models...)
		w.fromMemory = false
		running := make(chan struct{}, 100)
		var mu sync.Mutex
		most := 0
		w.price.fault = func(_ context.Context, keys []engine.PriceKey, _ [][]facts.Model) error {
			running <- struct{}{}
			mu.Lock()
			most = max(most, len(running))
			mu.Unlock()
			time.Sleep(time.Millisecond)
			<-running
			if len(keys) > 10 {
				t.Errorf("a batch of %d", len(keys))
			}
			return nil
		}
		e := w.engine(t, base+scene("s", "", modelMain)+"dependencies:\n  - {command: price.query, provider: {embedded: {}}, max_batch: 10, max_parallel: 3}\n")
		req := request("s")
		it := &pricingv1.RequestItem{ItemId: 1}
		for _, m := range models {
			it.Models = append(it.Models, &pricingv1.RequestModel{ModelId: m.ID})
		}
		req.Items = []*pricingv1.RequestItem{it}
		resp := ask(t, e, req)
		for i, m := range resp.Items[0].Models {
			if m.ModelId != int64(i+1) || m.GetFinalPrice() != int64(i+1) {
				t.Fatalf("model %d: got %v", i+1, m)
			}
		}
		if w.price.calls.Load() != 11 || most != 3 {
			t.Errorf("%d calls, %d at once; want 11, 3", w.price.calls.Load(), most)
		}
	})
}

func TestACallerThatLeavesEndsTheRequest(t *testing.T) {
	for name, tt := range map[string]struct {
		end    func(context.Context) (context.Context, context.CancelFunc)
		reason string
	}{
		"cancelled": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Millisecond, cancel)
			return ctx, cancel
		}, "CANCELED"},
		"out of time": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Millisecond)
		}, "DEADLINE_EXCEEDED"},
	} {
		for command := range consequences {
			t.Run(name+" in "+command, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					defer time.Sleep(time.Hour) // of the bubble: until whoever hangs is done
					w := fullWorld()
					w.fromMemory = false
					misbehave(w, command, hang)
					ctx, cancel := tt.end(t.Context())
					defer cancel()
					_, err := w.engine(t, base+scene("s", fullScenario, full)).Price(ctx, engine.Caller{}, asUser(request("s", 1), 7))
					if fault.Reason(err) != tt.reason {
						t.Fatalf("got %v, want %s", err, tt.reason)
					}
				})
			})
		}
	}
}

func TestGarbageInPriceRecordsFailsTheRequest(t *testing.T) {
	record := func(change func(*facts.Promo)) []facts.Model {
		p := promo(1, weeklyCut, 10)
		change(&p)
		return []facts.Model{model(10, p)}
	}
	for name, models := range map[string][]facts.Model{
		"a negative price":              record(func(p *facts.Promo) { p.PreTax = -2 }),
		"no price":                      record(func(p *facts.Promo) { p.PreTax = facts.NoPrice }),
		"an end before the start":       record(func(p *facts.Promo) { p.Start, p.End = 5, 5 }),
		"another item's model":          {{ID: 10, ItemID: 2}},
		"a model twice":                 {model(10), model(10)},
		"a model twice, apart":          {model(12), model(10), model(11), model(12)},
		"a promotion twice":             {model(10, promo(0, original, 100), promo(1, weeklyCut, 80), promo(1, weeklyCut, 70))},
		"a promotion twice, apart":      {model(10, promo(3, weeklyCut, 80), promo(1, weeklyCut, 70), promo(3, flashSale, 60))},
		"cheaper after tax than before": {model(10, withTax(promo(0, original, 100), 99))},
		"models of different shops":     {model(10, promo(0, original, 100)), {ID: 11, ItemID: 1, ShopID: 8, Promos: []facts.Promo{promo(0, original, 100)}}},
		"a model twice among many":      append(manyModels(40), model(40)),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(noon)
			w.price.answer = func(*engine.Call, engine.PriceKey) []facts.Model { return models }
			_, err := w.engine(t, base+scene("s", "", modelMain)).Price(t.Context(), engine.Caller{}, request("s", 1))
			if fault.Reason(err) != "PRICE_STOCK_UNAVAILABLE" || !errors.Is(err, engine.ErrMalformed) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

// manyModels have ids that descend from their count to 1.
func manyModels(n int64) []facts.Model {
	var models []facts.Model
	for id := n; id > 0; id-- {
		models = append(models, model(id, promo(0, original, 100)))
	}
	return models
}

func TestRecordsInAnyOrderAreNoGarbage(t *testing.T) {
	w := newWorld(noon, append(manyModels(40), model(41, withTax(promo(9, weeklyCut, 80), 80), promo(2, flashSale, 60), promo(0, original, 100)))...)
	if got := ask(t, w.engine(t, base+scene("s", "", modelMain)), request("s", 1)).Items[0].Models; len(got) != 41 || got[40].GetFinalPrice() != 60 {
		t.Errorf("got %v", got)
	}
}

func TestGarbageInOtherAnswersIsAFailureOfTheDependency(t *testing.T) {
	voucher := &facts.Voucher{ID: 1}
	for name, tt := range map[string]struct {
		command string
		set     func(*world)
	}{
		"a negative rebate":          {"rebate.query", func(w *world) { w.rebate.answer = func(*engine.Call, engine.RebateKey) int64 { return -1 } }},
		"a rebate above the price":   {"rebate.query", func(w *world) { w.rebate.answer = func(*engine.Call, engine.RebateKey) int64 { return 41 } }},
		"a rebate beyond all bounds": {"rebate.query", func(w *world) { w.rebate.answer = func(*engine.Call, engine.RebateKey) int64 { return math.MaxInt64 } }},
		"a tax rate out of bounds": {"tax.rates", func(w *world) {
			w.tax.answer = func(*engine.Call, engine.PriceKey) facts.TaxRate { return facts.TaxRate{Known: true, Rate: -1} }
		}},
		"a stock below nothing": {"stock.query", func(w *world) {
			w.stock.answer = func(*engine.Call, engine.PromoKey) facts.Stock { return facts.Stock{Known: true, Available: -1} }
		}},
		"a voucher above the price": {"voucher.best_vouchers", func(w *world) {
			w.voucher.answer = func(*engine.Call, engine.VoucherKey) facts.VoucherChoice {
				return facts.VoucherChoice{Shop: facts.VoucherUse{Voucher: voucher, Discount: 41}}
			}
		}},
		"a discount without a voucher": {"voucher.best_vouchers", func(w *world) {
			w.voucher.answer = func(*engine.Call, engine.VoucherKey) facts.VoucherChoice {
				return facts.VoucherChoice{Platform: facts.VoucherUse{Discount: 1}}
			}
		}},
		"vouchers above what is left": {"voucher.best_vouchers", func(w *world) {
			w.voucher.answer = func(*engine.Call, engine.VoucherKey) facts.VoucherChoice {
				return facts.VoucherChoice{Shop: facts.VoucherUse{Voucher: voucher, Discount: 40}, Platform: facts.VoucherUse{Voucher: voucher, Discount: 1}}
			}
		}},
		"a rebate above the discount": {"voucher.best_vouchers", func(w *world) {
			w.voucher.answer = func(*engine.Call, engine.VoucherKey) facts.VoucherChoice {
				return facts.VoucherChoice{Shop: facts.VoucherUse{Voucher: voucher, Discount: 4, Rebate: 5}}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := fullWorld()
			tt.set(w)
			resp := ask(t, w.engine(t, base+scene("s", fullScenario, full)), asUser(request("s", 1), 7))
			if len(resp.Degradations) != 1 || resp.Degradations[0].Scope != tt.command {
				t.Fatalf("degradations %v", resp.Degradations)
			}
		})
	}
}

func TestGarbageInAnyVoucherShownIsAFailureOfVouchers(t *testing.T) {
	use := func(layer facts.Layer, discount, rebate int64) facts.VoucherUse {
		return facts.VoucherUse{Voucher: &facts.Voucher{ID: 77, Layer: layer, Start: facts.Always, End: facts.Never}, Discount: discount, Rebate: rebate}
	}
	places := map[string]func(*facts.VoucherChoice, facts.VoucherUse){
		"the shop's voucher in use":     func(c *facts.VoucherChoice, u facts.VoucherUse) { c.Shop = u },
		"the platform's voucher in use": func(c *facts.VoucherChoice, u facts.VoucherUse) { c.Platform = u },
		"the best of the shop":          func(c *facts.VoucherChoice, u facts.VoucherUse) { c.BestShop = u },
		"the best of the platform":      func(c *facts.VoucherChoice, u facts.VoucherUse) { c.BestPlatform = u },
		"the next best":                 func(c *facts.VoucherChoice, u facts.VoucherUse) { c.NextBest = u },
		"the highest tier":              func(c *facts.VoucherChoice, u facts.VoucherUse) { c.HighestTier = u },
		"one beside the price": func(c *facts.VoucherChoice, u facts.VoucherUse) {
			c.Beside = []facts.VoucherUse{use(facts.LayerShop, 1, 0), u}
		},
	}
	for place, put := range places {
		for what, tt := range map[string]struct {
			use   facts.VoucherUse
			fails bool
		}{
			"a proper voucher":                   {use(facts.LayerPlatform, 10, 4), false},
			"one that somebody else pays wholly": {use(facts.LayerShop, 10, 10), false},
			"one of an unknown layer":            {use(2, 10, 0), true},
			"a discount below nothing":           {use(facts.LayerShop, -1, 0), true},
			"a rebate below nothing":             {use(facts.LayerShop, 10, -1), true},
			"a rebate above the discount":        {use(facts.LayerShop, 10, 11), true},
		} {
			t.Run(what+" as "+place, func(t *testing.T) {
				w := fullWorld()
				w.voucher.answer = func(*engine.Call, engine.VoucherKey) (c facts.VoucherChoice) { put(&c, tt.use); return c }
				conf := replace(full, "need_applied_voucher_detail: true", "need_applied_voucher_detail: true, need_applicable_best_vouchers: true, need_next_best_vouchers: true, need_highest_tier_vouchers: true")
				resp := ask(t, w.engine(t, base+scene("s", fullScenario, conf)), asUser(request("s", 1), 7))
				failed := len(resp.Degradations) == 1 && resp.Degradations[0].Scope == "voucher.best_vouchers" && !resp.GetAccurate() && onlyModel(t, resp).Vouchers == nil
				if failed != tt.fails || !failed && !resp.GetAccurate() {
					t.Errorf("failed %v, want %v: %v", failed, tt.fails, resp)
				}
			})
		}
	}
}
