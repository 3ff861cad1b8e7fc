package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/engine"
	"proscenium/engine/policy"
	"proscenium/facts"
	"proscenium/fault"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

const fleetCaches = `
caches:
  price_stock: {enabled: true, ttl: 1m, redis: {enabled: true}}
  price_sold_out: {enabled: true, ttl: 1m, redis: {enabled: true}}
`

// replica is an engine of the world, over stores that it shares with others.
func (w *world) replica(t *testing.T, k *kv.KV, yaml string) *engine.Engine {
	t.Helper()
	e := engine.New(engine.Deps{Open: w.providers, Now: w.clock, Stores: k})
	t.Cleanup(e.Close)
	if err := e.Apply(load(t, yaml)); err != nil {
		t.Fatal(err)
	}
	return e
}

// priced makes the world's price one that the test sets.
func (w *world) priced() (set func(int64)) {
	var mu sync.Mutex
	price := int64(100)
	w.fromMemory = false
	w.price.answer = func(_ *engine.Call, k engine.PriceKey) []facts.Model {
		mu.Lock()
		defer mu.Unlock()
		return []facts.Model{{ID: 10, ItemID: k.ItemID, ShopID: 9, Promos: []facts.Promo{promo(0, original, price)}}}
	}
	return func(p int64) { mu.Lock(); defer mu.Unlock(); price = p }
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline, tick := time.After(30*time.Second), time.NewTicker(2*time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline:
			t.Fatalf("not in 30 seconds: %s", what)
		case <-tick.C:
		}
	}
}

func TestTwoEnginesShareRecordsAndPurges(t *testing.T) {
	kvtest.Both(t, func(t *testing.T, k *kv.KV) {
		t.Helper()
		w := newWorld(noon)
		set := w.priced()
		conf := base + scene("s", "", modelMain) + fleetCaches
		one, two := w.replica(t, k, conf), w.replica(t, k, conf)
		final := func(e *engine.Engine, class traffic.Class, item int64) int64 {
			resp, err := e.Price(t.Context(), engine.Caller{Class: class}, request("s", item))
			if err != nil {
				t.Fatal(err)
			}
			return onlyModel(t, resp).GetFinalPrice()
		}
		item := int64(0)
		eventually(t, "what one loaded, the other need not", func() bool {
			item++
			final(one, traffic.Live, item)
			before := w.price.calls.Load()
			for range 20 { // the entry is on its way
				final(two, traffic.Live, item)
			}
			return w.price.calls.Load() == before
		})
		for _, class := range traffic.All() {
			final(one, class, 1)
			final(two, class, 1)
		}
		set(200)
		if _, err := one.DeleteCached(t.Context(), engine.PriceSoldOutCache, "US", []engine.PriceKey{{ItemID: 1, ModelID: 10}}); err != nil {
			t.Fatal(err)
		}
		for _, class := range traffic.All() {
			if got := final(one, class, 1); got != 200 {
				t.Errorf("%v here: %d", class, got)
			}
			eventually(t, "the other engine has heard", func() bool { return final(two, class, 1) == 200 })
		}
	})
}

func TestRedisIsBypassedWithTheCaches(t *testing.T) {
	for name, change := range map[string]func(*pricingv1.GetPromotionInfoRequest, *engine.Caller){
		"order flow":         func(r *pricingv1.GetPromotionInfoRequest, _ *engine.Caller) { r.OrderFlow = true },
		"another time":       func(r *pricingv1.GetPromotionInfoRequest, _ *engine.Caller) { r.AtTime = timestamppb.New(noon) },
		"a replayed instant": func(_ *pricingv1.GetPromotionInfoRequest, c *engine.Caller) { c.At = noon },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(noon)
			set := w.priced()
			k := kvtest.Open(t)
			conf := base + scene("s", "    time_mode: ANY_TIME\n", modelMain) + strings.ReplaceAll(fleetCaches, "ttl: 1m,", "ttl: 1ms, stale_on_error: 1h, stale_while_loading: 1h,")
			e := w.replica(t, k, conf)
			ask(t, e, request("s", 1)) // is in memory, and in Redis soon
			set(200)
			req, caller := request("s", 1), engine.Caller{}
			change(req, &caller)
			for range 3 {
				resp, err := e.Price(t.Context(), caller, req)
				if err != nil || onlyModel(t, resp).GetFinalPrice() != 200 || !resp.GetAccurate() {
					t.Errorf("%v, %v", resp, err)
				}
			}
			if got := w.price.calls.Load(); got != 4 {
				t.Errorf("%d loads, want 4", got)
			}
			misbehave(w, "price.query", func(context.Context) error { return errDown })
			if _, err := e.Price(t.Context(), caller, req); fault.Reason(err) != "PRICE_STOCK_UNAVAILABLE" {
				t.Errorf("got %v: an old price is served", err)
			}
		})
	}
}

func TestOldPricesAreServedWhereTheProviderFailsAndTheAnswerSaysSo(t *testing.T) {
	for _, tt := range []struct {
		name    string
		failure func(ctx context.Context) error
		cause   pricingv1.DegradationCause
	}{
		{"it fails", func(context.Context) error { return errDown }, pricingv1.DegradationCause_DEGRADATION_CAUSE_DEPENDENCY_ERROR},
		{"it does not answer", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, pricingv1.DegradationCause_DEGRADATION_CAUSE_TIMEOUT},
		{"its breaker is open", func(context.Context) error { return &policy.Refusal{Layer: policy.Breaker} }, pricingv1.DegradationCause_DEGRADATION_CAUSE_BREAKER_OPEN},
		{"its limit is reached", func(context.Context) error { return &policy.Refusal{Layer: policy.Limit} }, pricingv1.DegradationCause_DEGRADATION_CAUSE_LIMITED},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(noon)
				w.priced()
				e := w.engine(t, base+scene("s", "", modelMain)+"caches: {price_sold_out: {enabled: true, ttl: 1s, stale_on_error: 1m}}\n")
				defer e.Close()
				ask(t, e, request("s", 1))
				time.Sleep(2 * time.Second)
				misbehave(w, "price.query", tt.failure)
				req := request("s", 1)
				req.Explain = true
				resp := ask(t, e, req)
				if onlyModel(t, resp).GetFinalPrice() != 100 || resp.GetAccurate() {
					t.Errorf("%v", resp)
				}
				if d := resp.Degradations; len(d) != 1 || d[0].Feature != "stale_prices" || d[0].Scope != "price.query" || d[0].Cause != tt.cause {
					t.Errorf("degradations %v", d)
				}
				stale := int32(0)
				for _, call := range resp.Trace.Calls {
					if call.Outcome == "cache_stale" {
						stale += call.Keys
					}
				}
				if stale != 1 {
					t.Errorf("the trace does not show it: %v", resp.Trace.Calls)
				}
				if _, err := e.Price(t.Context(), engine.Caller{}, request("s", 1, 2)); fault.Reason(err) != "PRICE_STOCK_UNAVAILABLE" {
					t.Errorf("with an item that was never priced: %v", err)
				}
				time.Sleep(time.Minute)
				if _, err := e.Price(t.Context(), engine.Caller{}, request("s", 1)); fault.Reason(err) != "PRICE_STOCK_UNAVAILABLE" {
					t.Errorf("too old: %v", err)
				}
			})
		})
	}
}

func TestShadowTrafficHasCachesOfItsOwn(t *testing.T) {
	w := newWorld(noon)
	set := w.priced()
	e := w.engine(t, base+scene("s", "", modelMain)+caches)
	defer e.Close()
	final := func(class traffic.Class) int64 {
		resp, err := e.Price(t.Context(), engine.Caller{Class: class}, request("s", 1))
		if err != nil {
			t.Fatal(err)
		}
		return onlyModel(t, resp).GetFinalPrice()
	}
	final(traffic.Live)
	set(200)
	if got := final(traffic.Shadow); got != 200 {
		t.Errorf("shadow traffic gets %d: the live entry", got)
	}
	set(300)
	if n, err := e.PurgeShadow(t.Context()); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if live, shadow := final(traffic.Live), final(traffic.Shadow); live != 100 || shadow != 300 {
		t.Errorf("live %d, shadow %d, want 100 and 300", live, shadow)
	}
}

func TestAPurgeThatOthersDoNotHearOfIsAnErrorThatSaysWhatWasDone(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return
	}
	w := newWorld(noon)
	set := w.priced()
	e := w.replica(t, server.Open(func(o *kv.Options) { o.Timeout = 100 * time.Millisecond }), base+scene("s", "", modelMain)+caches)
	ask(t, e, request("s", 1))
	server.Stop()
	set(200)
	_, err := e.DeleteCached(t.Context(), engine.PriceSoldOutCache, "US", []engine.PriceKey{{ItemID: 1}})
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Unavailable || f.Reason != "PURGE_NOT_BROADCAST" || f.Metadata["deleted"] != "1" || f.Metadata["traffic"] != "live,shadow" {
		t.Errorf("got %v", err)
	}
	if got := onlyModel(t, ask(t, e, request("s", 1))).GetFinalPrice(); got != 200 {
		t.Errorf("%d: the purge does not stand here", got)
	}
}
