package engine_test

import (
	"context"
	"testing"

	"proscenium/engine"
	"proscenium/facts"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

func TestTheRebateOfTheTotalIsThatOfPromotionsAndVouchers(t *testing.T) {
	w := fullWorld()
	w.voucher.answer = func(*engine.Call, engine.VoucherKey) facts.VoucherChoice {
		return facts.VoucherChoice{
			Shop:     facts.VoucherUse{Voucher: &facts.Voucher{ID: 77}, Discount: 10, Rebate: 4},
			Platform: facts.VoucherUse{Voucher: &facts.Voucher{ID: 78, Layer: facts.LayerPlatform}, Discount: 3, Rebate: 2},
		}
	}
	req, two := asUser(request("s", 1), 7), int64(2)
	req.Items[0].Models = []*pricingv1.RequestModel{{ModelId: 10, Quantity: &two}}
	if got := ask(t, w.engine(t, base+scene("s", fullScenario, full)), req).Totals; got.GetRebate() != 2*(5+4+2) || got.GetFinalPrice() != 2*27 || got.GetTax() != 2*4 {
		t.Errorf("got %v", got)
	}
}

func TestRebatesThatAreOnlyAddedBackAreAskedForButNotReturned(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100)))
	w.rebate.answer = func(*engine.Call, engine.RebateKey) int64 { return 5 }
	resp := ask(t, w.engine(t, base+scene("s", "    rebate: {add_back_rebate_to_final_price: true}\n", modelMain)), request("s", 1))
	if m := onlyModel(t, resp); m.GetFinalPrice() != 105 || m.Rebate != nil || resp.Totals.Rebate != nil || resp.Totals.GetFinalPrice() != 105 {
		t.Errorf("got %v", resp)
	}
}

func TestTotalsLeaveOutWhatIsNotKnown(t *testing.T) {
	unknownRate := func(w *world) {
		w.tax.answer = func(_ *engine.Call, k engine.PriceKey) facts.TaxRate {
			return facts.TaxRate{Known: k.ModelID == 10, Rate: 10_000}
		}
	}
	for _, tt := range []struct {
		name        string
		fail        func(*world)
		downgrades  string
		tax, rebate bool
	}{
		{"all is known", func(*world) {}, "", true, true},
		{"rebates failed", func(w *world) { misbehave(w, "rebate.query", func(context.Context) error { return errDown }) }, "", true, false},
		{"rebates are downgraded", func(*world) {}, "downgrades:\n  - {feature: REBATE}\n", true, false},
		{"taxes failed", func(w *world) { misbehave(w, "tax.rates", func(context.Context) error { return errDown }) }, "", false, true},
		{"one model's rate is unknown", unknownRate, "", false, true},
		{"taxes are downgraded", func(*world) {}, "downgrades:\n  - {feature: TAX}\n", false, true},
		{"the scene is downgraded", func(*world) {}, "downgrades:\n  - {feature: SCENE}\n", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(noon, model(10, promo(0, original, 100)), model(11, promo(0, original, 200)), model(12))
			w.tax.answer = taxedAt(10_000)
			w.rebate.answer = func(*engine.Call, engine.RebateKey) int64 { return 5 }
			tt.fail(w)
			resp := ask(t, w.engine(t, base+scene("s", "", modelMain+needTax+"    rebate: {need_rebate_info: true}\n")+tt.downgrades), request("s", 1))
			if got := resp.Totals; got.GetFinalPrice() != 300 || (got.Tax != nil) != tt.tax || (got.Rebate != nil) != tt.rebate {
				t.Errorf("got %v; want tax: %v, rebate: %v", got, tt.tax, tt.rebate)
			}
			for _, m := range resp.Items[0].Models[:2] {
				if (m.Rebate != nil) != tt.rebate {
					t.Errorf("model %d: rebate %v, want one: %v", m.ModelId, m.Rebate, tt.rebate)
				}
			}
			if tax := resp.Totals.Tax; tax != nil && *tax != 30 || resp.Totals.Rebate != nil && *resp.Totals.Rebate != 10 {
				t.Errorf("got %v", resp.Totals)
			}
		})
	}
}
