package engine_test

import (
	"context"
	"sync/atomic"
	"testing"

	"proscenium/engine"
	"proscenium/facts"
	"proscenium/fault"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/scenes"
	"proscenium/traffic"
)

func TestAPurgeConcernsItsRegionOnly(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100)))
	e := w.engine(t, base+scene("s", "", modelMain)+caches)
	defer e.Close()
	for _, region := range []string{"US", "DE"} {
		whole, single := request("s", 1), request("s", 1)
		single.Items[0].Models = []*pricingv1.RequestModel{{ModelId: 10}}
		for _, req := range []*pricingv1.GetPromotionInfoRequest{whole, single} {
			req.Region = region
			ask(t, e, req)
		}
	}
	for _, step := range []struct {
		region string
		want   int
	}{{"US", 2}, {"US", 0}, {"DE", 2}} {
		if n, err := e.DeleteCached(t.Context(), engine.PriceSoldOutCache, step.region, []engine.PriceKey{{ItemID: 1}}); n != step.want || err != nil {
			t.Errorf("%s: deleted %d entries, want %d (%v)", step.region, n, step.want, err)
		}
	}
}

func TestAnotherProviderOfPricesStartsWithEmptyCaches(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100)))
	conf := base + scene("s", "", modelMain) + caches
	e := w.engine(t, conf)
	defer e.Close()
	ask(t, e, request("s", 1))
	if err := e.Apply(load(t, conf+"dependencies:\n  - {command: price.query, provider: {embedded: {}}, max_batch: 7}\n")); err != nil {
		t.Fatal(err)
	}
	ask(t, e, request("s", 1))
	if got := w.price.calls.Load(); got != 2 {
		t.Errorf("%d calls, want 2: what another provider said is not served", got)
	}
}

func TestGarbageIsNotCached(t *testing.T) {
	w := newWorld(noon)
	records := []facts.Model{{ID: 10, ItemID: 2}}
	w.price.answer = func(*engine.Call, engine.PriceKey) []facts.Model { return records }
	e := w.engine(t, base+scene("s", "", modelMain)+caches)
	defer e.Close()
	if _, err := e.Price(t.Context(), engine.Caller{}, request("s", 1)); fault.Reason(err) != "PRICE_STOCK_UNAVAILABLE" {
		t.Fatalf("got %v", err)
	}
	records = []facts.Model{model(10, promo(0, original, 100))}
	if got := onlyModel(t, ask(t, e, request("s", 1))).GetFinalPrice(); got != 100 {
		t.Errorf("got %d, want 100", got)
	}
}

func TestAScenesOrderFlowBypassesTheCache(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100)))
	w.price.answer = func(answer func(*engine.Call, engine.PriceKey) []facts.Model) func(*engine.Call, engine.PriceKey) []facts.Model {
		return func(c *engine.Call, k engine.PriceKey) []facts.Model {
			if !c.Request.OrderFlow {
				t.Error("the provider is not told that this is an order flow")
			}
			return answer(c, k)
		}
	}(w.price.answer)
	e := w.engine(t, base+scene("s", "", "    order_flow: true\n"+modelMain)+caches)
	defer e.Close()
	for range 3 {
		ask(t, e, request("s", 1))
	}
	if got := w.price.calls.Load(); got != 3 {
		t.Errorf("%d calls, want 3", got)
	}
}

func TestWhoeverPurgesDuringALoadSeesNoOlderPrice(t *testing.T) {
	for name, purge := range map[string]engine.PriceKey{"a model": {ItemID: 1, ModelID: 10}, "a whole item": {ItemID: 1}} {
		for asked, models := range map[string][]*pricingv1.RequestModel{"a model": {{ModelId: 10}}, "a whole item": nil} {
			t.Run("purge of "+name+" in a load of "+asked, func(t *testing.T) {
				w := newWorld(noon)
				w.fromMemory = false
				var price atomic.Int64
				price.Store(100)
				w.price.answer = func(*engine.Call, engine.PriceKey) []facts.Model {
					return []facts.Model{model(10, promo(0, original, price.Load()))}
				}
				loaded, release := make(chan struct{}, 9), make(chan struct{})
				w.price.fault = func(context.Context, []engine.PriceKey, [][]facts.Model) error {
					loaded <- struct{}{}
					<-release
					return nil
				}
				e := w.engine(t, base+scene("s", "", modelMain)+caches)
				defer e.Close()
				req := request("s", 1)
				req.Items[0].Models = models
				done := make(chan error)
				go func() { _, err := e.Price(t.Context(), engine.Caller{}, req); done <- err }()
				<-loaded // with the old price
				price.Store(200)
				if _, err := e.DeleteCached(t.Context(), engine.PriceSoldOutCache, "US", []engine.PriceKey{purge}); err != nil {
					t.Error(err)
				}
				close(release)
				if err := <-done; err != nil {
					t.Error(err)
				}
				if got := onlyModel(t, ask(t, e, req)).GetFinalPrice(); got != 200 {
					t.Errorf("%d is served after the purge, want 200", got)
				}
			})
		}
	}
}

func TestAReloadThatRenumbersTypesReadsNoRecordsOfBefore(t *testing.T) {
	w := newWorld(noon)
	w.price.answer = func(c *engine.Call, _ engine.PriceKey) []facts.Model {
		weekly := int32(-1)
		for _, typ := range c.Snap.Types {
			if typ != nil && typ.Name == "weekly_cut" {
				weekly = typ.ID
			}
		}
		return []facts.Model{model(10, promo(0, original, 100), promo(1, weekly, 80))}
	}
	conf := base + scene("s", "", modelMain) + caches
	e := w.engine(t, conf)
	defer e.Close()
	ask(t, e, request("s", 1))
	renumbered := replace(replace(conf, "{id: 2, name: weekly_cut", "{id: 22, name: weekly_cut"), "{id: 1, name: flash_sale", "{id: 2, name: flash_sale")
	for _, step := range []string{renumbered, conf} {
		if err := e.Apply(load(t, step)); err != nil {
			t.Fatal(err)
		}
		if m := onlyModel(t, ask(t, e, request("s", 1))); m.MainPromo.GetPriceRuleType() != "weekly_cut" || m.GetFinalPrice() != 80 {
			t.Errorf("got %v, want the weekly cut at 80", m)
		}
	}
}

func TestARefusedConfigurationLeavesTheCaches(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100)))
	refuse := false
	e := engine.New(engine.Deps{Now: w.clock, Open: func(s *scenes.Snapshot, r *scenes.Region, class traffic.Class) (*engine.Providers, error) {
		if refuse && r.Code == "DE" {
			return nil, errDown
		}
		return w.providers(s, r, class)
	}})
	defer e.Close()
	conf := base + scene("s", "", modelMain)
	if err := e.Apply(load(t, conf+caches)); err != nil {
		t.Fatal(err)
	}
	ask(t, e, request("s", 1))
	for range 20 { // regions come in any order
		for name, other := range map[string]string{
			"another ttl":  conf + replace(caches, "price_sold_out: {enabled: true, ttl: 1m}", "price_sold_out: {enabled: true, ttl: 2m}"),
			"switched off": conf,
		} {
			refuse = true
			if err := e.Apply(load(t, other)); err == nil {
				t.Fatalf("%s: applied", name)
			}
			refuse = false
			ask(t, e, request("s", 1))
			if err := e.Apply(load(t, conf+caches)); err != nil {
				t.Fatal(err)
			}
			ask(t, e, request("s", 1))
		}
	}
	if got := w.price.calls.Load(); got != 1 {
		t.Errorf("%d calls, want 1: a configuration that was refused changes nothing", got)
	}
}

func TestAClosedEngineMakesNoCaches(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100)))
	conf := load(t, base+scene("s", "", modelMain)+caches)
	e := w.engine(t, base+scene("s", "", modelMain)+caches)
	e.Close()
	if err := e.Apply(conf); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		ask(t, e, request("s", 1))
	}
	if got := w.price.calls.Load(); got != 2 {
		t.Errorf("%d calls, want 2", got)
	}
}

func TestCachedLoadsShowNothingOfTheCaller(t *testing.T) {
	w := newWorld(noon)
	w.price.answer = func(c *engine.Call, _ engine.PriceKey) []facts.Model {
		if want := (facts.Request{Region: "US", At: noon.UnixNano()}); *c.Request != want {
			t.Errorf("records for everybody were asked for with %+v, want %+v", *c.Request, want)
		}
		return []facts.Model{model(10, promo(0, original, 100))}
	}
	e := w.engine(t, base+scene("s", "", modelMain)+caches)
	defer e.Close()
	req := asUser(request("s", 1), 7)
	req.Context = &pricingv1.RequestContext{
		ClientPlatform: "app_ios", UserPath: "video", VideoCreatorId: 3, AdsId: 4, LiveStreamStreamerId: 5, DeviceType: "phone", LiveStreamDiscountToken: "t",
	}
	ask(t, e, req)
}
