// Package psso answers price.query: the price, stock and sold-out records of models.
package psso

import (
	"context"

	"proscenium/catalog"
	"proscenium/engine"
	"proscenium/facts"
)

// Embedded answers from a catalog, without allocation. It knows nothing of regions that the catalog is not for.
type Embedded struct{ cat *catalog.Catalog }

var _ engine.PriceProvider = (*Embedded)(nil)

// NewEmbedded is the provider over a catalog.
func NewEmbedded(cat *catalog.Catalog) *Embedded { return &Embedded{cat: cat} }

// AnswersFromMemory marks the provider for the engine.
func (*Embedded) AnswersFromMemory() {}

// Query finds the records as of the call's instant, with the type ids of the call's snapshot. Records always carry stock.
func (e *Embedded) Query(_ context.Context, call *engine.Call, keys []engine.PriceKey, out [][]facts.Model) error {
	if !e.cat.Serves(call.Region.Code) {
		return nil
	}
	prices := e.cat.Prices(call.Request.At, call.Snap)
	for i, key := range keys {
		out[i] = prices.Models(key.ItemID, key.ModelID)
	}
	return nil
}
