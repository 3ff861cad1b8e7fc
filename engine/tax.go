package engine

import (
	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/facts"
	"proscenium/fault"
	"proscenium/money"
)

// selectPrices gives each promotion the price that the scene shows: pre-tax, post-tax, or the region's choice. Tax rates are asked for only where
// a record lacks the price wanted, or the other one and the scene returns taxes. A model without a rate that it needs keeps the price it has, and the answer is inaccurate.
func (st *state) selectPrices() error {
	postTax := st.showsPostTax()
	for i := range st.models {
		m := &st.models[i]
		if st.needsRate(m, postTax) {
			st.taxKeys = append(st.taxKeys, PriceKey{m.rec.ItemID, m.id})
			st.taxRefs = append(st.taxRefs, i)
		}
	}
	if len(st.taxKeys) > 0 && st.off.has(configv1.DowngradeFeature_DOWNGRADE_FEATURE_TAX) {
		st.downgradedBy("tax", st.taxScope) // prices that the records lack cannot be derived
	} else if len(st.taxKeys) > 0 {
		st.taxRates = sized(st.taxRates, len(st.taxKeys))
		if err := st.queryTax(); err != nil {
			return err
		}
	}
	for i := range st.models {
		m := &st.models[i]
		promos := st.promosOf(m)
		for j := range promos {
			if err := st.selectPrice(m, &promos[j], postTax); err != nil {
				return err
			}
		}
	}
	return nil
}

// showsTax says whether the answer has taxes.
func (st *state) showsTax() bool {
	return st.plan.taxInfo && !st.off.has(configv1.DowngradeFeature_DOWNGRADE_FEATURE_TAX)
}

func (st *state) showsPostTax() bool {
	switch st.plan.taxMode {
	case configv1.TaxSelectionMode_TAX_SELECTION_MODE_PRE_TAX:
		return false
	case configv1.TaxSelectionMode_TAX_SELECTION_MODE_POST_TAX:
		return true
	}
	return st.market.region.TaxMode == configv1.TaxMode_TAX_MODE_POST_TAX
}

// needsRate says whether a promotion of the model that may be shown lacks the price wanted, or one of the two that its tax is the difference of.
func (st *state) needsRate(m *modelState, postTax bool) bool {
	promos := st.promosOf(m)
	for i := range promos {
		p := &promos[i]
		if p.dropped && !(p.typ.Original && st.plan.showsOriginal()) {
			continue
		}
		lacksPre, lacksPost := p.pre == facts.NoPrice, p.post == facts.NoPrice
		if (lacksPre || lacksPost) && st.showsTax() || lacksPost && postTax || lacksPre && !postTax {
			return true
		}
	}
	return false
}

func (st *state) queryTax() error {
	const feature = "tax"
	if err := st.market.tax.query(st.ctx, st, st.taxKeys, st.taxRates); err != nil {
		return st.failed(TaxRates, feature, true, err)
	}
	for i, ref := range st.taxRefs {
		st.models[ref].tax = st.taxRates[i]
		if !st.taxRates[i].Known {
			st.inaccurate = true
			if st.plan.propagate {
				return unavailable("DEPENDENCY_FAILED", "DEPENDENCY_REFUSED", TaxRates, malformed(TaxRates, "no rate for model %d", st.taxKeys[i].ModelID))
			}
			st.degrade(feature, TaxRates.String(), causeDependencyError)
		}
	}
	return nil
}

// selectPrice derives the price that the record lacks, by the model's rate: post = pre + pre*rate, pre = post*1e5/(1e5+rate), rounded as the region rounds.
func (st *state) selectPrice(m *modelState, p *promoState, postTax bool) error {
	if m.tax.Known {
		ok := true
		rounding := st.market.region.Rounding
		switch {
		case p.post == facts.NoPrice:
			var tax int64
			if tax, ok = money.MulDiv(p.pre, m.tax.Rate, facts.RateOne, rounding); ok {
				p.post, ok = money.Add(p.pre, tax)
			}
		case p.pre == facts.NoPrice:
			p.pre, ok = money.MulDiv(p.post, facts.RateOne, facts.RateOne+m.tax.Rate, rounding)
		}
		if !ok {
			return dataOverflow(m.id)
		}
	}
	p.price = p.pre
	if postTax && p.post != facts.NoPrice || p.pre == facts.NoPrice {
		p.price = p.post
	}
	return nil
}

// overflow is of a quantity, dataOverflow of what providers said.
func overflow(model int64) error {
	return fault.New(fault.InvalidArgument, "AMOUNT_OVERFLOW", "the total with model %d does not fit in 64 bits: ask for a smaller quantity", model)
}

func dataOverflow(model int64) error {
	return fault.New(fault.FailedPrecondition, "AMOUNT_OVERFLOW", "an amount of model %d does not fit in 64 bits: mend its price, rebate or tax rate", model)
}
