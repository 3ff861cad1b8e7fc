package engine

import (
	pricingv1 "proscenium/gen/proscenium/pricing/v1"

	"proscenium/facts"
	"proscenium/money"
)

// Price is what one unit of a model costs, by the formulas of the pricing specification:
//
//	discounted   = max(0, promo price - shop voucher discount - platform voucher discount)
//	total rebate = product promo rebate + shop voucher rebate + platform voucher rebate
//	final price  = discounted + (total rebate, if rebates are added back)
//
// All amounts are minor units.
type Price struct {
	Promo                                     int64
	ShopDiscount, PlatformDiscount            int64
	ProductRebate, ShopRebate, PlatformRebate int64
	AddBackRebate                             bool
	Discounted, TotalRebate, Final            int64 // results
	PromoRebateRate, TotalRebateRate          int64 // results, in 1e5 of the final price, half up; 0 where it is 0
}

// Compute fills in the results. It returns false if one does not fit in 64 bits.
func (p *Price) Compute() bool {
	discounts, ok1 := money.Add(p.ShopDiscount, p.PlatformDiscount)
	discounted, ok2 := money.Sub(p.Promo, discounts)
	p.Discounted = max(0, discounted)
	rebate, ok3 := money.Add(p.ProductRebate, p.ShopRebate)
	rebate, ok4 := money.Add(rebate, p.PlatformRebate)
	p.TotalRebate, p.Final = rebate, p.Discounted
	ok5 := true
	if p.AddBackRebate {
		p.Final, ok5 = money.Add(p.Discounted, rebate)
	}
	var ok6, ok7 bool
	p.PromoRebateRate, ok6 = money.Rate(p.ProductRebate, p.Final)
	p.TotalRebateRate, ok7 = money.Rate(rebate, p.Final)
	return ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7
}

// TaxRate is 1e5 * taxValue / preTaxPrice, half up, 0 where the pre-tax price is 0; false if it does not fit in 64 bits.
func TaxRate(taxValue, preTaxPrice int64) (int64, bool) { return money.Rate(taxValue, preTaxPrice) }

// finalPrices computes the price of every model that has a main promo.
func (st *state) finalPrices() error {
	for _, ref := range st.modelRefs {
		m := &st.models[ref]
		m.price = Price{Promo: m.main.price, ProductRebate: m.rebate, AddBackRebate: st.plan.addBack}
		if c := m.choice; c != nil {
			m.price.ShopDiscount, m.price.ShopRebate = c.Shop.Discount, c.Shop.Rebate
			m.price.PlatformDiscount, m.price.PlatformRebate = c.Platform.Discount, c.Platform.Rebate
		}
		if !m.price.Compute() {
			return dataOverflow(m.id)
		}
		if st.trace != nil {
			st.trace.price(m)
		}
	}
	return nil
}

// totals are the sums over models of unit value x quantity; of taxes and rebates where the scene shows them and all are known.
func (st *state) totals() (*pricingv1.Totals, error) {
	var final, tax, rebate int64
	showTax, showRebate := st.showsTax(), st.plan.rebateInfo && st.rebatesKnown
	for _, ref := range st.modelRefs {
		m := &st.models[ref]
		taxValue, taxKnown := m.main.tax()
		showTax = showTax && taxKnown
		ok := addLine(&final, m.price.Final, m.quantity) &&
			(!showTax || addLine(&tax, taxValue, m.quantity)) &&
			(!showRebate || addLine(&rebate, m.price.TotalRebate, m.quantity))
		if !ok {
			return nil, overflow(m.id)
		}
	}
	t := &pricingv1.Totals{FinalPrice: &final}
	if showTax {
		t.Tax = &tax
	}
	if showRebate {
		t.Rebate = &rebate
	}
	return t, nil
}

func addLine(sum *int64, unit, quantity int64) bool {
	line, ok1 := money.Mul(unit, quantity)
	total, ok2 := money.Add(*sum, line)
	*sum = total
	return ok1 && ok2
}

// tax is the tax of a promotion's price, and whether both prices that it is the difference of are known.
func (p *promoState) tax() (int64, bool) {
	if p.pre == facts.NoPrice || p.post == facts.NoPrice {
		return 0, false
	}
	return p.post - p.pre, true
}
