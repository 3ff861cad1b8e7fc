package engine_test

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"proscenium/engine"
	"proscenium/facts"
	"proscenium/fault"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

func TestFormulas(t *testing.T) {
	tests := []struct {
		name string
		in   engine.Price
		want engine.Price // the results
	}{
		{
			"a buyer's price, seller price 100 with a rebate of 10",
			engine.Price{Promo: 90, ShopDiscount: 5, ProductRebate: 10},
			engine.Price{Discounted: 85, TotalRebate: 10, Final: 85, PromoRebateRate: 11765, TotalRebateRate: 11765},
		},
		{
			"the seller's view of it",
			engine.Price{Promo: 90, ShopDiscount: 5, ProductRebate: 10, AddBackRebate: true},
			engine.Price{Discounted: 85, TotalRebate: 10, Final: 95, PromoRebateRate: 10526, TotalRebateRate: 10526},
		},
		{"nothing at all", engine.Price{}, engine.Price{}},
		{"a price of zero has no rates", engine.Price{Promo: 5, ShopDiscount: 5, ProductRebate: 3}, engine.Price{TotalRebate: 3}},
		{"discounts never make a price negative", engine.Price{Promo: 10, ShopDiscount: 8, PlatformDiscount: 8}, engine.Price{}},
		{
			"rebates are added to what is left, not to what is missing",
			engine.Price{Promo: 10, ShopDiscount: 30, ShopRebate: 4, AddBackRebate: true},
			engine.Price{TotalRebate: 4, Final: 4, TotalRebateRate: 100000},
		},
		{
			"all rebates count",
			engine.Price{Promo: 1000, ShopDiscount: 100, PlatformDiscount: 50, ProductRebate: 1, ShopRebate: 2, PlatformRebate: 4},
			engine.Price{Discounted: 850, TotalRebate: 7, Final: 850, PromoRebateRate: 118, TotalRebateRate: 824},
		},
		{"a rate at the half rounds up", engine.Price{Promo: 200_000, ProductRebate: 1}, engine.Price{Discounted: 200_000, TotalRebate: 1, Final: 200_000, PromoRebateRate: 1, TotalRebateRate: 1}},
		{"a rate below the half rounds down", engine.Price{Promo: 200_001, ProductRebate: 1}, engine.Price{Discounted: 200_001, TotalRebate: 1, Final: 200_001}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.in
			if !got.Compute() {
				t.Fatal("does not fit")
			}
			want := tt.in
			want.Discounted, want.TotalRebate, want.Final = tt.want.Discounted, tt.want.TotalRebate, tt.want.Final
			want.PromoRebateRate, want.TotalRebateRate = tt.want.PromoRebateRate, tt.want.TotalRebateRate
			if got != want {
				t.Fatalf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestFormulasReportOverflow(t *testing.T) {
	for name, p := range map[string]engine.Price{
		"discounts":     {Promo: 1, ShopDiscount: math.MaxInt64, PlatformDiscount: 1},
		"rebates":       {Promo: 1, ProductRebate: math.MaxInt64, ShopRebate: 1},
		"added back":    {Promo: math.MaxInt64, ProductRebate: 1, AddBackRebate: true},
		"a rebate rate": {Promo: 1, ProductRebate: math.MaxInt64},
	} {
		if p.Compute() {
			t.Errorf("%s: overflow went unnoticed: %+v", name, p)
		}
	}
}

func TestFormulasAgreeWithExactArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Int64Range(0, math.MaxInt64/8)
		p := engine.Price{
			Promo: amount.Draw(t, "promo"), ShopDiscount: amount.Draw(t, "shop"), PlatformDiscount: amount.Draw(t, "platform"),
			ProductRebate: amount.Draw(t, "product rebate"), ShopRebate: amount.Draw(t, "shop rebate"), PlatformRebate: amount.Draw(t, "platform rebate"),
			AddBackRebate: rapid.Bool().Draw(t, "add back"),
		}
		fits := p.Compute()
		discounted := big.NewInt(p.Promo)
		discounted.Sub(discounted, big.NewInt(p.ShopDiscount)).Sub(discounted, big.NewInt(p.PlatformDiscount))
		if discounted.Sign() < 0 {
			discounted.SetInt64(0)
		}
		rebate := new(big.Int).Add(big.NewInt(p.ProductRebate), big.NewInt(p.ShopRebate))
		rebate.Add(rebate, big.NewInt(p.PlatformRebate))
		final := new(big.Int).Set(discounted)
		if p.AddBackRebate {
			final.Add(final, rebate)
		}
		rate := halfUp(rebate, final)
		if !rate.IsInt64() {
			if fits {
				t.Fatalf("rate %v does not fit, but was answered", rate)
			}
			return
		}
		if !fits {
			return // another rate or sum does not fit
		}
		if big.NewInt(p.Final).Cmp(final) != 0 || big.NewInt(p.TotalRebateRate).Cmp(rate) != 0 {
			t.Fatalf("%+v: want final %v, rate %v", p, final, rate)
		}
	})
}

// halfUp is 1e5 * part / whole, half up, 0 where whole is 0; both are not negative.
func halfUp(part, whole *big.Int) *big.Int {
	if whole.Sign() == 0 {
		return new(big.Int)
	}
	n := new(big.Int).Mul(part, big.NewInt(200_000))
	n.Add(n, whole)
	return n.Div(n, new(big.Int).Lsh(whole, 1))
}

// TestWorkedCase is the specification's: promo price 90, rebate 10, a shop voucher of 5 without rebate.
func TestWorkedCase(t *testing.T) {
	w := newWorld(noon, model(10, promo(3, weeklyCut, 90), promo(0, original, 100)))
	w.rebate.answer = func(*engine.Call, engine.RebateKey) int64 { return 10 }
	shop := &facts.Voucher{ID: 77, Name: "five off", End: facts.Never}
	w.voucher.answer = func(*engine.Call, engine.VoucherKey) facts.VoucherChoice {
		return facts.VoucherChoice{Shop: facts.VoucherUse{Voucher: shop, Discount: 5}}
	}
	for _, tt := range []struct {
		name, scenario string
		final, rate    int64
	}{
		{"buyer", "    voucher: {shop_voucher_pool: SHOP}\n", 85, 11765},
		{"seller", "    voucher: {shop_voucher_pool: SHOP}\n    rebate: {add_back_rebate_to_final_price: true}\n", 95, 10526},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := ask(t, w.engine(t, base+scene("s", tt.scenario, modelMain+`
    voucher: {enabled: true, need_applied_voucher_detail: true}
    rebate: {need_rebate_info: true}
`)), request("s", 1))
			m := onlyModel(t, resp)
			if m.GetFinalPrice() != tt.final || m.Rebate.GetTotalRebateRate() != tt.rate || m.Rebate.GetPromoRebateRate() != tt.rate || m.GetPromoPrice() != 90 {
				t.Fatalf("got %v", m)
			}
			if got := m.Vouchers.GetApplied(); len(got) != 1 || got[0].VoucherId != 77 || got[0].Discount != 5 {
				t.Fatalf("got vouchers %v", got)
			}
			if !resp.GetAccurate() || len(resp.Degradations) != 0 {
				t.Fatalf("got accurate %v, %v", resp.GetAccurate(), resp.Degradations)
			}
		})
	}
}

func TestTotalsAreUnitTimesQuantity(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100)), model(11, promo(0, original, 7)))
	w.tax.answer = func(*engine.Call, engine.PriceKey) facts.TaxRate { return facts.TaxRate{Known: true, Rate: 8_875} }
	w.rebate.answer = func(_ *engine.Call, k engine.RebateKey) int64 { return k.Price / 10 }
	e := w.engine(t, base+scene("s", "", modelMain+"    tax: {need_tax_info: true}\n    rebate: {need_rebate_info: true}\n"))
	req := request("s")
	three := int64(3)
	req.Items = []*pricingv1.RequestItem{{ItemId: 1, Models: []*pricingv1.RequestModel{{ModelId: 10, Quantity: &three}, {ModelId: 11}, {ModelId: 404}}}}
	resp := ask(t, e, req)
	// Taxes: 100 * 8.875% = 8.875 -> 9; 7 * 8.875% = 0.62 -> 1.
	if got := resp.Totals; got.GetFinalPrice() != 307 || got.GetTax() != 28 || got.GetRebate() != 30 {
		t.Fatalf("got %v", got)
	}
	models := resp.Items[0].Models
	if len(models) != 3 || models[0].Tax.GetTaxRate() != 9000 || models[2].Status != pricingv1.Status_STATUS_NOT_FOUND || models[2].GetFinalPrice() != 0 {
		t.Fatalf("got %v", models)
	}
}

func TestTotalsThatDoNotFitAreRefused(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, math.MaxInt64)))
	e := w.engine(t, base+scene("s", "", modelMain))
	req := request("s")
	two := int64(2)
	req.Items = []*pricingv1.RequestItem{{ItemId: 1, Models: []*pricingv1.RequestModel{{ModelId: 10, Quantity: &two}}}}
	_, err := e.Price(t.Context(), engine.Caller{}, req)
	if fault.Reason(err) != "AMOUNT_OVERFLOW" {
		t.Fatalf("got %v", err)
	}
}

func TestTaxSelection(t *testing.T) {
	both := promo(1, weeklyCut, 1000)
	both.PostTax = 1190
	preOnly, postOnly := promo(1, weeklyCut, 1000), promo(1, weeklyCut, facts.NoPrice)
	postOnly.PostTax = 1190
	type want struct {
		price, tax, rate int64
		asked            bool
		accurate         bool
	}
	for _, tt := range []struct {
		name, region, mode, rounding string
		promo                        facts.Promo
		rate                         facts.TaxRate
		want                         want
	}{
		{"the region decides: before tax", "US", "REGIONAL", "HALF_UP", both, facts.TaxRate{}, want{1000, 0, 0, false, true}},
		{"the region decides: after tax", "DE", "REGIONAL", "HALF_UP", both, facts.TaxRate{}, want{1190, 0, 0, false, true}},
		{"before tax everywhere", "DE", "PRE_TAX", "HALF_UP", both, facts.TaxRate{}, want{1000, 0, 0, false, true}},
		{"a missing price is derived: after tax", "US", "POST_TAX", "HALF_UP", preOnly, facts.TaxRate{Known: true, Rate: 8_875}, want{1089, 0, 0, true, true}},
		{"rounded as the region rounds", "US", "POST_TAX", "DOWN", preOnly, facts.TaxRate{Known: true, Rate: 8_875}, want{1088, 0, 0, true, true}},
		{"a missing price is derived: before tax", "DE", "PRE_TAX", "HALF_UP", postOnly, facts.TaxRate{Known: true, Rate: 19_000}, want{1000, 0, 0, true, true}},
		{"without a rate the price that is there, inaccurately", "US", "POST_TAX", "HALF_UP", preOnly, facts.TaxRate{}, want{1000, 0, 0, true, false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(noon, model(10, tt.promo))
			w.tax.answer = func(*engine.Call, engine.PriceKey) facts.TaxRate { return tt.rate }
			conf := replace(base, "default_tax_mode: PRE_TAX", "default_tax_mode: PRE_TAX, rounding: "+tt.rounding)
			req := request("s", 1)
			req.Region = tt.region
			resp := ask(t, w.engine(t, conf+scene("s", "    tax: {selection_mode: "+tt.mode+"}\n", modelMain)), req)
			m := onlyModel(t, resp)
			got := want{m.GetFinalPrice(), m.Tax.GetTaxValue(), m.Tax.GetTaxRate(), w.tax.calls.Load() > 0, resp.GetAccurate()}
			if got != tt.want {
				t.Fatalf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
