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
	if err := st.queryPrices(); err != nil {
		if ctxErr := st.ctx.Err(); ctxErr != nil {
			return ended(ctxErr)
		}
		st.tellFailure(PriceQuery, err)
		return unavailable("PRICE_STOCK_UNAVAILABLE", "PRICE_STOCK_UNAVAILABLE", PriceQuery, err)
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
	if err := st.queryCached(name, cache); err != nil {
		return err
	}
	return checkPrices(st.priceKeys, st.prices) // no provider stands for what was kept elsewhere
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
