package pricecache_test

import (
	"context"
	"testing"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/engine/pricecache"
	"proscenium/facts"
	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

// settled waits until what a replica loads is in Redis, which another one finds that cannot load. On a busy machine a write may take longer than the store
// waits: then it is loaded again.
func (r *replica) settled(k *kv.KV, keys ...pricecache.Key) {
	r.t.Helper()
	reader := start(r.t, k, &catalog{asked: func(context.Context) error { return errDown }}, inRedis)
	defer reader.Close()
	tries := 0
	eventually(r.t, "entries are in Redis", func() bool {
		if _, _, err := reader.get(keys...); err == nil {
			return true
		}
		if tries++; tries%100 == 0 {
			pricecache.EmptyMemory(r.view(traffic.Live))
			_, _, _ = r.get(keys...)
		}
		return false
	})
}

func TestWhatOneProcessLoadedOthersHave(t *testing.T) {
	kvtest.Both(t, func(t *testing.T, k *kv.KV) {
		t.Helper()
		c := &catalog{price: 100}
		one, two := start(t, k, c, inRedis), start(t, k, c, inRedis)
		keys := []pricecache.Key{item(1), model(1, 11), item(2)}
		if _, answer, err := one.get(keys...); err != nil || answer.RedisMisses != 3 || answer.Loaded != 3 {
			t.Fatalf("%+v, %v", answer, err)
		}
		one.settled(k, keys...)
		prices, answer, err := two.get(item(1), model(1, 11), item(2), item(3))
		if err != nil || answer.RedisHits != 3 || answer.RedisMisses != 1 || answer.Loaded != 1 || prices[0] != 100 {
			t.Errorf("%v, %+v, %v", prices, answer, err)
		}
		before := c.loads()
		if _, answer, err := two.get(keys...); err != nil || answer != (pricecache.Answer{}) || c.loads() != before {
			t.Errorf("what came from Redis is not in memory: %+v, %v", answer, err)
		}
	})
}

func TestEntriesOfRedisAreApart(t *testing.T) {
	k := kvtest.Open(t)
	c := &catalog{price: 100}
	one := start(t, k, c, inRedis)
	one.price(item(1))
	one.settled(k, item(1))
	for name, other := range map[string]struct {
		class traffic.Class
		kind  pricecache.Kind
		code  string
		types uint64
		price *configv1.Dependency
		found bool
	}{
		"the same":                           {0, pricecache.PriceStock, "US", 1, nil, true},
		"shadow traffic":                     {traffic.Shadow, pricecache.PriceStock, "US", 1, nil, false},
		"the other cache":                    {0, pricecache.PriceSoldOut, "US", 1, nil, false},
		"another region":                     {0, pricecache.PriceStock, "DE", 1, nil, false},
		"other types":                        {0, pricecache.PriceStock, "US", 2, nil, false},
		"another provider":                   {0, pricecache.PriceStock, "US", 1, &configv1.Dependency{Provider: embedded("other")}, false},
		"another limit of the same provider": {0, pricecache.PriceStock, "US", 1, &configv1.Dependency{MaxBatch: 7}, true},
	} {
		t.Run(name, func(t *testing.T) {
			two := start(t, k, c, inRedis)
			conf := config(inRedis)
			conf.Price = other.price
			two.Apply(conf)
			v := two.View(other.class, other.kind, other.code, other.types)
			answer, err := v.Fill(t.Context(), two.question(), []pricecache.Key{item(1)}, []int{0}, make([][]facts.Model, 1))
			if err != nil || (answer.RedisHits == 1) != other.found {
				t.Errorf("%+v, %v", answer, err)
			}
		})
	}
}

func embedded(name string) *configv1.Provider {
	return &configv1.Provider{Kind: &configv1.Provider_Embedded{Embedded: &configv1.EmbeddedProvider{Name: name}}}
}

func TestRedisThatFailsIsAMiss(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return
	}
	for name, fail := range map[string]struct{ begin, end func() }{
		"stopped": {server.Stop, server.Restart},
		"stalled": {server.Stall, server.Resume},
	} {
		t.Run(name, func(t *testing.T) {
			k := server.Open(func(o *kv.Options) { o.Timeout, o.Rest = 50*time.Millisecond, 50*time.Millisecond })
			c := &catalog{price: 100}
			one := start(t, k, c, inRedis)
			one.price(item(1))
			fail.begin()
			for i := range int64(50) {
				if _, answer, err := one.get(item(100 + i)); err != nil || answer.Loaded != 1 {
					t.Fatalf("%+v, %v", answer, err)
				}
			}
			if one.seen[traffic.Live].failures(pricecache.Read) == 0 {
				t.Error("nobody was told")
			}
			fail.end()
			two, n := start(t, k, &catalog{asked: func(context.Context) error { return errDown }}, inRedis), int64(1000)
			eventually(t, "Redis is used again", func() bool {
				n++
				one.price(item(n))
				_, _, err := two.get(item(n - 1))
				return err == nil
			})
		})
	}
}

func TestASlowRedisCostsOneTimeoutAtMost(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return
	}
	// The store's gate rests for as long as the test: each further exchange would show as another failure that was waited for.
	k := server.Open(func(o *kv.Options) { o.Timeout, o.Rest = 2*time.Second, time.Hour })
	c := &catalog{price: 100}
	one := start(t, k, c, inRedis)
	server.Stall()
	defer server.Resume()
	if _, answer, err := one.get(item(1), item(2), item(3)); err != nil || answer.Loaded != 3 {
		t.Fatalf("%+v, %v", answer, err)
	}
	if !k.Of(traffic.Live).Down() {
		t.Error("the first exchange did not close the gate")
	}
	if failed := one.seen[traffic.Live].failures(pricecache.Write); failed != 0 {
		t.Errorf("%d writes to a Redis that did not answer the read", failed)
	}
}

func TestForeignBytesAreAMiss(t *testing.T) {
	kvtest.Both(t, func(t *testing.T, k *kv.KV) {
		t.Helper()
		c := &catalog{price: 100}
		one := start(t, k, c, inRedis)
		one.price(item(1))
		one.settled(k, item(1))
		name := pricecache.RedisKey(one.view(traffic.Live), item(1))
		value, err := k.Of(traffic.Live).Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		damaged := append([]byte{}, value[0]...)
		damaged[len(damaged)-3] ^= 4
		for what, bytes := range map[string][]byte{"damaged": damaged, "cut": value[0][:20], "foreign": []byte("hello"), "empty": {}} {
			if err := k.Of(traffic.Live).Set(t.Context(), kv.Entry{Key: name, Value: bytes, TTL: time.Minute}); err != nil {
				t.Fatal(err)
			}
			two := start(t, k, c, inRedis)
			prices, answer, err := two.get(item(1))
			if err != nil || answer.RedisHits != 0 || prices[0] != 100 || two.seen[traffic.Live].failures(pricecache.Decode) != 1 {
				t.Errorf("%s: %v, %+v, %v, %d told", what, prices, answer, err, two.seen[traffic.Live].failures(pricecache.Decode))
			}
			two.Close() // its write is done
		}
	})
}
