package pricecache

import (
	"context"
	"strconv"
	"time"

	"proscenium/kv"
)

// keyspace begins all keys of caches in a store.
const keyspace = "prices:"

const (
	// loadAtMost is how long a load may take whose answer is still written to Redis.
	loadAtMost = 2 * time.Minute
	// markLonger is how much longer the mark of a purge is kept than any entry that was asked for before it: the longest load, and what a
	// write may be on its way.
	markLonger = loadAtMost + 3*time.Minute
)

// redisLevel is the part of a cache that is in Redis.
type redisLevel struct {
	lane *lane
	kind Kind
	ttl  time.Duration
}

// ticket is what a load found in Redis before it began: what it writes counts only while that is still so.
type ticket struct {
	epoch string
	marks map[int64]string // by item; empty: none
	taken time.Time
}

func markKey(kind Kind, region string, item int64) string {
	return keyspace + "purged:" + kind.String() + ":" + region + ":" + strconv.FormatInt(item, 10)
}

func (v *View) redisKey(k Key) string {
	b := make([]byte, 0, len(v.prefix)+40)
	b = append(b, v.prefix...)
	b = strconv.AppendInt(b, k.ItemID, 10)
	b = append(b, ':')
	return string(strconv.AppendInt(b, k.ModelID, 10))
}

// read finds what it can of a load's keys in one exchange, and returns the others. An entry is served for at most the level's ttl after it was loaded, counted
// by the clocks of the process that loaded it and of this one, and never after Redis has let go of it. In memory it is, further, for at most the memory's ttl:
// with clocks that differ it is there that much longer at most.
func (r *redisLevel) read(ctx context.Context, f *flight) (missing []Key) {
	asked, items := r.items(f)
	if len(asked) == 0 {
		return f.keys
	}
	names := make([]string, 0, 1+len(items)+len(asked))
	names = append(names, epochKey)
	for _, item := range items {
		names = append(names, markKey(r.kind, f.view.region, item))
	}
	for _, k := range asked {
		names = append(names, f.view.redisKey(k))
	}
	taken := time.Now()
	values, err := r.lane.store.Get(ctx, names...)
	if err != nil {
		r.lane.obs.CacheRedisFailed(Read)
		return f.keys
	}
	epoch := string(values[0])
	if epoch == "" {
		// Redis is new, or lost what it had: no entry counts, until there is an epoch that none can have been written in.
		if epoch, err = r.lane.beginEpoch(ctx); err != nil {
			r.lane.obs.CacheRedisFailed(Read)
			return f.keys
		}
	}
	t := &ticket{epoch: epoch, marks: make(map[int64]string, len(items)), taken: taken}
	for i, item := range items {
		t.marks[item] = string(values[1+i])
	}
	f.ticket = t
	for i, k := range asked {
		if value := values[1+len(items)+i]; value != nil {
			r.take(f, k, names[1+len(items)+i], value)
		}
	}
	for _, k := range f.keys {
		if _, ok := f.found[k]; !ok {
			missing = append(missing, k)
		}
	}
	return missing
}

// items are the keys of a load that may be asked of Redis, and their items, each once.
func (r *redisLevel) items(f *flight) (asked []Key, items []int64) {
	seen := make(map[int64]bool, len(f.keys))
	for _, k := range f.keys {
		open, known := seen[k.ItemID]
		if !known {
			open = !r.lane.blocked(markKey(r.kind, f.view.region, k.ItemID))
			seen[k.ItemID] = open
			if open {
				items = append(items, k.ItemID)
			}
		}
		if open {
			asked = append(asked, k)
		}
	}
	return asked, items
}

// take makes a record of a value, if it is one that still counts.
func (r *redisLevel) take(f *flight, k Key, name string, value []byte) {
	e, err := decode(name, value)
	if err != nil {
		r.lane.obs.CacheRedisFailed(Decode)
		return
	}
	if e.epoch != f.ticket.epoch || e.mark != f.ticket.marks[k.ItemID] {
		return // purged
	}
	for i := range e.models {
		if m := &e.models[i]; m.ItemID != k.ItemID || k.ModelID != 0 && m.ID != k.ModelID {
			r.lane.obs.CacheRedisFailed(Decode)
			return
		}
	}
	// A clock that is behind that of the process that loaded it sees no negative age.
	if left := r.ttl - max(time.Since(e.loaded), 0); left > 0 {
		f.found[k] = f.view.cache.fresh(e.models, left)
	}
}

// write puts what was loaded into Redis, in one exchange. That a purge has come meanwhile does not matter: the entries then have the mark of before, and count
// for nobody.
func (r *redisLevel) write(ctx context.Context, f *flight, keys []Key) {
	if time.Since(f.ticket.taken) > loadAtMost {
		return // the mark of a purge in the meantime may be gone
	}
	entries := r.entries(f, keys, time.Now())
	if err := r.lane.store.Set(ctx, entries...); err != nil {
		r.lane.obs.CacheRedisFailed(Write)
	}
}

func (r *redisLevel) entries(f *flight, keys []Key, loaded time.Time) []kv.Entry {
	entries := make([]kv.Entry, 0, len(keys))
	for _, k := range keys {
		mark, open := f.ticket.marks[k.ItemID]
		if !open || r.lane.blocked(markKey(r.kind, f.view.region, k.ItemID)) {
			continue
		}
		name := f.view.redisKey(k)
		value := encode(name, &stored{loaded: loaded, epoch: f.ticket.epoch, mark: mark, models: f.found[k].models})
		entries = append(entries, kv.Entry{Key: name, Value: value, TTL: r.ttl})
	}
	return entries
}
