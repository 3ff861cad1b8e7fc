package listing_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"proscenium/catalog/catalogtest"
	"proscenium/engine"
	"proscenium/facts"
	"proscenium/providers/listing"
)

func TestItemsComeWithoutLabels(t *testing.T) {
	cat := catalogtest.Open(t, nil)
	items := make([]*facts.Item, 2)
	if err := listing.NewEmbeddedItems(cat).Query(context.Background(), &engine.Call{}, []int64{10, 12}, items); err != nil {
		t.Fatal(err)
	}
	want := []*facts.Item{{ID: 10, ShopID: 1, Name: "Cheddar", Categories: []string{"grocery", "cheese"}}, nil}
	if diff := cmp.Diff(want, items); diff != "" {
		t.Error(diff)
	}
	labels := make([][]string, 3)
	if err := listing.NewEmbeddedLabels(cat).Query(context.Background(), &engine.Call{}, []int64{10, 11, 12}, labels); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"fresh"}, nil, nil}, labels); diff != "" {
		t.Error(diff)
	}
}
