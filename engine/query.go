package engine

import (
	pricingv1 "proscenium/gen/proscenium/pricing/v1"

	"proscenium/facts"
)

// query gets the price records of everything asked for and groups them: item -> model -> promos, ongoing and upcoming apart.
// Nothing can be priced without them, so their failure fails the request.
func (st *state) query() error {
	for _, it := range st.req.Items {
		if len(it.Models) == 0 {
			st.priceKeys = append(st.priceKeys, PriceKey{ItemID: it.ItemId})
		}
		for _, m := range it.Models {
			st.priceKeys = append(st.priceKeys, PriceKey{it.ItemId, m.ModelId})
		}
	}
	st.prices = sized(st.prices, len(st.priceKeys))
	err := st.queryPrices()
	if err == nil {
		err = checkPrices(st.priceKeys, st.prices)
	}
	if err != nil {
		if ctxErr := st.ctx.Err(); ctxErr != nil {
			return ended(ctxErr)
		}
		st.tellFailure(PriceQuery, err)
		return unavailable("PRICE_STOCK_UNAVAILABLE", PriceQuery, err)
	}
	st.groupRecords()
	st.lap(StageQuery)
	return nil
}

func (st *state) queryPrices() error {
	name := PriceSoldOutCache
	if st.call.WithStock {
		name = PriceStockCache
	}
	cache := st.market.caches[name]
	if cache == nil || st.request.OrderFlow || st.atTime || st.replay {
		return st.market.price.query(st.ctx, st, st.priceKeys, st.prices)
	}
	return st.queryCached(name, cache)
}

// checkPrices refuses answers that no price may rest on. It guards against providers of every kind: a remote one was checked at its boundary already.
func checkPrices(keys []PriceKey, prices [][]facts.Model) error {
	for i, models := range prices {
		for j := range models {
			m := &models[j]
			switch {
			case m.ItemID != keys[i].ItemID || keys[i].ModelID != 0 && m.ID != keys[i].ModelID:
				return malformed(PriceQuery, "model %d of item %d was not asked for", m.ID, m.ItemID)
			case m.ShopID != models[0].ShopID:
				return malformed(PriceQuery, "item %d is of shop %d and of shop %d", m.ItemID, models[0].ShopID, m.ShopID)
			}
			if err := checkRecords(m); err != nil {
				return err
			}
		}
		if twice, is := repeated(models, func(m *facts.Model) int64 { return m.ID }); is {
			return malformed(PriceQuery, "model %d is there twice", twice)
		}
	}
	return nil
}

func checkRecords(m *facts.Model) error {
	for i := range m.Promos {
		p := &m.Promos[i]
		switch {
		case p.PreTax < facts.NoPrice || p.PostTax < facts.NoPrice || p.PreTax == facts.NoPrice && p.PostTax == facts.NoPrice:
			return malformed(PriceQuery, "promotion %d of model %d has no price, or a negative one", p.ID, m.ID)
		case p.PostTax != facts.NoPrice && p.PostTax < p.PreTax:
			return malformed(PriceQuery, "promotion %d of model %d costs less after tax than before", p.ID, m.ID)
		case p.End <= p.Start:
			return malformed(PriceQuery, "promotion %d of model %d ends before it starts", p.ID, m.ID)
		}
	}
	if twice, is := repeated(m.Promos, func(p *facts.Promo) int64 { return p.ID }); is {
		return malformed(PriceQuery, "promotion %d of model %d is there twice", twice, m.ID)
	}
	return nil
}

// repeated finds an id that occurs twice. Ids mostly ascend, which takes one look at each; few are compared with each other, many are counted.
func repeated[T any](list []T, id func(*T) int64) (int64, bool) {
	const few = 16
	ascending := true
	for i := 1; i < len(list) && ascending; i++ {
		ascending = id(&list[i-1]) < id(&list[i])
	}
	if ascending {
		return 0, false
	}
	var seen map[int64]struct{}
	if len(list) > few {
		seen = make(map[int64]struct{}, len(list))
	}
	for i := range list {
		own := id(&list[i])
		if seen == nil {
			for j := range i {
				if id(&list[j]) == own {
					return own, true
				}
			}
			continue
		}
		if _, twice := seen[own]; twice {
			return own, true
		}
		seen[own] = struct{}{}
	}
	return 0, false
}

// groupRecords builds the items, models and promos of the state. Records whose window is over and records of unknown types are left out.
func (st *state) groupRecords() {
	key := 0
	for i, it := range st.req.Items {
		item := itemState{req: it, from: len(st.models)}
		item.facts.ID, item.facts.ShopID = it.ItemId, it.ShopId
		n := max(len(it.Models), 1)
		for j := range n {
			models := st.prices[key]
			key++
			if len(it.Models) == 0 {
				for k := range models {
					if it.ShopId != 0 && models[k].ShopID != it.ShopId {
						continue // another shop's: not found here
					}
					st.addModel(&item, i, &models[k], models[k].ID, 1)
				}
				continue
			}
			asked, quantity := it.Models[j], int64(1)
			if asked.Quantity != nil {
				quantity = *asked.Quantity
			}
			var rec *facts.Model
			if len(models) > 0 {
				rec = &models[0]
			}
			st.addModel(&item, i, rec, asked.ModelId, quantity)
		}
		item.to = len(st.models)
		st.items = append(st.items, item)
	}
}

func (st *state) addModel(item *itemState, index int, rec *facts.Model, id, quantity int64) {
	m := modelState{id: id, item: index, quantity: quantity, from: len(st.promos), to: len(st.promos)}
	if rec != nil && (item.req.ShopId == 0 || rec.ShopID == item.req.ShopId) {
		m.rec = rec
		item.found = true
		item.facts.ShopID = rec.ShopID
		for i := range rec.Promos {
			st.addPromo(rec, &rec.Promos[i])
		}
		m.to = len(st.promos)
	}
	st.models = append(st.models, m)
}

func (st *state) addPromo(model *facts.Model, rec *facts.Promo) {
	typ := st.program.snap.Type(rec.Type)
	upcoming := rec.Start > st.at
	switch {
	case typ == nil:
		st.traceUnused(model, rec, "UNKNOWN_TYPE")
	case rec.End <= st.at:
		st.traceUnused(model, rec, "ENDED")
	case upcoming && !st.plan.upcoming:
		st.traceUnused(model, rec, "UPCOMING")
	default:
		st.promos = append(st.promos, promoState{rec: rec, typ: typ, pre: rec.PreTax, post: rec.PostTax, upcoming: upcoming})
	}
}

func (st *state) traceUnused(model *facts.Model, rec *facts.Promo, reason string) {
	if st.trace == nil {
		return
	}
	name := ""
	if typ := st.program.snap.Type(rec.Type); typ != nil {
		name = typ.Name
	}
	st.trace.promos = append(st.trace.promos, &pricingv1.TracePromo{
		ItemId: model.ItemID, ModelId: model.ID, PromotionId: rec.ID, PriceRuleType: name, Price: listedPrice(rec, st.market.region), Stage: "grouping", Reason: reason,
	})
}
