package rules

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types/ref"
	"github.com/google/go-cmp/cmp"

	"proscenium/facts"
)

// TestWorkedExpressions is the corpus of what people write, on the input of typicalInput. want is true, false, a text, or error.
func TestWorkedExpressions(t *testing.T) {
	for _, c := range []struct {
		place      Place
		expr, want string
	}{
		// Promotions.
		{PromoRule, `true`, "true"},
		{PromoRule, `promo.type == 'flash_sale' && promo.type_id == 3 && promo.priority == 40`, "true"},
		{PromoRule, `promo.price == promo.pre_tax_price && promo.post_tax_price == -1`, "true"},
		{PromoRule, `promo.price * 9 / 10 == 809`, "true"},
		{PromoRule, `double(promo.price) * 0.9 < 809.2`, "true"},
		{PromoRule, `promo.sold_out || promo.is_original`, "false"},
		{PromoRule, `promo.stock > 0 && promo.purchase_limit == 0`, "true"},
		{PromoRule, `promo.audience == '' && promo.session_id == 0 && promo.streamer_id == 0 && promo.id == 9`, "true"},
		{PromoRule, `promo.end_time - promo.start_time == duration('6h')`, "true"},
		{PromoRule, `promo.start_time <= request.time && request.time < promo.end_time`, "true"},
		{PromoRule, `promo.end_time > timestamp('2026-11-12T00:30:00Z')`, "false"},
		{PromoRule, `promo.end_time == timestamp('2026-11-12T00:30:00Z')`, "true"},
		{PromoRule, `.promo.price == 899`, "true"},
		{PromoRule, `promo . price ==
			899 // in minor units`, "true"},

		// Models and items.
		{PromoRule, `model.id == 1 && item.id == 2 && item.shop_id == 3`, "true"},
		{PromoRule, `item.categories == ['grocery', 'canned', 'soup'] && item.category == 'soup'`, "true"},
		{PromoRule, `item.categories[0] == 'grocery' && item.categories[size(item.categories) - 1] == item.category`, "true"},
		{PromoRule, `item.categories[3] == ''`, "error"},
		{PromoRule, `item.brand.lowerAscii() == 'nova' && item.brand.upperAscii() == 'NOVA'`, "true"},
		{PromoRule, `item.name.startsWith('tomato') && item.name.endsWith('size') && item.name.contains(', ')`, "true"},
		{PromoRule, `item.name.matches(r'^tomato\b') && matches(item.seller_type, 'mall|official')`, "true"},
		{PromoRule, `'own_brand' in item.labels && !('frozen' in item.labels)`, "true"},
		{PromoRule, `sets.contains(item.labels, ['fresh', 'family']) && !sets.equivalent(item.labels, ['fresh', 'family'])`, "true"},
		{PromoRule, `item.labels.all(l, size(l) > 3) && item.labels.exists_one(l, l.startsWith('own_'))`, "true"},
		{PromoRule, `item.labels.exists(l, item.categories.size() == 3 && l == item.category)`, "false"},
		{PromoRule, `item.labels.filter(l, l.contains('_')).size() == 1`, "true"},
		{PromoRule, `item.labels.map(l, size(l)) == [5, 6, 9, 9]`, "true"},
		{PromoRule, `{'grocery': 500, 'toys': 1000}[item.categories[0]] < promo.price`, "true"},
		{PromoRule, `item.name in []`, "false"},

		// Users and requests.
		{PromoRule, `user.logged_in && user.id == 2360`, "true"},
		{PromoRule, `request.region == 'US' && request.scene == 'pdp_main' && request.scenario == 'buyer' && request.client == 'shop'`, "true"},
		{PromoRule, `request.order_flow || request.user_path != '' || request.live_stream_streamer_id + request.video_creator_id + request.ads_id > 0`, "false"},
		{PromoRule, `request.client_platform.startsWith('app_') && request.device_type in ['phone', 'tablet']`, "true"},
		{PromoRule, `request.client_platform in ['app_ios', item.brand]`, "true"},
		{VoucherUserCondition, `sets.intersects(user.segments, ['new_user', 'vip'])`, "true"},
		{VoucherUserCondition, `user.segments.exists(s, s.matches('^income_[5-9]'))`, "true"},

		// Time, in New York: the input is at 14:30 there, on a Wednesday.
		{PromoRule, `hour(request.time) == 14 && minute(request.time) == 30 && weekday(request.time) == 3`, "true"},
		{PromoRule, `request.time.getHours() == 19 && request.time.getHours('Asia/Tokyo') == 4`, "true"},
		{PromoRule, `time_of_day(request.time) == duration('14h30m')`, "true"},
		{PromoRule, `date(request.time) == '2026-11-11' && date(request.time) in ['2026-11-11', '2026-12-25']`, "true"},
		{PromoRule, `date(promo.end_time + duration('5h')) == '2026-11-12'`, "true"},
		{PromoRule, `'2026-11' < date(request.time) && date(request.time) < '2026-12'`, "true"},
		{PromoRule, `date(request.time).startsWith('2026-11')`, "true"},
		{PromoRule, `request.time + duration('2562047h') + duration('2562047h') > request.time`, "true"},
		{PromoRule, `timestamp('9999-12-31T23:59:59Z') + duration('1s') > request.time`, "error"},

		// Buckets.
		{PromoRule, `bucket(user.id, 'price_after_voucher', 100000) == 39828`, "true"},
		{PromoRule, `bucket(string(user.id), 'price_after_voucher', 100000) == bucket(user.id, 'price_after_voucher', 100000)`, "true"},
		{PromoRule, `bucket(user.id, 'a', promo.purchase_limit) == 0`, "error"},
		{PromoRule, `bucket(user.id, 'a', 4294967296) == 0`, "error"},

		// Vouchers.
		{VoucherPool, `voucher.type == 'SHOP_VOUCHER' && voucher.reward_type == 'DISCOUNT' && voucher.discount_kind == 'PERCENT' && voucher.value == 10000`, "true"},
		{VoucherPool, `voucher.hidden || voucher.exclusive || voucher.has_user_condition`, "false"},
		{VoucherPool, `voucher.id == 7 && voucher.code + voucher.name + voucher.market_type + voucher.group == '' && voucher.shop_id == 0`, "true"},
		{VoucherPool, `voucher.start_time == voucher.end_time && voucher.min_spend == 1500`, "true"},
		{VoucherAppliesWhen, `voucher.min_spend < 2000 && item.category == 'soup' && model.id == 1 && request.region == 'US' && 'new_user' in user.segments`, "true"},

		// Eligibility.
		{Eligibility, `live_stream.ongoing && (live_stream.token_valid || live_stream.auto_enable)`, "true"},
		{Eligibility, `promo.audience == '' || promo.audience in user.segments`, "true"},

		// Experiments.
		{ExperimentUnit, `user.id`, "2360"},
		{ExperimentUnit, `request.device_type`, "phone"},
		{ExperimentUnit, `request.device_type + ':' + string(user.id % 10)`, "phone:0"},
		{ExperimentUnit, `user.logged_in ? string(user.id) : request.client_platform`, "2360"},
		{ExperimentUnit, `user.id / 0`, "error"},
		{ExperimentUnit, `[user.id, 1].map(x, x + 1)[0]`, "2361"},
		{ExperimentUnit, `string(double(user.id) / 2.0)`, "1180"},

		// Limits.
		{LimitKey, `string(user.id)`, "2360"},
		{LimitKey, `user.id`, "2360"},
		{LimitKey, `request.client + ':' + string(user.id)`, "shop:2360"},
		{LimitKey, `string(user.id / 0)`, "error"},

		// Errors, and what absorbs them.
		{PromoRule, `promo.price / promo.purchase_limit > 1`, "error"},
		{PromoRule, `promo.price / promo.purchase_limit > 1 || promo.price > 1`, "true"},
		{PromoRule, `promo.price > 1 || promo.price / promo.purchase_limit > 1`, "true"},
		{PromoRule, `promo.price / promo.purchase_limit > 1 && promo.price < 1`, "false"},
		{PromoRule, `promo.price / promo.purchase_limit > 1 && promo.price > 1 && true`, "error"},
		{PromoRule, `promo.price % 0 == 1 || promo.price % 0 == 2 || promo.sold_out`, "error"},
		{PromoRule, `!(1 / 0 == 1)`, "error"},
		{PromoRule, `1 / 0 == 1 || true`, "true"},
		{PromoRule, `promo.price / promo.purchase_limit > 1 ? true : true`, "error"},
		{PromoRule, `promo.sold_out ? promo.price / 0 > 1 : true`, "true"},
		{PromoRule, `[1, 0].exists(x, promo.price / x > 1)`, "true"},
		{PromoRule, `[0, 1].exists(x, promo.price / x > 1)`, "true"},
		{PromoRule, `[0, 1].all(x, promo.price / x < 1)`, "false"},
		{PromoRule, `[0, 1].all(x, promo.price / x > 1)`, "error"},
		{PromoRule, `[0, 1].exists_one(x, promo.price / x > 1)`, "error"},
		{PromoRule, `1 in [1, promo.price / 0]`, "error"},
		{PromoRule, `promo.price + 9223372036854775807 > 0`, "error"},
		{PromoRule, `-(-9223372036854775807 - promo.id + 8) > 0`, "error"},
		{PromoRule, `int(1e19 + double(promo.id)) > 0`, "error"},
		{PromoRule, `0.0 / 0.0 == 0.0 / 0.0 || double(promo.id) < 0.0 / 0.0`, "false"},
	} {
		t.Run(c.expr, func(t *testing.T) {
			if got := answer(mustCompile(t, c.place, c.expr), typicalInput()); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			closures, interpreter := bothWays(t, c.place, c.expr)
			if got, want := answer(closures, typicalInput()), answer(interpreter, typicalInput()); got != want {
				t.Errorf("got %s, cel-go has %s", got, want)
			}
		})
	}
}

// answer evaluates by the type of the rule's place.
func answer(r *Rule, in *Input) string {
	v, err := r.Bool(in)
	if errors.Is(err, errNotBool) {
		key, err := r.Key(in)
		if err != nil {
			return "error"
		}
		return key
	}
	if err != nil {
		return "error"
	}
	return strconv.FormatBool(v)
}

// TestAnythingMayBeMissing reads each variable of each place from an input without anything: an error, both ways.
func TestAnythingMayBeMissing(t *testing.T) {
	for _, info := range Places() {
		for _, v := range info.Variables {
			t.Run(info.Name+" "+v.Name, func(t *testing.T) {
				expr := v.Name + " == " + v.Name
				if info.Result != "bool" {
					expr = "(" + expr + ") ? 'a' : 'b'"
				}
				closures, interpreter := bothWays(t, info.Place, expr)
				for name, rule := range map[string]*Rule{"closures": closures, "interpreter": interpreter} {
					if got := answer(rule, &Input{}); got != "error" {
						t.Errorf("%s: without input %s, want an error", name, got)
					}
					if got := answer(rule, nil); got != "error" {
						t.Errorf("%s: with nil %s, want an error", name, got)
					}
					if got := answer(rule, typicalInput()); got != "true" && got != "a" {
						t.Errorf("%s: with all input %s, want true", name, got)
					}
				}
			})
		}
	}
}

func TestErrorsSayWhatIsMissing(t *testing.T) {
	_, err := mustCompile(t, PromoRule, `item.name == 'a'`).Bool(&Input{})
	if !errors.Is(err, errNoItem) || !strings.Contains(err.Error(), "not loaded") {
		t.Errorf("got %v, want that the item's facts are not loaded", err)
	}
	in := typicalInput()
	in.Zone = nil
	for _, expr := range []string{`hour(request.time) == 1`, `[request.time].map(t, hour(t)) == [1]`} {
		if _, err := mustCompile(t, PromoRule, expr).Bool(in); err == nil || !strings.Contains(err.Error(), errNoZone.Error()) {
			t.Errorf("%s without a zone: %v", expr, err)
		}
	}
}

func TestAnInputOfAnotherKindIsAnError(t *testing.T) {
	in := typicalInput()
	if _, err := mustCompile(t, PromoRule, `true`).Key(in); !errors.Is(err, errNotKey) {
		t.Errorf("Key of a bool: %v", err)
	}
	if _, err := mustCompile(t, ExperimentUnit, `user.id`).Bool(in); !errors.Is(err, errNotBool) {
		t.Errorf("Bool of an int: %v", err)
	}
	in.Voucher = &facts.Voucher{Layer: 9, RewardType: 99, Kind: 9}
	for _, expr := range []string{`voucher.type != 'SHOP_VOUCHER'`, `voucher.reward_type != 'DISCOUNT'`, `voucher.discount_kind != 'AMOUNT'`} {
		if _, err := mustCompile(t, VoucherPool, expr).Bool(in); !errors.Is(err, errNotListed) {
			t.Errorf("%s of an unknown number: %v", expr, err)
		}
	}
}

func TestUsesKnowsNamesAndRoots(t *testing.T) {
	rule := mustCompile(t, PromoRule, `promo.price > 3 && item.labels.exists(x, x == request.client_platform) || .user.id == 1`)
	for name, want := range map[string]bool{
		"promo.price": true, "promo": true, "item.labels": true, "item": true, "request.client_platform": true, "user": true, "user.id": true,
		"promo.type": false, "item.label": false, "ite": false, "request.client": false, "model": false, "x": false, "": false,
	} {
		if got := rule.Uses(name); got != want {
			t.Errorf("Uses(%q) = %t", name, got)
		}
	}
	if mustCompile(t, PromoRule, `['item.name'].exists(x, x == 'promo.id')`).Uses("item") {
		t.Error("a text is taken for a variable")
	}
}

func TestRulesKeepTheirSource(t *testing.T) {
	const src = " promo.price  >\n3 // cheap"
	if got := mustCompile(t, PromoRule, src).String(); got != src {
		t.Errorf("got %q", got)
	}
}

func TestOnlyWhatBuildsListsAndMapsIsInterpreted(t *testing.T) {
	for expr, want := range map[string]bool{
		`item.labels.exists(x, x == 'a')`:                false,
		`[1, 2].map(x, x * 2) == [2, 4] && promo.id > 1`: false, // constant
		`item.labels.filter(x, x == 'a') == []`:          true,
		`{'a': 1}[item.name] == 1`:                       true,
		`uint(promo.id) == 1u`:                           true,
	} {
		if got := mustCompile(t, PromoRule, expr).Interpreted(); got != want {
			t.Errorf("%s: interpreted %t", expr, got)
		}
	}
}

// panicking is a program with a fault of its own.
type panicking struct{ cel.Program }

func (panicking) Eval(any) (v ref.Val, details *cel.EvalDetails, err error) { panic("out of order") }

func TestAPanicOfTheInterpreterIsAnError(t *testing.T) {
	rule := mustCompile(t, PromoRule, `item.labels.filter(x, x == 'a') == []`)
	rule.program.program = panicking{}
	if v, err := rule.Bool(typicalInput()); v || err == nil || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("got %t, %v", v, err)
	}
}

// TestRulesRunConcurrently is for the race detector; the loops have state of their own.
func TestRulesRunConcurrently(t *testing.T) {
	inputs := make([]*Input, 8)
	for i := range inputs {
		inputs[i] = typicalInput()
		inputs[i].Item.Labels = []string{"a", "b", strconv.Itoa(i)}
		inputs[i].PromoPrice = int64(i)
	}
	for _, expr := range []string{
		`item.labels.exists(x, [7, 0].exists(n, x == string(promo.price + n)))`,
		`item.labels.filter(x, x == string(promo.price)).size() == 1`,
	} {
		rule := mustCompile(t, PromoRule, expr)
		var wg sync.WaitGroup
		for _, in := range inputs {
			wg.Go(func() {
				for range 200 {
					if v, err := rule.Bool(in); !v || err != nil {
						t.Errorf("%s: %t, %v", expr, v, err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestPlacesDescribeThemselves(t *testing.T) {
	var names []string
	for _, info := range Places() {
		names = append(names, info.Name)
		if p, err := ParsePlace(info.Name); err != nil || p != info.Place || p.String() != info.Name {
			t.Errorf("%s is parsed as %v, %v", info.Name, p, err)
		}
		if info.Description == "" || info.Result == "" || info.CostLimit == 0 {
			t.Errorf("%s lacks a part of its description: %+v", info.Name, info)
		}
		for _, v := range info.Variables {
			if v.Doc == "" || v.Type == "" || strings.Contains(v.Type, "dyn") {
				t.Errorf("%s: %+v", info.Name, v)
			}
		}
		for _, f := range info.Functions {
			if f.Doc == "" || len(f.Signatures) == 0 || strings.Contains(strings.Join(f.Signatures, " "), "dyn") {
				t.Errorf("%s: %+v", info.Name, f)
			}
		}
	}
	want := []string{"promo_rule", "voucher_pool", "voucher_applies_when", "voucher_user_condition", "eligibility", "experiment_unit", "limit_key"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := ParsePlace("promo"); err == nil || !strings.Contains(err.Error(), "promo_rule") {
		t.Errorf("an unknown place: %v", err)
	}
	if got := Place(0).String(); got != "Place(0)" {
		t.Errorf("got %s", got)
	}
}

func TestSegmentsAreWhereTheUserIsKnownWell(t *testing.T) {
	var places []string
	for _, info := range Places() {
		if slices.ContainsFunc(info.Variables, func(v VariableInfo) bool { return v.Name == "user.segments" }) {
			places = append(places, info.Name)
		}
	}
	if diff := cmp.Diff([]string{"voucher_applies_when", "voucher_user_condition", "eligibility"}, places); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
