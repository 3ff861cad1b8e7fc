package metrics_test

import (
	"testing"

	"proscenium/engine"
	"proscenium/engine/pricecache"
	"proscenium/metrics"
	"proscenium/traffic"
)

func TestCachesAreCountedByLevelAndClass(t *testing.T) {
	m := metrics.New()
	live, shadow := m.Traffic(traffic.Live), m.Traffic(traffic.Shadow)
	live.Cache(engine.PriceStockCache, engine.CacheLookups{Hits: 7, Stale: 4, Misses: 3, RedisHits: 2, RedisMisses: 1})
	shadow.Cache(engine.PriceStockCache, engine.CacheLookups{Hits: 5})
	expect(t, m, `proscenium_cache_requests_total{cache="price_stock"`,
		`proscenium_cache_requests_total{cache="price_stock",level="memory",result="hit",traffic="live"} 7`,
		`proscenium_cache_requests_total{cache="price_stock",level="memory",result="hit",traffic="shadow"} 5`,
		`proscenium_cache_requests_total{cache="price_stock",level="memory",result="miss",traffic="live"} 3`,
		`proscenium_cache_requests_total{cache="price_stock",level="memory",result="miss",traffic="shadow"} 0`,
		`proscenium_cache_requests_total{cache="price_stock",level="memory",result="stale",traffic="live"} 4`,
		`proscenium_cache_requests_total{cache="price_stock",level="memory",result="stale",traffic="shadow"} 0`,
		`proscenium_cache_requests_total{cache="price_stock",level="redis",result="hit",traffic="live"} 2`,
		`proscenium_cache_requests_total{cache="price_stock",level="redis",result="hit",traffic="shadow"} 0`,
		`proscenium_cache_requests_total{cache="price_stock",level="redis",result="miss",traffic="live"} 1`,
		`proscenium_cache_requests_total{cache="price_stock",level="redis",result="miss",traffic="shadow"} 0`)
}

func TestPurgesAndWhatFailsOfCachesIsCounted(t *testing.T) {
	m := metrics.New()
	shadow := m.Traffic(traffic.Shadow)
	shadow.CachePurged(engine.PriceSoldOutCache, pricecache.FromBroadcast, 12)
	shadow.CachePurged(engine.PriceSoldOutCache, pricecache.FromBroadcast, 0)
	shadow.CacheRedisFailed(pricecache.Follow)
	m.Traffic(traffic.Live).CacheEvents(40, 2)
	expect(t, m, `proscenium_cache_purges_total{cache="price_sold_out",source="broadcast",traffic="shadow"`,
		`proscenium_cache_purges_total{cache="price_sold_out",source="broadcast",traffic="shadow"} 2`)
	expect(t, m, `proscenium_cache_purged_entries_total{cache="price_sold_out",source="broadcast",traffic="shadow"`,
		`proscenium_cache_purged_entries_total{cache="price_sold_out",source="broadcast",traffic="shadow"} 12`)
	expect(t, m, `proscenium_cache_redis_errors_total{exchange="follow",traffic="shadow"`,
		`proscenium_cache_redis_errors_total{exchange="follow",traffic="shadow"} 1`)
	expect(t, m, `proscenium_cache_change_events_total{result="ok",traffic="live"`, `proscenium_cache_change_events_total{result="ok",traffic="live"} 40`)
	expect(t, m, `proscenium_cache_change_events_total{result="malformed",traffic="live"`, `proscenium_cache_change_events_total{result="malformed",traffic="live"} 2`)
}
