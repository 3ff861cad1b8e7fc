package engine_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"proscenium/engine"
)

// TestReadersSeeOneConfigurationWhileAWriterAlternatesTwo lets readers price while configurations A, B and ones that cannot be applied follow each
// other: every answer is exactly A's or B's.
func TestReadersSeeOneConfigurationWhileAWriterAlternatesTwo(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100), promo(1, weeklyCut, 80), promo(2, flashSale, 60)))
	confA := base + scene("s", "", modelMain)
	confB := base + "exclusion_rules: [{id: 1, name: r, excluded_price_rule_types: [flash_sale]}]\n" +
		scene("s", "", modelMain+"    product_promotion: {exclusion_rule: r, need_price_detail: true}\n")
	a, b := load(t, confA), load(t, confB)
	e := w.engine(t, confA)
	answerA := ask(t, e, request("s", 1)).String()
	if err := e.Apply(b); err != nil {
		t.Fatal(err)
	}
	answerB := ask(t, e, request("s", 1)).String()
	if answerA == answerB {
		t.Fatal("the configurations answer alike: nothing could be told apart")
	}

	var done atomic.Bool
	var seenA, seenB atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !done.Load() {
				resp, err := e.Price(t.Context(), engine.Caller{}, request("s", 1))
				switch {
				case err != nil:
					t.Errorf("a reader failed: %v", err)
					return
				case resp.String() == answerA:
					seenA.Add(1)
				case resp.String() == answerB:
					seenB.Add(1)
				default:
					t.Errorf("a mixed answer: %v", resp)
					return
				}
			}
		})
	}
	for i := 0; seenA.Load() < 200 || seenB.Load() < 200; i++ {
		switch i % 3 {
		case 0:
			if err := e.Apply(a); err != nil {
				t.Error(err)
			}
		case 1:
			w.closed = true
			if err := e.Apply(b); err == nil {
				t.Error("a configuration whose providers cannot be opened was applied")
			}
			w.closed = false
		case 2:
			if err := e.Apply(b); err != nil {
				t.Error(err)
			}
		}
		if t.Failed() {
			break
		}
	}
	done.Store(true)
	wg.Wait()
}
