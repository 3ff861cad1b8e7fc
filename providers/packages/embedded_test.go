package packages_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"proscenium/catalog/catalogtest"
	"proscenium/engine"
	"proscenium/facts"
	"proscenium/providers/packages"
)

func TestPackagesOfAnItemAreThoseWithOneOfItsModels(t *testing.T) {
	cat := catalogtest.Open(t, map[string]string{
		"packages.csv": "package_id,name,model_ids,price,original_price\n2,Both,100 101,1200,\n1,Clean cheese,101 110,2500,3000\n",
	})
	both := facts.Package{ID: 2, Name: "Both", ModelIDs: []int64{100, 101}, Price: 1200, OriginalPrice: 1400}
	clean := facts.Package{ID: 1, Name: "Clean cheese", ModelIDs: []int64{101, 110}, Price: 2500, OriginalPrice: 3000}
	out := make([][]facts.Package, 3)
	if err := packages.NewEmbedded(cat).Query(context.Background(), &engine.Call{}, []int64{10, 11, 12}, out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]facts.Package{{both, clean}, {clean}, nil}, out); diff != "" {
		t.Error(diff)
	}
}
