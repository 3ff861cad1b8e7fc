package rules

import (
	"fmt"
	"testing"
	"time"

	"proscenium/facts"
)

// typicalRules are what configurations are made of.
func typicalRules() []struct {
	name  string
	place Place
	expr  string
} {
	return []struct {
		name  string
		place Place
		expr  string
	}{
		{"one comparison", PromoRule, `promo.price < 100`},
		{"type and price", PromoRule, `promo.type == 'flash_sale' && promo.price < 1000 && item.seller_type != 'official'`},
		{"types of a list", PromoRule, `promo.type in ['live_stream', 'flash_sale', 'welcome_package'] && request.client_platform != 'web'`},
		{"window", PromoRule, `promo.start_time <= request.time && request.time < promo.end_time && promo.end_time - request.time > duration('1h')`},
		{"label", PromoRule, `'clearance' in item.labels || item.category == 'grocery'`},
		{"labels by prefix", PromoRule, `item.labels.exists(l, l.startsWith('own_'))`},
		{"time of day", PromoRule, `hour(request.time) >= 12 && weekday(request.time) in [0, 6]`},
		{"days", PromoRule, `date(request.time) >= '2026-11-11' && date(request.time) < '2026-11-13'`},
		{"bucket", PromoRule, `bucket(user.id, 'rollout', 100) < 20`},
		{"brand pattern", PromoRule, `item.brand.matches('^(Nova|Acme)') || item.name.contains('kit')`},
		{"pool", VoucherPool, `voucher.type == 'SHOP_VOUCHER' && !voucher.hidden && voucher.reward_type == 'DISCOUNT' && !voucher.has_user_condition`},
		{"applies when", VoucherAppliesWhen, `item.category in ['soup', 'pasta'] && voucher.min_spend <= 2000 && 'new_user' in user.segments`},
		{"user condition", VoucherUserCondition, `sets.intersects(user.segments, ['income_50_74k', 'income_75_99k'])`},
		{"eligibility", Eligibility, `live_stream.ongoing && (live_stream.token_valid || live_stream.auto_enable)`},
		{"unit", ExperimentUnit, `request.device_type`},
	}
}

func typicalInput() *Input {
	at := time.Date(2026, 11, 11, 19, 30, 0, 0, time.UTC).UnixNano()
	return &Input{
		Promo:      &facts.Promo{ID: 9, Type: 3, PreTax: 899, PostTax: facts.NoPrice, Start: at - int64(time.Hour), End: at + 5*int64(time.Hour), Stock: 12},
		PromoType:  &facts.PriceRuleType{ID: 3, Name: "flash_sale", Priority: 40},
		PromoPrice: 899,
		Model:      &facts.Model{ID: 1, ItemID: 2, ShopID: 3},
		Item: &facts.Item{
			ID: 2, ShopID: 3, Name: "tomato soup, family size", Brand: "Nova", Categories: []string{"grocery", "canned", "soup"}, SellerType: "mall",
			Labels: []string{"fresh", "family", "own_brand", "clearance"},
		},
		User: &facts.User{ID: 2360, Segments: []string{"new_user", "income_50_74k"}},
		Request: &facts.Request{
			Region: "US", Scene: "pdp_main", Scenario: "buyer", Client: "shop", UserID: 2360, At: at, Platform: "app_ios", DeviceType: "phone",
		},
		Voucher:    &facts.Voucher{ID: 7, Layer: facts.LayerShop, MinSpend: 1500, Kind: facts.DiscountPercent, Value: 10_000},
		LiveStream: &facts.LiveStream{Ongoing: true, AutoEnable: true},
		Zone:       newYork(),
	}
}

// TestTypicalRulesAllocateNothing: they run some ninety times a request.
func TestTypicalRulesAllocateNothing(t *testing.T) {
	in := typicalInput()
	for _, c := range typicalRules() {
		t.Run(c.name, func(t *testing.T) {
			rule := mustCompile(t, c.place, c.expr)
			if rule.Interpreted() {
				t.Fatal("it runs in the interpreter")
			}
			run := func() { _, err := rule.Bool(in); failOn(t, err) }
			if c.place == ExperimentUnit {
				run = func() { _, err := rule.Key(in); failOn(t, err) }
			}
			if n := testing.AllocsPerRun(1000, run); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

func failOn(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustCompile(tb testing.TB, place Place, expr string) *Rule {
	tb.Helper()
	rule, problems := Compile(place, expr)
	if len(problems) > 0 {
		tb.Fatalf("%s: %s: %+v", place, expr, problems)
	}
	return rule
}

// BenchmarkTypicalRules compares closures with cel-go's interpreter, which has its own optimisation on.
func BenchmarkTypicalRules(b *testing.B) {
	in := typicalInput()
	for _, c := range typicalRules() {
		closures := mustCompile(b, c.place, c.expr)
		env := c.place.environment()
		checked, _ := env.cel.Compile(c.expr)
		interpreter, err := newProgram(env, checked)
		if err != nil {
			b.Fatal(err)
		}
		for name, rule := range map[string]*Rule{"closures": closures, "interpreter": {program: interpreter}} {
			b.Run(fmt.Sprintf("%s/%s", c.name, name), func(b *testing.B) {
				b.ReportAllocs()
				if c.place == ExperimentUnit {
					for b.Loop() {
						_, _ = rule.Key(in)
					}
					return
				}
				for b.Loop() {
					_, _ = rule.Bool(in)
				}
			})
		}
	}
}

// BenchmarkManyLabels is the worst that the limit of cost allows: what a unit of cost takes.
func BenchmarkManyLabels(b *testing.B) {
	in := typicalInput()
	in.Item.Labels = make([]string, maxLabels)
	for i := range in.Item.Labels {
		in.Item.Labels[i] = fmt.Sprintf("label_%d", i)
	}
	const expr = `item.labels.exists(l, l.startsWith('own_') || l.endsWith('_sale') || l in ['a', 'b', 'c'] || size(l) > 20)`
	env := PromoRule.environment()
	checked, _ := env.cel.Compile(expr)
	estimate, err := env.cel.EstimateCost(checked, sizes{env})
	if err != nil {
		b.Fatal(err)
	}
	interpreter, err := newProgram(env, checked)
	if err != nil {
		b.Fatal(err)
	}
	for name, rule := range map[string]*Rule{"closures": mustCompile(b, PromoRule, expr), "interpreter": {program: interpreter}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = rule.Bool(in)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(estimate.Max), "ns/unit")
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, problems := Compile(PromoRule, `promo.type == 'flash_sale' && promo.price < 1000 && item.seller_type != 'official'`); problems != nil {
			b.Fatal(problems)
		}
	}
}
