package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"

	"proscenium/engine/policy"
	"proscenium/engine/pricecache"
	"proscenium/facts"
	"proscenium/fault"
	"proscenium/scenes"
	"proscenium/traffic"
)

// staleFeature is the degradation of answers that rest on records which ended, because the provider failed.
const staleFeature = "stale_prices"

// newCaches are those of an engine, before its first configuration.
func newCaches(deps *Deps, obs [traffic.Count]TrafficObserver) *pricecache.Caches {
	d := pricecache.Deps{Stores: deps.Stores, Unique: rand.Text}
	for class, o := range obs {
		if o != nil {
			d.Observers[class] = o
		}
	}
	return pricecache.New(d)
}

// openCaches makes the caches those of a snapshot, and shows them to its markets.
func (p *program) openCaches(caches *pricecache.Caches, snap *scenes.Snapshot) {
	caches.Apply(pricecache.Config{Caches: snap.Caches, Price: snap.Dependencies[PriceQuery.String()]})
	types := fingerprint(snap.Types)
	for _, class := range traffic.All() {
		for code, m := range p.markets[class] {
			for name := range cacheCount {
				m.caches[name] = caches.View(class, name, code, types)
			}
		}
	}
}

// queryCached answers the price query from a cache, and from the provider what is not in it.
func (st *state) queryCached(name CacheName, cache *pricecache.View) error {
	var missing []pricecache.Key
	var places []int
	now := cache.Now()
	for i, key := range st.priceKeys {
		models, ok := cache.Get(now, pricecache.Key(key))
		if !ok {
			missing, places = append(missing, pricecache.Key(key)), append(places, i)
			continue
		}
		st.prices[i] = models
	}
	lookups := CacheLookups{Hits: len(st.priceKeys) - len(missing)}
	if len(missing) == 0 {
		st.tellLookups(name, lookups, len(st.priceKeys))
		return nil
	}
	answer, err := cache.Fill(st.ctx, st.question(), missing, places, st.prices)
	if answer.Left {
		st.abandoned.Store(true) // the load goes on with it
		return err
	}
	lookups.Stale = answer.Stale
	lookups.Misses = len(missing) - answer.Stale
	lookups.RedisHits, lookups.RedisMisses = answer.RedisHits, answer.RedisMisses
	st.tellLookups(name, lookups, lookups.Hits+answer.RedisHits+answer.Joined)
	if err != nil {
		return err
	}
	if answer.Because != nil {
		st.servedStale(answer.Because)
	}
	return nil
}

func (st *state) tellLookups(name CacheName, l CacheLookups, hits int) {
	if st.obs != nil {
		st.obs.Cache(name, l)
	}
	if st.trace == nil {
		return
	}
	if hits > 0 {
		st.trace.cached(PriceQuery, "cache_hit", hits)
	}
	if l.Stale > 0 {
		st.trace.cached(PriceQuery, "cache_stale", l.Stale)
	}
}

// servedStale marks an answer whose prices may be old because the provider failed.
func (st *state) servedStale(failure error) {
	st.tellFailure(PriceQuery, failure)
	st.inaccurate = true
	st.degrade(staleFeature, PriceQuery.String(), causeOf(failure))
}

// question is how the cache asks the provider. What it holds is everybody's: the provider sees nothing of who asks, nor from where.
func (st *state) question() pricecache.Question {
	call, market := st.call, st.market
	call.Request = &facts.Request{Region: st.request.Region, At: st.request.At}
	load := func(ctx context.Context, keys []pricecache.Key, out [][]facts.Model) error {
		asked := make([]PriceKey, len(keys))
		for i, k := range keys {
			asked[i] = PriceKey(k)
		}
		if err := market.price.queryAs(ctx, st, &call, asked, out); err != nil {
			return err
		}
		return checkPrices(asked, out)
	}
	inline := market.price.fromMemory && st.guard(PriceQuery) == nil // a policy may wait for Redis
	return pricecache.Question{Load: load, FromMemory: inline, Personal: refused}
}

// causeOf is the cause of a degradation that a failed query leads to.
func causeOf(err error) pricingv1.DegradationCause {
	var refusal *policy.Refusal
	switch {
	case errors.As(err, &refusal) && refusal.Layer == policy.Breaker:
		return pricingv1.DegradationCause_DEGRADATION_CAUSE_BREAKER_OPEN
	case refusal != nil:
		return pricingv1.DegradationCause_DEGRADATION_CAUSE_LIMITED
	case errors.Is(err, context.DeadlineExceeded):
		return pricingv1.DegradationCause_DEGRADATION_CAUSE_TIMEOUT
	}
	return causeDependencyError
}

// refused says that a policy kept the call from being made. Others may be let through, by their scene, their user or their priority.
func refused(err error) bool {
	var refusal *policy.Refusal
	return errors.As(err, &refusal)
}

// DeleteCached drops cached price records of models (with the entries of their whole items), or of whole items, of both classes of traffic: in this
// process, in Redis, and in every other process. What is being loaded meanwhile, by any of them, is not kept. It returns how many entries the memory of this process
// had. Where Redis does not answer, the purge stands in this process, and the error says that the others could not be told.
func (e *Engine) DeleteCached(ctx context.Context, name CacheName, region string, keys []PriceKey) (int, error) {
	p := e.program.Load()
	if p == nil {
		return 0, fault.New(fault.Unavailable, "NOT_READY", "no configuration has been loaded yet: try again")
	}
	if p.markets[traffic.Live][region] == nil {
		return 0, fault.Invalid("region", "REGION_NOT_SERVED", "region %q is not served here", region)
	}
	purged := make([]pricecache.Key, len(keys))
	for i, k := range keys {
		purged[i] = pricecache.Key(k)
	}
	n, err := e.caches.Purge(ctx, name, region, purged)
	return n, notTold(n, err)
}

// PurgeShadow drops all that the caches hold of shadow traffic, as DeleteCached does.
func (e *Engine) PurgeShadow(ctx context.Context) (int, error) {
	n, err := e.caches.PurgeShadow(ctx)
	return n, notTold(n, err)
}

// notTold is the error of a purge of which others do not know.
func notTold(deleted int, err error) error {
	var silent *pricecache.NotToldError
	if !errors.As(err, &silent) {
		return err
	}
	classes := make([]string, len(silent.Classes))
	for i, c := range silent.Classes {
		classes[i] = c.String()
	}
	return fault.New(fault.Unavailable, "PURGE_NOT_BROADCAST",
		"%d entries are gone from this process, but Redis did not answer, so that the other processes were not told: try again, there or here", deleted).
		With("deleted", strconv.Itoa(deleted)).With("traffic", strings.Join(classes, ",")).Because(err)
}
