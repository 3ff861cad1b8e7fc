// Package pricecache keeps price records for a short time: in the memory of each process and, where configured, in Redis for all.
//
// Records are facts of the catalog, the same for everybody: a result of a scene is never kept. Live and shadow traffic have caches, keys and streams apart.
// A key is loaded once at a time in a process. A purge wins over whatever is under way, in this process (see [shard]), in Redis (see [lane]) and in the
// other processes (see [follower]).
//
// Redis is never needed: where it fails, records come from the provider.
package pricecache

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/facts"
	"proscenium/kv"
	"proscenium/traffic"
)

// Kind is one of the caches.
type Kind uint8

// The kinds.
const (
	// PriceStock holds records with stock.
	PriceStock Kind = iota
	// PriceSoldOut holds records with the sold-out mark only.
	PriceSoldOut
	// Kinds is how many there are.
	Kinds
)

// KindNames are the names of the kinds in keys, messages and metrics.
var KindNames = [Kinds]string{"price_stock", "price_sold_out"}

func (k Kind) String() string { return KindNames[k] }

// Key names a model, or with ModelID 0 every model of an item.
type Key struct{ ItemID, ModelID int64 }

// Deps are what caches need.
type Deps struct {
	// Stores is nil where there is no Redis: caches are in memory only, and purges reach this process only.
	Stores *kv.KV
	// Unique gives a text that no process gives twice.
	Unique func() string
	// Observers, by class of traffic, may be nil.
	Observers [traffic.Count]Observer
}

// Caches are those of an engine. They survive a reload, but for those whose own configuration or that of price.query changes. It is safe for
// concurrent use, but that Apply and Close are called by one at a time.
type Caches struct {
	started time.Time
	lanes   [traffic.Count]*lane
	changes *changes // nil: no stream is read
	loads   tasks
	closed  bool
}

// Config is what caches are configured by.
type Config struct {
	Caches *configv1.Caches
	// Price is the dependency whose answers are kept.
	Price *configv1.Dependency
}

// New makes caches that hold nothing before the first Apply.
func New(deps Deps) *Caches {
	c := &Caches{started: time.Now()}
	for _, class := range traffic.All() {
		obs := deps.Observers[class]
		if obs == nil {
			obs = nobody{}
		}
		var store *kv.Store
		if deps.Stores != nil {
			store = deps.Stores.Of(class)
		}
		c.lanes[class] = newLane(class, store, deps.Unique, obs)
	}
	return c
}

// Apply makes, keeps and ends caches, so that they are as configured. Requests may go on using those that end, and may begin on them until Applied.
func (c *Caches) Apply(conf Config) {
	if c.closed {
		return
	}
	for _, l := range c.lanes {
		c.applyTo(l, conf)
	}
	live := c.lanes[traffic.Live]
	stream := conf.Caches.GetChangeStream()
	if live.store == nil || !live.used() {
		stream = nil
	}
	replaces := c.changes != nil
	if replaces && !proto.Equal(c.changes.conf, stream) {
		c.changes.close()
		c.changes = nil
	}
	if c.changes == nil && stream != nil {
		c.changes = newChanges(stream, c.lanes, replaces)
	}
}

func (c *Caches) applyTo(l *lane, conf Config) {
	for kind, want := range [Kinds]*configv1.Cache{conf.Caches.GetPriceStock(), conf.Caches.GetPriceSoldOut()} {
		old := l.cache(Kind(kind))
		if old != nil && want.GetEnabled() && proto.Equal(old.conf, want) && proto.Equal(old.price, conf.Price) {
			continue
		}
		var made *Cache
		if want.GetEnabled() {
			made = newCache(c, l, Kind(kind), want, conf.Price)
		}
		l.before[kind].Store(old)
		l.caches[kind].Store(made)
		old.retire()
	}
	if l.store != nil {
		l.follow(l.used())
	}
}

// Applied says that no request begins on the caches of before the last Apply: purges no longer concern them.
func (c *Caches) Applied() {
	for _, l := range c.lanes {
		for kind := range l.before {
			l.before[kind].Store(nil)
		}
	}
}

// Close ends what runs in the background, and waits for it. Views may still be used.
func (c *Caches) Close() {
	c.closed = true
	for _, l := range c.lanes {
		l.follower.end() // all of them, before any is waited for
	}
	if c.changes != nil {
		c.changes.close()
		c.changes = nil
	}
	for _, l := range c.lanes {
		l.follow(false)
		for kind := range l.caches {
			l.caches[kind].Swap(nil).retire()
		}
	}
	c.Applied()
	c.loads.close()
}

// View is a cache as requests of one region see it under one configuration.
type View struct {
	cache  *Cache
	region string
	origin uint64
	prefix string // of keys in Redis
}

// View is nil where the cache is switched off. Records depend on the price rule types, whose fingerprint types is: those of other types are not seen.
func (c *Caches) View(class traffic.Class, kind Kind, region string, types uint64) *View {
	cache := c.lanes[class].cache(kind)
	if cache == nil {
		return nil
	}
	origin := types ^ cache.source
	return &View{cache: cache, region: region, origin: origin, prefix: fmt.Sprintf("%s%s:%s:%016x:%d:", keyspace, kind, region, origin, encoding)}
}

// Kind is which cache this is.
func (v *View) Kind() Kind { return v.cache.kind }

// Now is the time on the clock of the caches, for Get.
func (v *View) Now() time.Duration { return v.cache.now() }

// Get is the records of a key, if memory has them and they have not ended. Nobody may change them.
func (v *View) Get(now time.Duration, key Key) ([]facts.Model, bool) {
	rec, ok := v.cache.entries.GetIfPresent(entryKey{v.region, v.origin, key})
	if !ok || now >= rec.until {
		return nil, false
	}
	return rec.models, true
}

// fingerprintOf tells providers apart: what one said is not served for another. Policies around its calls do not matter.
func fingerprintOf(price *configv1.Dependency) uint64 {
	who := &configv1.Dependency{Provider: price.GetProvider(), Regions: price.GetRegions()}
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(who)
	if err != nil {
		text = nil // of a message that came from a file: cannot be
	}
	h := fnv.New64a()
	_, _ = h.Write(text) // a hash takes everything
	return h.Sum64()
}

// tasks are goroutines that somebody waits for.
type tasks struct {
	mu     sync.Mutex
	closed bool
	group  sync.WaitGroup
}

// start runs do in a goroutine, or returns false when no more may start.
func (t *tasks) start(do func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.group.Go(do)
	return true
}

func (t *tasks) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.group.Wait()
}

// worker is a goroutine with an owner.
type worker struct {
	stop context.CancelFunc
	done chan struct{}
}

func startWorker(run func(context.Context)) *worker {
	ctx, cancel := context.WithCancel(context.Background())
	w := &worker{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		run(ctx)
	}()
	return w
}

// end lets it end. A nil one has.
func (w *worker) end() {
	if w != nil {
		w.stop()
	}
}

// close ends it and waits for that.
func (w *worker) close() {
	w.end()
	<-w.done
}
