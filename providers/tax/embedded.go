// Package tax answers tax.rates.
package tax

import (
	"context"

	"proscenium/catalog"
	"proscenium/engine"
	"proscenium/facts"
)

// Embedded answers from the tax table of a catalog, by the region and the most specific category of the item. It does not allocate.
type Embedded struct{ cat *catalog.Catalog }

var _ engine.TaxProvider = (*Embedded)(nil)

// NewEmbedded is the provider over a catalog.
func NewEmbedded(cat *catalog.Catalog) *Embedded { return &Embedded{cat: cat} }

// AnswersFromMemory marks the provider for the engine.
func (*Embedded) AnswersFromMemory() {}

// Query finds the rates; those of items and regions that the table does not cover are not known.
func (e *Embedded) Query(_ context.Context, call *engine.Call, keys []engine.PriceKey, out []facts.TaxRate) error {
	for i, key := range keys {
		out[i] = e.cat.Tax(call.Region.Code, key.ItemID)
	}
	return nil
}
