package stock

import (
	"fmt"

	"proscenium/engine"
	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
)

// NewRemote answers stock.query by the StockProvider that the client calls.
func NewRemote(c *remote.Client) engine.StockProvider {
	service := providerv1connect.NewStockProviderClient(c.HTTP(), c.URL(), c.Options()...)
	return remote.NewProvider(c, service.QueryStock,
		remote.Method[engine.PromoKey, facts.Stock, promoID, providerv1.QueryStockRequest, providerv1.QueryStockResponse]{
			ID:     id,
			Encode: encode,
			Decode: decode,
		})
}

// promoID is what an answer names a promotion by.
type promoID struct{ ModelID, PromotionID int64 }

func id(k engine.PromoKey) promoID { return promoID{k.ModelID, k.PromotionID} }

func encode(call *engine.Call, keys []engine.PromoKey) *providerv1.QueryStockRequest {
	req := &providerv1.QueryStockRequest{
		Context:       remote.Context(call),
		Keys:          remote.Block[providerv1.PromoKey](len(keys)),
		WithBreakdown: call.StockBreakdown,
		WithTimeslots: call.StockTimeslots,
		WithPurchased: call.StockPurchased,
	}
	for i, k := range keys {
		to := req.Keys[i]
		to.ItemId, to.ModelId, to.PromotionId = k.ItemID, k.ModelID, k.PromotionID
	}
	return req
}

func decode(res *providerv1.QueryStockResponse, at *remote.Index[promoID], out []facts.Stock) error {
	for _, s := range res.GetStocks() {
		i, err := at.Take(promoID{s.GetModelId(), s.GetPromotionId()})
		if err != nil {
			return err
		}
		if out[i], err = decodeStock(s); err != nil {
			return fmt.Errorf("stock of model %d: %w", s.GetModelId(), err)
		}
	}
	return nil
}

func decodeStock(s *providerv1.ModelStock) (facts.Stock, error) {
	if s.GetAvailable() < 0 || s.GetPurchased() < 0 {
		return facts.Stock{}, remote.Malformed("%d available, %d purchased", s.GetAvailable(), s.GetPurchased())
	}
	stock := facts.Stock{Known: true, Available: s.GetAvailable(), Purchased: s.GetPurchased()}
	for _, l := range s.GetBreakdown() {
		if l.GetAvailable() < 0 {
			return facts.Stock{}, remote.Malformed("%d available at %q", l.GetAvailable(), l.GetLocation())
		}
		stock.Breakdown = append(stock.Breakdown, facts.LocationStock{Location: l.GetLocation(), Available: l.GetAvailable()})
	}
	for _, t := range s.GetTimeslots() {
		start, end, err := remote.Window(t.GetStartTime(), t.GetEndTime())
		if err != nil {
			return facts.Stock{}, err
		}
		if t.GetAvailable() < 0 {
			return facts.Stock{}, remote.Malformed("%d available in a timeslot", t.GetAvailable())
		}
		stock.Timeslots = append(stock.Timeslots, facts.TimeslotStock{Start: start, End: end, Available: t.GetAvailable()})
	}
	return stock, nil
}
