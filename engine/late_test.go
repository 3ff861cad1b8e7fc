package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"proscenium/engine"
	"proscenium/facts"
	"proscenium/fault"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/scenes"
	"proscenium/traffic"
)

// late answers only after a while, at times with an error, and looks whether what it was called with has changed meanwhile.
type late[K, V any] struct {
	t *testing.T
	*answers[K, V]
	fails bool
}

func (l late[K, V]) Query(ctx context.Context, call *engine.Call, keys []K, out []V) error {
	seen := func() string {
		return fmt.Sprintf("%+v %+v %+v %v %v", keys, *call.Request, call.Vouchers, call.StockPurchased, call.EnableOngoingLiveStreams)
	}
	before := seen()
	err := l.answers.Query(ctx, call, keys, out)
	if l.fails && rand.IntN(20) == 0 {
		return errDown // while the other batches of the query go on
	}
	time.Sleep(time.Duration(rand.IntN(2400)) * time.Microsecond)
	if after := seen(); after != before {
		l.t.Errorf("changed under the provider:\n%s\n%s", before, after)
	}
	return err
}

// TestLateProvidersNeverSeeTheirCallsChange lets providers answer around their timeouts while many requests follow each other: what a provider
// reads is never another request's, not even after its own has ended.
func TestLateProvidersNeverSeeTheirCallsChange(t *testing.T) {
	w := fullWorld()
	var models []facts.Model
	for id := int64(10); id < 40; id++ {
		models = append(models, model(id, promo(0, original, 100), promo(1, weeklyCut, 80), promo(2, exclusive, 50), promo(3, live, 60), promo(4, welcome, 40)))
	}
	w.price = newWorld(noon, models...).price
	conf := base + "exclusion_rules:\n  - {id: 1, name: r, excluded_price_rule_types: [flash_sale], when: \"item.brand == 'x' || 'y' in item.labels\"}\n" +
		scene("s", fullScenario, full+"    product_promotion: {exclusion_rule: r}\n") + caches + "dependencies:\n"
	for _, command := range engine.CommandNames {
		timeout := "2ms"
		if command == "price.query" {
			timeout = "200ms"
		}
		conf += "  - {command: " + command + ", timeout: " + timeout + ", max_batch: 3, max_parallel: 8}\n"
	}
	e := engine.New(engine.Deps{Now: w.clock, Open: func(*scenes.Snapshot, *scenes.Region, traffic.Class) (*engine.Providers, error) {
		return &engine.Providers{
			Price: late[engine.PriceKey, []facts.Model]{t, w.price, false}, Stock: late[engine.PromoKey, facts.Stock]{t, w.stock, true},
			ExclusivePrice: late[engine.EligibilityKey, bool]{t, w.exclusivePrice, true}, LiveStream: late[engine.EligibilityKey, bool]{t, w.liveStream, true},
			WelcomePackage: late[engine.EligibilityKey, bool]{t, w.welcomePackage, true}, Items: late[int64, *facts.Item]{t, w.items, true},
			Labels: late[int64, []string]{t, w.labels, true}, Tax: late[engine.PriceKey, facts.TaxRate]{t, w.tax, true},
			Rebate: late[engine.RebateKey, int64]{t, w.rebate, true}, Voucher: late[engine.VoucherKey, facts.VoucherChoice]{t, w.voucher, true},
			GMV: late[engine.PriceKey, int64]{t, w.gmv, true}, Decoration: late[engine.DecorationKey, facts.Decoration]{t, w.decoration, true},
			Package: late[int64, []facts.Package]{t, w.packages, true},
		}, nil
	}})
	defer e.Close()
	if err := e.Apply(load(t, conf)); err != nil {
		t.Fatal(err)
	}
	const askers, requests = 8, 60
	var wg sync.WaitGroup
	for asker := range askers {
		wg.Go(func() {
			for n := range requests {
				req := asUser(request("s", 1), int64(asker*1_000_000+n+1))
				req.Explain, req.OrderFlow = n%3 == 0, n%2 == 0
				if n%4 != 0 {
					for j := range 1 + n%20 {
						req.Items[0].Models = append(req.Items[0].Models, &pricingv1.RequestModel{ModelId: int64(10 + j)})
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(20+rand.IntN(60))*time.Millisecond)
				resp, err := e.Price(ctx, engine.Caller{}, req)
				cancel()
				if reason := fault.Reason(err); err != nil && reason != "DEADLINE_EXCEEDED" && reason != "PRICE_STOCK_UNAVAILABLE" {
					t.Error(err)
				}
				if err == nil && len(resp.Items[0].Models) == 0 {
					t.Errorf("an answer without models: %v", resp)
				}
			}
		})
	}
	wg.Wait()
	time.Sleep(10 * time.Millisecond) // for the last ones that are late
}

func TestABatchThatOutlivesItsQueryKeepsItsKeys(t *testing.T) {
	w := newWorld(noon, model(20, promo(0, original, 100)), model(21, promo(0, original, 100)))
	w.fromMemory = false
	started, release, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	w.price.fault = func(_ context.Context, keys []engine.PriceKey, _ [][]facts.Model) error {
		switch keys[0].ModelID {
		case 10:
			<-started
			return errDown
		case 11:
			started <- struct{}{}
			<-release
			if keys[0].ModelID != 11 {
				t.Errorf("the batch of model 11 reads the key of model %d", keys[0].ModelID)
			}
			ended <- struct{}{}
		}
		return nil
	}
	e := w.engine(t, base+scene("s", "", modelMain)+"dependencies:\n  - {command: price.query, provider: {embedded: {}}, max_batch: 1}\n")
	price := func(models ...int64) error {
		req := request("s", 1)
		for _, id := range models {
			req.Items[0].Models = append(req.Items[0].Models, &pricingv1.RequestModel{ModelId: id})
		}
		_, err := e.Price(t.Context(), engine.Caller{}, req)
		return err
	}
	for range 20 {
		if err := price(10, 11); fault.Reason(err) != "PRICE_STOCK_UNAVAILABLE" {
			t.Fatal(err)
		}
		for range 3 { // with what may be the memory of the first
			if err := price(20, 21); err != nil {
				t.Fatal(err)
			}
		}
		release <- struct{}{}
		<-ended
	}
}

func TestTheTraceCountsTheAttemptsOfAProvider(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100)))
	w.fromMemory = false
	w.price.fault = func(ctx context.Context, _ []engine.PriceKey, _ [][]facts.Model) error {
		stats := engine.CallStatsFrom(ctx)
		for range 3 {
			stats.Attempt()
		}
		stats.Failed(errDown)
		return nil
	}
	req := request("s", 1)
	req.Explain = true
	calls := ask(t, w.engine(t, base+scene("s", "", modelMain)), req).Trace.Calls
	if len(calls) != 1 || calls[0].Attempts != 3 || calls[0].Batches != 1 || calls[0].Outcome != "ok" || calls[0].Error != "down" {
		t.Errorf("got %v", calls)
	}
}
