package psso_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"proscenium/catalog/catalogtest"
	"proscenium/engine"
	"proscenium/facts"
	"proscenium/providers/psso"
	"proscenium/scenes"
)

func call() *engine.Call {
	return &engine.Call{
		Request: &facts.Request{Region: "US"}, Region: &scenes.Region{Code: "US"},
		Snap: &scenes.Snapshot{Types: []*facts.PriceRuleType{nil, {ID: 1, Name: "list", Original: true}, {ID: 2, Name: "weekly_cut"}}},
	}
}

const promotions = "promotion_id,model_id,price_rule_type,pre_tax_price,start,end\n1,100,weekly_cut,450,2017-03-08,2017-03-15\n"

func TestEachKeyGetsItsModels(t *testing.T) {
	p := psso.NewEmbedded(catalogtest.Open(t, map[string]string{"promotions.csv": promotions}))
	keys := []engine.PriceKey{{ItemID: 11}, {ItemID: 10}, {ItemID: 10, ModelID: 100}, {ItemID: 11, ModelID: 100}, {ItemID: 9}, {ItemID: 10, ModelID: 9}}
	out := make([][]facts.Model, len(keys))
	if err := p.Query(context.Background(), call(), keys, out); err != nil {
		t.Fatal(err)
	}
	var got [][]int64
	for _, models := range out {
		ids := []int64{}
		for _, m := range models {
			ids = append(ids, m.ID)
		}
		got = append(got, ids)
	}
	if diff := cmp.Diff([][]int64{{110}, {100, 101}, {100}, {}, {}, {}}, got); diff != "" {
		t.Error(diff)
	}
	if records := out[2][0].Promos; len(records) != 2 || records[0].Type != 1 || records[0].ID != 0 || records[1].Type != 2 || records[1].PreTax != 450 {
		t.Errorf("records %+v", records)
	}
}

func TestAnotherRegionHasNoPrices(t *testing.T) {
	p := psso.NewEmbedded(catalogtest.Open(t, nil))
	c := call()
	c.Region = &scenes.Region{Code: "MX"}
	out := make([][]facts.Model, 1)
	if err := p.Query(context.Background(), c, []engine.PriceKey{{ItemID: 10}}, out); err != nil || out[0] != nil {
		t.Errorf("got %v, %v", out[0], err)
	}
}

func TestQueriesDoNotAllocate(t *testing.T) {
	p, c := psso.NewEmbedded(catalogtest.Open(t, map[string]string{"promotions.csv": promotions})), call()
	keys := []engine.PriceKey{{ItemID: 11}, {ItemID: 10}}
	out := make([][]facts.Model, len(keys))
	if n := testing.AllocsPerRun(100, func() { _ = p.Query(context.Background(), c, keys, out) }); n != 0 {
		t.Errorf("%.0f allocations", n)
	}
}
