package pricecache

import (
	"slices"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/facts"
)

// Defaults of a cache's configuration.
const (
	defaultTTL      = 5 * time.Second
	defaultRedisTTL = 30 * time.Second
	defaultEntries  = 100_000
)

// entryKey is a question to price.query. Its answer is the same for every user.
type entryKey struct {
	region string
	// origin stands for the price rule types, whose ids records carry, and for the provider that knows them.
	origin uint64
	Key
}

// record is an answer, on the clock of the caches.
type record struct {
	models []facts.Model
	until  time.Duration // it is served before, and later only in place of nothing
	keep   time.Duration // memory has it for this long after it came
}

// Cache is one cache of one class of traffic.
type Cache struct {
	kind  Kind
	conf  *configv1.Cache
	price *configv1.Dependency
	// source is the fingerprint of the provider.
	source uint64

	ttl, staleOnError, staleWhileLoading time.Duration

	entries *otter.Cache[entryKey, record]
	shards  [64]shard
	gone    gone
	redis   *redisLevel // nil: memory only
	lane    *lane
	owner   *Caches
}

// shard has what must change together for items that share it: entries come and go, and loads begin and end, under its lock. A load may
// leave its answer only while it is registered here, and a purge takes it out along with the entries: so what was asked for before a purge is not
// there after it, and nobody joins such a load any more.
type shard struct {
	mu      sync.Mutex
	loads   map[entryKey]*flight
	entries map[itemKey][]entryKey // the keys of an item that memory has, and some that it had
}

type itemKey struct {
	region string
	item   int64
}

// gone collects keys that memory let go of by itself, until somebody takes them out of the shards: that cannot be done where it is told.
type gone struct {
	mu   sync.Mutex
	keys []entryKey
}

// goneAtMost are collected before they are taken out.
const goneAtMost = 256

func newCache(owner *Caches, l *lane, kind Kind, conf *configv1.Cache, price *configv1.Dependency) *Cache {
	c := &Cache{
		kind: kind, conf: conf, price: price, source: fingerprintOf(price), lane: l, owner: owner, ttl: defaultTTL,
		staleOnError: conf.GetStaleOnError().AsDuration(), staleWhileLoading: conf.GetStaleWhileLoading().AsDuration(),
	}
	if conf.GetTtl() != nil {
		c.ttl = conf.GetTtl().AsDuration()
	}
	size := defaultEntries
	if conf.GetMaxEntries() > 0 {
		size = int(conf.GetMaxEntries())
	}
	for i := range c.shards {
		c.shards[i].loads, c.shards[i].entries = make(map[entryKey]*flight), make(map[itemKey][]entryKey)
	}
	c.entries = otter.Must(&otter.Options[entryKey, record]{
		MaximumSize:      size,
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[entryKey, record]) time.Duration { return e.Value.keep }),
		OnAtomicDeletion: func(e otter.DeletionEvent[entryKey, record]) {
			if e.WasEvicted() {
				c.gone.add(e.Key)
			}
		},
	})
	if l.store != nil && conf.GetRedis().GetEnabled() {
		ttl := defaultRedisTTL
		if conf.GetRedis().GetTtl() != nil {
			ttl = conf.GetRedis().GetTtl().AsDuration()
		}
		c.redis = &redisLevel{lane: l, kind: kind, ttl: ttl}
	}
	return c
}

// retire ends the cache's own goroutines; requests under way may still use it.
func (c *Cache) retire() {
	if c != nil {
		c.entries.StopAllGoroutines()
	}
}

func (c *Cache) now() time.Duration { return time.Since(c.owner.started) }

func (c *Cache) shard(item int64) *shard {
	return &c.shards[uint64(item)*0x9E3779B97F4A7C15>>58] // multiplied by the golden ratio, neighbours are apart
}

// fresh makes a record of an answer that may be served for so long.
func (c *Cache) fresh(models []facts.Model, life time.Duration) record {
	life = min(life, c.ttl)
	return record{models: models, until: c.now() + life, keep: max(life+max(c.staleOnError, c.staleWhileLoading), time.Nanosecond)}
}

// ended is a record that memory has and that ended at most so long ago.
func (c *Cache) ended(k entryKey, ago time.Duration) (record, bool) {
	if ago <= 0 {
		return record{}, false
	}
	rec, ok := c.entries.GetIfPresent(k)
	return rec, ok && c.now() < rec.until+ago
}

// keep puts a record into memory. The lock of its shard is held.
func (s *shard) keep(c *Cache, k entryKey, rec record) {
	c.entries.Set(k, rec)
	at := itemKey{k.region, k.ItemID}
	if keys := s.entries[at]; !slices.Contains(keys, k) {
		s.entries[at] = append(keys, k)
	}
}

// purge drops the entries of keys: of a model and of its whole item, or all of an item. It returns how many there were.
func (c *Cache) purge(region string, keys []Key) int {
	dropped := 0
	for _, key := range keys {
		concerns := func(k entryKey) bool { return key.ModelID == 0 || k.ModelID == 0 || k.ModelID == key.ModelID }
		s := c.shard(key.ItemID)
		s.mu.Lock()
		for k := range s.loads {
			if k.region == region && k.ItemID == key.ItemID && concerns(k) {
				delete(s.loads, k)
			}
		}
		at := itemKey{region, key.ItemID}
		left := slices.DeleteFunc(s.entries[at], func(k entryKey) bool {
			if !concerns(k) {
				return false
			}
			if _, was := c.entries.Invalidate(k); was {
				dropped++
			}
			return true
		})
		if s.entries[at] = left; len(left) == 0 {
			delete(s.entries, at)
		}
		s.mu.Unlock()
	}
	return dropped
}

// purgeAll drops every entry and returns how many there were.
func (c *Cache) purgeAll() int {
	dropped := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		clear(s.loads)
		for _, keys := range s.entries {
			for _, k := range keys {
				if _, was := c.entries.Invalidate(k); was {
					dropped++
				}
			}
		}
		clear(s.entries)
		s.mu.Unlock()
	}
	return dropped
}

func (g *gone) add(k entryKey) {
	g.mu.Lock()
	g.keys = append(g.keys, k)
	g.mu.Unlock()
}

// take returns the keys, if there are many.
func (g *gone) take() []entryKey {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.keys) < goneAtMost {
		return nil
	}
	keys := g.keys
	g.keys = nil
	return keys
}

// forget takes keys that memory let go of out of the shards, so that these do not grow for ever. No lock of a shard is held.
func (c *Cache) forget() {
	for _, k := range c.gone.take() {
		s := c.shard(k.ItemID)
		s.mu.Lock()
		if _, back := c.entries.GetEntryQuietly(k); !back {
			at := itemKey{k.region, k.ItemID}
			left := slices.DeleteFunc(s.entries[at], func(have entryKey) bool { return have == k })
			if s.entries[at] = left; len(left) == 0 {
				delete(s.entries, at)
			}
		}
		s.mu.Unlock()
	}
}
