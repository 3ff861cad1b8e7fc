package pricecache_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/engine/pricecache"
	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

func publish(t *testing.T, k *kv.KV, fields map[string]string) {
	t.Helper()
	if _, err := k.Of(traffic.Live).Append(t.Context(), "events", 100_000, fields); err != nil {
		t.Fatal(err)
	}
}

func TestChangesPurgeWhatTheyNameOnEveryProcess(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fields map[string]string
		gone   []pricecache.Key
		stays  []pricecache.Key
	}{
		{"an item", map[string]string{"region": "US", "item_id": "1"}, []pricecache.Key{item(1), model(1, 11), model(1, 12)}, []pricecache.Key{item(2)}},
		{"a model", map[string]string{"region": "US", "item_id": "1", "model_id": "11", "more": "x"}, []pricecache.Key{item(1), model(1, 11)}, []pricecache.Key{item(2)}},
		{"model 0 is the item", map[string]string{"region": "US", "item_id": "1", "model_id": "0"}, []pricecache.Key{item(1), model(1, 11)}, []pricecache.Key{item(2)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kvtest.Both(t, func(t *testing.T, k *kv.KV) {
				t.Helper()
				c := &catalog{price: 100}
				replicas := []*replica{start(t, k, c, inRedis, changeStream), start(t, k, c, inRedis, changeStream)}
				keys := append(append([]pricecache.Key{}, tt.gone...), tt.stays...)
				for _, r := range replicas {
					for _, class := range traffic.All() {
						if _, _, err := r.getAs(t.Context(), class, r.question(), keys...); err != nil {
							t.Fatal(err)
						}
					}
				}
				c.set(200)
				publish(t, k, tt.fields)
				for _, r := range replicas {
					for _, class := range traffic.All() {
						eventually(t, "what is named is gone", func() bool {
							prices, _, err := r.getAs(t.Context(), class, r.question(), tt.gone...)
							return err == nil && prices[0] == 200 && prices[len(prices)-1] == 200
						})
						if prices, _, err := r.getAs(t.Context(), class, r.question(), tt.stays...); err != nil || prices[0] != 100 {
							t.Errorf("%v, %v: what is not named is gone, too", prices, err)
						}
					}
				}
			})
		})
	}
}

func TestMalformedEventsAreCountedAndPassedOver(t *testing.T) {
	k := kvtest.Open(t)
	c := &catalog{price: 100}
	one := start(t, k, c, changeStream)
	one.price(item(1))
	bad := []map[string]string{
		{"region": "US"},
		{"item_id": "1"},
		{"region": "us", "item_id": "1"},
		{"region": "USA", "item_id": "1"},
		{"region": "US", "item_id": "0"},
		{"region": "US", "item_id": "-1"},
		{"region": "US", "item_id": "1.5"},
		{"region": "US", "item_id": "99999999999999999999"},
		{"region": "US", "item_id": "1", "model_id": "x"},
		{"region": "US", "item_id": "1", "model_id": "-1"},
		{"x": "y"},
	}
	for _, fields := range bad {
		publish(t, k, fields)
	}
	publish(t, k, map[string]string{"region": "US", "item_id": "2"})
	s := one.seen[traffic.Live]
	eventually(t, "the good one is done", func() bool { return s.purgedBy(pricecache.FromChanges) == 2 })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.malformed != len(bad) || s.events != 1 || s.purges[pricecache.FromLostPlace] != 0 {
		t.Errorf("%d malformed, %d events, %v: want %d and 1", s.malformed, s.events, s.purges, len(bad))
	}
	if s.dropped[pricecache.FromChanges] != 0 {
		t.Error("a malformed event dropped something")
	}
}

func TestEventsOfAnItemWithinTheTimeAreOnePurge(t *testing.T) {
	k := kvtest.Open(t)
	c := &catalog{price: 100}
	one := start(t, k, c, func(cs *configv1.Caches) {
		cs.ChangeStream = &configv1.ChangeStream{Stream: "events", Debounce: durationpb.New(300 * time.Millisecond)}
	})
	for i := range 200 {
		publish(t, k, map[string]string{"region": "US", "item_id": "1", "n": fmt.Sprint(i)})
	}
	s := one.seen[traffic.Live]
	eventually(t, "all events are read", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.events == 200 })
	eventually(t, "they are done", func() bool { return s.purgedBy(pricecache.FromChanges) > 0 })
	if n := s.purgedBy(pricecache.FromChanges); n > 2*10 {
		t.Errorf("200 events are %d purges of two caches, want one or a few", n)
	}
}

func TestAFloodOfEventsIsDoneBeforeItsTime(t *testing.T) {
	k := kvtest.Open(t)
	c := &catalog{price: 100}
	one := start(t, k, c, func(cs *configv1.Caches) {
		cs.ChangeStream = &configv1.ChangeStream{Stream: "events", Debounce: durationpb.New(time.Minute)}
	})
	for i := range 10_000 {
		publish(t, k, map[string]string{"region": "US", "item_id": fmt.Sprint(i + 1)})
	}
	eventually(t, "they are done", func() bool { return one.seen[traffic.Live].purgedBy(pricecache.FromChanges) > 0 })
}

func TestAChangeStreamThatLosesEventsDropsEverythingOnce(t *testing.T) {
	kvtest.Both(t, func(t *testing.T, k *kv.KV) {
		t.Helper()
		c := &catalog{price: 100}
		publish(t, k, map[string]string{"region": "US", "item_id": "1"})
		one := start(t, k, c, inRedis, changeStream)
		one.price(item(9))
		one.settled(k, item(9))
		c.set(200)
		if _, err := k.Of(traffic.Live).Delete(t.Context(), "events"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "everything is dropped, in memory and in Redis", func() bool { return one.price(item(9)) == 200 })
		for _, s := range one.seen {
			eventually(t, "both caches of each class are", func() bool { return s.purgedBy(pricecache.FromLostPlace) == 2 })
		}
		publish(t, k, map[string]string{"region": "US", "item_id": "9"})
		eventually(t, "the new stream is read", func() bool { return one.seen[traffic.Live].purgedBy(pricecache.FromChanges) == 2 })
		for class, s := range one.seen {
			if n := s.purgedBy(pricecache.FromLostPlace); n != 2 {
				t.Errorf("class %d: %d purges of two caches, want one of each", class, n)
			}
		}
	})
}

func TestAReloadStartsStopsAndChangesTheStream(t *testing.T) {
	k := kvtest.Open(t)
	c := &catalog{price: 100}
	one := start(t, k, c)
	s := one.seen[traffic.Live]
	one.Apply(config(changeStream))
	eventually(t, "it is followed", func() bool { return s.purgedBy(pricecache.FromStart) == 4 })
	one.Apply(config(changeStream, staleOnError(time.Hour)))
	publish(t, k, map[string]string{"region": "US", "item_id": "1"})
	eventually(t, "it still is", func() bool { return s.purgedBy(pricecache.FromChanges) == 2 })
	if n := s.purgedBy(pricecache.FromStart); n != 4 {
		t.Errorf("%d starts: a stream that did not change began anew", n)
	}
	other := func(cs *configv1.Caches) { cs.ChangeStream = &configv1.ChangeStream{Stream: "others"} }
	one.Apply(config(other))
	eventually(t, "the other one is followed, and all that may have been missed is dropped", func() bool { return s.purgedBy(pricecache.FromLostPlace) == 2 })
	publish(t, k, map[string]string{"region": "US", "item_id": "1"})
	if _, err := k.Of(traffic.Live).Append(t.Context(), "others", 10, map[string]string{"region": "US", "item_id": "1"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other one counts", func() bool { return s.purgedBy(pricecache.FromChanges) == 4 })
	one.Apply(config())
	one.Apply(config(func(cs *configv1.Caches) { cs.PriceStock, cs.PriceSoldOut = nil, nil }, changeStream)) // no cache: nothing to follow for
	one.Close()
	one.Apply(config(changeStream))
	if one.view(traffic.Live) != nil {
		t.Error("there is a cache after the end")
	}
}

func TestEventsThatWaitAreDoneWhenTheStreamEnds(t *testing.T) {
	k := kvtest.Open(t)
	c := &catalog{price: 100}
	one := start(t, k, c, func(cs *configv1.Caches) {
		cs.ChangeStream = &configv1.ChangeStream{Stream: "events", Debounce: durationpb.New(time.Hour)}
	})
	one.price(item(1))
	c.set(200)
	publish(t, k, map[string]string{"region": "US", "item_id": "1"})
	s := one.seen[traffic.Live]
	eventually(t, "it is read", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.events == 1 })
	one.Apply(config())
	if got := one.price(item(1)); got != 200 {
		t.Errorf("%d: the event was forgotten", got)
	}
}
