package pricecache_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"proscenium/engine/pricecache"
	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

func TestAPurgeReachesEveryProcess(t *testing.T) {
	for name, settings := range map[string][]setting{"with entries in Redis": {inRedis}, "in memory only": nil} {
		t.Run(name, func(t *testing.T) {
			kvtest.Both(t, func(t *testing.T, k *kv.KV) {
				t.Helper()
				c := &catalog{price: 100}
				one, two := start(t, k, c, settings...), start(t, k, c, settings...)
				keys := []pricecache.Key{item(1), model(1, 11), item(2)}
				for _, r := range []*replica{one, two} {
					for _, class := range traffic.All() {
						if _, _, err := r.getAs(t.Context(), class, r.question(), keys...); err != nil {
							t.Fatal(err)
						}
					}
				}
				c.set(200)
				if n := one.purge(item(1)); n != 4 {
					t.Errorf("%d entries dropped here, want 4", n)
				}
				for _, class := range traffic.All() {
					prices, _, err := one.getAs(t.Context(), class, one.question(), keys...)
					if err != nil || prices[0] != 200 || prices[1] != 200 || prices[2] != 100 {
						t.Errorf("%v here: %v, %v", class, prices, err)
					}
					eventually(t, "the other process has heard", func() bool {
						prices, _, err := two.getAs(t.Context(), class, two.question(), keys...)
						return err == nil && prices[0] == 200 && prices[1] == 200
					})
					if prices, _, _ := two.getAs(t.Context(), class, two.question(), keys...); prices[2] != 100 {
						t.Errorf("%v there: the other item is gone too", class)
					}
					if s := two.seen[class]; s.purgedBy(pricecache.FromBroadcast) != 1 || s.purgedBy(pricecache.FromCaller) != 0 {
						t.Errorf("%v there: %+v", class, s.purges)
					}
					if s := one.seen[class]; s.purgedBy(pricecache.FromBroadcast) != 0 || s.purgedBy(pricecache.FromCaller) != 1 {
						t.Errorf("%v here: %+v", class, s.purges)
					}
				}
			})
		})
	}
}

func TestShadowIsPurgedAlone(t *testing.T) {
	kvtest.Both(t, func(t *testing.T, k *kv.KV) {
		t.Helper()
		c := &catalog{price: 100}
		one, two := start(t, k, c, inRedis), start(t, k, c, inRedis)
		for _, class := range traffic.All() {
			if _, _, err := two.getAs(t.Context(), class, two.question(), item(1)); err != nil {
				t.Fatal(err)
			}
		}
		c.set(200)
		if n, err := one.PurgeShadow(t.Context()); n != 0 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		eventually(t, "the other process has heard", func() bool {
			prices, _, err := two.getAs(t.Context(), traffic.Shadow, two.question(), item(1))
			return err == nil && prices[0] == 200
		})
		if got := two.price(item(1)); got != 100 {
			t.Errorf("live traffic gets %d: its entry is gone", got)
		}
	})
}

// steered is a catalog whose loads of before a moment end after it.
type steered struct {
	catalog
	loading, release chan struct{}
}

func newSteered(price int64) *steered {
	s := &steered{loading: make(chan struct{}, 99), release: make(chan struct{})}
	s.price = price
	s.asked = func(context.Context) error { s.loading <- struct{}{}; <-s.release; return nil }
	return s
}

// A record that was loaded before a purge must not be found after it, whoever loaded it and whoever purged.
func TestAPurgeWinsOverLoadsUnderWayAnywhere(t *testing.T) {
	for name, wipe := range map[string]func(t *testing.T, r *replica, k *kv.KV){
		"purge of the item":  func(_ *testing.T, r *replica, _ *kv.KV) { r.purge(item(1)) },
		"purge of the model": func(_ *testing.T, r *replica, _ *kv.KV) { r.purge(model(1, 11)) },
		"again and again": func(_ *testing.T, r *replica, _ *kv.KV) {
			for range 5 {
				r.purge(item(1))
			}
		},
		"Redis is emptied before it": func(t *testing.T, r *replica, k *kv.KV) {
			t.Helper()
			r.purge(item(1))
			if _, err := k.Of(traffic.Live).Purge(t.Context()); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			kvtest.Both(t, func(t *testing.T, k *kv.KV) {
				t.Helper()
				s := newSteered(100)
				one, two, three := start(t, k, &s.catalog, inRedis), start(t, k, &s.catalog, inRedis), start(t, k, &s.catalog, inRedis)
				var all sync.WaitGroup
				for _, key := range []pricecache.Key{item(1), model(1, 11)} {
					all.Go(func() { one.price(key) })
				}
				<-s.loading // with the old price, and what was in Redis before
				<-s.loading
				s.set(200)
				s.whenAsked(nil)
				wipe(t, two, k)
				close(s.release)
				all.Wait()
				one.Close() // its writes are done
				for _, r := range []*replica{two, three} {
					for _, key := range []pricecache.Key{item(1), model(1, 11)} {
						if got := r.price(key); got != 200 {
							t.Errorf("%v: %d is served after the purge, want 200", key, got)
						}
					}
				}
			})
		})
	}
}

func TestAProcessThatLoadsDuringAPurgeByAnotherForgetsIt(t *testing.T) {
	kvtest.Both(t, func(t *testing.T, k *kv.KV) {
		t.Helper()
		s := newSteered(100)
		one, two := start(t, k, &s.catalog, inRedis), start(t, k, &s.catalog, inRedis)
		done := make(chan struct{})
		go func() { defer close(done); one.price(item(1)) }()
		<-s.loading
		s.set(200)
		s.whenAsked(nil)
		two.purge(item(1))
		eventually(t, "the other process has heard", func() bool { return one.seen[traffic.Live].purgedBy(pricecache.FromBroadcast) == 1 })
		close(s.release)
		<-done
		if got := one.price(item(1)); got != 200 {
			t.Errorf("%d is served after the purge, want 200", got)
		}
	})
}

// Purges and loads in any order, by two processes: what is asked for after a purge has returned is never older than the purge.
func TestNoOlderPriceIsSeenByWhoeverPurged(t *testing.T) {
	kvtest.Both(t, func(t *testing.T, k *kv.KV) {
		t.Helper()
		c := &catalog{price: 1}
		replicas := []*replica{start(t, k, c, inRedis), start(t, k, c, inRedis)}
		stop := make(chan struct{})
		var readers sync.WaitGroup
		for i := range 4 {
			readers.Go(func() {
				pace := time.NewTicker(200 * time.Microsecond)
				defer pace.Stop()
				for {
					select {
					case <-stop:
						return
					case <-pace.C:
						replicas[i%2].price(item(1))
					}
				}
			})
		}
		for version := int64(2); version < 200; version++ {
			c.set(version)
			r := replicas[version%2]
			r.purge(item(1))
			if got := r.price(item(1)); got < version {
				t.Errorf("%d is served after the purge of version %d", got, version)
				break
			}
		}
		close(stop)
		readers.Wait()
		last := int64(199)
		for _, r := range replicas {
			eventually(t, "both have the last price", func() bool { return r.price(item(1)) == last })
		}
	})
}

func TestWhereRedisDoesNotAnswerThePurgeStandsHereAndIsToldLater(t *testing.T) {
	for _, failing := range []string{"stopped", "stalled"} {
		t.Run(failing, func(t *testing.T) {
			server := kvtest.Start(t)
			if server == nil {
				return
			}
			impatient := func(o *kv.Options) { o.Timeout, o.Rest, o.Prefix = 100*time.Millisecond, 50*time.Millisecond, "fleet" }
			c := &catalog{price: 100}
			one, two := start(t, server.Open(impatient), c, inRedis), start(t, server.Open(impatient), c, inRedis)
			two.price(item(1))
			two.settled(server.Open(func(o *kv.Options) { o.Prefix = "fleet" }), item(1))
			one.price(item(1))
			c.set(200)
			if failing == "stalled" {
				server.Stall()
			} else {
				server.Stop()
			}
			n, err := one.Purge(t.Context(), pricecache.PriceStock, "US", []pricecache.Key{item(1)})
			var silent *pricecache.NotToldError
			if n != 1 || !errors.As(err, &silent) || len(silent.Classes) != 2 {
				t.Errorf("%d, %v", n, err)
			}
			if got := one.price(item(1)); got != 200 {
				t.Errorf("%d is served here after the purge, want 200", got)
			}
			if got := two.price(item(1)); got != 100 {
				t.Errorf("%d there: nobody can have told", got)
			}
			if failing == "stalled" {
				server.Resume() // Redis still has the old entry
			} else {
				server.Restart()
			}
			// From now on this process never sees it, whenever Redis is told.
			eventually(t, "the other process has heard", func() bool {
				one.price(item(2))
				if got := one.price(item(1)); got != 200 {
					t.Fatalf("%d is served here after the purge, want 200", got)
				}
				return two.price(item(1)) == 200
			})
		})
	}
}

func TestNothingOfBeforeAPurgeComesBackFromRedisWhileItIsNotTold(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return
	}
	proxy := kvtest.Through(t, server.Addr())
	c := &catalog{price: 100}
	k := kvtest.At(t, proxy.Addr(), func(o *kv.Options) { o.Timeout, o.Rest, o.Prefix = 200*time.Millisecond, time.Millisecond, "fleet" })
	one := start(t, k, c, inRedis)
	one.price(item(1))
	one.settled(server.Open(func(o *kv.Options) { o.Prefix = "fleet" }), item(1))
	c.set(200)
	// The purge fails for its caller; whatever becomes of its exchange, reads follow at once.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := one.Purge(ctx, pricecache.PriceStock, "US", []pricecache.Key{item(1)}); err == nil {
		t.Fatal("a purge whose caller has hung up was told")
	}
	if got := one.price(item(1)); got != 200 {
		t.Errorf("%d came back from Redis", got)
	}
	eventually(t, "the purge is told nevertheless", func() bool {
		mark, err := k.Of(traffic.Live).Get(t.Context(), pricecache.MarkKey(pricecache.PriceStock, "US", 1))
		return err == nil && mark[0] != nil
	})
}

func TestMorePurgesThanCanWaitBecomeOneOfEverything(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return
	}
	c := &catalog{price: 100}
	k := server.Open(func(o *kv.Options) { o.Timeout, o.Rest = 50*time.Millisecond, time.Second })
	one, two := start(t, k, c, inRedis), start(t, k, c, inRedis)
	two.price(item(1))
	c.set(200)
	server.Stall()
	for i := range int64(pricecache.BacklogAtMost + 10) {
		if _, err := one.Purge(t.Context(), pricecache.PriceStock, "US", []pricecache.Key{item(10 + i)}); err == nil {
			t.Fatal("told")
		}
	}
	server.Resume()
	eventually(t, "the other process has dropped everything", func() bool { return two.price(item(1)) == 200 })
	eventually(t, "Redis is used again", func() bool { _, a, _ := one.get(item(time.Now().UnixNano())); return a.RedisMisses == 1 })
}

func TestWhoLosesItsPlaceDropsEverything(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, k *kv.KV){
		"the stream was trimmed": func(t *testing.T, k *kv.KV) {
			t.Helper()
			for i := range pricecache.PurgesKept + 500 {
				if _, err := k.Of(traffic.Live).Append(t.Context(), pricecache.PurgesStream, 1, map[string]string{"from": "x", "what": "hello", "n": fmt.Sprint(i)}); err != nil {
					t.Fatal(err)
				}
			}
		},
		"the stream is gone": func(t *testing.T, k *kv.KV) {
			t.Helper()
			if _, err := k.Of(traffic.Live).Delete(t.Context(), pricecache.PurgesStream); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			kvtest.Both(t, func(t *testing.T, k *kv.KV) {
				t.Helper()
				c := &catalog{price: 100}
				one := start(t, k, c, inRedis)
				one.price(item(1))
				one.settled(k, item(1))
				c.set(200)
				lose(t, k)
				eventually(t, "everything is dropped, in memory and in Redis", func() bool { return one.price(item(1)) == 200 })
				if n := one.seen[traffic.Live].purgedBy(pricecache.FromLostPlace); n < 2 {
					t.Errorf("%d purges of a lost place", n)
				}
				if n := one.seen[traffic.Shadow].purgedBy(pricecache.FromLostPlace); n != 0 {
					t.Errorf("%d purges of shadow entries, whose stream is there", n)
				}
			})
		})
	}
}

func TestARedisThatBeganAnewMakesEverybodyDropEverything(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return
	}
	c := &catalog{price: 100}
	one := start(t, server.Open(func(o *kv.Options) { o.Timeout, o.Rest = time.Second, 20*time.Millisecond }), c, inRedis)
	one.price(item(1))
	c.set(200)
	server.Stop()
	if got := one.price(item(1)); got != 100 {
		t.Errorf("%d: memory is served while Redis is down", got)
	}
	server.Restart()
	eventually(t, "purges may have been lost: everything is dropped", func() bool { return one.price(item(1)) == 200 })
}

func TestMessagesOfAnotherReleaseDropEverything(t *testing.T) {
	for name, fields := range map[string]map[string]string{
		"another word":  {"what": "rotate", "from": "x"},
		"no model":      {"what": "items", "from": "x", "caches": "price_stock", "region": "US"},
		"no such cache": {"what": "items", "from": "x", "caches": "price_gold", "region": "US", "models": "1:0"},
		"no number":     {"what": "items", "from": "x", "caches": "price_stock", "region": "US", "models": "1:0 a:b"},
		"nothing":       {"x": ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := kvtest.Embedded(t)
			c := &catalog{price: 100}
			one := start(t, k, c)
			one.price(item(9))
			c.set(200)
			if _, err := k.Of(traffic.Live).Append(t.Context(), pricecache.PurgesStream, 100, fields); err != nil {
				t.Fatal(err)
			}
			eventually(t, "everything is dropped", func() bool { return one.price(item(9)) == 200 })
		})
	}
}

func TestAFleetOfManyKeysIsPurgedInBatches(t *testing.T) {
	k := kvtest.Open(t)
	c := &catalog{price: 100}
	one, two := start(t, k, c, inRedis), start(t, k, c, inRedis)
	var keys []pricecache.Key
	for i := range int64(2500) {
		keys = append(keys, item(i+1))
	}
	for _, r := range []*replica{one, two} {
		if _, _, err := r.get(keys...); err != nil {
			t.Fatal(err)
		}
	}
	c.set(200)
	if n := one.purge(keys...); n != 2500 {
		t.Errorf("%d dropped", n)
	}
	eventually(t, "all of them are gone there", func() bool {
		prices, _, err := two.get(keys...)
		for _, p := range prices {
			if p != 200 {
				return false
			}
		}
		return err == nil
	})
}
