package choice_test

import (
	"math"
	"testing"

	"proscenium/facts"
)

func TestTheBestPairIsChosen(t *testing.T) {
	type uses struct{ shop, platform, shopDiscount, platformDiscount int64 }
	for _, c := range []struct {
		name     string
		price    int64
		vouchers []facts.Voucher
		want     uses
	}{
		{"a smaller shop voucher leaves enough for the platform's", 10000, []facts.Voucher{
			shop(1, 3000, from(8000)), shop(2, 2000), platform(3, 2500, from(8000)), platform(4, 500),
		}, uses{2, 3, 2000, 2500}},
		{"one unit less off is just enough for the platform's threshold", 10000, []facts.Voucher{shop(1, 3000), shop(2, 2999), platform(3, 2500, from(7001))}, uses{2, 3, 2999, 2500}},
		{"the platform's threshold is met exactly by what is left", 10000, []facts.Voucher{shop(1, 2000), platform(3, 2500, from(8000))}, uses{1, 3, 2000, 2500}},
		{"the platform's threshold is missed by one", 10000, []facts.Voucher{shop(1, 2001), platform(3, 2500, from(8000))}, uses{0, 3, 0, 2500}},
		{"the shop's threshold is on the full price", 8000, []facts.Voucher{shop(1, 3000, from(8000)), platform(2, 5000)}, uses{1, 2, 3000, 5000}},
		{"a percent is of what is left", 1000, []facts.Voucher{shop(1, 200), platform(2, 10_000, percent)}, uses{1, 2, 200, 80}},
		{"a percent rounds half up", 15, []facts.Voucher{shop(1, 10_000, percent)}, uses{1, 0, 2, 0}},
		{"a percent rounds below half down", 14, []facts.Voucher{shop(1, 10_000, percent)}, uses{1, 0, 1, 0}},
		{"a cap bounds a percent", 1000, []facts.Voucher{shop(1, 50_000, percent, capped(120))}, uses{1, 0, 120, 0}},
		{"a cap bounds an amount", 1000, []facts.Voucher{shop(1, 300, capped(299))}, uses{1, 0, 299, 0}},
		{"a cap bounds a new price", 1000, []facts.Voucher{shop(1, 300, newPrice, capped(500))}, uses{1, 0, 500, 0}},
		{"a new price", 1000, []facts.Voucher{platform(1, 300, newPrice)}, uses{0, 1, 0, 700}},
		{"a new price above the price has no effect", 1000, []facts.Voucher{platform(1, 1000, newPrice)}, uses{}},
		{"a new price makes a shop voucher useless", 1000, []facts.Voucher{shop(1, 100), platform(2, 300, newPrice)}, uses{0, 2, 0, 700}},
		{"a new price with a cap does not", 1000, []facts.Voucher{shop(1, 300), platform(2, 300, newPrice, capped(500))}, uses{1, 2, 300, 400}},
		{"no more than there is", 100, []facts.Voucher{shop(1, 70), platform(2, 70)}, uses{1, 2, 70, 30}},
		{"nothing left for the platform's: one voucher is enough", 100, []facts.Voucher{shop(1, 100), platform(2, 100)}, uses{1, 0, 100, 0}},
		{"a zero price", 0, []facts.Voucher{shop(1, 100), platform(2, 100)}, uses{}},
		{"a negative price", -5, []facts.Voucher{shop(1, 100), platform(2, 100)}, uses{}},
		{"a voucher without effect", 100, []facts.Voucher{shop(1, 0), platform(2, 0, percent)}, uses{}},
		{"no voucher", 100, nil, uses{}},
		{"two vouchers of a layer are not added", 1000, []facts.Voucher{platform(1, 100), platform(2, 90)}, uses{0, 1, 0, 100}},

		{"fewer vouchers win a tie", 1000, []facts.Voucher{shop(1, 100, exclusive), shop(2, 60), platform(3, 40)}, uses{1, 0, 100, 0}},
		{"fewer vouchers win also with a later expiry", 1000, []facts.Voucher{shop(9, 100, exclusive, until(5000)), shop(2, 60, until(2000)), platform(3, 40, until(2000))}, uses{9, 0, 100, 0}},
		{"the earlier expiry wins a tie", 1000, []facts.Voucher{shop(1, 100, until(3000)), shop(2, 100, until(2000))}, uses{2, 0, 100, 0}},
		{"the lower id wins a tie", 1000, []facts.Voucher{platform(8, 100), platform(7, 100), platform(9, 100)}, uses{0, 7, 0, 100}},
		{"between layers, the lower id", 1000, []facts.Voucher{shop(5, 100, exclusive), platform(4, 100, exclusive)}, uses{0, 4, 0, 100}},
		{"between layers, the earlier expiry", 1000, []facts.Voucher{shop(5, 100, exclusive, until(2000)), platform(4, 100, exclusive)}, uses{5, 0, 100, 0}},
		{"of pairs, the one with the earliest expiry", 1000, []facts.Voucher{
			shop(1, 60, until(3000), group("a")), shop(2, 50, until(1500), group("b")), platform(3, 40, until(4000), group("b")), platform(4, 50, until(4000), group("a")),
		}, uses{2, 4, 50, 50}},
		{"of pairs with one earliest expiry, the earlier other one", 1000, []facts.Voucher{
			shop(1, 60, until(3000), group("a")), shop(2, 50, until(2000), group("b")), platform(3, 40, until(2000), group("b")), platform(4, 50, until(2500), group("a")),
		}, uses{2, 4, 50, 50}},
		{"of pairs that expire together, the one with the lowest id", 1000, []facts.Voucher{
			shop(5, 60, group("a")), shop(6, 50, group("b")), platform(2, 40, group("b")), platform(1, 50, group("a")),
		}, uses{6, 1, 50, 50}},
		{"of pairs with one lowest id, the lower other one", 1000, []facts.Voucher{shop(3, 60), shop(2, 60), platform(1, 40)}, uses{2, 1, 60, 40}},

		{"an exclusive voucher stands alone", 1000, []facts.Voucher{shop(1, 100, exclusive), platform(2, 90)}, uses{1, 0, 100, 0}},
		{"an exclusive voucher gives way to a better pair", 1000, []facts.Voucher{shop(1, 100, exclusive), shop(2, 30), platform(3, 80)}, uses{2, 3, 30, 80}},
		{"an exclusive platform voucher stands alone", 1000, []facts.Voucher{platform(1, 100, exclusive), platform(2, 50), shop(3, 40)}, uses{0, 1, 0, 100}},
		{"an exclusive platform voucher gives way", 1000, []facts.Voucher{platform(1, 100, exclusive), platform(2, 70), shop(3, 40)}, uses{3, 2, 40, 70}},
		{"of a group only one", 1000, []facts.Voucher{shop(1, 100, group("a")), platform(2, 90, group("a")), platform(3, 10)}, uses{1, 3, 100, 10}},
		{"of a group the better one", 1000, []facts.Voucher{shop(1, 100, group("a")), platform(2, 120, group("a"))}, uses{0, 2, 0, 120}},
		{"a shop voucher of no group takes the place of an equal one of the group", 1000, []facts.Voucher{shop(1, 100, group("a")), shop(2, 100), platform(3, 50, group("a"))}, uses{2, 3, 100, 50}},
		{"groups with different names do not mind each other", 1000, []facts.Voucher{shop(1, 100, group("a")), platform(2, 90, group("b"))}, uses{1, 2, 100, 90}},

		{"the largest amounts", math.MaxInt64, []facts.Voucher{shop(1, math.MaxInt64), platform(2, math.MaxInt64)}, uses{1, 0, math.MaxInt64, 0}},
		{"a percent of the largest price", math.MaxInt64, []facts.Voucher{shop(1, 100_000, percent)}, uses{1, 0, math.MaxInt64, 0}},
		{"halves of the largest price", math.MaxInt64, []facts.Voucher{shop(1, 50_000, percent), platform(2, 50_000, percent)}, uses{1, 2, 1 << 62, 1 << 61}},
		{"amounts whose sum is beyond 64 bits", math.MaxInt64, []facts.Voucher{
			shop(1, math.MaxInt64-1), shop(2, 1<<62), platform(3, math.MaxInt64-1), platform(4, 1, exclusive),
		}, uses{1, 3, math.MaxInt64 - 1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			question := cheese(c.price)
			got := question.of(t, c.vouchers...)
			if uses := (uses{id(got.Shop), id(got.Platform), got.Shop.Discount, got.Platform.Discount}); uses != c.want {
				t.Errorf("chose %+v, want %+v", uses, c.want)
			}
		})
	}
}

func TestPoolsDecideWhatThereIsToChooseFrom(t *testing.T) {
	hidden := func(v *facts.Voucher) { v.Hidden = true }
	vouchers := []facts.Voucher{shop(1, 100), shop(2, 200, hidden), platform(3, 50)}
	for _, c := range []struct {
		name           string
		change         func(*ask)
		shop, platform int64
	}{
		{"both pools", func(*ask) {}, 1, 3},
		{"no shop pool", func(a *ask) { a.noShopPool = true }, 0, 3},
		{"no platform pool", func(a *ask) { a.noPlatformPool = true }, 1, 0},
		{"no pool at all", func(a *ask) { a.noShopPool, a.noPlatformPool = true, true }, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			question := cheese(1000)
			c.change(&question)
			got := question.of(t, vouchers...)
			if id(got.Shop) != c.shop || id(got.Platform) != c.platform {
				t.Errorf("chose %d and %d, want %d and %d", id(got.Shop), id(got.Platform), c.shop, c.platform)
			}
			if verdict := verdictOn(t, got, 2); verdict.Reason != "NOT_IN_POOL" {
				t.Errorf("the hidden voucher has the reason %q, want NOT_IN_POOL", verdict.Reason)
			}
		})
	}
}

func TestRebateIsAShareOfTheDiscount(t *testing.T) {
	question := cheese(1000)
	got := question.of(t, shop(1, 101, rebated(50_000)), platform(2, 33, rebated(100_000)))
	if got.Shop.Rebate != 51 || got.Platform.Rebate != 33 {
		t.Errorf("rebates are %d and %d, want half of 101 rounded up, and all of 33", got.Shop.Rebate, got.Platform.Rebate)
	}
}

func TestTheBestOfEachLayerIsThatOfTheFullPrice(t *testing.T) {
	question := cheese(10000)
	got := question.of(t, shop(1, 3000, from(8000)), shop(2, 2000), platform(3, 2500, from(8000)), platform(4, 500))
	if id(got.BestShop) != 1 || got.BestShop.Discount != 3000 || id(got.BestPlatform) != 3 || got.BestPlatform.Discount != 2500 {
		t.Errorf("best are %d (%d) and %d (%d), want 1 (3000) and 3 (2500)",
			id(got.BestShop), got.BestShop.Discount, id(got.BestPlatform), got.BestPlatform.Discount)
	}
}

func TestRewardsThatDoNotReduceThePriceStandBeside(t *testing.T) {
	question := cheese(1000)
	got := question.of(t,
		shop(1, 300), shop(2, 900, reward(1)), platform(3, 10_000, percent, reward(1)),
		platform(4, 50_000, percent, reward(2)), platform(5, 20, reward(2), from(701)),
		platform(6, 500, reward(3), exclusive), shop(7, 100, reward(4), group("g")), platform(8, 50, group("g")),
	)
	if id(got.Shop) != 1 || id(got.Platform) != 8 {
		t.Fatalf("chose %d and %d, want 1 and 8", id(got.Shop), id(got.Platform))
	}
	want := []facts.VoucherUse{{Discount: 900}, {Discount: 350}}
	ids := []int64{2, 4}
	if len(got.Beside) != len(want) {
		t.Fatalf("beside are %+v, want vouchers %v", got.Beside, ids)
	}
	for i, use := range got.Beside {
		if id(use) != ids[i] || use.Discount != want[i].Discount {
			t.Errorf("beside %d is voucher %d with %d, want %d with %d", i, id(use), use.Discount, ids[i], want[i].Discount)
		}
	}
	for voucherID, reason := range map[int64]string{2: "BESIDE", 3: "LOST_TO", 4: "BESIDE", 5: "MIN_SPEND", 6: "EXCLUSIVE", 7: "GROUP"} {
		if verdict := verdictOn(t, got, voucherID); verdict.Reason != reason {
			t.Errorf("voucher %d has the reason %q, want %q", voucherID, verdict.Reason, reason)
		}
	}
}
