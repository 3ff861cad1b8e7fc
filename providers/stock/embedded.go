// Package stock answers stock.query: what is left of models, where, when, and what the user has bought already.
package stock

import (
	"context"

	"proscenium/catalog"
	"proscenium/engine"
	"proscenium/facts"
)

// Embedded answers from a catalog, without allocation. It knows nothing of regions that the catalog is not for.
type Embedded struct{ cat *catalog.Catalog }

var _ engine.StockProvider = (*Embedded)(nil)

// NewEmbedded is the provider over a catalog.
func NewEmbedded(cat *catalog.Catalog) *Embedded { return &Embedded{cat: cat} }

// AnswersFromMemory marks the provider for the engine.
func (*Embedded) AnswersFromMemory() {}

// Query tells the stock of each promotion, or that of the model for promotions without a stock of their own. A guest has bought nothing.
func (e *Embedded) Query(_ context.Context, call *engine.Call, keys []engine.PromoKey, out []facts.Stock) error {
	if !e.cat.Serves(call.Region.Code) {
		return nil
	}
	for i, key := range keys {
		available, known := e.cat.Stock(key.ItemID, key.ModelID, key.PromotionID)
		s := &out[i]
		s.Known, s.Available = known, available
		if call.StockBreakdown {
			s.Breakdown = e.cat.Locations(key.ItemID, key.ModelID, key.PromotionID)
		}
		if call.StockTimeslots {
			s.Timeslots = e.cat.Timeslots(call.Request.At, key.ItemID, key.ModelID, key.PromotionID)
		}
		if call.StockPurchased && call.Request.UserID != 0 {
			s.Purchased = e.cat.Purchased(call.Request.UserID, key.ModelID, key.PromotionID)
		}
	}
	return nil
}
