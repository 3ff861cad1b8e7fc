// Package packages answers package.query: the package promotions of items.
package packages

import (
	"context"

	"proscenium/catalog"
	"proscenium/engine"
	"proscenium/facts"
)

// Embedded answers from a catalog, without allocation.
type Embedded struct{ cat *catalog.Catalog }

var _ engine.PackageProvider = (*Embedded)(nil)

// NewEmbedded is the provider over a catalog.
func NewEmbedded(cat *catalog.Catalog) *Embedded { return &Embedded{cat: cat} }

// AnswersFromMemory marks the provider for the engine.
func (*Embedded) AnswersFromMemory() {}

// Query finds the packages that have a model of the item.
func (e *Embedded) Query(_ context.Context, _ *engine.Call, keys []int64, out [][]facts.Package) error {
	for i, id := range keys {
		out[i] = e.cat.Packages(id)
	}
	return nil
}
