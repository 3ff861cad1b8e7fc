package pricecache

import (
	"context"
	"testing"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/facts"
	"proscenium/traffic"
)

func TestShardsForgetWhatMemoryLetGoOf(t *testing.T) {
	c := New(Deps{Unique: func() string { return "u" }})
	defer c.Close()
	c.Apply(Config{Caches: &configv1.Caches{PriceStock: &configv1.Cache{Enabled: true, MaxEntries: 100}}})
	v := c.View(traffic.Live, PriceStock, "US", 1)
	q := Question{FromMemory: true, Load: func(context.Context, []Key, [][]facts.Model) error { return nil }}
	for i := range int64(20_000) {
		if _, err := v.Fill(t.Context(), q, []Key{{ItemID: i + 1}}, []int{0}, make([][]facts.Model, 1)); err != nil {
			t.Fatal(err)
		}
	}
	v.cache.entries.CleanUp()
	known, loads := 0, 0
	for i := range v.cache.shards {
		known += len(v.cache.shards[i].entries)
		loads += len(v.cache.shards[i].loads)
	}
	if known > 100+2*goneAtMost || loads != 0 {
		t.Errorf("shards know %d items and %d loads, want those of memory (100) and none", known, loads)
	}
	if dropped := v.cache.purgeAll(); dropped > 100 || v.cache.entries.EstimatedSize() != 0 {
		t.Errorf("%d dropped, %d left: the shards do not know all that memory has", dropped, v.cache.entries.EstimatedSize())
	}
}
