// Package rebate answers rebate.query: the part of a promotion's price that somebody else pays back.
package rebate

import (
	"context"
	"fmt"

	"proscenium/catalog"
	"proscenium/engine"
	"proscenium/money"
)

// Embedded answers from the rebate table of a catalog, by the most specific of model, item, shop and category. It does not allocate.
type Embedded struct{ cat *catalog.Catalog }

var _ engine.RebateProvider = (*Embedded)(nil)

// NewEmbedded is the provider over a catalog.
func NewEmbedded(cat *catalog.Catalog) *Embedded { return &Embedded{cat: cat} }

// AnswersFromMemory marks the provider for the engine.
func (*Embedded) AnswersFromMemory() {}

// Query computes the rebates: an amount, or a rate of the price by the region's rounding; never more than the price.
func (e *Embedded) Query(_ context.Context, call *engine.Call, keys []engine.RebateKey, out []int64) error {
	for i, key := range keys {
		r := e.cat.Rebate(key.ItemID, key.ModelID)
		rebate := r.Amount
		if r.Rate != 0 {
			var ok bool
			if rebate, ok = money.RateOf(key.Price, r.Rate, call.Region.Rounding); !ok {
				return fmt.Errorf("rebate of model %d: a rate of %d of %d is too large", key.ModelID, r.Rate, key.Price)
			}
		}
		out[i] = max(0, min(rebate, key.Price))
	}
	return nil
}
