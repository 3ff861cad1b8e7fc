package stock_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"proscenium/catalog/catalogtest"
	"proscenium/engine"
	"proscenium/facts"
	"proscenium/providers/stock"
	"proscenium/scenes"
)

func TestWhatIsAskedForIsTold(t *testing.T) {
	cat := catalogtest.Open(t, map[string]string{
		"promotions.csv":      "promotion_id,model_id,price_rule_type,pre_tax_price,stock\n1,100,flash_sale,450,4\n2,100,weekly_cut,460,\n",
		"stock_locations.csv": "model_id,promotion_id,location,stock\n100,,east,6\n100,,west,4\n100,1,east,4\n",
		"timeslots.csv":       "model_id,promotion_id,start,end,stock\n100,1,1970-01-01T00:00:00Z,1970-01-01T00:00:01Z,4\n100,,1970-01-01T00:00:02Z,1970-01-01T00:00:03Z,9\n",
		"purchases.csv":       "user_id,model_id,promotion_id,quantity\n5,100,2,3\n",
	})
	second := int64(1_000_000_000)
	whole := []facts.LocationStock{{Location: "east", Available: 6}, {Location: "west", Available: 4}}
	slots := []facts.TimeslotStock{{Start: 2 * second, End: 3 * second, Available: 9}}
	for _, c := range []struct {
		name string
		key  engine.PromoKey
		want facts.Stock
	}{
		{"a promotion with a stock of its own", engine.PromoKey{ItemID: 10, ModelID: 100, PromotionID: 1}, facts.Stock{
			Known: true, Available: 4, Breakdown: []facts.LocationStock{{Location: "east", Available: 4}},
			Timeslots: []facts.TimeslotStock{{Start: 0, End: second, Available: 4}},
		}},
		{"a promotion on the model's stock", engine.PromoKey{ItemID: 10, ModelID: 100, PromotionID: 2}, facts.Stock{
			Known: true, Available: 10, Breakdown: whole, Timeslots: slots, Purchased: 3,
		}},
		{"the original price", engine.PromoKey{ItemID: 10, ModelID: 100}, facts.Stock{Known: true, Available: 10, Breakdown: whole, Timeslots: slots}},
		{"a promotion of somebody else", engine.PromoKey{ItemID: 10, ModelID: 100, PromotionID: 9}, facts.Stock{
			Known: true, Available: 10, Breakdown: whole, Timeslots: slots,
		}},
		{"sold out", engine.PromoKey{ItemID: 10, ModelID: 101}, facts.Stock{Known: true}},
		{"a model of which the files do not tell", engine.PromoKey{ItemID: 11, ModelID: 110}, facts.Stock{}},
		{"a model of another item", engine.PromoKey{ItemID: 11, ModelID: 100}, facts.Stock{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			call := &engine.Call{
				Request: &facts.Request{UserID: 5}, Region: &scenes.Region{Code: "US"}, StockBreakdown: true, StockTimeslots: true, StockPurchased: true,
			}
			out := make([]facts.Stock, 1)
			if err := stock.NewEmbedded(cat).Query(context.Background(), call, []engine.PromoKey{c.key}, out); err != nil {
				t.Fatal(err)
			}
			want := c.want
			for _, s := range []*facts.Stock{&want, &out[0]} {
				if len(s.Breakdown) == 0 {
					s.Breakdown = nil
				}
			}
			if diff := cmp.Diff(want, out[0]); diff != "" {
				t.Error(diff)
			}
			call.StockBreakdown, call.StockTimeslots, call.StockPurchased = false, false, false
			clear(out)
			if err := stock.NewEmbedded(cat).Query(context.Background(), call, []engine.PromoKey{c.key}, out); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(facts.Stock{Known: want.Known, Available: want.Available}, out[0]); diff != "" {
				t.Errorf("not asked for: %s", diff)
			}
		})
	}
}

func TestAGuestHasBoughtNothing(t *testing.T) {
	cat := catalogtest.Open(t, map[string]string{
		"promotions.csv": "promotion_id,model_id,price_rule_type,pre_tax_price\n2,100,weekly_cut,460\n",
		"purchases.csv":  "user_id,model_id,promotion_id,quantity\n5,100,2,3\n",
	})
	call := &engine.Call{Request: &facts.Request{}, Region: &scenes.Region{Code: "US"}, StockPurchased: true}
	out := make([]facts.Stock, 1)
	if err := stock.NewEmbedded(cat).Query(context.Background(), call, []engine.PromoKey{{ItemID: 10, ModelID: 100, PromotionID: 2}}, out); err != nil {
		t.Fatal(err)
	}
	if out[0].Purchased != 0 {
		t.Errorf("bought %d", out[0].Purchased)
	}
}
