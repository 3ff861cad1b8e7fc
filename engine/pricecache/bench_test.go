package pricecache_test

import (
	"testing"
	"time"

	"github.com/maypok86/otter/v2"

	"proscenium/engine/pricecache"
	"proscenium/facts"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

// thirty are the keys of a page.
func thirty() []pricecache.Key {
	keys := make([]pricecache.Key, 30)
	for i := range keys {
		keys[i] = item(int64(i + 1))
	}
	return keys
}

// BenchmarkMemory finds 30 keys in memory. The baseline is the library's cache of the same keys and values, without time and classes.
func BenchmarkMemory(b *testing.B) {
	c := &catalog{price: 100}
	r := start(b, nil, c, ttl(time.Hour))
	keys := thirty()
	if _, _, err := r.get(keys...); err != nil {
		b.Fatal(err)
	}
	type key struct {
		region     string
		types      uint64
		generation uint32
		pricecache.Key
	}
	plain := otter.Must(&otter.Options[key, []facts.Model]{MaximumSize: 100_000, ExpiryCalculator: otter.ExpiryWriting[key, []facts.Model](time.Hour)})
	defer plain.StopAllGoroutines()
	for _, k := range keys {
		plain.Set(key{"US", 1, 0, k}, []facts.Model{{}})
	}
	v, out := r.view(traffic.Live), make([][]facts.Model, len(keys))
	b.ReportAllocs()
	var own, baseline time.Duration
	for b.Loop() {
		begin := time.Now()
		now := v.Now()
		for i, k := range keys {
			out[i], _ = v.Get(now, k)
		}
		middle := time.Now()
		for i, k := range keys {
			out[i], _ = plain.GetIfPresent(key{"US", 1, 0, k})
		}
		own, baseline = own+middle.Sub(begin), baseline+time.Since(middle)
	}
	b.ReportMetric(float64(own)/float64(baseline), "x-baseline")
}

// BenchmarkRedis finds 30 keys in Redis, by one exchange and the decoding of what it brings. The baseline is 30 GETs of the same values, undecoded.
func BenchmarkRedis(b *testing.B) {
	k := kvtest.Open(b)
	c := &catalog{price: 100}
	r := start(b, k, c, inRedis)
	keys := thirty()
	if _, _, err := r.get(keys...); err != nil {
		b.Fatal(err)
	}
	v := r.view(traffic.Live)
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = pricecache.RedisKey(v, key)
	}
	store := k.Of(traffic.Live)
	eventually(b, "all are in Redis", func() bool {
		values, err := store.Get(b.Context(), names...)
		for _, value := range values {
			if value == nil {
				return false
			}
		}
		return err == nil
	})
	var own, baseline time.Duration
	b.ReportAllocs()
	for b.Loop() {
		pricecache.EmptyMemory(v)
		begin := time.Now()
		if _, answer, err := r.get(keys...); err != nil || answer.RedisHits != len(keys) {
			b.Fatalf("%+v, %v", answer, err)
		}
		middle := time.Now()
		for _, name := range names {
			if _, err := store.Get(b.Context(), name); err != nil {
				b.Fatal(err)
			}
		}
		own, baseline = own+middle.Sub(begin), baseline+time.Since(middle)
	}
	b.ReportMetric(float64(own)/float64(baseline), "x-baseline")
}
