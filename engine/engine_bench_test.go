package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"proscenium/engine"
	"proscenium/engine/policy"
	"proscenium/facts"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/vouchers/choice"
)

// static answers from a table by key, without allocating: what is measured is the engine.
type static[K comparable, V any] struct{ known map[K]V }

func (s static[K, V]) Query(_ context.Context, _ *engine.Call, keys []K, out []V) error {
	for i, k := range keys {
		out[i] = s.known[k]
	}
	return nil
}

func (static[K, V]) AnswersFromMemory() {}

// always gives one answer to every question.
type always[K, V any] struct{ answer V }

func (a always[K, V]) Query(_ context.Context, _ *engine.Call, _ []K, out []V) error {
	for i := range out {
		out[i] = a.answer
	}
	return nil
}

func (always[K, V]) AnswersFromMemory() {}

// chooses is the voucher provider over an index.
type chooses struct{ index *choice.Index }

func (c chooses) Query(_ context.Context, call *engine.Call, keys []engine.VoucherKey, out []facts.VoucherChoice) error {
	chooser := c.index.Chooser(choice.Query{
		Snap: call.Snap, Region: call.Region, Request: call.Request, ShopPool: call.Vouchers.ShopPool, PlatformPool: call.Vouchers.PlatformPool,
	})
	defer chooser.Close()
	for i, k := range keys {
		out[i] = chooser.Choose(k.Item, k.Model, k.Price)
	}
	return nil
}

func (chooses) AnswersFromMemory() {}

// buyerBench is a full buyer's scene: login, rules in CEL, eligibility, tax, rebate, vouchers.
const buyerBench = base + `
exclusion_rules:
  - {id: 1, name: busy, when: "promo.type == 'weekly_cut' && promo.price < 3 && promo.stock == 0 || promo.priority > 1000 && item.shop_id in [7, 8]"}
` + `
clients:
  - {id: 1, name: tester, allowed_scenes: [s]}
scenarios:
  - id: 1
    name: s
    eligibility: {login_mode: true}
    voucher: {shop_voucher_pool: SHOP, platform_voucher_pool: PLATFORM}
scenes:
  - id: 1
    name: s
    client: tester
    scenario: s
    product_promotion: {exclusion_rule: busy}
    model_display: {need_model_main_promo: true}
    item_display: {need_item_main_promo: true}
    voucher: {enabled: true, need_applied_voucher_detail: true}
    rebate: {need_rebate_info: true}
    tax: {need_tax_info: true}
`

// benchEngine knows items of three models with three promotions each.
func benchEngine(b testing.TB, items int) (*engine.Engine, *pricingv1.GetPromotionInfoRequest) {
	b.Helper()
	return benchEngineWith(b, items, nil, "")
}

// benchEngineWith is benchEngine with policies.
func benchEngineWith(b testing.TB, items int, registry *policy.Registry, policies string) (*engine.Engine, *pricingv1.GetPromotionInfoRequest) {
	b.Helper()
	prices := map[engine.PriceKey][]facts.Model{}
	listed := map[int64]*facts.Item{}
	labels := map[int64][]string{}
	req := asUser(request("s"), 7)
	var vouchers []facts.Voucher
	for i := range int64(items) {
		item := i + 1
		var models []facts.Model
		for m := range int64(3) {
			id := item*10 + m
			models = append(models, facts.Model{ID: id, ItemID: item, ShopID: item % 5, Promos: []facts.Promo{
				promo(0, original, 1000+id), promo(1000+id, weeklyCut, 900+id), promo(2000+id, exclusive, 800+id),
			}})
		}
		prices[engine.PriceKey{ItemID: item}] = models
		listed[item] = &facts.Item{ID: item, ShopID: item % 5, Name: fmt.Sprint("item ", item), Categories: []string{"food", "cheese"}}
		labels[item] = []string{"fresh"}
		req.Items = append(req.Items, &pricingv1.RequestItem{ItemId: item})
	}
	for i := range int64(100) {
		v := facts.Voucher{ID: 100 + i, Region: "US", Start: facts.Always, End: facts.Never, Value: 10 + i}
		if i%2 == 0 {
			v.Layer, v.Items = facts.LayerShop, []int64{1 + i%int64(items)}
			v.ShopID = v.Items[0] % 5
		} else {
			v.Layer, v.MinSpend = facts.LayerPlatform, 500+i*10
		}
		vouchers = append(vouchers, v)
	}
	index, problems := choice.NewIndex(vouchers)
	if len(problems) > 0 {
		b.Fatal(problems)
	}
	w := newWorld(noon)
	e := engine.New(engine.Deps{Now: w.clock, Policies: registry, Open: w.open(&engine.Providers{
		Price: static[engine.PriceKey, []facts.Model]{prices}, Items: static[int64, *facts.Item]{listed}, Labels: static[int64, []string]{labels},
		ExclusivePrice: always[engine.EligibilityKey, bool]{true}, LiveStream: always[engine.EligibilityKey, bool]{}, WelcomePackage: always[engine.EligibilityKey, bool]{},
		Tax: always[engine.PriceKey, facts.TaxRate]{facts.TaxRate{Known: true, Rate: 8_875}}, Rebate: always[engine.RebateKey, int64]{3},
		Voucher: chooses{index}, Stock: always[engine.PromoKey, facts.Stock]{}, GMV: always[engine.PriceKey, int64]{},
		Decoration: always[engine.DecorationKey, facts.Decoration]{}, Package: always[int64, []facts.Package]{},
	})})
	if err := e.Apply(load(b, buyerBench+policies)); err != nil {
		b.Fatal(err)
	}
	return e, req
}

func BenchmarkPrice(b *testing.B) {
	for _, items := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("%d models, %d promotions", items*3, items*9), func(b *testing.B) {
			e, req := benchEngine(b, items)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Price(b.Context(), engine.Caller{}, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestPricingAllocatesLittle holds the engine to its bar: 150 allocations for 30 models, the answer included.
func TestPricingAllocatesLittle(t *testing.T) {
	e, req := benchEngine(t, 10)
	resp := ask(t, e, req)
	if m := resp.Items[0].Models[0]; m.ShopVoucherDiscount == 0 || m.PlatformVoucherDiscount == 0 || m.Tax == nil || m.Rebate == nil {
		t.Fatalf("the scene does less than it says: %v", m)
	}
	got := testing.AllocsPerRun(200, func() { ask(t, e, req) })
	t.Logf("%.0f allocations", got)
	if got > 150 {
		t.Errorf("%.0f allocations, the bar is 150", got)
	}
}

// benchPolicies stand around the request and around every call that it makes: two breakers, a limit of the process and a bulkhead each.
func benchPolicies() string {
	text := `
limits:
  much: {all: {window: 1s, limit: 1000000000, precision: LOCAL}}
inbound: {limits: [much]}
breakers:
`
	for _, command := range engine.CommandNames {
		text += "  " + command + ": {error_percent_threshold: 50, timeout_percent_threshold: 50, timeout_threshold_seconds: 1}\n"
	}
	text += "scene_breakers:\n"
	for _, command := range engine.CommandNames {
		text += "  " + command + ": {error_percent_threshold: 50}\n"
	}
	text += "dependencies:\n"
	for _, command := range engine.CommandNames {
		text += "  - {command: " + command + ", limits: [much], max_concurrent: 1000}\n"
	}
	return text
}

// BenchmarkPolicies compares a request among policies with the same one without, in turn.
func BenchmarkPolicies(b *testing.B) {
	for _, tc := range []struct {
		name string
		with func() (*policy.Registry, string)
	}{
		{"around everything", func() (*policy.Registry, string) {
			return policy.New(policy.Deps{Now: time.Now, Random: rand.Float64}), benchPolicies()
		}},
		{"none configured", func() (*policy.Registry, string) {
			return policy.New(policy.Deps{Now: time.Now, Random: rand.Float64}), ""
		}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			plain, req := benchEngine(b, 10)
			registry, policies := tc.with()
			guarded, _ := benchEngineWith(b, 10, registry, policies)
			timed := func(e *engine.Engine) time.Duration {
				start := time.Now()
				if _, err := e.Price(b.Context(), engine.Caller{}, req); err != nil {
					b.Fatal(err)
				}
				return time.Since(start)
			}
			var without, with time.Duration
			for b.Loop() {
				without += timed(plain)
				with += timed(guarded)
			}
			b.ReportMetric(float64(with)/float64(without), "x-without")
			b.ReportMetric(float64(with.Nanoseconds())/float64(b.N), "ns/with")
		})
	}
}

// TestPoliciesAllocateNothing compares a request among policies with the same one without.
func TestPoliciesAllocateNothing(t *testing.T) {
	plain, req := benchEngine(t, 10)
	guarded, _ := benchEngineWith(t, 10, policy.New(policy.Deps{Now: time.Now, Random: rand.Float64}), benchPolicies())
	count := func(e *engine.Engine) float64 { return testing.AllocsPerRun(200, func() { ask(t, e, req) }) }
	chance := 0.0
	if raced {
		chance = 10
	}
	if without, with := count(plain), count(guarded); with > without+chance {
		t.Errorf("%v allocations with policies, %v without", with, without)
	}
}
