package engine_test

import (
	"fmt"
	"testing"

	"proscenium/engine"
	"proscenium/facts"
)

// BenchmarkCached prices items whose records are all in memory.
func BenchmarkCached(b *testing.B) {
	for _, items := range []int64{1, 10, 100} {
		b.Run(fmt.Sprintf("%d items", items), func(b *testing.B) {
			w := newWorld(noon)
			w.price.answer = func(_ *engine.Call, k engine.PriceKey) []facts.Model {
				return []facts.Model{{ID: k.ItemID*10 + 1, ItemID: k.ItemID, ShopID: 9, Promos: []facts.Promo{promo(0, original, 100)}}}
			}
			e := w.engine(b, base+scene("s", "", modelMain)+"caches: {price_sold_out: {enabled: true, ttl: 1h}}\n")
			defer e.Close()
			req := request("s")
			for i := range items {
				req.Items = append(req.Items, request("s", i+1).Items...)
			}
			ask(b, e, req)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Price(b.Context(), engine.Caller{}, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
