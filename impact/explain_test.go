package impact

import (
	"slices"
	"testing"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

func TestAPriceChangeSaysWhatBecameOfPromosAndVouchers(t *testing.T) {
	promo := func(id int64, kind string, price int64, kept bool, stage, reason string, roles ...string) *pricingv1.TracePromo {
		return &pricingv1.TracePromo{ModelId: 2, PromotionId: id, PriceRuleType: kind, Price: price, Kept: kept, Stage: stage, Reason: reason, Roles: roles}
	}
	voucher := func(id int64, applied bool, reason string, lostTo int64) *pricingv1.TraceVoucher {
		return &pricingv1.TraceVoucher{ModelId: 2, VoucherId: id, Applied: applied, Reason: reason, LostToVoucherId: lostTo}
	}
	promos := func(all ...*pricingv1.TracePromo) *pricingv1.Trace { return &pricingv1.Trace{Promos: all} }
	vouchers := func(all ...*pricingv1.TraceVoucher) *pricingv1.Trace { return &pricingv1.Trace{Vouchers: all} }
	flash, list := "flash 5", "list"
	for _, c := range []struct {
		name     string
		old, now *pricingv1.Trace
		want     []string
	}{
		{
			"a promo is dropped", promos(promo(5, "flash", 80, true, "", "", "main"), promo(0, "list", 100, true, "", "")),
			promos(promo(5, "flash", 80, false, "exclusion", "cheap"), promo(0, "list", 100, true, "", "", "main")),
			[]string{"main promo: " + flash + " -> " + list, flash + " is dropped now: exclusion cheap"},
		},
		{
			"a promo is kept, and another wins", promos(promo(5, "flash", 80, true, "", "", "main"), promo(6, "cut", 70, true, "", "")),
			promos(promo(5, "flash", 80, true, "", ""), promo(6, "cut", 70, true, "", "", "main")),
			[]string{"main promo: " + flash + " -> cut 6"},
		},
		{
			"a promo was dropped", promos(promo(5, "flash", 80, false, "inclusion", "teaser"), promo(0, "list", 100, true, "", "", "main")),
			promos(promo(5, "flash", 80, true, "", "", "main"), promo(0, "list", 100, true, "", "")),
			[]string{"main promo: " + list + " -> " + flash, flash + " was dropped before: inclusion teaser"},
		},
		{
			"the same promo at another price", promos(promo(5, "flash", 80, true, "", "", "main")), promos(promo(5, "flash", 88, true, "", "", "main")),
			[]string{flash + " shows another price: tax mode"},
		},
		{"a voucher loses", vouchers(voucher(8, true, "", 0)), vouchers(voucher(8, false, "", 9), voucher(9, true, "", 0)), []string{"voucher 8 no longer applies: 9 saves more", "not among the vouchers to choose from before: 9"}},
		{"a voucher is not for this model", vouchers(voucher(8, true, "", 0)), vouchers(voucher(8, false, "scope", 0)), []string{"voucher 8 no longer applies: scope"}},
		{"there are no vouchers", vouchers(voucher(8, true, "", 0)), vouchers(), []string{"no vouchers now: without 8"}},
		{"there were no vouchers", vouchers(), vouchers(voucher(8, true, "", 0)), []string{"no vouchers before: without 8"}},
		{"nothing is known", promos(), promos(), nil},
	} {
		got := because(&PriceChange{ItemID: 1, ModelID: 2}, &pricingv1.GetPromotionInfoResponse{Trace: c.old}, &pricingv1.GetPromotionInfoResponse{Trace: c.now})
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
