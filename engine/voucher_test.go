package engine_test

import (
	"testing"

	"proscenium/engine"
	"proscenium/facts"
)

func TestVouchersAreChosenWithinTheScenesScope(t *testing.T) {
	for _, tt := range []struct{ name, scenario, bypass, want string }{
		{"a shop pool", "    voucher: {shop_voucher_pool: SHOP}\n", "", "SHOP//"},
		{"a platform pool alone", "    voucher: {platform_voucher_pool: PLATFORM}\n", "", "/PLATFORM/"},
		{"both, with validations skipped", "    voucher: {shop_voucher_pool: SHOP, platform_voucher_pool: PLATFORM}\n", ", bypass_validation: lenient", "SHOP/PLATFORM/lenient"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(noon, model(10, promo(0, original, 100)))
			w.voucher.answer = func(c *engine.Call, _ engine.VoucherKey) facts.VoucherChoice {
				shop, platform, bypass := "", "", ""
				if c.Vouchers.ShopPool != nil {
					shop = c.Vouchers.ShopPool.Name
				}
				if c.Vouchers.PlatformPool != nil {
					platform = c.Vouchers.PlatformPool.Name
				}
				if c.Vouchers.Bypass != nil {
					bypass = c.Vouchers.Bypass.Name
				}
				if got := shop + "/" + platform + "/" + bypass; got != tt.want {
					t.Errorf("scope %s, want %s", got, tt.want)
				}
				return facts.VoucherChoice{}
			}
			ask(t, w.engine(t, base+"bypass_rules:\n  - {name: lenient, skip: [USER_PATH]}\n"+scene("s", tt.scenario, modelMain+"    voucher: {enabled: true"+tt.bypass+"}\n")), request("s", 1))
			if w.voucher.calls.Load() != 1 {
				t.Errorf("%d calls, want 1", w.voucher.calls.Load())
			}
		})
	}
}

func TestVouchersSeeTheShopThatThePricesCameFrom(t *testing.T) {
	w := fullWorld()
	w.items.answer = func(_ *engine.Call, id int64) *facts.Item { return &facts.Item{ID: id, ShopID: 8, Name: "soap"} }
	w.voucher.answer = func(_ *engine.Call, k engine.VoucherKey) facts.VoucherChoice {
		if k.Item.ShopID != 9 || k.Item.Name != "soap" {
			t.Errorf("got %+v, want the soap of shop 9", k.Item)
		}
		return facts.VoucherChoice{}
	}
	if it := ask(t, w.engine(t, base+scene("s", fullScenario, full)), asUser(request("s", 1), 7)).Items[0]; it.ShopId != 9 {
		t.Errorf("the answer says shop %d", it.ShopId)
	}
}
