package engine

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"google.golang.org/protobuf/proto"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/facts"
	"proscenium/fault"
	"proscenium/scenes"
	"proscenium/traffic"
)

// Defaults of a cache's configuration.
const (
	defaultCacheTTL     = 5 * time.Second
	defaultCacheEntries = 100_000
)

// cacheKey is a question to price.query. Its answer is the same for every user: caches hold unfiltered records only.
type cacheKey struct {
	region string
	// types stands for the price rule types of the configuration: records carry their ids.
	types uint64
	// generation is the item's at the time of the question: a purge begins another, so that what is being loaded meanwhile is never read.
	generation uint32
	PriceKey
}

// recordCache keeps the price records of models and of whole items for a short time. Concurrent misses of a key load it once.
type recordCache struct {
	name    CacheName
	conf    *configv1.Cache
	price   *configv1.Dependency // whose answers these are
	entries *otter.Cache[cacheKey, []facts.Model]
	// generations are counters that items share by a part of their id.
	generations [1024]atomic.Uint32
}

// recordCaches are the caches of an engine. They survive a reload, unless their own configuration or that of price.query changes.
type recordCaches struct {
	byName [cacheCount]*recordCache
	closed bool
}

func (c *recordCaches) forSnapshot(snap *scenes.Snapshot) [cacheCount]*recordCache {
	price := snap.Dependencies[PriceQuery.String()]
	for name, conf := range [cacheCount]*configv1.Cache{snap.Caches.GetPriceStock(), snap.Caches.GetPriceSoldOut()} {
		old := c.byName[name]
		if old != nil && conf.GetEnabled() && proto.Equal(old.conf, conf) && proto.Equal(old.price, price) {
			continue
		}
		c.byName[name] = nil
		if conf.GetEnabled() && !c.closed {
			c.byName[name] = newRecordCache(CacheName(name), conf, price)
		}
		old.close()
	}
	return c.byName
}

func (c *recordCaches) close() {
	c.closed = true
	for name, cache := range c.byName {
		cache.close()
		c.byName[name] = nil
	}
}

// close ends the cache's own goroutines; requests under way may still use it.
func (c *recordCache) close() {
	if c != nil {
		c.entries.StopAllGoroutines()
	}
}

func newRecordCache(name CacheName, conf *configv1.Cache, price *configv1.Dependency) *recordCache {
	ttl, size := defaultCacheTTL, defaultCacheEntries
	if conf.GetTtl() != nil {
		ttl = conf.GetTtl().AsDuration()
	}
	if conf.GetMaxEntries() > 0 {
		size = int(conf.GetMaxEntries())
	}
	return &recordCache{name: name, conf: conf, price: price, entries: otter.Must(&otter.Options[cacheKey, []facts.Model]{
		MaximumSize:      size,
		ExpiryCalculator: otter.ExpiryWriting[cacheKey, []facts.Model](ttl),
	})}
}

// query answers the state's price query from the cache, and from the provider what is not in it.
func (c *recordCache) query(st *state) error {
	var missing []cacheKey
	var places []int
	for i, key := range st.priceKeys {
		k := c.key(st.market.region.Code, st.program.types, key)
		if models, ok := c.entries.GetIfPresent(k); ok {
			st.prices[i] = models
			continue
		}
		missing, places = append(missing, k), append(places, i)
	}
	hits := len(st.priceKeys) - len(missing)
	if st.obs != nil {
		st.obs.Cache(c.name, hits, len(missing))
	}
	if st.trace != nil && hits > 0 {
		st.trace.cached(PriceQuery, hits)
	}
	if len(missing) == 0 {
		return nil
	}
	loaded, err := c.load(st, missing)
	if err != nil {
		return err
	}
	for i, k := range missing {
		st.prices[places[i]] = loaded[k]
	}
	return nil
}

func (c *recordCache) key(region string, types uint64, key PriceKey) cacheKey {
	return cacheKey{region, types, c.generation(key.ItemID).Load(), key}
}

func (c *recordCache) generation(item int64) *atomic.Uint32 {
	return &c.generations[uint64(item)%uint64(len(c.generations))]
}

// load gets what is missing. A key that another request is loading is waited for.
func (c *recordCache) load(st *state, missing []cacheKey) (map[cacheKey][]facts.Model, error) {
	// Cached records are everybody's: the provider sees nothing of who asks, nor from where.
	anonymous := facts.Request{Region: st.request.Region, At: st.request.At}
	user := st.call.Request
	st.call.Request = &anonymous
	defer func() { st.call.Request = user }()

	ask := func(ctx context.Context, keys []cacheKey) (map[cacheKey][]facts.Model, error) {
		asked := make([]PriceKey, len(keys))
		for i := range keys {
			asked[i] = keys[i].PriceKey
		}
		answers := make([][]facts.Model, len(keys))
		if err := st.market.price.query(ctx, st, asked, answers); err != nil {
			return nil, err
		}
		if err := checkPrices(asked, answers); err != nil {
			return nil, err
		}
		out := make(map[cacheKey][]facts.Model, len(keys))
		for i := range keys {
			out[keys[i]] = answers[i]
		}
		return out, nil
	}
	return c.entries.BulkGet(st.ctx, missing, otter.BulkLoaderFunc[cacheKey, []facts.Model](ask))
}

// DeleteCached drops cached price records of models (with the entries of their whole items), or of whole items, and returns how many entries there
// were. A key that is being loaded meanwhile is loaded again.
func (e *Engine) DeleteCached(name CacheName, region string, keys []PriceKey) (int, error) {
	p := e.program.Load()
	if p == nil {
		return 0, fault.New(fault.Unavailable, "NOT_READY", "no configuration has been loaded yet: try again")
	}
	m := p.markets[traffic.Live][region]
	if m == nil {
		return 0, fault.Invalid("region", "REGION_NOT_SERVED", "region %q is not served here", region)
	}
	cache := m.caches[name]
	if cache == nil {
		return 0, nil
	}
	deleted := 0
	drop := func(k cacheKey) {
		if _, ok := cache.entries.Invalidate(k); ok {
			deleted++
		}
	}
	whole := make(map[int64]bool)
	for _, key := range keys {
		if key.ModelID == 0 {
			whole[key.ItemID] = true
			continue
		}
		drop(cache.key(region, p.types, key))
		drop(cache.key(region, p.types, PriceKey{ItemID: key.ItemID}))
	}
	if len(whole) > 0 {
		for item := range whole {
			cache.generation(item).Add(1)
		}
		for k := range cache.entries.Keys() {
			if k.region == region && whole[k.ItemID] {
				drop(k)
			}
		}
	}
	return deleted, nil
}
