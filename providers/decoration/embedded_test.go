package decoration_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"proscenium/catalog/catalogtest"
	"proscenium/engine"
	"proscenium/facts"
	"proscenium/providers/decoration"
	"proscenium/scenes"
)

func TestAPromotionsOwnDecorationGoesFirst(t *testing.T) {
	cat := catalogtest.Open(t, map[string]string{
		"promotions.csv":  "promotion_id,model_id,price_rule_type,pre_tax_price\n1,100,weekly_cut,450\n2,100,weekly_cut,440\n",
		"decorations.csv": "price_rule_type,promotion_id,teaser,label,color,image_url\nweekly_cut,,,Cut,red,\nweekly_cut,,true,Soon,red,soon.png\n,1,false,Best,,\nother,,,X,,\n",
	})
	call := &engine.Call{Snap: &scenes.Snapshot{Types: []*facts.PriceRuleType{{ID: 0, Name: "list", Original: true}, nil, {ID: 2, Name: "weekly_cut"}}}}
	keys := []engine.DecorationKey{
		{PromoKey: engine.PromoKey{PromotionID: 1}, Type: 2},
		{PromoKey: engine.PromoKey{PromotionID: 2}, Type: 2},
		{PromoKey: engine.PromoKey{PromotionID: 1}, Type: 2, Teaser: true},
		{PromoKey: engine.PromoKey{}, Type: 0},
		{PromoKey: engine.PromoKey{PromotionID: 3}, Type: 7},
	}
	out := make([]facts.Decoration, len(keys))
	if err := decoration.NewEmbedded(cat).Query(context.Background(), call, keys, out); err != nil {
		t.Fatal(err)
	}
	want := []facts.Decoration{{Label: "Best"}, {Label: "Cut", Color: "red"}, {Label: "Soon", Color: "red", ImageURL: "soon.png"}, {}, {}}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}
}
