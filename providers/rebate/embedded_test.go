package rebate_test

import (
	"context"
	"math"
	"testing"

	"proscenium/catalog/catalogtest"
	"proscenium/engine"
	"proscenium/facts"
	"proscenium/providers/rebate"
	"proscenium/scenes"
)

func TestTheMostSpecificScopeCounts(t *testing.T) {
	const category, shop, item, model = ",,,cheese,1000,\n", ",,1,,2000,\n", ",10,,,,30\n", "100,,,,4500,\n"
	for _, c := range []struct {
		name, rows  string
		price, want int64
	}{
		{"the model before all", category + shop + item + model, 1000, 45},
		{"then the item", category + shop + item, 1000, 30},
		{"then the shop", category + shop, 1000, 20},
		{"then the category", category, 1000, 10},
		{"the leaf before the root", ",,,grocery,9000,\n" + category, 1000, 10},
		{"none", "", 1000, 0},
		{"an amount is at most the price", item, 29, 29},
		{"a half is rounded up", model, 1100, 50},
		{"of nothing", model, 0, 0},
		{"of everything there is", ",,1,,100000,\n", math.MaxInt64, math.MaxInt64},
	} {
		t.Run(c.name, func(t *testing.T) {
			cat := catalogtest.Open(t, map[string]string{"rebates.csv": "model_id,item_id,shop_id,category,rate,amount\n" + c.rows})
			call := &engine.Call{Request: &facts.Request{}, Region: &scenes.Region{Code: "US"}}
			out := make([]int64, 1)
			keys := []engine.RebateKey{{PromoKey: engine.PromoKey{ItemID: 10, ModelID: 100}, Price: c.price}}
			if err := rebate.NewEmbedded(cat).Query(context.Background(), call, keys, out); err != nil {
				t.Fatal(err)
			}
			if out[0] != c.want {
				t.Errorf("rebate %d, want %d", out[0], c.want)
			}
		})
	}
}
