package choice_test

import (
	"testing"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/facts"
	"proscenium/scenes"
	"proscenium/vouchers/choice"
)

func TestEachCheckHasItsReason(t *testing.T) {
	for _, c := range []struct {
		name   string
		change term
		ask    func(*ask)
		want   string // empty: applied
	}{
		{name: "no restriction", change: func(*facts.Voucher) {}},
		{name: "another region", change: func(v *facts.Voucher) { v.Region = "GB" }, want: "REGION"},
		{name: "not in the pool", change: func(v *facts.Voucher) { v.Hidden = true }, want: "NOT_IN_POOL"},
		{name: "starts at this very instant", change: func(v *facts.Voucher) { v.Start = now }},
		{name: "starts a nanosecond later", change: func(v *facts.Voucher) { v.Start = now + 1 }, want: "NOT_STARTED"},
		{name: "ends at this very instant", change: func(v *facts.Voucher) { v.End = now }, want: "ENDED"},
		{name: "ends a nanosecond later", change: func(v *facts.Voucher) { v.End = now + 1 }},
		{name: "its shop", change: func(v *facts.Voucher) { v.ShopID = 100 }},
		{name: "another shop", change: func(v *facts.Voucher) { v.ShopID = 101 }, want: "SHOP"},
		{name: "among its models", change: func(v *facts.Voucher) { v.Models = []int64{3, 1, 2} }},
		{name: "not among its models", change: func(v *facts.Voucher) { v.Models = []int64{2} }, want: "MODEL_SCOPE"},
		{name: "among many models", change: func(v *facts.Voucher) { v.Models = []int64{9, 8, 7, 6, 5, 4, 3, 2, 1, 0} }},
		{name: "an excluded model", change: func(v *facts.Voucher) { v.NotModels = []int64{1} }, want: "MODEL_SCOPE"},
		{name: "among its items", change: func(v *facts.Voucher) { v.Items = []int64{10} }},
		{name: "not among its items", change: func(v *facts.Voucher) { v.Items = []int64{11} }, want: "ITEM_SCOPE"},
		{name: "an excluded item", change: func(v *facts.Voucher) { v.NotItems = []int64{10} }, want: "ITEM_SCOPE"},
		{name: "among its categories", change: categories("toys", "cheese")},
		{name: "in two of its categories", change: categories("grocery", "cheese")},
		{name: "not among its categories", change: categories("toys"), want: "CATEGORY_SCOPE"},
		{name: "an excluded category", change: func(v *facts.Voucher) { v.NotCategories = []string{"grocery"} }, want: "CATEGORY_SCOPE"},
		{name: "among its labels", change: func(v *facts.Voucher) { v.Labels = []string{"fresh"} }},
		{name: "not among its labels", change: func(v *facts.Voucher) { v.Labels = []string{"frozen"} }, want: "LABEL_SCOPE"},
		{name: "an excluded label", change: func(v *facts.Voucher) { v.NotLabels = []string{"frozen", "fresh"} }, want: "LABEL_SCOPE"},
		{name: "in every scope", change: func(v *facts.Voucher) {
			v.Models, v.Items, v.ShopID, v.Categories, v.Labels = []int64{1}, []int64{10}, 100, []string{"cheese"}, []string{"fresh"}
		}},
		{name: "among its models, not its categories", change: func(v *facts.Voucher) { v.Models, v.Categories = []int64{1}, []string{"toys"} }, want: "CATEGORY_SCOPE"},
		{name: "among its items, another shop's", change: func(v *facts.Voucher) { v.Items, v.ShopID = []int64{10}, 101 }, want: "SHOP"},
		{name: "an item that is not known has no categories", change: categories("cheese"), ask: func(a *ask) { a.item = facts.Item{} }, want: "CATEGORY_SCOPE"},
		{name: "its user path", change: func(v *facts.Voucher) { v.UserPaths = []string{"video"} }},
		{name: "another user path", change: func(v *facts.Voucher) { v.UserPaths = []string{"search"} }, want: "USER_PATH"},
		{name: "its streamer", change: func(v *facts.Voucher) { v.StreamerIDs = []int64{7} }},
		{name: "another streamer", change: func(v *facts.Voucher) { v.StreamerIDs = []int64{6} }, want: "STREAMER"},
		{name: "no streamer", change: func(v *facts.Voucher) { v.StreamerIDs = []int64{7} }, ask: func(a *ask) { a.request.StreamerID = 0 }, want: "STREAMER"},
		{name: "its video creator", change: func(v *facts.Voucher) { v.VideoCreators = []int64{8} }},
		{name: "another video creator", change: func(v *facts.Voucher) { v.VideoCreators = []int64{7} }, want: "VIDEO_CREATOR"},
		{name: "its ad", change: func(v *facts.Voucher) { v.AdsIDs = []int64{9} }},
		{name: "another ad", change: func(v *facts.Voucher) { v.AdsIDs = []int64{8} }, want: "ADS"},
		{name: "its platform", change: func(v *facts.Voucher) { v.Platforms = []string{"android", "ios"} }},
		{name: "another platform", change: func(v *facts.Voucher) { v.Platforms = []string{"web"} }, want: "CLIENT_PLATFORM"},
		{name: "its device", change: func(v *facts.Voucher) { v.DeviceTypes = []string{"phone"} }},
		{name: "another device", change: func(v *facts.Voucher) { v.DeviceTypes = []string{"tablet"} }, want: "DEVICE_TYPE"},
		{name: "a user who meets the condition", change: condition("'vip' in user.segments")},
		{name: "a user who does not", change: condition("'vip' in user.segments"), ask: func(a *ask) { a.user = &facts.User{ID: 5} }, want: "USER_CONDITION"},
		{name: "a guest", change: condition("'vip' in user.segments"), ask: func(a *ask) { a.user = nil }, want: "USER_CONDITION"},
		{name: "a guest whom the condition allows", change: condition("true"), ask: func(a *ask) { a.user = nil }},
		{name: "a guest whom the condition cannot judge", change: condition("user.segments[0] == 'vip'"), ask: func(a *ask) { a.user = nil }, want: "USER_CONDITION"},
		{name: "a user whom the condition cannot judge", change: condition("user.segments[0] == 'vip'"), ask: func(a *ask) { a.user = &facts.User{ID: 5} }, want: "RULE_ERROR"},
		{name: "a rule that holds", change: applies("model.id == 1")},
		{name: "a rule that does not hold", change: applies("model.id == 1"), ask: func(a *ask) { a.model.ID = 2 }, want: "APPLIES_WHEN"},
		{name: "a rule that cannot be evaluated", change: applies("user.segments[0] == 'vip'"), ask: func(a *ask) { a.user = &facts.User{ID: 5} }, want: "RULE_ERROR"},
		{name: "its minimum spend exactly", change: from(500)},
		{name: "one short of its minimum spend", change: from(501), want: "MIN_SPEND"},
		{name: "no effect", change: func(v *facts.Voucher) { v.Value = 0 }, want: "NO_EFFECT"},

		{name: "the pool is checked before the window", change: func(v *facts.Voucher) { v.Hidden, v.End = true, now }, want: "NOT_IN_POOL"},
		{name: "the window is checked before the scope", change: func(v *facts.Voucher) { v.End, v.Models = now, []int64{2} }, want: "ENDED"},
		{name: "the scope is checked before validations", change: func(v *facts.Voucher) { v.Models, v.UserPaths = []int64{2}, []string{"search"} }, want: "MODEL_SCOPE"},
		{name: "the user path is checked before the device", change: func(v *facts.Voucher) { v.DeviceTypes, v.UserPaths = []string{"tablet"}, []string{"search"} }, want: "USER_PATH"},
		{name: "validations are checked before the minimum spend", change: func(v *facts.Voucher) { v.MinSpend, v.AdsIDs = 501, []int64{8} }, want: "ADS"},
		{name: "the rule is checked before the minimum spend", change: func(v *facts.Voucher) { v.MinSpend, v.AppliesWhen = 501, "false" }, want: "APPLIES_WHEN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, v := range []facts.Voucher{shop(1, 100, c.change), platform(1, 100, c.change)} {
				question := cheese(500)
				if c.ask != nil {
					c.ask(&question)
				}
				got := question.of(t, v)
				verdict := verdictOn(t, got, 1)
				if verdict.Reason != c.want || verdict.Applied != (c.want == "") {
					t.Errorf("layer %d: verdict is %+v, want the reason %q", v.Layer, verdict, c.want)
				}
				if used := id(got.Shop)+id(got.Platform) == 1; used != (c.want == "") {
					t.Errorf("layer %d: used is %v with the reason %q", v.Layer, used, c.want)
				}
				if short := verdict.Missing; (c.want == "MIN_SPEND") != (short == 1) {
					t.Errorf("layer %d: short by %d with the reason %q", v.Layer, short, c.want)
				}
			}
		})
	}
}

func TestBypassSkipsWhatItNames(t *testing.T) {
	for validation, c := range map[configv1.VoucherValidation]struct {
		restrict term
		reason   string
	}{
		configv1.VoucherValidation_VOUCHER_VALIDATION_USER_PATH:       {func(v *facts.Voucher) { v.UserPaths = []string{"search"} }, "USER_PATH"},
		configv1.VoucherValidation_VOUCHER_VALIDATION_STREAMER:        {func(v *facts.Voucher) { v.StreamerIDs = []int64{1} }, "STREAMER"},
		configv1.VoucherValidation_VOUCHER_VALIDATION_VIDEO_CREATOR:   {func(v *facts.Voucher) { v.VideoCreators = []int64{1} }, "VIDEO_CREATOR"},
		configv1.VoucherValidation_VOUCHER_VALIDATION_ADS:             {func(v *facts.Voucher) { v.AdsIDs = []int64{1} }, "ADS"},
		configv1.VoucherValidation_VOUCHER_VALIDATION_CLIENT_PLATFORM: {func(v *facts.Voucher) { v.Platforms = []string{"web"} }, "CLIENT_PLATFORM"},
		configv1.VoucherValidation_VOUCHER_VALIDATION_DEVICE_TYPE:     {func(v *facts.Voucher) { v.DeviceTypes = []string{"tablet"} }, "DEVICE_TYPE"},
		configv1.VoucherValidation_VOUCHER_VALIDATION_USER_CONDITION:  {condition("false"), "USER_CONDITION"},
	} {
		for skipped := configv1.VoucherValidation_VOUCHER_VALIDATION_USER_PATH; skipped <= configv1.VoucherValidation_VOUCHER_VALIDATION_USER_CONDITION; skipped++ {
			t.Run(validation.String()+" with "+skipped.String()+" skipped", func(t *testing.T) {
				question := cheese(500)
				question.bypass = &scenes.BypassRule{Name: "some"}
				question.bypass.Skip[skipped] = true
				want := c.reason
				if skipped == validation {
					want = ""
				}
				if verdict := verdictOn(t, question.of(t, shop(1, 100, c.restrict)), 1); verdict.Reason != want {
					t.Errorf("the reason is %q, want %q", verdict.Reason, want)
				}
			})
		}
	}
}

func TestVouchersThatWereNotChosenSayWhatTheyLostTo(t *testing.T) {
	for _, c := range []struct {
		name     string
		vouchers []facts.Voucher
		want     []facts.VoucherVerdict
	}{
		{"the worked case of a shop voucher that takes too much", []facts.Voucher{
			shop(1, 3000, from(8000)), shop(2, 2000), platform(3, 2500, from(8000)), platform(4, 500),
		}, []facts.VoucherVerdict{
			{VoucherID: 1, Reason: "LOST_TO", Discount: 3000, Missing: 1000, LostToVoucherID: 2},
			{VoucherID: 2, Applied: true, Discount: 2000},
			{VoucherID: 3, Applied: true, Discount: 2500},
			{VoucherID: 4, Reason: "LOST_TO", Discount: 500, Missing: 1000, LostToVoucherID: 3}, // with voucher 1: 3500
		}},
		{"a tie saves nothing more", []facts.Voucher{shop(1, 100), shop(2, 100)}, []facts.VoucherVerdict{
			{VoucherID: 1, Applied: true, Discount: 100}, {VoucherID: 2, Reason: "LOST_TO", Discount: 100, LostToVoucherID: 1},
		}},
		{"a platform voucher is short of what the shop voucher left", []facts.Voucher{shop(1, 3000), platform(2, 10, from(7500))}, []facts.VoucherVerdict{
			{VoucherID: 1, Applied: true, Discount: 3000}, {VoucherID: 2, Reason: "MIN_SPEND", Missing: 500},
		}},
		{"an exclusive one stands alone", []facts.Voucher{shop(1, 100, exclusive), platform(2, 90)}, []facts.VoucherVerdict{
			{VoucherID: 1, Applied: true, Discount: 100}, {VoucherID: 2, Reason: "EXCLUSIVE", Discount: 90, Missing: 10, LostToVoucherID: 1},
		}},
		{"an exclusive one gave way", []facts.Voucher{shop(1, 100, exclusive), shop(2, 60), platform(3, 90)}, []facts.VoucherVerdict{
			{VoucherID: 1, Reason: "EXCLUSIVE", Discount: 100, Missing: 50, LostToVoucherID: 3}, {VoucherID: 2, Applied: true, Discount: 60}, {VoucherID: 3, Applied: true, Discount: 90},
		}},
		{"another of the group is used", []facts.Voucher{shop(1, 100, group("a")), platform(2, 90, group("a"))}, []facts.VoucherVerdict{
			{VoucherID: 1, Applied: true, Discount: 100}, {VoucherID: 2, Reason: "GROUP", Discount: 90, Missing: 10, LostToVoucherID: 1},
		}},
		{"a new price leaves a shop voucher without use", []facts.Voucher{shop(1, 100), platform(2, 1000, newPrice)}, []facts.VoucherVerdict{
			{VoucherID: 1, Reason: "LOST_TO", Discount: 100, LostToVoucherID: 2}, {VoucherID: 2, Applied: true, Discount: 9000},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			question := cheese(10000)
			got := question.of(t, c.vouchers...)
			for _, want := range c.want {
				if verdict := verdictOn(t, got, want.VoucherID); verdict != want {
					t.Errorf("verdict is %+v, want %+v", verdict, want)
				}
			}
		})
	}
}

func TestVerdictsAreBoundedAndTheClosestComeFirst(t *testing.T) {
	vouchers := []facts.Voucher{platform(1, 100)}
	for i := range int64(2 * choice.MaxConsidered) {
		vouchers = append(vouchers, platform(2+i, 50, func(v *facts.Voucher) { v.Hidden = i%2 == 0 }))
	}
	question := cheese(500)
	got := question.of(t, vouchers...).Considered
	if len(got) != choice.MaxConsidered {
		t.Fatalf("%d verdicts, want %d", len(got), choice.MaxConsidered)
	}
	if !got[0].Applied || got[1].Reason != "LOST_TO" || got[len(got)-1].Reason != "LOST_TO" {
		t.Errorf("verdicts begin %+v and end with %+v, want the applied voucher and then the defeated", got[:2], got[len(got)-1])
	}
}

func TestWithoutExplainNothingIsConsidered(t *testing.T) {
	m := newMarket(t)
	index, _ := choice.NewIndex([]facts.Voucher{shop(1, 100)})
	question := cheese(500)
	c := index.Chooser(choice.Query{Snap: m.snap, Region: m.us, Request: &question.request, ShopPool: m.all})
	defer c.Close()
	got := c.Choose(&question.item, &question.model, 500)
	if got.Considered != nil || got.Beside != nil || got.BestShop.Voucher != nil || got.HighestTier.Voucher != nil || id(got.Shop) != 1 {
		t.Errorf("answer is %+v, want the pair only", got)
	}
}
