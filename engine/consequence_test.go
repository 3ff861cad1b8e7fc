package engine_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"proscenium/engine"
	"proscenium/facts"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/rules"
)

// twoScenes are s and other, with vouchers from two pools, which are downgraded to that of shops.
const twoScenes = `
clients:
  - {id: 1, name: tester, allowed_scenes: [s, other]}
scenarios:
  - {id: 1, name: s, voucher: {shop_voucher_pool: SHOP, platform_voucher_pool: PLATFORM}}
scenes:
  - {id: 1, name: s, client: tester, scenario: s, allow_explain: true, model_display: {need_model_main_promo: true}, voucher: {enabled: true, downgraded_shop_voucher_pool: SHOP}}
  - {id: 2, name: other, client: tester, scenario: s, model_display: {need_model_main_promo: true}, voucher: {enabled: true, downgraded_shop_voucher_pool: SHOP}}
`

const voucherBreakers = `
scene_breakers:
  voucher.best_vouchers: {error_percent_threshold: 100, minimum_number_of_calls: 2, open: 10s, half_open_calls: 1}
`

// voucherWorld has a model of 100, a shop voucher of 10 in every pool, and one of the platform of 5 where that is asked for.
func voucherWorld() *world {
	w := newWorld(noon, model(10, promo(0, original, 100)))
	w.voucher.answer = func(c *engine.Call, _ engine.VoucherKey) facts.VoucherChoice {
		out := facts.VoucherChoice{Shop: facts.VoucherUse{Voucher: &facts.Voucher{ID: 1, Start: facts.Always, End: facts.Never}, Discount: 10}}
		if c.Vouchers.PlatformPool != nil {
			out.Platform = facts.VoucherUse{Voucher: &facts.Voucher{ID: 2, Layer: facts.LayerPlatform, Start: facts.Always, End: facts.Never}, Discount: 5}
		}
		return out
	}
	return w
}

// price is the final price of the model, how far the answer is accurate, and what is degraded.
func price(t testing.TB, g *guarded, scene string) string {
	t.Helper()
	resp, err := g.Price(t.Context(), engine.Caller{}, request(scene, 1))
	if err != nil {
		t.Fatal(err)
	}
	return shown(t, resp)
}

func shown(t testing.TB, resp *pricingv1.GetPromotionInfoResponse) string {
	t.Helper()
	out := fmt.Sprintf("%d accurate=%v", onlyModel(t, resp).GetFinalPrice(), resp.GetAccurate())
	for _, d := range resp.Degradations {
		out += fmt.Sprintf(" %s %s %s", d.Feature, d.Scope, d.Cause.String()[len("DEGRADATION_CAUSE_"):])
	}
	return out
}

const (
	usual      = "85 accurate=true"
	unanswered = "100 accurate=false price_after_voucher voucher.best_vouchers DEPENDENCY_ERROR"
	downgraded = "90 accurate=true price_after_voucher scene:s BREAKER_OPEN"
)

func wantPrice(t testing.TB, when, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s, want %s", when, got, want)
	}
}

// breakVouchers fails the vouchers of s until their breaker opens, and mends them.
func breakVouchers(t testing.TB, w *world, g *guarded) {
	t.Helper()
	misbehave(w, "voucher.best_vouchers", func(context.Context) error { return errDown })
	for range 2 {
		wantPrice(t, "without vouchers", price(t, g, "s"), unanswered)
	}
	misbehave(w, "voucher.best_vouchers", func(context.Context) error { return nil })
}

func TestAnOpenBreakerOfVouchersSwitchesItsSceneToTheDowngradedPoolsUntilProbesCloseIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := voucherWorld()
		g := w.guarded(t, base+twoScenes+voucherBreakers)
		wantPrice(t, "at first", price(t, g, "s"), usual)
		misbehave(w, "voucher.best_vouchers", func(context.Context) error { return errDown })
		time.Sleep(10 * time.Second) // so that the first does not count any more
		breakVouchers(t, w, g)
		for range 5 {
			wantPrice(t, "the scene", price(t, g, "s"), downgraded)
			wantPrice(t, "another scene", price(t, g, "other"), usual)
		}
		want := []engine.Downgraded{{
			Feature: pricesAfterVoucher, Scenes: []string{"s"}, Scope: "scene:s", Origin: engine.FromBreaker, Breaker: "voucher.best_vouchers@s",
		}}
		if diff := cmp.Diff(want, g.Downgrades()); diff != "" {
			t.Error(diff)
		}
		time.Sleep(10 * time.Second)
		wantPrice(t, "the probe", price(t, g, "s"), usual)
		wantPrice(t, "after it", price(t, g, "s"), usual)
		if diff := cmp.Diff([]string{"live voucher.best_vouchers@s open", "live voucher.best_vouchers@s half_open", "live voucher.best_vouchers@s closed"}, g.seen.transitions); diff != "" {
			t.Error(diff)
		}
		if got := g.Downgrades(); len(got) != 0 {
			t.Errorf("still listed: %+v", got)
		}
	})
}

// TestTheStateAtTheStartOfARequestHoldsToItsEnd changes the breaker while the request asks for prices.
func TestTheStateAtTheStartOfARequestHoldsToItsEnd(t *testing.T) {
	for _, tc := range []struct {
		name string
		open bool // at the start; otherwise it opens meanwhile
		want string
	}{
		{"closed at the start, then open", false, usual},
		{"open at the start, then closed", true, downgraded},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := voucherWorld()
				g := w.guarded(t, base+twoScenes+voucherBreakers)
				if tc.open {
					breakVouchers(t, w, g)
				}
				inner := false
				w.price.fault = func(context.Context, []engine.PriceKey, [][]facts.Model) error {
					if inner {
						return nil
					}
					inner = true
					if tc.open {
						time.Sleep(10 * time.Second)
						wantPrice(t, "a probe meanwhile", price(t, g, "s"), usual)
					} else {
						breakVouchers(t, w, g)
						wantPrice(t, "a request that begins meanwhile", price(t, g, "s"), downgraded)
					}
					return nil
				}
				wantPrice(t, tc.name, price(t, g, "s"), tc.want)
			})
		})
	}
}

func TestARequestThatCallsNoVouchersGivesItsProbeBack(t *testing.T) {
	for _, tc := range []struct {
		name string
		how  func(w *world)
	}{
		{"no model", func(w *world) { w.price.answer = nil }},
		{"prices fail", func(w *world) { misbehave(w, "price.query", func(context.Context) error { return errDown }) }},
		{"the items of the vouchers fail", func(w *world) { misbehave(w, "listing.items", func(context.Context) error { return errDown }) }},
		{"a panic of a stage", func(w *world) { w.price.answer = func(*engine.Call, engine.PriceKey) []facts.Model { panic("bug") } }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := voucherWorld()
				g := w.guarded(t, base+twoScenes+voucherBreakers)
				breakVouchers(t, w, g)
				time.Sleep(10 * time.Second)
				was := w.price.answer
				tc.how(w)
				_, _ = g.Price(t.Context(), engine.Caller{}, request("s", 1))
				w.price.answer, w.price.fault = was, nil
				misbehave(w, "listing.items", func(context.Context) error { return nil })
				wantPrice(t, "the one probe is free again", price(t, g, "s"), usual)
			})
		})
	}
}

// TestWhereNoVoucherIsCalledTheBreakerIsNotAsked asks in one region, where the usual pools are out of use, and from within that request in another, where
// they are not: the one probe is for that.
func TestWhereNoVoucherIsCalledTheBreakerIsNotAsked(t *testing.T) {
	salt := 0
	for rules.Bucket(fmt.Sprint(salt), "US", 100_000) >= 50_000 || rules.Bucket(fmt.Sprint(salt), "DE", 100_000) < 50_000 {
		salt++
	}
	group := fmt.Sprintf(`experiments:
  - name: x
    salt: "%d"
    unit: request.region
    scenes: [s]
    groups: [{name: off, share: 50000, features: {price_after_voucher: false}}, {name: on, share: 50000}]
`, salt)
	for _, tc := range []struct{ name, by, want string }{
		{"an operator's downgrade", "downgrades:\n  - {feature: PRICE_AFTER_VOUCHER, regions: [US]}\n", "90 accurate=true price_after_voucher region:US OPERATOR"},
		{"a downgraded scene", "downgrades:\n  - {feature: SCENE, regions: [US]}\n", "100 accurate=true scene region:US OPERATOR"},
		{"a group without vouchers", group, "100 accurate=true"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := voucherWorld()
				w.tax.answer = func(*engine.Call, engine.PriceKey) facts.TaxRate { return facts.TaxRate{Known: true} }
				g := w.guarded(t, base+twoScenes+voucherBreakers)
				breakVouchers(t, w, g)
				time.Sleep(10 * time.Second) // there is one probe now
				g.seen.refusals = nil
				scenes := twoScenes
				if tc.by == group {
					scenes = replace(twoScenes, "scenario: s, allow_explain", "scenario: s, ab_test: x, allow_explain")
				}
				if err := g.Apply(load(t, base+scenes+voucherBreakers+tc.by)); err != nil {
					t.Fatal(err)
				}
				w.price.fault = func(context.Context, []engine.PriceKey, [][]facts.Model) error {
					w.price.fault = nil
					there := request("s", 1)
					there.Region = "DE"
					resp, err := g.Price(t.Context(), engine.Caller{}, there)
					if err != nil {
						t.Fatal(err)
					}
					wantPrice(t, "the probe, in the other region", shown(t, resp), usual)
					return nil
				}
				wantPrice(t, tc.name, price(t, g, "s"), tc.want)
				if len(g.seen.refusals) != 0 || w.price.fault != nil {
					t.Errorf("refused: %v", g.seen.refusals)
				}
			})
		})
	}
}

func TestWithoutDowngradedPoolsAnOpenBreakerLeavesThePriceBeforeVouchers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := voucherWorld()
		g := w.guarded(t, base+replace(twoScenes, "enabled: true, downgraded_shop_voucher_pool: SHOP", "enabled: true")+voucherBreakers)
		breakVouchers(t, w, g)
		calls := w.voucher.calls.Load()
		wantPrice(t, "open", price(t, g, "s"), "100 accurate=true price_after_voucher scene:s BREAKER_OPEN")
		if w.voucher.calls.Load() != calls {
			t.Error("vouchers were called")
		}
	})
}

func TestTheBreakerOfTheCommandLeavesAllScenesWithoutVouchers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := voucherWorld()
		g := w.guarded(t, base+twoScenes+"breakers: {voucher.best_vouchers: {error_percent_threshold: 100, minimum_number_of_calls: 2, open: 10s}}\n")
		breakVouchers(t, w, g)
		for _, scene := range []string{"s", "other"} {
			wantPrice(t, scene, price(t, g, scene), "100 accurate=false price_after_voucher voucher.best_vouchers BREAKER_OPEN")
		}
		if got := g.Downgrades(); len(got) != 0 {
			t.Errorf("no scene is on its downgraded pools: %+v", got)
		}
	})
}

func TestDowngradedPoolsThatFailHaveABreakerOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := voucherWorld()
		g := w.guarded(t, base+twoScenes+voucherBreakers)
		misbehave(w, "voucher.best_vouchers", func(context.Context) error { return errDown })
		for range 2 {
			wantPrice(t, "the usual pools", price(t, g, "s"), unanswered)
		}
		failed := "100 accurate=false price_after_voucher scene:s BREAKER_OPEN price_after_voucher voucher.best_vouchers DEPENDENCY_ERROR"
		for range 2 {
			wantPrice(t, "the downgraded pools", price(t, g, "s"), failed)
		}
		wantPrice(t, "both are open", price(t, g, "s"),
			"100 accurate=false price_after_voucher scene:s BREAKER_OPEN price_after_voucher voucher.best_vouchers BREAKER_OPEN")
		if !slices.Contains(g.seen.refusals, "live breaker voucher.best_vouchers@s/downgraded dry=false") {
			t.Errorf("refused: %v", g.seen.refusals)
		}
	})
}

func TestVouchersOfManyModelsAreExplainedUnderOnePermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var models []facts.Model
		for id := range int64(60) {
			models = append(models, model(10+id, promo(0, original, 100)))
		}
		w := voucherWorld()
		w.price = newWorld(noon, models...).price
		g := w.guarded(t, base+twoScenes+voucherBreakers)
		misbehave(w, "voucher.best_vouchers", func(context.Context) error { return errDown })
		for range 2 {
			if _, err := g.Price(t.Context(), engine.Caller{}, request("s", 1)); err != nil {
				t.Fatal(err)
			}
		}
		misbehave(w, "voucher.best_vouchers", func(context.Context) error { return nil })
		time.Sleep(10 * time.Second) // one probe, and two queries in one request
		resp, err := g.Price(t.Context(), engine.Caller{Trace: true}, request("s", 1))
		if err != nil || !resp.GetAccurate() || len(resp.Degradations) != 0 {
			t.Errorf("%v, %v", err, resp.GetDegradations())
		}
		if b := g.breaker(t, "voucher.best_vouchers", "s"); b.State != "closed" {
			t.Errorf("%+v", b)
		}
	})
}
