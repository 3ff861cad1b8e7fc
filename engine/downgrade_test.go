package engine_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/engine"
	"proscenium/facts"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// otherScene adds a scene that needs what s needs, under the same scenario.
func otherScene(conf string) string {
	return replace(replace(conf, "allowed_scenes: [s]", "allowed_scenes: [s, other]"),
		"scenes:\n", "scenes:\n  - {id: 2, name: other, client: tester, scenario: s, model_display: {need_model_main_promo: true}, rebate: {need_rebate_info: true}}\n")
}

func TestADowngradeConcernsItsRegionsAndScenesOnly(t *testing.T) {
	for _, tt := range []struct {
		name, scope string
		listed      string // scope; empty: not downgraded
	}{
		{"everything", "reason: test", "all"},
		{"this region", "regions: [US]", "region:US"},
		{"another region", "regions: [DE]", ""},
		{"this scene", "scenes: [s]", "scene:s"},
		{"another scene", "scenes: [other]", ""},
		{"this scene in another region", "scenes: [s], regions: [DE]", ""},
		{"another scene in this region", "scenes: [other], regions: [US]", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := fullWorld()
			e := w.engine(t, base+otherScene(scene("s", fullScenario, full))+"downgrades:\n  - {feature: REBATE, "+tt.scope+"}\n")
			resp := ask(t, e, asUser(request("s", 1), 7))
			calls, listed := int64(1), ""
			if tt.listed != "" {
				calls = 0
			}
			for _, d := range resp.Degradations {
				listed += d.Scope
			}
			if listed != tt.listed || w.rebate.calls.Load() != calls {
				t.Errorf("degraded in %q after %d calls, want %q after %d: %v", listed, w.rebate.calls.Load(), tt.listed, calls, resp)
			}
		})
	}
}

func TestWhatASceneDoesNotHaveIsNotDowngraded(t *testing.T) {
	for _, feature := range []string{
		"PRICE_AFTER_VOUCHER", "EXCLUSIVE_PRICE", "LIVE_STREAM_PRICE", "WELCOME_PACKAGE", "REBATE", "TAX", "STOCK", "ITEM_DISPLAY",
	} {
		resp := ask(t, fullWorld().engine(t, base+scene("s", "", modelMain)+"downgrades:\n  - {feature: "+feature+"}\n"), request("s", 1))
		if len(resp.Degradations) != 0 {
			t.Errorf("%s: %v", feature, resp.Degradations)
		}
	}
}

func TestADowngradeEndsByTheClockAndNotByTheTimePricedFor(t *testing.T) {
	w := fullWorld()
	e := w.engine(t, base+scene("s", "    time_mode: ANY_TIME\n"+fullScenario, full)+"downgrades:\n  - {feature: REBATE, until: \"2026-03-01T12:30:00Z\"}\n")
	for _, tt := range []struct {
		name    string
		now, at time.Time
		want    int
	}{
		{"before its end, priced for after", noon, noon.Add(time.Hour), 1},
		{"after its end, priced for before", noon.Add(time.Hour), noon, 0},
	} {
		w.now = tt.now
		req := asUser(request("s", 1), 7)
		req.AtTime = timestamppb.New(tt.at)
		if got := ask(t, e, req).Degradations; len(got) != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestDowngradedStockIsNotInTheRecordsEither(t *testing.T) {
	for downgrade, want := range map[string]bool{"": true, "downgrades:\n  - {feature: STOCK}\n": false} {
		w := fullWorld()
		records := w.price.answer
		w.price.answer = func(c *engine.Call, k engine.PriceKey) []facts.Model {
			if c.WithStock != want {
				t.Errorf("records were asked for with stock: %v, want %v", c.WithStock, want)
			}
			return records(c, k)
		}
		m := onlyModel(t, ask(t, w.engine(t, base+scene("s", fullScenario, full)+downgrade), asUser(request("s", 1), 7)))
		if (m.Stock != nil) != want || (m.MainPromo.Stock != nil) != want {
			t.Errorf("stock %v, of the promotion %v; wanted: %v", m.Stock, m.MainPromo.Stock, want)
		}
	}
}

// downgradedScenes are the ways in which the whole of scene s is downgraded, as configuration, with the scope that answers name.
var downgradedScenes = []struct {
	name  string
	conf  func(string) string
	scope string
}{
	{"by its own configuration", func(c string) string { return c + "    downgrade: {is_downgraded: true}\n" }, "scene:s"},
	{"by its own configuration, in an experiment", func(c string) string {
		return replace(c, "scenes:\n", "  - {id: 2, name: anything, eligibility: {login_mode: true}, voucher: {shop_voucher_pool: SHOP}}\nscenes:\n") +
			"    downgrade: {is_downgraded: true}\n    ab_test: x\n" +
			"experiments:\n  - {name: x, salt: a, scenes: [s], groups: [{name: g, share: 100000, features: {scenario: anything}}]}\n"
	}, "scene:s"},
	{"by an operator", func(c string) string { return c + "downgrades:\n  - {feature: SCENE}\n" }, "all"},
}

func TestADowngradedSceneAsksForThePricesOnly(t *testing.T) {
	for _, tt := range downgradedScenes {
		t.Run(tt.name, func(t *testing.T) {
			w := fullWorld()
			resp := ask(t, w.engine(t, base+tt.conf(scene("s", fullScenario, full))), asUser(request("s", 1), 7))
			if m := onlyModel(t, resp); m.GetFinalPrice() != 40 || m.Rebate != nil || m.Vouchers != nil || m.Tax != nil || m.Stock != nil || !resp.GetAccurate() {
				t.Errorf("got %v", resp)
			}
			want := &pricingv1.Degradation{Feature: "scene", Scope: tt.scope, Cause: pricingv1.DegradationCause_DEGRADATION_CAUSE_OPERATOR}
			if len(resp.Degradations) != 1 || resp.Degradations[0].String() != want.String() {
				t.Errorf("degradations %v, want %v", resp.Degradations, want)
			}
			for command, calls := range map[string]int64{
				"rebate.query": w.rebate.calls.Load(), "voucher.best_vouchers": w.voucher.calls.Load(), "tax.rates": w.tax.calls.Load(),
				"stock.query": w.stock.calls.Load(), "gmv.query": w.gmv.calls.Load(), "package.query": w.packages.calls.Load(),
				"listing.items": w.items.calls.Load(), "listing.labels": w.labels.calls.Load(),
			} {
				if calls != 0 {
					t.Errorf("%s was called %d times", command, calls)
				}
			}
		})
	}
}

func TestADowngradedSceneDressesUpNothing(t *testing.T) {
	for _, tt := range downgradedScenes {
		w := fullWorld()
		resp := ask(t, w.engine(t, base+tt.conf(scene("s", fullScenario, full))), asUser(request("s", 1), 7))
		if n := w.decoration.calls.Load(); n != 0 || onlyModel(t, resp).MainPromo.Decoration != nil {
			t.Errorf("%s: decoration.query was called %d times: %v", tt.name, n, resp)
		}
	}
}

func TestADowngradedSceneAsksForNoFactsOfATeaserRule(t *testing.T) {
	const body = modelMain + "    item_display: {need_item_teaser_promo: true, item_teaser_promo_inclusion_rule: i}\n"
	const rule = "inclusion_rules:\n  - {id: 1, name: i, when: \"item.brand == 'x' && 'clean' in item.labels\"}\n"
	for _, tt := range downgradedScenes {
		w := fullWorld()
		ask(t, w.engine(t, base+rule+tt.conf(scene("s", fullScenario, body))), asUser(request("s", 1), 7))
		if items, labels := w.items.calls.Load(), w.labels.calls.Load(); items != 0 || labels != 0 {
			t.Errorf("%s: listing.items was called %d times, listing.labels %d times", tt.name, items, labels)
		}
	}
}

func TestWhatIsDowngradedIsNotShown(t *testing.T) {
	for feature, shown := range map[string]func(*pricingv1.Model) bool{
		"REBATE": func(m *pricingv1.Model) bool { return m.Rebate != nil },
		"TAX":    func(m *pricingv1.Model) bool { return m.Tax != nil },
		"STOCK":  func(m *pricingv1.Model) bool { return m.Stock != nil },
	} {
		both := promo(1, weeklyCut, 80)
		both.PostTax = 88
		w := fullWorld()
		w.price = newWorld(noon, model(10, both)).price
		conf := base + scene("s", fullScenario, full)
		if m := onlyModel(t, ask(t, w.engine(t, conf), asUser(request("s", 1), 7))); !shown(m) {
			t.Errorf("%s is not shown though nothing is downgraded: %v", feature, m)
		}
		if m := onlyModel(t, ask(t, w.engine(t, conf+"downgrades:\n  - {feature: "+feature+"}\n"), asUser(request("s", 1), 7))); shown(m) {
			t.Errorf("%s is downgraded, but shown: %v", feature, m)
		}
	}
}
