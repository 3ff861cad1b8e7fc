package engine_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"proscenium/engine"
	"proscenium/engine/policy"
	"proscenium/engine/pricecache"
	"proscenium/facts"
	"proscenium/fault"
	"proscenium/traffic"
)

// observer breaks at the stage named; otherwise it counts failed rules.
type observer struct {
	mu     sync.Mutex
	breaks engine.Stage
	failed map[string]int
}

func (o *observer) Traffic(traffic.Class) engine.TrafficObserver  { return o }
func (o *observer) Scene(engine.SceneLabels) engine.SceneObserver { return nil }

func (o *observer) Stage(s engine.Stage, _ time.Duration) {
	if o.breaks != 0 && s == o.breaks {
		panic("bug")
	}
}
func (o *observer) Call(engine.Command, engine.Outcome, time.Duration)   {}
func (o *observer) Cache(engine.CacheName, engine.CacheLookups)          {}
func (o *observer) CachePurged(engine.CacheName, pricecache.Source, int) {}
func (o *observer) CacheRedisFailed(pricecache.Exchange)                 {}
func (o *observer) CacheEvents(int, int)                                 {}
func (o *observer) Refused(policy.Layer, string, bool)                   {}
func (o *observer) Applied(string, time.Time)                            {}
func (o *observer) RuleError(rule string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failed == nil {
		o.failed = make(map[string]int)
	}
	o.failed[rule]++
}

// observed starts an engine of the world that tells the observer.
func (w *world) observed(t *testing.T, yaml string, o engine.Observer) *engine.Engine {
	t.Helper()
	e := engine.New(engine.Deps{Open: w.providers, Now: w.clock, Observer: o})
	if err := e.Apply(load(t, yaml)); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAPanicOfABranchEndsItsRequestAndNotTheProcess(t *testing.T) {
	for _, stage := range []engine.Stage{engine.StageRebate, engine.StageVouchers, engine.StageStock} {
		w := fullWorld()
		w.fromMemory = false
		_, err := w.observed(t, base+scene("s", fullScenario, full), &observer{breaks: stage}).Price(t.Context(), engine.Caller{}, asUser(request("s", 1), 7))
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Internal {
			t.Errorf("%v: got %v, want an internal error", stage, err)
		}
	}
}

func TestRulesOfProvidersThatFailAreCountedAndTraced(t *testing.T) {
	for _, tt := range []struct {
		name                string
		fromMemory, counted bool
	}{
		{"in turn", true, true},
		{"many at once", false, true},
		{"many at once, where nobody counts", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := fullWorld()
			w.fromMemory = tt.fromMemory
			for rule, provider := range map[string]*answers[engine.EligibilityKey, bool]{"exclusive": w.exclusivePrice, "live": w.liveStream, "welcome": w.welcomePackage} {
				provider.answer = func(c *engine.Call, _ engine.EligibilityKey) bool {
					for range 100 { // long enough to meet the others
						c.RuleFailed(rule, errDown)
					}
					return false
				}
			}
			choose := w.voucher.answer
			w.voucher.answer = func(c *engine.Call, k engine.VoucherKey) facts.VoucherChoice {
				c.RuleFailed("voucher", errDown)
				return choose(c, k)
			}
			conf, counts := base+scene("s", fullScenario, full), new(observer)
			e := w.engine(t, conf)
			if tt.counted {
				e = w.observed(t, conf, counts)
			}
			req := asUser(request("s", 1), 7)
			req.Explain = true
			traced := map[string]string{}
			for _, r := range ask(t, e, req).Trace.RuleErrors {
				traced[r.Rule] += r.Error
			}
			for _, rule := range []string{"exclusive", "live", "welcome", "voucher"} {
				if traced[rule] != "down" || (counts.failed[rule] > 0) != tt.counted {
					t.Errorf("%s: traced %q, counted %d times", rule, traced[rule], counts.failed[rule])
				}
			}
		})
	}
}

func TestARuleThatFailsAfterItsRequestEndedTouchesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fullWorld()
		w.fromMemory = false
		choose := w.voucher.answer
		w.voucher.answer = func(c *engine.Call, k engine.VoucherKey) facts.VoucherChoice {
			time.Sleep(600 * time.Millisecond) // the call has 500
			c.RuleFailed("voucher", errDown)
			return choose(c, k)
		}
		req := asUser(request("s", 1), 7)
		req.Explain = true
		resp := ask(t, w.engine(t, base+scene("s", fullScenario, full)), req)
		for range 200 {
			_ = resp.String()
			time.Sleep(time.Millisecond)
		}
		if len(resp.Trace.RuleErrors) != 0 {
			t.Errorf("the answer changed after it was given: %v", resp.Trace.RuleErrors)
		}
	})
}
