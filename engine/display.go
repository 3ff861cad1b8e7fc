package engine

import (
	"cmp"
	"strconv"

	configv1 "proscenium/gen/proscenium/config/v1"
)

// displayModels picks, for each model, the main promo, the teaser, the original price, and the sold-out live-stream promo where they are needed.
// A sold-out promotion is passed over unless all are sold out; then the best one is the main promo, marked as sold out.
func (st *state) displayModels() {
	for i := range st.models {
		m := &st.models[i]
		promos := st.promosOf(m)
		for j := range promos {
			st.consider(m, &promos[j])
		}
		if m.main != nil {
			st.modelRefs = append(st.modelRefs, i)
		}
		if st.trace != nil {
			st.trace.lost(m, promos)
		}
	}
}

func (st *state) consider(m *modelState, p *promoState) {
	// The price to strike through does not depend on what the rules drop.
	if p.typ.Original && !p.upcoming && (m.original == nil || comparePromos(p, m.original, configv1.MainPromoSorting_MAIN_PROMO_SORTING_PROMO_PRIORITY) < 0) {
		m.original = p
	}
	switch {
	case p.dropped:
	case p.upcoming:
		if st.plan.modelTeaser && !p.typ.Original && !p.ineligible && (m.teaser == nil || compareTeasers(p, m.teaser, st.plan.modelTeaserSort) < 0) {
			m.teaser = p
		}
	default:
		if m.main == nil || compareMain(p, m.main, st.plan.modelSort) < 0 {
			m.main = p
		}
		if st.plan.soldOutLive && p.typ.FlexibleLiveStream && p.rec.SoldOut && (m.soldOutLive == nil || comparePromos(p, m.soldOutLive, st.plan.modelSort) < 0) {
			m.soldOutLive = p
		}
	}
}

// compareMain orders candidates for a main promo, the best first: what can be bought before what is sold out.
func compareMain(a, b *promoState, by configv1.MainPromoSorting) int {
	if a.rec.SoldOut != b.rec.SoldOut {
		if b.rec.SoldOut {
			return -1
		}
		return 1
	}
	return comparePromos(a, b, by)
}

// comparePromos orders promotions, the best first, by the sorting asked for. Ties: higher priority, then lower price, then earlier end, then lower promotion id.
func comparePromos(a, b *promoState, by configv1.MainPromoSorting) int {
	if by == configv1.MainPromoSorting_MAIN_PROMO_SORTING_LOWEST_PRICE && a.price != b.price {
		return cmp.Compare(a.price, b.price)
	}
	return cmp.Or(
		cmp.Compare(b.typ.Priority, a.typ.Priority),
		cmp.Compare(a.price, b.price),
		cmp.Compare(a.rec.End, b.rec.End),
		cmp.Compare(a.rec.ID, b.rec.ID),
	)
}

// compareTeasers orders upcoming promotions, the one to announce first. Ties: by what the other sorting looks at, then lower price, then lower promotion id.
func compareTeasers(a, b *promoState, by configv1.TeaserPromoSorting) int {
	start, priority := cmp.Compare(a.rec.Start, b.rec.Start), cmp.Compare(b.typ.Priority, a.typ.Priority)
	if by == configv1.TeaserPromoSorting_TEASER_PROMO_SORTING_PROMO_PRIORITY {
		start, priority = priority, start
	}
	return cmp.Or(start, priority, cmp.Compare(a.price, b.price), cmp.Compare(a.rec.ID, b.rec.ID))
}

func lostTo(p *promoState) string { return "LOST_TO " + strconv.FormatInt(p.rec.ID, 10) }
