package pricecache_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/engine/pricecache"
	"proscenium/facts"
	"proscenium/traffic"
)

var (
	errDown    = errors.New("down")
	errRefused = errors.New("refused")
)

func TestAnEntryEndsWithItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &catalog{price: 100}
		r := start(t, nil, c, ttl(time.Second))
		defer r.Close()
		for _, step := range []struct {
			after time.Duration
			loads int
		}{{0, 1}, {999 * time.Millisecond, 1}, {time.Millisecond, 2}, {500 * time.Millisecond, 2}, {time.Hour, 3}} {
			time.Sleep(step.after)
			r.price(item(1))
			if got := c.loads(); got != step.loads {
				t.Errorf("%v later: %d loads, want %d", step.after, got, step.loads)
			}
		}
	})
}

func TestManyWhoMissTheSameLoadItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &catalog{price: 100, asked: func(context.Context) error { time.Sleep(50 * time.Millisecond); return nil }}
		r := start(t, nil, c)
		defer r.Close()
		var all sync.WaitGroup
		joined := atomic.Int64{}
		for range 64 {
			all.Go(func() {
				prices, answer, err := r.get(item(1), item(2))
				if err != nil || prices[0] != 100 || prices[1] != 100 {
					t.Errorf("%v, %v", prices, err)
				}
				joined.Add(int64(answer.Joined))
			})
		}
		all.Wait()
		if c.loads() != 1 || joined.Load() != 2*63 {
			t.Errorf("%d loads, %d keys of others, want 1 and 126", c.loads(), joined.Load())
		}
	})
}

// In any order of events: who looks while a load lands finds either the load or the entry.
func TestNobodyLoadsBesideALoadThatLands(t *testing.T) {
	for range 200 {
		c := &catalog{price: 100}
		r := start(t, nil, c)
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() { r.price(item(1)) })
		}
		all.Wait()
		r.Close()
		if got := c.loads(); got != 1 {
			t.Fatalf("%d loads, want 1", got)
		}
	}
}

func TestKeysThatOthersLoadAreWaitedForAndTheRestIsLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &catalog{price: 100, asked: func(context.Context) error { time.Sleep(50 * time.Millisecond); return nil }}
		r := start(t, nil, c)
		defer r.Close()
		go r.price(item(1))
		synctest.Wait()
		_, answer, err := r.get(item(1), item(2), item(3))
		if err != nil || answer.Joined != 1 || answer.Loaded != 2 || c.keys != 3 {
			t.Errorf("%+v, %v, %d keys of the provider", answer, err, c.keys)
		}
	})
}

func TestALoadOutlivesWhoBeganIt(t *testing.T) {
	for name, hangsUp := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancelled": context.WithCancel,
		"at deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 10*time.Millisecond)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &catalog{price: 100, asked: func(ctx context.Context) error {
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-time.After(100 * time.Millisecond):
						return nil
					}
				}}
				r := start(t, nil, c)
				defer r.Close()
				ctx, cancel := hangsUp(t.Context())
				first, second := make(chan error, 1), make(chan error, 1)
				go func() {
					_, answer, err := r.getAs(ctx, traffic.Live, r.question(), item(1))
					if !answer.Left {
						t.Error("who left does not say so")
					}
					first <- err
				}()
				synctest.Wait()
				go func() { _, _, err := r.get(item(1)); second <- err }()
				synctest.Wait()
				if name == "cancelled" {
					cancel()
				}
				if err := <-first; !errors.Is(err, ctx.Err()) || err == nil {
					t.Errorf("who left: %v", err)
				}
				cancel()
				if err := <-second; err != nil {
					t.Errorf("who waited: %v", err)
				}
				r.price(item(1))
				if c.loads() != 1 {
					t.Errorf("%d loads, want 1", c.loads())
				}
			})
		})
	}
}

func TestAFailureIsThatOfAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &catalog{asked: func(context.Context) error { time.Sleep(time.Second); return errDown }}
		r := start(t, nil, c)
		defer r.Close()
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				if _, _, err := r.get(item(1)); !errors.Is(err, errDown) {
					t.Errorf("%v", err)
				}
			})
		}
		all.Wait()
		if c.loads() != 1 {
			t.Errorf("%d loads of a provider that is down, want 1", c.loads())
		}
		c.whenAsked(nil)
		r.price(item(1)) // a failure is not kept
	})
}

func TestARefusalConcernsOnlyWhomItWasSaidTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &catalog{price: 100, asked: func(context.Context) error { time.Sleep(time.Second); return nil }}
		r := start(t, nil, c)
		defer r.Close()
		personal := func(err error) bool { return errors.Is(err, errRefused) }
		refused := pricecache.Question{Personal: personal, Load: func(context.Context, []pricecache.Key, [][]facts.Model) error {
			time.Sleep(time.Second)
			return errRefused
		}}
		open := r.question()
		open.Personal = personal
		var all sync.WaitGroup
		for i := range 64 {
			q := open
			if i == 0 {
				q = refused
			}
			all.Go(func() {
				if _, _, err := r.getAs(t.Context(), traffic.Live, q, item(1)); (err != nil) != (i == 0) {
					t.Errorf("%d: %v", i, err)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		if c.loads() != 1 {
			t.Errorf("%d loads, want 1", c.loads())
		}
		// However many are refused before it, one who is let through gets an answer.
		for range 10 {
			all.Go(func() { _, _, _ = r.getAs(t.Context(), traffic.Live, refused, item(2)) })
			synctest.Wait()
		}
		all.Go(func() {
			if _, _, err := r.getAs(t.Context(), traffic.Live, open, item(2)); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
	})
}

func TestEndedEntriesStandInForAProviderThatFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
		keys  []pricecache.Key
		fails bool
	}{
		{"just ended", time.Second, []pricecache.Key{item(1), item(2)}, false},
		{"ended as long ago as may be", 10*time.Second + 999*time.Millisecond, []pricecache.Key{item(1)}, false},
		{"ended too long ago", 11 * time.Second, []pricecache.Key{item(1)}, true},
		{"one of them was never there", time.Second, []pricecache.Key{item(1), item(3)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &catalog{price: 100}
				r := start(t, nil, c, ttl(time.Second), staleOnError(10*time.Second))
				defer r.Close()
				if _, _, err := r.get(item(1), item(2)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(tt.after)
				c.whenAsked(func(context.Context) error { return errDown })
				prices, answer, err := r.get(tt.keys...)
				switch {
				case tt.fails && !errors.Is(err, errDown):
					t.Errorf("got %v, %v, want the failure", prices, err)
				case !tt.fails && (err != nil || prices[0] != 100 || answer.Stale != len(tt.keys) || !errors.Is(answer.Because, errDown)):
					t.Errorf("got %v, %+v, %v", prices, answer, err)
				}
				c.whenAsked(nil)
				if _, answer, err := r.get(tt.keys...); err != nil || answer.Stale != 0 {
					t.Errorf("the provider is back: %+v, %v", answer, err)
				}
			})
		})
	}
}

func TestWhatIsFreshAndWhatEndedMakeOneAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &catalog{price: 100}
		r := start(t, nil, c, ttl(time.Second), staleOnError(time.Minute))
		defer r.Close()
		r.price(item(1))
		time.Sleep(2 * time.Second)
		c.set(200)
		r.price(item(2))
		c.whenAsked(func(context.Context) error { return errDown })
		if prices, answer, err := r.get(item(1), item(2)); err != nil || prices[0] != 100 || prices[1] != 200 || answer.Stale != 1 {
			t.Errorf("%v, %+v, %v", prices, answer, err)
		}
	})
}

func TestAPurgedEntryStandsInForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &catalog{price: 100}
		r := start(t, nil, c, ttl(time.Second), staleOnError(time.Minute), staleWhileLoading(time.Minute))
		defer r.Close()
		r.price(item(1))
		time.Sleep(2 * time.Second)
		loading := make(chan struct{})
		c.whenAsked(func(context.Context) error { close(loading); time.Sleep(time.Second); return errDown })
		failed := make(chan error, 1)
		go func() { _, _, err := r.get(item(1)); failed <- err }()
		<-loading
		if n := r.purge(item(1)); n != 1 {
			t.Errorf("%d entries dropped, want 1", n)
		}
		if err := <-failed; !errors.Is(err, errDown) {
			t.Errorf("got %v: what was purged while the provider was asked is served", err)
		}
	})
}

func TestOthersTakeTheOldEntryWhileOneLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &catalog{price: 100}
		r := start(t, nil, c, ttl(time.Second), staleWhileLoading(10*time.Second))
		defer r.Close()
		r.price(item(1))
		c.set(200)
		c.whenAsked(func(context.Context) error { time.Sleep(time.Second); return nil })
		time.Sleep(5 * time.Second)
		first := make(chan int64, 1)
		go func() { first <- r.price(item(1)) }()
		synctest.Wait()
		before := time.Now()
		if prices, answer, err := r.get(item(1)); err != nil || prices[0] != 100 || answer.Stale != 1 || answer.Because != nil || time.Since(before) != 0 {
			t.Errorf("%v, %+v, %v after %v: want the old price at once", prices, answer, err, time.Since(before))
		}
		if got := <-first; got != 200 {
			t.Errorf("who loads gets %d, want 200", got)
		}
		time.Sleep(20 * time.Second) // ended longer ago than may be: they wait
		go func() { first <- r.price(item(1)) }()
		synctest.Wait()
		if _, answer, _ := r.get(item(1)); answer.Stale != 0 || answer.Joined != 1 {
			t.Errorf("%+v", answer)
		}
		<-first
	})
}

func TestAPanicOfALoadFailsIt(t *testing.T) {
	c := &catalog{asked: func(context.Context) error { panic("bug") }}
	r := start(t, nil, c)
	if _, _, err := r.get(item(1)); err == nil || !strings.Contains(err.Error(), "bug") {
		t.Errorf("%v", err)
	}
	c.whenAsked(nil)
	r.price(item(1))
}

func TestAPurgeDropsWhatItNames(t *testing.T) {
	for _, tt := range []struct {
		name string
		keys []pricecache.Key
		want int
		left []pricecache.Key
	}{
		{"a model goes with its item", []pricecache.Key{model(1, 11)}, 2, []pricecache.Key{model(1, 12), item(2), model(2, 21)}},
		{"an item goes with its models", []pricecache.Key{item(1)}, 3, []pricecache.Key{item(2), model(2, 21)}},
		{"a model that is not there takes its item", []pricecache.Key{model(1, 99)}, 1, []pricecache.Key{model(1, 11), model(1, 12), item(2), model(2, 21)}},
		{"an item that is not there takes nothing", []pricecache.Key{item(65)}, 0, []pricecache.Key{item(1), model(1, 11), model(1, 12), item(2), model(2, 21)}},
		{"twice is once", []pricecache.Key{item(1), item(1), model(1, 11)}, 3, []pricecache.Key{item(2), model(2, 21)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &catalog{price: 100}
			r := start(t, nil, c)
			all := []pricecache.Key{item(1), model(1, 11), model(1, 12), item(2), model(2, 21)}
			if _, _, err := r.get(all...); err != nil {
				t.Fatal(err)
			}
			if n := r.purge(tt.keys...); n != tt.want {
				t.Errorf("%d entries dropped, want %d", n, tt.want)
			}
			v := r.view(traffic.Live)
			for _, k := range tt.left {
				if _, ok := v.Get(v.Now(), k); !ok {
					t.Errorf("%v is gone", k)
				}
			}
			before := c.keys
			if _, _, err := r.get(all...); err != nil {
				t.Fatal(err)
			}
			if loaded := c.keys - before; loaded != tt.want {
				t.Errorf("%d keys loaded again, want %d", loaded, tt.want)
			}
			if n := r.purge(tt.keys...); n != tt.want {
				t.Errorf("%d entries dropped the second time, want %d", n, tt.want)
			}
		})
	}
}

func TestAPurgeConcernsBothClassesAndOneCacheOnly(t *testing.T) {
	c := &catalog{price: 100}
	r := start(t, nil, c)
	for _, class := range traffic.All() {
		if _, _, err := r.getAs(t.Context(), class, r.question(), item(1)); err != nil {
			t.Fatal(err)
		}
	}
	if c.loads() != 2 {
		t.Fatalf("%d loads: the classes share entries", c.loads())
	}
	if n, err := r.Purge(t.Context(), pricecache.PriceSoldOut, "US", []pricecache.Key{item(1)}); n != 0 || err != nil {
		t.Errorf("the other cache: %d, %v", n, err)
	}
	if n, err := r.PurgeShadow(t.Context()); n != 1 || err != nil {
		t.Errorf("shadow: %d, %v", n, err)
	}
	if _, _, err := r.getAs(t.Context(), traffic.Shadow, r.question(), item(1)); err != nil {
		t.Fatal(err)
	}
	r.price(item(1))
	if c.loads() != 3 {
		t.Errorf("%d loads, want 3: live entries stay", c.loads())
	}
	if n := r.purge(item(1)); n != 2 {
		t.Errorf("%d entries dropped, want 2, of both classes", n)
	}
}

func TestAPurgeWinsOverALoadUnderWay(t *testing.T) {
	for purgeName, purge := range map[string]pricecache.Key{"a model": model(1, 11), "an item": item(1)} {
		for askedName, asked := range map[string]pricecache.Key{"a model": model(1, 11), "an item": item(1)} {
			t.Run("purge of "+purgeName+" in a load of "+askedName, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := &catalog{price: 100, asked: func(context.Context) error { time.Sleep(time.Second); return nil }}
					r := start(t, nil, c)
					defer r.Close()
					first := make(chan int64, 1)
					go func() { first <- r.price(asked) }()
					synctest.Wait()
					c.set(200)
					r.purge(purge)
					// Who asks after the purge neither joins the load of before, nor finds what it brings.
					if got := r.price(asked); got != 200 {
						t.Errorf("during the load: %d", got)
					}
					<-first
					if got := r.price(asked); got != 200 {
						t.Errorf("after the load: %d", got)
					}
				})
			})
		}
	}
}

func TestAPurgeReachesTheCacheThatAReloadReplaces(t *testing.T) {
	c := &catalog{price: 100}
	r := start(t, nil, c)
	old := r.view(traffic.Live)
	out := make([][]facts.Model, 1)
	if _, err := old.Fill(t.Context(), r.question(), []pricecache.Key{item(1)}, []int{0}, out); err != nil {
		t.Fatal(err)
	}
	r.Apply(config(ttl(time.Hour)))
	r.purge(item(1)) // between Apply and Applied, requests may still begin on the old one
	if _, ok := old.Get(old.Now(), item(1)); ok {
		t.Error("the cache of before still has what was purged")
	}
	r.Applied()
	if r.view(traffic.Live) == nil || r.view(traffic.Live).Kind() != pricecache.PriceStock {
		t.Error("there is no cache")
	}
}

func TestSizeIsBounded(t *testing.T) {
	c := &catalog{price: 100}
	r := start(t, nil, c, each(func(c *configv1.Cache) { c.MaxEntries = 100; c.Ttl = durationpb.New(time.Hour) }))
	for i := range int64(5000) {
		r.price(item(i + 1))
	}
	again := c.loads()
	for i := range int64(5000) {
		r.price(item(i + 1))
	}
	if had := 5000 - (c.loads() - again); had > 200 {
		t.Errorf("%d entries are there, want about 100", had)
	}
}
