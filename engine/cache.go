package engine

import (
	"context"
	"errors"
	"time"

	"github.com/maypok86/otter/v2"
	"google.golang.org/protobuf/proto"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/facts"
	"proscenium/fault"
	"proscenium/scenes"
)

// Defaults of a cache's configuration.
const (
	defaultCacheTTL     = 5 * time.Second
	defaultCacheEntries = 100_000
)

// cacheKey is a question to price.query. Its answer is the same for every user: caches hold unfiltered records only.
type cacheKey struct {
	region string
	PriceKey
}

// recordCache keeps the price records of models and of whole items for a short time. Concurrent misses of a key load it once.
type recordCache struct {
	name    CacheName
	conf    *configv1.Cache
	price   *configv1.Dependency // whose answers these are
	entries *otter.Cache[cacheKey, []facts.Model]
}

// recordCaches are the caches of an engine. They survive a reload, unless their own configuration or that of price.query changes.
type recordCaches struct{ byName [cacheCount]*recordCache }

func (c *recordCaches) forSnapshot(snap *scenes.Snapshot) [cacheCount]*recordCache {
	price := snap.Dependencies[PriceQuery.String()]
	for name, conf := range [cacheCount]*configv1.Cache{snap.Caches.GetPriceStock(), snap.Caches.GetPriceSoldOut()} {
		old := c.byName[name]
		if old != nil && conf.GetEnabled() && proto.Equal(old.conf, conf) && proto.Equal(old.price, price) {
			continue
		}
		c.byName[name] = nil
		if conf.GetEnabled() {
			c.byName[name] = newRecordCache(CacheName(name), conf, price)
		}
		old.close()
	}
	return c.byName
}

func (c *recordCaches) close() {
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
	region := st.market.region.Code
	var missing []cacheKey
	for i, key := range st.priceKeys {
		k := cacheKey{region, key}
		if models, ok := c.entries.GetIfPresent(k); ok {
			st.prices[i] = models
			continue
		}
		missing = append(missing, k)
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
	for i, key := range st.priceKeys {
		if models, ok := loaded[cacheKey{region, key}]; ok {
			st.prices[i] = models
		}
	}
	return nil
}

// load gets what is missing. A key that another request is loading is waited for; if that request was cancelled, this one asks by itself.
func (c *recordCache) load(st *state, missing []cacheKey) (map[cacheKey][]facts.Model, error) {
	// Cached records are nobody's: the provider sees no user.
	anonymous := *st.call.Request
	anonymous.UserID, anonymous.LiveStreamToken = 0, ""
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
	loaded, err := c.entries.BulkGet(st.ctx, missing, otter.BulkLoaderFunc[cacheKey, []facts.Model](ask))
	if errors.Is(err, context.Canceled) && st.ctx.Err() == nil {
		return ask(st.ctx, missing)
	}
	return loaded, err
}

// DeleteCached drops cached price records of models (with the entries of their whole items), or of whole items, and returns how many entries there
// were. A key that is being loaded meanwhile is loaded again.
func (e *Engine) DeleteCached(name CacheName, region string, keys []PriceKey) (int, error) {
	p := e.program.Load()
	if p == nil {
		return 0, fault.New(fault.Unavailable, "NOT_READY", "no configuration has been loaded yet: try again")
	}
	m := p.markets[region]
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
		drop(cacheKey{region, key})
		drop(cacheKey{region, PriceKey{ItemID: key.ItemID}})
		if key.ModelID == 0 {
			whole[key.ItemID] = true
		}
	}
	if len(whole) > 0 { // entries of single models of those items
		for k := range cache.entries.Keys() {
			if k.region == region && whole[k.ItemID] {
				drop(k)
			}
		}
	}
	return deleted, nil
}
