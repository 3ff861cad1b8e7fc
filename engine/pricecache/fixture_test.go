package pricecache_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/engine/pricecache"
	"proscenium/facts"
	"proscenium/kv"
	"proscenium/traffic"
)

// catalog is the provider of all replicas, in the test's hands.
type catalog struct {
	mu    sync.Mutex
	price int64
	calls int
	keys  int
	// asked, if not nil, is called in each load, with the price that the load is going to return.
	asked func(ctx context.Context) error
}

func (c *catalog) set(price int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.price = price
}

func (c *catalog) loads() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// whenAsked sets asked.
func (c *catalog) whenAsked(do func(ctx context.Context) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = do
}

func (c *catalog) load(ctx context.Context, keys []pricecache.Key, out [][]facts.Model) error {
	c.mu.Lock()
	c.calls++
	c.keys += len(keys)
	price, asked := c.price, c.asked
	c.mu.Unlock()
	if asked != nil {
		if err := asked(ctx); err != nil {
			return err
		}
	}
	for i, k := range keys {
		id := k.ModelID
		if id == 0 {
			id = k.ItemID * 10
		}
		out[i] = []facts.Model{{ID: id, ItemID: k.ItemID, ShopID: 9, Promos: []facts.Promo{{PreTax: price, PostTax: facts.NoPrice, Start: facts.Always, End: facts.Never}}}}
	}
	return nil
}

// replica is the caches of one process.
type replica struct {
	*pricecache.Caches
	t       testing.TB
	catalog *catalog
	seen    [traffic.Count]*seen
	config  pricecache.Config
}

func (r *replica) follows() bool { return r.config.Caches.ChangeStream != nil }

// seen is what an observer saw.
type seen struct {
	mu                sync.Mutex
	purges            map[pricecache.Source]int
	dropped           map[pricecache.Source]int
	failed            map[pricecache.Exchange]int
	events, malformed int
}

func (s *seen) CachePurged(_ pricecache.Kind, source pricecache.Source, dropped int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purges[source]++
	s.dropped[source] += dropped
}

func (s *seen) CacheRedisFailed(exchange pricecache.Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed[exchange]++
}

func (s *seen) CacheEvents(events, malformed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events += events
	s.malformed += malformed
}

func (s *seen) purgedBy(source pricecache.Source) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.purges[source]
}

func (s *seen) failures(exchange pricecache.Exchange) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed[exchange]
}

var (
	uniqueMu sync.Mutex
	uniqueN  int
)

func unique() string {
	uniqueMu.Lock()
	defer uniqueMu.Unlock()
	uniqueN++
	return fmt.Sprint("unique-", uniqueN)
}

type setting func(*configv1.Caches)

func each(do func(*configv1.Cache)) setting {
	return func(c *configv1.Caches) { do(c.PriceStock); do(c.PriceSoldOut) }
}

func inRedis(c *configv1.Caches) {
	each(func(c *configv1.Cache) {
		c.Redis = &configv1.RedisCache{Enabled: true, Ttl: durationpb.New(time.Minute)}
	})(c)
}

func ttl(d time.Duration) setting {
	return each(func(c *configv1.Cache) { c.Ttl = durationpb.New(d) })
}

func staleOnError(d time.Duration) setting {
	return each(func(c *configv1.Cache) { c.StaleOnError = durationpb.New(d) })
}

func staleWhileLoading(d time.Duration) setting {
	return each(func(c *configv1.Cache) { c.StaleWhileLoading = durationpb.New(d) })
}

func changeStream(c *configv1.Caches) {
	c.ChangeStream = &configv1.ChangeStream{Stream: "events", Debounce: durationpb.New(20 * time.Millisecond)}
}

func config(settings ...setting) pricecache.Config {
	c := &configv1.Caches{
		PriceStock:   &configv1.Cache{Enabled: true, Ttl: durationpb.New(time.Minute)},
		PriceSoldOut: &configv1.Cache{Enabled: true, Ttl: durationpb.New(time.Minute)},
	}
	for _, s := range settings {
		s(c)
	}
	return pricecache.Config{Caches: c}
}

// start makes the caches of a process. It follows its streams when it returns.
func start(t testing.TB, stores *kv.KV, of *catalog, settings ...setting) *replica {
	t.Helper()
	r := &replica{t: t, catalog: of, config: config(settings...)}
	deps := pricecache.Deps{Stores: stores, Unique: unique}
	for class := range r.seen {
		r.seen[class] = &seen{purges: map[pricecache.Source]int{}, dropped: map[pricecache.Source]int{}, failed: map[pricecache.Exchange]int{}}
		deps.Observers[class] = r.seen[class]
	}
	r.Caches = pricecache.New(deps)
	t.Cleanup(r.Close)
	r.Apply(r.config)
	r.Applied()
	if stores != nil {
		streams := 1
		if r.follows() {
			streams = 2
		}
		for _, s := range r.seen { // for each stream, memory is emptied in both caches
			eventually(t, "streams are followed", func() bool { return s.purgedBy(pricecache.FromStart) == 2*streams })
		}
	}
	return r
}

func (r *replica) view(class traffic.Class) *pricecache.View {
	return r.View(class, pricecache.PriceStock, "US", 1)
}

// question asks the catalog.
func (r *replica) question() pricecache.Question { return pricecache.Question{Load: r.catalog.load} }

// get finds the price of each key as a live request does.
func (r *replica) get(keys ...pricecache.Key) ([]int64, pricecache.Answer, error) {
	return r.getAs(r.t.Context(), traffic.Live, r.question(), keys...)
}

func (r *replica) getAs(ctx context.Context, class traffic.Class, q pricecache.Question, keys ...pricecache.Key) ([]int64, pricecache.Answer, error) {
	v := r.view(class)
	out := make([][]facts.Model, len(keys))
	var missing []pricecache.Key
	var at []int
	for i, k := range keys {
		models, ok := v.Get(v.Now(), k)
		if out[i] = models; !ok {
			missing, at = append(missing, k), append(at, i)
		}
	}
	answer, err := pricecache.Answer{}, error(nil)
	if len(missing) > 0 {
		answer, err = v.Fill(ctx, q, missing, at, out)
	}
	if err != nil {
		return nil, answer, err
	}
	prices := make([]int64, len(keys))
	for i, models := range out {
		prices[i] = models[0].Promos[0].PreTax
	}
	return prices, answer, nil
}

// price is that of one key, which must be found.
func (r *replica) price(key pricecache.Key) int64 {
	r.t.Helper()
	prices, _, err := r.get(key)
	if err != nil {
		r.t.Error(err)
		return -1
	}
	return prices[0]
}

// purge must reach everybody.
func (r *replica) purge(keys ...pricecache.Key) int {
	r.t.Helper()
	n, err := r.Purge(r.t.Context(), pricecache.PriceStock, "US", keys)
	if err != nil {
		r.t.Error(err)
	}
	return n
}

func item(id int64) pricecache.Key        { return pricecache.Key{ItemID: id} }
func model(item, id int64) pricecache.Key { return pricecache.Key{ItemID: item, ModelID: id} }

// eventually waits for something to become so.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline, tick := time.After(30*time.Second), time.NewTicker(2*time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline:
			t.Fatalf("not in 30 seconds: %s", what)
		case <-tick.C:
		}
	}
}
