package tax_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"proscenium/catalog/catalogtest"
	"proscenium/engine"
	"proscenium/facts"
	"proscenium/providers/tax"
	"proscenium/scenes"
)

func TestTheMostSpecificCategoryCounts(t *testing.T) {
	keys := []engine.PriceKey{{ItemID: 10, ModelID: 100}, {ItemID: 11, ModelID: 110}, {ItemID: 12}}
	for _, c := range []struct {
		name, table, region string
		want                []facts.TaxRate
	}{
		{"leaf, then root, then region", "category,rate\n,7000\ngrocery,100\ncheese,0\n", "US", []facts.TaxRate{{Known: true}, {Known: true, Rate: 7000}, {}}},
		{"the root where the leaf has none", "category,rate\n,7000\ngrocery,100\n", "US", []facts.TaxRate{{Known: true, Rate: 100}, {Known: true, Rate: 7000}, {}}},
		{"no rate for the rest", "category,rate\ngrocery,100\n", "US", []facts.TaxRate{{Known: true, Rate: 100}, {}, {}}},
		{"another region", "category,rate\n,7000\n", "MX", []facts.TaxRate{{}, {}, {}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := make([]facts.TaxRate, len(keys))
			call := &engine.Call{Region: &scenes.Region{Code: c.region}}
			if err := tax.NewEmbedded(catalogtest.Open(t, map[string]string{"taxes.csv": c.table})).Query(context.Background(), call, keys, out); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, out); diff != "" {
				t.Error(diff)
			}
		})
	}
}
