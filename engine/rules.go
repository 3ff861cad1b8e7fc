package engine

import (
	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/facts"
	"proscenium/scenes"
)

// applyRules drops the promotions that the scene's exclusion rule matches, and those that its inclusion rule does not.
func (st *state) applyRules() {
	for i := range st.models {
		m := &st.models[i]
		promos := st.promosOf(m)
		for j := range promos {
			p := &promos[j]
			if r := st.plan.exclusion; r.PromoRule != nil {
				matches, failed := st.matches(r, m, p)
				if matches || failed {
					st.drop(m, p, "exclusion", r.Name)
					continue
				}
			}
			if r := st.plan.inclusion; r.PromoRule != nil {
				if matches, failed := st.matches(r, m, p); !matches || failed {
					st.drop(m, p, "inclusion", r.Name)
				}
			}
		}
	}
}

// matches evaluates a rule for one promotion. An evaluation error is counted and traced; every place that asks then leaves the promotion out.
func (st *state) matches(r promoRule, m *modelState, p *promoState) (matches, failed bool) {
	if r.Types != nil && (int(p.typ.ID) >= len(r.Types) || !r.Types[p.typ.ID]) {
		return false, false
	}
	if r.When == nil {
		return true, false
	}
	in := &st.input
	in.Promo, in.PromoType, in.PromoPrice = p.rec, p.typ, listedPrice(p.rec, st.market.region)
	in.Model, in.Item = m.rec, &st.items[m.item].facts
	if r.needsItems && !st.haveItems || r.needsLabels && !st.haveLabels {
		in.Item = nil // what is not known must not look empty
	}
	ok, err := r.When.Bool(in)
	if err != nil {
		st.ruleError(r.Name, err)
		return false, true
	}
	return ok, false
}

// listedPrice is the price of a record before any tax selection: that of the region's default tax mode, or the one that it has.
func listedPrice(rec *facts.Promo, region *scenes.Region) int64 {
	if rec.PreTax == facts.NoPrice || rec.PostTax != facts.NoPrice && region.TaxMode == configv1.TaxMode_TAX_MODE_POST_TAX {
		return rec.PostTax
	}
	return rec.PreTax
}

// drop takes a promotion out of the pricing.
func (st *state) drop(m *modelState, p *promoState, stage, reason string) {
	p.dropped = true
	if st.trace != nil {
		st.trace.dropped(m, p, stage, reason)
	}
}
