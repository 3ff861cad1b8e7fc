// Package decoration answers decoration.query: how promotions are dressed up.
package decoration

import (
	"context"

	"proscenium/catalog"
	"proscenium/engine"
	"proscenium/facts"
)

// Embedded answers from a catalog, without allocation.
type Embedded struct{ cat *catalog.Catalog }

var _ engine.DecorationProvider = (*Embedded)(nil)

// NewEmbedded is the provider over a catalog.
func NewEmbedded(cat *catalog.Catalog) *Embedded { return &Embedded{cat: cat} }

// AnswersFromMemory marks the provider for the engine.
func (*Embedded) AnswersFromMemory() {}

// Query finds the decoration of each promotion, or else that of its type; those of teasers stand apart.
func (e *Embedded) Query(_ context.Context, call *engine.Call, keys []engine.DecorationKey, out []facts.Decoration) error {
	for i, key := range keys {
		out[i] = e.cat.Decoration(call.Snap, key.PromotionID, key.Type, key.Teaser)
	}
	return nil
}
