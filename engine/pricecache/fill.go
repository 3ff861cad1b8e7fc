package pricecache

import (
	"context"
	"fmt"
	"runtime/debug"

	"proscenium/facts"
)

// Question is how to load what no cache has.
type Question struct {
	// Load asks the provider: out[i] is the answer for keys[i]. What it returns without an error is kept. It may be called in a goroutine, and go on
	// after Fill returned, see Answer.Left. It ends by itself: its context has the values of Fill's, and not its end.
	Load func(ctx context.Context, keys []Key, out [][]facts.Model) error
	// FromMemory says that Load does not wait for anything.
	FromMemory bool
	// Personal says that a failure concerns who asked, not the provider: others who wait for the load ask by themselves. nil: none does.
	Personal func(error) bool
}

// Answer is where the records came from; the numbers are of keys.
type Answer struct {
	// Loaded were asked of the provider by this question. Joined were loaded meanwhile by others.
	Loaded, Joined int
	// RedisHits came from Redis, which was asked for RedisHits + RedisMisses.
	RedisHits, RedisMisses int
	// Stale are those that ended.
	Stale int
	// Because is the failure of the provider for which ended records are served; nil where none are, or only while others load them.
	Because error
	// Left says that ctx ended before the load did: Load goes on.
	Left bool
}

// flight is a load of some keys under way. Those registered in the shards are its own; who comes later waits for it.
type flight struct {
	view   *View
	keys   []Key
	landed chan struct{}

	// Written by the load, read once it landed.
	found                  map[Key]record
	err                    error // of keys that were not found
	loaded                 int
	redisHits, redisMisses int
	ticket                 *ticket // nil: nothing is written to Redis
}

// rounds bounds how often a question waits for the load of somebody else that then fails for personal reasons.
const rounds = 3

// Fill finds the records of keys that Get did not have: out[at[i]] is the answer for keys[i]. It fails if ctx ends, or if the provider fails and memory has not
// for every key that failed a record that may be served nevertheless.
func (v *View) Fill(ctx context.Context, q Question, keys []Key, at []int, out [][]facts.Model) (Answer, error) {
	f := filling{view: v, q: q, keys: keys, at: at, out: out}
	open := make([]int, len(keys))
	for i := range open {
		open[i] = i
	}
	for round := 1; len(open) > 0; round++ {
		var err error
		if open, err = f.round(ctx, open, round); err != nil {
			return f.answer, err
		}
	}
	return f.answer, f.serveEnded()
}

// filling is the work on one question.
type filling struct {
	view   *View
	q      Question
	keys   []Key
	at     []int
	out    [][]facts.Model
	answer Answer

	failed  []int
	failure error
}

// round settles what it can of the open keys and returns the others: those of somebody's load that failed for reasons of its own.
func (f *filling) round(ctx context.Context, open []int, round int) ([]int, error) {
	own := &flight{view: f.view, landed: make(chan struct{})}
	type wait struct {
		i  int
		on *flight
	}
	var waits []wait
	for _, i := range open {
		if on := f.claim(i, own, round); on != nil {
			waits = append(waits, wait{i, on})
		}
	}
	if len(own.keys) > 0 {
		f.view.cache.depart(ctx, f.q, own)
	}
	var again []int
	for _, w := range waits {
		select {
		case <-w.on.landed:
		case <-ctx.Done():
			// It may have landed at the same moment: what there is, is taken, so that the outcome is not a matter of chance.
			select {
			case <-w.on.landed:
			default:
				f.answer.Left = len(own.keys) > 0
				return nil, ctx.Err()
			}
		}
		rec, ok := w.on.found[f.keys[w.i]]
		switch {
		case ok:
			f.out[f.at[w.i]] = rec.models
			if w.on != own {
				f.answer.Joined++
			}
		case w.on != own && round < rounds && f.q.Personal != nil && f.q.Personal(w.on.err):
			again = append(again, w.i)
		default:
			f.failed, f.failure = append(f.failed, w.i), w.on.err
		}
	}
	f.answer.Loaded += own.loaded
	f.answer.RedisHits += own.redisHits
	f.answer.RedisMisses += own.redisMisses
	return again, nil
}

// claim settles a key from memory and returns nil, or returns the load to wait for: somebody's, or the own one, which takes the key.
func (f *filling) claim(i int, own *flight, round int) *flight {
	v, c := f.view, f.view.cache
	k := entryKey{v.region, v.origin, f.keys[i]}
	s := c.shard(k.ItemID)
	s.mu.Lock()
	defer s.mu.Unlock()
	// A load may have landed since memory was looked at.
	if models, ok := v.Get(c.now(), k.Key); ok {
		f.out[f.at[i]] = models
		f.answer.Joined++
		return nil
	}
	other := s.loads[k]
	if other != nil && round < rounds {
		if rec, ok := c.ended(k, c.staleWhileLoading); ok {
			f.out[f.at[i]] = rec.models
			f.answer.Stale++
			return nil
		}
		return other
	}
	if other == nil {
		s.loads[k] = own
	}
	own.keys = append(own.keys, k.Key)
	return own
}

// serveEnded takes, for keys whose load failed, records that ended. All of them, or none: half an answer helps nobody.
func (f *filling) serveEnded() error {
	if len(f.failed) == 0 {
		return nil
	}
	v := f.view
	for _, i := range f.failed {
		// Memory is asked now: what was purged since the load began is not served.
		rec, ok := v.cache.ended(entryKey{v.region, v.origin, f.keys[i]}, v.cache.staleOnError)
		if !ok {
			return f.failure
		}
		f.out[f.at[i]] = rec.models
	}
	f.answer.Stale += len(f.failed)
	f.answer.Because = f.failure
	return nil
}

// depart runs a load: in a goroutine where it may wait, for it is not only that of who asked first. It is not bound to that request's end, so that neither
// a caller who hangs up nor a short deadline takes the answer from the others, and from the next ones.
func (c *Cache) depart(ctx context.Context, q Question, f *flight) {
	free := context.WithoutCancel(ctx)
	inline := q.FromMemory && c.redis == nil
	if inline || !c.owner.loads.start(func() { c.run(free, q, f) }) { // or the caches are closed
		c.run(free, q, f)
	}
}

// run loads, keeps and publishes.
func (c *Cache) run(ctx context.Context, q Question, f *flight) {
	kept := c.fetch(ctx, q, f)
	close(f.landed)
	c.forget()
	if c.redis != nil && f.ticket != nil && len(kept) > 0 {
		c.redis.write(ctx, f, kept)
	}
}

// fetch asks Redis and then the provider, and returns the keys that the provider answered and that no purge has taken from the load meanwhile.
func (c *Cache) fetch(ctx context.Context, q Question, f *flight) (kept []Key) {
	f.found = make(map[Key]record, len(f.keys))
	missing := f.keys
	defer func() {
		if p := recover(); p != nil {
			f.err = fmt.Errorf("load of prices panicked: %v\n%s", p, debug.Stack())
		}
		landed := c.land(f, missing)
		if f.loaded > 0 && f.err == nil {
			kept = landed
		}
	}()
	if c.redis != nil {
		missing = c.redis.read(ctx, f)
		f.redisMisses = len(missing)
		f.redisHits = len(f.keys) - len(missing)
		if f.redisHits > 0 {
			var hits []Key
			for _, k := range f.keys {
				if _, ok := f.found[k]; ok {
					hits = append(hits, k)
				}
			}
			c.land(f, hits) // others need not wait for the provider
		}
	}
	if len(missing) == 0 {
		return nil
	}
	f.loaded = len(missing)
	out := make([][]facts.Model, len(missing))
	if f.err = q.Load(ctx, missing, out); f.err != nil {
		return nil
	}
	for i, k := range missing {
		f.found[k] = c.fresh(out[i], c.ttl)
	}
	return nil
}

// land takes keys of a load out of the shards, and puts what was found into memory; see shard. It returns the keys that were found and registered.
func (c *Cache) land(f *flight, keys []Key) []Key {
	var landed []Key
	for _, key := range keys {
		k := entryKey{f.view.region, f.view.origin, key}
		s := c.shard(key.ItemID)
		s.mu.Lock()
		if s.loads[k] == f {
			delete(s.loads, k)
			if rec, ok := f.found[key]; ok {
				s.keep(c, k, rec)
				landed = append(landed, key)
			}
		}
		s.mu.Unlock()
	}
	return landed
}
