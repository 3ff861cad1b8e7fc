package choice_test

import (
	"math"
	"testing"

	"proscenium/facts"
)

func TestTheNextBestIsMissedByOneThing(t *testing.T) {
	search := func(v *facts.Voucher) { v.UserPaths = []string{"search"} }
	tablet := func(v *facts.Voucher) { v.DeviceTypes = []string{"tablet"} }
	web := func(v *facts.Voucher) { v.Platforms = []string{"web"} }
	streamer := func(v *facts.Voucher) { v.StreamerIDs = []int64{1} }
	for _, c := range []struct {
		name     string
		vouchers []facts.Voucher
		id       int64
		discount int64
		reason   string
		missing  int64
	}{
		{"the minimum spend", []facts.Voucher{shop(1, 300, from(1200))}, 1, 300, "MIN_SPEND", 200},
		{"a percent of its minimum spend", []facts.Voucher{shop(1, 10_000, percent, from(1500))}, 1, 150, "MIN_SPEND", 500},
		{"the spend that the shop voucher took", []facts.Voucher{shop(1, 100), platform(2, 50, from(950))}, 2, 50, "MIN_SPEND", 50},
		{"the user path", []facts.Voucher{shop(1, 300, search)}, 1, 300, "USER_PATH", 0},
		{"the platform", []facts.Voucher{shop(1, 300, web)}, 1, 300, "CLIENT_PLATFORM", 0},
		{"the device", []facts.Voucher{shop(1, 300, tablet)}, 1, 300, "DEVICE_TYPE", 0},
		{"the user condition", []facts.Voucher{platform(1, 300, condition("false"))}, 1, 300, "USER_CONDITION", 0},
		{"a percent of what is left, on another device", []facts.Voucher{shop(1, 100), platform(2, 10_000, percent, tablet)}, 2, 90, "DEVICE_TYPE", 0},
		{"the largest of several", []facts.Voucher{shop(1, 300, from(1200)), shop(2, 400, search), platform(3, 350, tablet)}, 2, 400, "USER_PATH", 0},
		{"of equals the one that ends first", []facts.Voucher{shop(1, 300, search), platform(2, 300, tablet, until(2000))}, 2, 300, "DEVICE_TYPE", 0},
		{"two things are too many", []facts.Voucher{shop(1, 300, search, tablet)}, 0, 0, "", 0},
		{"a thing and the spend are too many", []facts.Voucher{shop(1, 300, search, from(1200))}, 0, 0, "", 0},
		{"a thing and the user condition are too many", []facts.Voucher{shop(1, 300, search, condition("false"))}, 0, 0, "", 0},
		{"a thing, and a condition that is met", []facts.Voucher{shop(1, 300, search, condition("true"))}, 1, 300, "USER_PATH", 0},
		{"what the user cannot change", []facts.Voucher{shop(1, 300, streamer), platform(2, 100, streamer, from(2000))}, 0, 0, "", 0},
		{"another scope", []facts.Voucher{shop(1, 300, from(1200), categories("toys"))}, 0, 0, "", 0},
		{"a rule that does not hold", []facts.Voucher{shop(1, 300, from(1200), applies("false"))}, 0, 0, "", 0},
		{"no more than the chosen one gives", []facts.Voucher{shop(1, 300), shop(2, 300, from(1200))}, 0, 0, "", 0},
		{"a little more than the chosen one gives", []facts.Voucher{shop(1, 300), shop(2, 301, from(1200))}, 2, 301, "MIN_SPEND", 200},
		{"less than the other layer gives is still more", []facts.Voucher{shop(1, 300), platform(2, 100, tablet)}, 2, 100, "DEVICE_TYPE", 0},
		{"an exclusive one must beat the whole pair", []facts.Voucher{shop(1, 300), platform(2, 100), shop(3, 400, exclusive, tablet)}, 0, 0, "", 0},
		{"an exclusive one that beats the whole pair", []facts.Voucher{shop(1, 300), platform(2, 100), shop(3, 401, exclusive, tablet)}, 3, 401, "DEVICE_TYPE", 0},
		{"one that applies is not missed", []facts.Voucher{shop(1, 300), shop(2, 200)}, 0, 0, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			question := cheese(1000)
			got := question.of(t, c.vouchers...)
			if id(got.NextBest) != c.id || got.NextBest.Discount != c.discount || got.NextBestReason != c.reason || got.NextBestMissing != c.missing {
				t.Errorf("next is voucher %d with %d for %q, missing %d; want %d with %d for %q, missing %d", id(got.NextBest), got.NextBest.Discount,
					got.NextBestReason, got.NextBestMissing, c.id, c.discount, c.reason, c.missing)
			}
		})
	}
}

func TestTheHighestTierIsReachableAtSomeSpend(t *testing.T) {
	for _, c := range []struct {
		name     string
		price    int64
		vouchers []facts.Voucher
		id       int64
		discount int64
	}{
		{"an amount at any spend", 1000, []facts.Voucher{shop(1, 5000, from(90_000)), shop(2, 900)}, 1, 5000},
		{"an amount up to its cap", 1000, []facts.Voucher{shop(1, 5000, capped(300))}, 1, 300},
		{"the cap of a percent", 1000, []facts.Voucher{shop(1, 1_000, percent, capped(4000)), shop(2, 3999)}, 1, 4000},
		{"nothing of a percent of nothing", 1000, []facts.Voucher{shop(1, 0, percent, capped(4000))}, 0, 0},
		{"a percent of the price", 1000, []facts.Voucher{platform(1, 10_000, percent, from(500))}, 1, 100},
		{"a percent of its minimum spend", 1000, []facts.Voucher{platform(1, 10_000, percent, from(5000))}, 1, 500},
		{"a new price", 1000, []facts.Voucher{platform(1, 400, newPrice)}, 1, 600},
		{"a new price from its minimum spend", 1000, []facts.Voucher{platform(1, 400, newPrice, from(2000))}, 1, 1600},
		{"of equals the lower id", 1000, []facts.Voucher{shop(2, 700), platform(1, 700)}, 1, 700},
		{"a free model", 0, []facts.Voucher{shop(1, 700)}, 1, 700},
		{"not for this user", 1000, []facts.Voucher{shop(1, 5000, condition("false")), shop(2, 900)}, 2, 900},
		{"not of this scope", 1000, []facts.Voucher{shop(1, 5000, categories("toys"))}, 0, 0},
		{"the largest amounts", math.MaxInt64, []facts.Voucher{shop(1, 100_000, percent), platform(2, math.MaxInt64, from(math.MaxInt64))}, 1, math.MaxInt64},
	} {
		t.Run(c.name, func(t *testing.T) {
			question := cheese(c.price)
			got := question.of(t, c.vouchers...).HighestTier
			if id(got) != c.id || got.Discount != c.discount {
				t.Errorf("highest is voucher %d with %d, want %d with %d", id(got), got.Discount, c.id, c.discount)
			}
		})
	}
}
