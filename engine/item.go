package engine

import (
	"cmp"
)

// displayItems picks each item's main promo among those of its models, and its teaser among what is upcoming.
func (st *state) displayItems() {
	if !st.plan.itemDisplay || st.itemDisplayOff() {
		return
	}
	for i := range st.items {
		it := &st.items[i]
		models := st.modelsOf(it)
		for j := range models {
			m := &models[j]
			if m.main != nil && (it.mainModel == nil || st.compareModels(m, it.mainModel) < 0) {
				it.main, it.mainModel = m.main, m
			}
		}
		if st.plan.itemTeaser && (st.plan.coexist || it.main == nil || it.main.typ.Original) {
			st.pickTeaser(it, models)
		}
		if st.trace != nil {
			st.trace.itemRoles(it)
		}
	}
}

// compareModels orders models by which one's main promo stands for the item. By GMV the best-selling model wins; ties go as among promotions, then to
// the lower model id. What is sold out comes last in any case.
func (st *state) compareModels(a, b *modelState) int {
	by := st.plan.itemSort
	if st.plan.gmv && a.main.rec.SoldOut == b.main.rec.SoldOut && a.gmv != b.gmv {
		return cmp.Compare(b.gmv, a.gmv)
	}
	return cmp.Or(compareMain(a.main, b.main, by), cmp.Compare(a.id, b.id))
}

// pickTeaser announces the promotion that comes first, or ranks first. A strict teaser is not sold out and cheaper than the model's main promo; that
// the user may have it was checked with the other promotions.
func (st *state) pickTeaser(it *itemState, models []modelState) {
	for j := range models {
		m := &models[j]
		promos := st.promosOf(m)
		for k := range promos {
			p := &promos[k]
			if p.dropped || !p.upcoming || p.typ.Original {
				continue
			}
			if st.plan.strictTeaser && (p.rec.SoldOut || m.main != nil && p.price >= m.main.price) {
				st.noTeaser(m, p, "TEASER_NOT_CHEAPER_OR_SOLD_OUT")
				continue
			}
			if r := st.plan.itemTeaserInclusion; r.PromoRule != nil {
				if matches, failed := st.matches(r, m, p); !matches || failed {
					st.noTeaser(m, p, r.Name)
					continue
				}
			}
			if it.teaser == nil || compareTeasers(p, it.teaser, st.plan.itemTeaserSort) < 0 {
				it.teaser, it.teaserModel = p, m
			}
		}
	}
}

// noTeaser tells the trace why a promotion does not announce its item.
func (st *state) noTeaser(m *modelState, p *promoState, reason string) {
	if st.trace != nil {
		e := st.trace.promo(keyOf(m, p), p)
		e.Stage, e.Reason = StageItemDisplay.String(), reason
	}
}
