package gmv_test

import (
	"context"
	"slices"
	"testing"

	"proscenium/catalog/catalogtest"
	"proscenium/engine"
	"proscenium/providers/gmv"
)

func TestValuesOfModels(t *testing.T) {
	keys := []engine.PriceKey{{ItemID: 10, ModelID: 100}, {ItemID: 10, ModelID: 101}, {ItemID: 11, ModelID: 100}, {ItemID: 10, ModelID: 9}}
	out := make([]int64, len(keys))
	if err := gmv.NewEmbedded(catalogtest.Open(t, nil)).Query(context.Background(), &engine.Call{}, keys, out); err != nil {
		t.Fatal(err)
	}
	if want := []int64{9000, 0, 0, 0}; !slices.Equal(out, want) {
		t.Errorf("got %v, want %v", out, want)
	}
}
