package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"proscenium/engine"
	"proscenium/engine/pricecache"
)

// cacheMetrics count what the caches of one class of traffic do.
type cacheMetrics struct {
	lookups [pricecache.Kinds]cacheLookups
	purges  [pricecache.Kinds][pricecache.Sources]prometheus.Counter
	purged  [pricecache.Kinds][pricecache.Sources]prometheus.Counter
	failed  [pricecache.Exchanges]prometheus.Counter
	events  struct{ read, malformed prometheus.Counter }
}

type cacheLookups struct{ hit, stale, miss, redisHit, redisMiss prometheus.Counter }

// cacheFamilies are the families of all classes.
type cacheFamilies struct{ lookups, purges, purged, failed, events *prometheus.CounterVec }

func newCacheFamilies(m *Metrics) *cacheFamilies {
	return &cacheFamilies{
		lookups: m.counter("proscenium_cache_requests_total",
			"Price records looked for in a cache, by level (memory, or redis for what memory does not have) and result: hit, miss, or stale (it had ended, and was served nevertheless).",
			"cache", "level", "result", "traffic"),
		purges: m.counter("proscenium_cache_purges_total",
			"Purges of a cache in this process, by what asked for them: caller, broadcast (by another process), change_stream, start (a stream begins to be followed), or lost_place (purges may have been missed: everything is dropped).",
			"cache", "source", "traffic"),
		purged: m.counter("proscenium_cache_purged_entries_total", "Entries that purges dropped from memory.", "cache", "source", "traffic"),
		failed: m.counter("proscenium_cache_redis_errors_total",
			"Exchanges of the caches with Redis that failed, by exchange: read, decode (an entry that cannot be read), write, purge or follow (a stream).", "exchange", "traffic"),
		events: m.counter("proscenium_cache_change_events_total", "Entries of the change stream that were read, by result: ok, or malformed, which are passed over.", "result", "traffic"),
	}
}

func (c *cacheMetrics) initCaches(f *cacheFamilies, class string) {
	for kind, name := range pricecache.KindNames {
		of := func(level, result string) prometheus.Counter {
			return f.lookups.WithLabelValues(name, level, result, class)
		}
		c.lookups[kind] = cacheLookups{
			hit: of("memory", "hit"), stale: of("memory", "stale"), miss: of("memory", "miss"), redisHit: of("redis", "hit"), redisMiss: of("redis", "miss"),
		}
		for source, from := range pricecache.SourceNames {
			c.purges[kind][source] = f.purges.WithLabelValues(name, from, class)
			c.purged[kind][source] = f.purged.WithLabelValues(name, from, class)
		}
	}
	for exchange, name := range pricecache.ExchangeNames {
		c.failed[exchange] = f.failed.WithLabelValues(name, class)
	}
	c.events.read, c.events.malformed = f.events.WithLabelValues("ok", class), f.events.WithLabelValues("malformed", class)
}

// Cache counts lookups in a cache.
func (c *cacheMetrics) Cache(cache engine.CacheName, l engine.CacheLookups) {
	to := &c.lookups[cache]
	to.hit.Add(float64(l.Hits))
	to.stale.Add(float64(l.Stale))
	to.miss.Add(float64(l.Misses))
	to.redisHit.Add(float64(l.RedisHits))
	to.redisMiss.Add(float64(l.RedisMisses))
}

// CachePurged counts a purge.
func (c *cacheMetrics) CachePurged(kind pricecache.Kind, source pricecache.Source, dropped int) {
	c.purges[kind][source].Inc()
	c.purged[kind][source].Add(float64(dropped))
}

// CacheRedisFailed counts an exchange that failed.
func (c *cacheMetrics) CacheRedisFailed(exchange pricecache.Exchange) { c.failed[exchange].Inc() }

// CacheEvents counts entries of the change stream.
func (c *cacheMetrics) CacheEvents(events, malformed int) {
	c.events.read.Add(float64(events))
	c.events.malformed.Add(float64(malformed))
}
