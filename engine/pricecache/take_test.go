package pricecache

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/facts"
	"proscenium/traffic"
)

func TestHowLongAnEntryOfRedisIsServedFromMemory(t *testing.T) {
	const memory, redis = time.Minute, 90 * time.Second
	for _, tt := range []struct {
		name string
		age  time.Duration // by the clocks of who loaded it and who reads it
		want time.Duration // 0: it is a miss
	}{
		{"just loaded", 0, memory},
		{"younger than memory and Redis differ", 30 * time.Second, memory},
		{"old", 80 * time.Second, 10 * time.Second},
		{"at its last moment", redis - time.Millisecond, time.Millisecond},
		{"ended", redis, 0},
		{"ended long ago, and Redis has it still", time.Hour, 0},
		{"loaded in the future, by a clock ahead of ours", -time.Hour, memory},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, r, name := reading(t, memory, redis)
				e := entry()
				e.loaded = time.Now().Add(-tt.age)
				r.take(f, Key{1, 10}, name, encode(name, e))
				rec, found := f.found[Key{1, 10}]
				if found != (tt.want > 0) || found && rec.until-f.view.cache.now() != tt.want {
					t.Errorf("found %v, for %v, want %v", found, rec.until-f.view.cache.now(), tt.want)
				}
			})
		})
	}
}

func TestWhichEntriesOfRedisCount(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*stored)
		found  bool
	}{
		"as it was when the load began": {func(*stored) {}, true},
		"before another epoch":          {func(e *stored) { e.epoch = "before" }, false},
		"before a purge of its item":    {func(e *stored) { e.mark = "" }, false},
		"of another item":               {func(e *stored) { e.models[0].ItemID = 2 }, false},
		"of another model":              {func(e *stored) { e.models[0].ID = 11 }, false},
		"nothing is known of it":        {func(e *stored) { e.models = nil }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, r, at := reading(t, time.Minute, time.Minute)
				e := entry()
				e.loaded = time.Now()
				tt.change(e)
				r.take(f, Key{1, 10}, at, encode(at, e))
				if _, found := f.found[Key{1, 10}]; found != tt.found {
					t.Errorf("found %v", found)
				}
			})
		})
	}
}

// reading is a load that has found the epoch e and the mark m.
func reading(t *testing.T, memory, redis time.Duration) (*flight, *redisLevel, string) {
	t.Helper()
	c := New(Deps{Unique: func() string { return "u" }})
	t.Cleanup(c.Close)
	c.Apply(Config{Caches: &configv1.Caches{PriceStock: &configv1.Cache{Enabled: true, Ttl: durationpb.New(memory)}}})
	v := c.View(traffic.Live, PriceStock, "US", 1)
	f := &flight{view: v, found: map[Key]record{}, ticket: &ticket{epoch: "e", marks: map[int64]string{1: "m"}}}
	return f, &redisLevel{lane: v.cache.lane, kind: PriceStock, ttl: redis}, v.redisKey(Key{1, 10})
}

func TestNothingIsWrittenAfterALoadThatTookTooLong(t *testing.T) {
	f, r, _ := reading(t, time.Minute, time.Minute)
	f.found[Key{1, 10}] = record{models: []facts.Model{}}
	f.ticket.taken = time.Now().Add(-loadAtMost - time.Second)
	r.write(t.Context(), f, []Key{{1, 10}}) // there is no store: a write would panic
	f.ticket.taken = time.Now()
	if entries := r.entries(f, []Key{{1, 10}, {2, 0}}, time.Now()); len(entries) != 1 || entries[0].TTL != time.Minute {
		t.Errorf("%+v: want that of the item whose mark is known", entries)
	}
}
