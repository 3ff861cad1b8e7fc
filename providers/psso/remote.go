package psso

import (
	"fmt"

	"proscenium/engine"
	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
)

// NewRemote answers price.query by the PriceStockProvider that the client calls.
func NewRemote(c *remote.Client) engine.PriceProvider {
	service := providerv1connect.NewPriceStockProviderClient(c.HTTP(), c.URL(), c.Options()...)
	return remote.NewProvider(c, service.QueryPrices,
		remote.Method[engine.PriceKey, []facts.Model, engine.PriceKey, providerv1.QueryPricesRequest, providerv1.QueryPricesResponse]{
			ID:     self,
			Encode: encode,
			Decode: decode,
		})
}

func self(k engine.PriceKey) engine.PriceKey { return k }

func encode(call *engine.Call, keys []engine.PriceKey) *providerv1.QueryPricesRequest {
	req := &providerv1.QueryPricesRequest{
		Context:   remote.Context(call),
		Keys:      remote.Block[providerv1.PriceKey](len(keys)),
		WithStock: call.WithStock,
	}
	for i, k := range keys {
		req.Keys[i].ItemId, req.Keys[i].ModelId = k.ItemID, k.ModelID
	}
	return req
}

func decode(res *providerv1.QueryPricesResponse, at *remote.Index[engine.PriceKey], out [][]facts.Model) error {
	records := 0
	for _, m := range res.GetModels() {
		records += len(m.GetRecords())
	}
	promos := make([]facts.Promo, records)
	seen := make(map[engine.PriceKey]struct{}, len(res.GetModels()))
	for _, m := range res.GetModels() {
		id := engine.PriceKey{ItemID: m.GetItemId(), ModelID: m.GetModelId()}
		if id.ModelID <= 0 || m.GetShopId() < 0 {
			return remote.Malformed("model %d of shop %d: no such ids", id.ModelID, m.GetShopId())
		}
		if _, twice := seen[id]; twice {
			return remote.Malformed("model %d is answered twice", id.ModelID)
		}
		seen[id] = struct{}{}

		n := len(m.GetRecords())
		model := facts.Model{ID: id.ModelID, ItemID: id.ItemID, ShopID: m.GetShopId(), Promos: promos[:n:n]}
		promos = promos[n:]
		if err := decodeRecords(m, model.Promos); err != nil {
			return err
		}
		// It may have been asked for by its own name, by that of its item, or by both.
		one, named := at.Find(id)
		all, whole := at.Find(engine.PriceKey{ItemID: id.ItemID})
		if named {
			out[one] = append(out[one], model)
		}
		if whole {
			out[all] = append(out[all], model)
		}
		if !named && !whole {
			return remote.Malformed("model %d of item %d was not asked for", id.ModelID, id.ItemID)
		}
	}
	return nil
}

// decodeRecords reads the records of a model, which are few.
func decodeRecords(m *providerv1.ModelPrices, to []facts.Promo) error {
	for i, r := range m.GetRecords() {
		if err := remote.Promo(r, &to[i]); err != nil {
			return fmt.Errorf("model %d: %w", m.GetModelId(), err)
		}
		for _, before := range to[:i] {
			if before.ID == to[i].ID {
				return remote.Malformed("model %d has promotion %d twice", m.GetModelId(), before.ID)
			}
		}
	}
	return nil
}
