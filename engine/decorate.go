package engine

import (
	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/facts"
)

// decorate asks for the decorations of the promotions that the answer shows in a decorated place. No price rests on them.
func (st *state) decorate() error {
	p := st.plan
	for i := range st.models {
		m := &st.models[i]
		st.wantDecoration(p.modelMain && p.modelMainDecor, m, m.main, false, &m.mainDecoration)
		st.wantDecoration(p.modelTeaser && p.modelTeaserDecor, m, m.teaser, true, &m.teaserDecoration)
	}
	for i := range st.items {
		it := &st.items[i]
		// What a model shows too is asked for once.
		st.wantDecoration(p.itemMain && p.itemMainDecor && !p.showsMainDecorated(), it.mainModel, it.main, false, &it.mainDecoration)
		st.wantDecoration(p.itemTeaser && p.itemTeaserDecor && !it.sharesTeaser(p), it.teaserModel, it.teaser, true, &it.teaserDecoration)
	}
	if len(st.decorationKeys) == 0 {
		return nil
	}
	st.decorations = sized(st.decorations, len(st.decorationKeys))
	if err := st.market.decoration.query(st.ctx, st, st.decorationKeys, st.decorations); err != nil {
		return st.failed(DecorationQuery, "decoration", false, err)
	}
	for i, d := range st.decorations {
		*st.decorationRefs[i] = d
	}
	for i := range st.items {
		it := &st.items[i]
		if it.main != nil && p.itemMainDecor && p.showsMainDecorated() {
			it.mainDecoration = it.mainModel.mainDecoration
		}
		if it.teaser != nil && p.itemTeaserDecor && it.sharesTeaser(p) {
			it.teaserDecoration = it.teaserModel.teaserDecoration
		}
	}
	return nil
}

func (st *state) wantDecoration(wanted bool, m *modelState, p *promoState, teaser bool, at *facts.Decoration) {
	if !wanted || m == nil || p == nil || p.typ.Original {
		return
	}
	st.decorationKeys = append(st.decorationKeys, DecorationKey{PromoKey{m.rec.ItemID, m.id, p.rec.ID}, p.rec.Type, teaser})
	st.decorationRefs = append(st.decorationRefs, at)
}

func (st *state) itemDisplayOff() bool {
	return st.off.has(configv1.DowngradeFeature_DOWNGRADE_FEATURE_ITEM_DISPLAY)
}

func (p *plan) showsMainDecorated() bool { return p.modelMain && p.modelMainDecor }

// sharesTeaser says whether the item's teaser is one that its model shows, decorated.
func (it *itemState) sharesTeaser(p *plan) bool {
	return p.modelTeaser && p.modelTeaserDecor && it.teaser != nil && it.teaser == it.teaserModel.teaser
}
