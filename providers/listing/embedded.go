// Package listing answers listing.items and listing.labels: what is known of product pages.
package listing

import (
	"context"

	"proscenium/catalog"
	"proscenium/engine"
	"proscenium/facts"
)

// EmbeddedItems answers listing.items from a catalog, without allocation.
type EmbeddedItems struct{ cat *catalog.Catalog }

// EmbeddedLabels answers listing.labels from a catalog, without allocation.
type EmbeddedLabels struct{ cat *catalog.Catalog }

var (
	_ engine.ItemProvider  = (*EmbeddedItems)(nil)
	_ engine.LabelProvider = (*EmbeddedLabels)(nil)
)

// NewEmbeddedItems is the provider of items over a catalog.
func NewEmbeddedItems(cat *catalog.Catalog) *EmbeddedItems { return &EmbeddedItems{cat: cat} }

// NewEmbeddedLabels is the provider of labels over a catalog.
func NewEmbeddedLabels(cat *catalog.Catalog) *EmbeddedLabels { return &EmbeddedLabels{cat: cat} }

// AnswersFromMemory marks the provider for the engine.
func (*EmbeddedItems) AnswersFromMemory() {}

// AnswersFromMemory marks the provider for the engine.
func (*EmbeddedLabels) AnswersFromMemory() {}

// Query finds items by id; nil for those that are unknown.
func (e *EmbeddedItems) Query(_ context.Context, _ *engine.Call, keys []int64, out []*facts.Item) error {
	for i, id := range keys {
		out[i] = e.cat.Item(id)
	}
	return nil
}

// Query finds the labels of items by id.
func (e *EmbeddedLabels) Query(_ context.Context, _ *engine.Call, keys []int64, out [][]string) error {
	for i, id := range keys {
		out[i] = e.cat.Labels(id)
	}
	return nil
}
