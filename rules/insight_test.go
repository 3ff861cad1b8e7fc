package rules

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func compiledRule(t *testing.T, place Place, expr string) *Rule {
	t.Helper()
	rule, problems := Compile(place, expr)
	if len(problems) > 0 {
		t.Fatalf("%q: %v", expr, problems)
	}
	return rule
}

func TestConditionsThatAreAlwaysTheSameAreKnown(t *testing.T) {
	for _, c := range []struct {
		place      Place
		want, expr string // want: true, false, or empty where it depends
	}{
		{PromoRule, "true", `true`},
		{PromoRule, "false", `false`},
		{PromoRule, "true", `1 < 2`},
		{PromoRule, "true", `promo.price < 100 || true`},
		{PromoRule, "false", `promo.sold_out && false`},
		{PromoRule, "true", `[1, 2].exists(x, x == 2)`},
		{PromoRule, "", `promo.sold_out`},
		{PromoRule, "", `promo.price < 100 && true`},

		// Contradictions.
		{PromoRule, "false", `promo.type == 'a' && promo.type == 'b'`},
		{PromoRule, "false", `'a' == promo.type && !promo.sold_out && promo.type in ['b', 'c']`},
		{PromoRule, "false", `promo.type in ['a', 'b'] && promo.type != 'a' && promo.type != 'b'`},
		{PromoRule, "false", `promo.type == 'a' && !(promo.type in ['a', 'b'])`},
		{PromoRule, "false", `promo.sold_out && !promo.sold_out`},
		{PromoRule, "false", `promo.sold_out && promo.sold_out == false`},
		{PromoRule, "false", `promo.price < 100 && promo.price > 100`},
		{PromoRule, "false", `promo.price < 100 && 100 <= promo.price`},
		{PromoRule, "false", `promo.price == 1 && promo.price == 2`},
		{PromoRule, "false", `!(promo.price < 100 || promo.price >= 100)`},
		{PromoRule, "false", `promo.price > 9223372036854775806 && promo.price < 9223372036854775807`},
		{VoucherPool, "false", `voucher.type != 'SHOP_VOUCHER' && voucher.type != 'PLATFORM_VOUCHER'`},

		// Their opposites: what people write for "neither a nor b".
		{PromoRule, "true", `promo.type != 'a' || promo.type != 'b'`},
		{PromoRule, "true", `promo.price < 100 || promo.price > 99`},
		{PromoRule, "true", `!(promo.type == 'a' && promo.type == 'b')`},
		{VoucherPool, "true", `voucher.type == 'SHOP_VOUCHER' || voucher.type == 'PLATFORM_VOUCHER'`},

		{PromoRule, "", `promo.type == 'a' || promo.type == 'b'`},
		{PromoRule, "", `promo.type != 'a' && promo.type != 'b'`},
		{PromoRule, "", `promo.price >= 100 && promo.price <= 100`},
		{PromoRule, "", `promo.price > 9223372036854775806`},
		{PromoRule, "", `promo.type == 'a' && item.brand == 'b'`},
		{PromoRule, "", `(promo.type == 'a' && promo.type == 'b') || promo.sold_out`},
		{PromoRule, "", `promo.id in [1, 2] && promo.id in [3]`}, // not looked for
		{PromoRule, "", `promo.type < 'a' && promo.type > 'b'`},
		{PromoRule, "", `promo.type == item.brand && promo.type != item.brand`},
		{PromoRule, "", `item.labels.exists(x, x == 'a' && x == 'b')`},
		{ExperimentUnit, "", `user.id`},
		{ExperimentUnit, "", `'x'`},
	} {
		value, is := compiledRule(t, c.place, c.expr).Constant()
		got := ""
		if is {
			got = map[bool]string{true: "true", false: "false"}[value]
		}
		if got != c.want {
			t.Errorf("%s: always %q, want %q", c.expr, got, c.want)
		}
	}
}

func TestTextsThatVariablesAreComparedWithAreFound(t *testing.T) {
	rule := compiledRule(t, PromoRule, `item.name == 'é' || 'a' == promo.type || promo.type in ['b', "c"] && !(request.region != 'US') || promo.type == item.brand || promo.id in [1]`)
	var got [][3]string
	for _, l := range rule.Literals() {
		got = append(got, [3]string{l.Variable, l.Value, rule.String()[l.Offset : l.Offset+l.Length]})
	}
	want := [][3]string{{"item.name", "é", "'é'"}, {"promo.type", "a", "'a'"}, {"promo.type", "b", "'b'"}, {"promo.type", "c", `"c"`}, {"request.region", "US", "'US'"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("literals (-want +got):\n%s", diff)
	}
	for place, expr := range map[Place]string{
		LimitKey: `request.region + ':' + request.scene + (request.scene.startsWith('item') ? 'a' : 'b')`, PromoRule: `promo.type < 'm' || 'm' >= request.region`,
	} {
		if other := compiledRule(t, place, expr).Literals(); other != nil {
			t.Errorf("%s is compared with %v", expr, other)
		}
	}
	if other := compiledRule(t, VoucherPool, `voucher.type == 'SHOP_VOUCHER'`).Literals(); other != nil {
		t.Errorf("a closed set of the package's own: %v", other)
	}
}

func TestARuleTellsWhatItRulesOut(t *testing.T) {
	for expr, allows := range map[string]bool{
		`promo.sold_out`:                             true,
		`promo.type == 'a'`:                          true,
		`promo.type == 'b'`:                          false,
		`promo.type != 'a' && promo.sold_out`:        false,
		`promo.type in ['b', 'c']`:                   false,
		`promo.type == 'b' || promo.sold_out`:        true,
		`!(promo.type == 'a' || promo.price < 1)`:    false,
		`promo.type.startsWith('b')`:                 true,
		`promo.type == 'a' && promo.type != 'b'`:     true,
		`!(promo.type == 'b') && promo.type != "cd"`: true,
	} {
		if got := compiledRule(t, PromoRule, expr).Allows("promo.type", "a"); got != allows {
			t.Errorf("%s allows 'a': %v", expr, got)
		}
	}
}
