package engine_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/engine"
	"proscenium/facts"
	"proscenium/fault"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

const caches = `
caches:
  price_stock: {enabled: true, ttl: 1m}
  price_sold_out: {enabled: true, ttl: 1m}
`

func TestRecordsAreCachedUntilTheyArePurged(t *testing.T) {
	price := int64(100)
	w := newWorld(noon)
	w.price.answer = func(c *engine.Call, k engine.PriceKey) []facts.Model {
		if c.Request.UserID != 0 {
			t.Error("a cached answer must not depend on the user")
		}
		return []facts.Model{{ID: 10, ItemID: k.ItemID, Promos: []facts.Promo{promo(0, original, price)}}}
	}
	e := w.engine(t, base+scene("s", "    time_mode: ANY_TIME\n", modelMain)+caches)
	final := func(change func(*pricingv1.GetPromotionInfoRequest)) int64 {
		req := asUser(request("s", 1), 7)
		if change != nil {
			change(req)
		}
		return onlyModel(t, ask(t, e, req)).GetFinalPrice()
	}
	final(nil)
	price = 90
	if got := final(nil); got != 100 {
		t.Errorf("not from the cache: %d", got)
	}
	for name, purge := range map[string]struct {
		cache engine.CacheName
		key   engine.PriceKey
		want  int
	}{
		"the other cache": {engine.PriceStockCache, engine.PriceKey{ItemID: 1}, 0},
		"another item":    {engine.PriceSoldOutCache, engine.PriceKey{ItemID: 2}, 0},
	} {
		if n, err := e.DeleteCached(t.Context(), purge.cache, "US", []engine.PriceKey{purge.key}); n != purge.want || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	if got := final(nil); got != 100 {
		t.Errorf("purged what was not meant: %d", got)
	}
	if n, err := e.DeleteCached(t.Context(), engine.PriceSoldOutCache, "US", []engine.PriceKey{{ItemID: 1, ModelID: 10}}); n != 1 || err != nil {
		t.Errorf("purging a model drops its item's entry too: %d, %v", n, err)
	}
	if got := final(nil); got != 90 {
		t.Errorf("after the purge: %d", got)
	}
	if _, err := e.DeleteCached(t.Context(), engine.PriceSoldOutCache, "FR", []engine.PriceKey{{ItemID: 1}}); fault.Reason(err) != "REGION_NOT_SERVED" {
		t.Errorf("got %v", err)
	}
	t.Run("a single model's entry goes with its item", func(t *testing.T) {
		req := request("s")
		req.Items = []*pricingv1.RequestItem{{ItemId: 1, Models: []*pricingv1.RequestModel{{ModelId: 10}}}}
		ask(t, e, req)
		if n, err := e.DeleteCached(t.Context(), engine.PriceSoldOutCache, "US", []engine.PriceKey{{ItemID: 1}}); n != 2 || err != nil {
			t.Errorf("deleted %d, %v", n, err)
		}
	})
}

func TestWhatBypassesTheCache(t *testing.T) {
	for name, change := range map[string]func(*pricingv1.GetPromotionInfoRequest){
		"order flow":   func(r *pricingv1.GetPromotionInfoRequest) { r.OrderFlow = true },
		"another time": func(r *pricingv1.GetPromotionInfoRequest) { r.AtTime = timestamppb.New(noon) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(noon, model(10, promo(0, original, 100)))
			e := w.engine(t, base+scene("s", "    time_mode: ANY_TIME\n", modelMain)+caches)
			for range 3 {
				req := request("s", 1)
				change(req)
				ask(t, e, req)
			}
			if got := w.price.calls.Load(); got != 3 {
				t.Errorf("%d calls, want 3", got)
			}
		})
	}
}

func TestCachesSurviveAReloadUnlessTheirSettingsChange(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100)))
	conf := base + scene("s", "", modelMain)
	e := w.engine(t, conf+caches)
	for _, step := range []struct {
		name, conf string
		calls      int64
	}{
		{"first", conf + caches, 1},
		{"a reload of the same", conf + caches, 1},
		{"a reload of another scene", replace(conf, "need_model_original_promo: true", "need_model_original_promo: false") + caches, 1},
		{"another ttl", conf + replace(caches, "price_sold_out: {enabled: true, ttl: 1m}", "price_sold_out: {enabled: true, ttl: 2m}"), 2},
		{"switched off", conf, 3},
	} {
		if err := e.Apply(load(t, step.conf)); err != nil {
			t.Fatal(err)
		}
		ask(t, e, request("s", 1))
		if got := w.price.calls.Load(); got != step.calls {
			t.Errorf("%s: %d calls, want %d", step.name, got, step.calls)
		}
	}
}

func TestConcurrentMissesLoadOnce(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100)))
	w.fromMemory = false
	release := make(chan struct{})
	w.price.fault = func(context.Context, []engine.PriceKey, [][]facts.Model) error { <-release; return nil }
	e := w.engine(t, base+scene("s", "", modelMain)+caches)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if resp, err := e.Price(t.Context(), engine.Caller{}, request("s", 1)); err != nil || resp.Items[0].Models[0].GetFinalPrice() != 100 {
				t.Errorf("got %v, %v", resp, err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond) // all are under way, or will find the value
	close(release)
	wg.Wait()
	if got := w.price.calls.Load(); got != 1 {
		t.Errorf("%d loads, want 1", got)
	}
}

func TestACancelledLoadDoesNotFailThoseWhoWaitForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(noon, model(10, promo(0, original, 100)))
		w.fromMemory = false
		w.price.fault = func(ctx context.Context, _ []engine.PriceKey, _ [][]facts.Model) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
				return nil
			}
		}
		e := w.engine(t, base+scene("s", "", modelMain)+caches)
		defer e.Close()
		first, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { _, err := e.Price(first, engine.Caller{}, request("s", 1)); done <- err }()
		synctest.Wait()
		go func() { _, err := e.Price(t.Context(), engine.Caller{}, request("s", 1)); done <- err }()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the first: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("the second: %v", err)
		}
	})
}

func TestFailuresAreNotCached(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100)))
	misbehave(w, "price.query", func(context.Context) error { return errDown })
	e := w.engine(t, base+scene("s", "", modelMain)+caches)
	if _, err := e.Price(t.Context(), engine.Caller{}, request("s", 1)); fault.Reason(err) != "PRICE_STOCK_UNAVAILABLE" {
		t.Fatalf("got %v", err)
	}
	w.price.fault = nil
	ask(t, e, request("s", 1))
}

func TestALoadsDeadlineIsNotThatOfThoseWhoWaitForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(noon, model(10, promo(0, original, 100)))
		w.fromMemory = false
		w.price.fault = func(ctx context.Context, _ []engine.PriceKey, _ [][]facts.Model) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
				return nil
			}
		}
		e := w.engine(t, base+scene("s", "", modelMain)+caches)
		defer e.Close()
		first, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		early, patient := make(chan error, 1), make(chan error, 1)
		go func() { _, err := e.Price(first, engine.Caller{}, request("s", 1)); early <- err }()
		synctest.Wait()
		go func() { _, err := e.Price(t.Context(), engine.Caller{}, request("s", 1)); patient <- err }()
		if err := <-early; fault.Reason(err) != "DEADLINE_EXCEEDED" {
			t.Errorf("the first: %v", err)
		}
		if err := <-patient; err != nil {
			t.Errorf("the second: %v", err)
		}
	})
}
