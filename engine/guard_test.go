package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"proscenium/engine"
	"proscenium/engine/policy"
	"proscenium/engine/pricecache"
	"proscenium/facts"
	"proscenium/fault"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/traffic"
)

// counted is an observer that keeps, for a class, how calls ended and what was refused.
type counted struct {
	observer
	mu          sync.Mutex
	calls       map[string]int
	breaksAt    string // a call that breaks the observer
	refusals    []string
	transitions []string
}

func (c *counted) Traffic(class traffic.Class) engine.TrafficObserver {
	return countedClass{c, class}
}

type countedClass struct {
	*counted
	class traffic.Class
}

func (c countedClass) Call(command engine.Command, outcome engine.Outcome, _ time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[string]int{}
	}
	c.calls[fmt.Sprint(c.class, " ", command, " ", outcome)]++
	if c.breaksAt == command.String() {
		panic("bug")
	}
}

func (c countedClass) Refused(layer policy.Layer, name string, dryRun bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals = append(c.refusals, fmt.Sprintf("%v %v %s dry=%v", c.class, layer, name, dryRun))
}

var (
	_ engine.TrafficObserver = countedClass{}
	_ pricecache.Observer    = countedClass{}
)

// guarded is an engine of the world with policies.
type guarded struct {
	*engine.Engine
	policies *policy.Registry
	seen     *counted
	failed   []engine.Failure
}

func (w *world) guarded(t testing.TB, yaml string, change ...func(*policy.Deps)) *guarded {
	t.Helper()
	g := &guarded{seen: &counted{}}
	deps := policy.Deps{Now: time.Now, Random: func() float64 { return 0.5 }, Transition: func(c policy.Transition) {
		g.seen.mu.Lock()
		defer g.seen.mu.Unlock()
		g.seen.transitions = append(g.seen.transitions, fmt.Sprintf("%v %s %s", c.Class, c.Breaker, c.To))
	}}
	for _, c := range change {
		c(&deps)
	}
	g.policies = policy.New(deps)
	t.Cleanup(g.policies.Close)
	g.Engine = engine.New(engine.Deps{
		Open: w.providers, Now: w.clock, Observer: g.seen, Policies: g.policies, Failed: func(f engine.Failure) { g.failed = append(g.failed, f) },
	})
	if err := g.Apply(load(t, yaml)); err != nil {
		t.Fatal(err)
	}
	return g
}

// buys asks the scene s for everything there is, for a user.
func (g *guarded) buys(t testing.TB) (*pricingv1.GetPromotionInfoResponse, error) {
	t.Helper()
	return g.Price(t.Context(), engine.Caller{Trace: true}, asUser(request("s", 1), 7))
}

// opened says what became of a breaker.
func (g *guarded) breaker(t testing.TB, command, scene string) policy.BreakerStatus {
	t.Helper()
	for _, b := range g.policies.Breakers() {
		if b.Command == command && b.Scene == scene && b.Class == traffic.Live && !b.Downgraded {
			return b
		}
	}
	t.Fatalf("there is no breaker of %s in %q", command, scene)
	return policy.BreakerStatus{}
}

func propagating(body string) string {
	return body + "    downgrade: {propagate_error_when_final_price_related_dependency_fails: true}\n"
}

// refusing are ways in which a policy keeps the calls of a command from being made; prime makes the breaker open.
var refusing = map[string]struct {
	policies string
	prime    bool
	layer    string
	key      string // %s is the command
	cause    pricingv1.DegradationCause
	limiter  string
}{
	"a limit": {
		"limits: {none: {all: {window: 60s, limit: 0, precision: LOCAL}}}\ndependencies: [{command: %s, limits: [none]}]\n", false, "limit", "none/all",
		pricingv1.DegradationCause_DEGRADATION_CAUSE_LIMITED, "limited",
	},
	"an open breaker": {
		"breakers: {%s: {error_percent_threshold: 1, minimum_number_of_calls: 1, open: 60s}}\n", true, "breaker", "%s",
		pricingv1.DegradationCause_DEGRADATION_CAUSE_BREAKER_OPEN, "",
	},
}

func TestARefusedCallIsNoFailureOfItsDependency(t *testing.T) {
	for way, r := range refusing {
		for command, want := range consequences {
			for _, propagate := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s of %s, propagate %v", way, command, propagate), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := fullWorld()
						body := full
						if propagate {
							body = propagating(full)
						}
						g := w.guarded(t, base+scene("s", fullScenario, body)+fmt.Sprintf(r.policies, command))
						if r.prime {
							misbehave(w, command, func(context.Context) error { return errDown })
							_, _ = g.buys(t)
						}
						misbehave(w, command, func(context.Context) error {
							t.Error("the provider was called")
							return nil
						})
						g.seen.calls, g.seen.refusals, g.failed = nil, nil, nil

						resp, err := g.buys(t)
						key := r.key
						if key == "%s" {
							key = command
						}
						if diff := cmp.Diff([]string{"live " + r.layer + " " + key + " dry=false"}, slices.Compact(g.seen.refusals)); diff != "" {
							t.Errorf("refusals that were counted: %s", diff)
						}
						for call := range g.seen.calls {
							if cmp.Equal(call[:min(len(call), len("live "+command))], "live "+command) {
								t.Errorf("counted as a call: %s", call)
							}
						}
						if len(g.failed) != 0 {
							t.Errorf("told as a failure: %v", g.failed)
						}
						if propagate && want.priceRelated {
							wantUnavailable(t, err, "DEPENDENCY_REFUSED", command, r.layer, key)
							return
						}
						if err != nil {
							t.Fatal(err)
						}
						if got := onlyModel(t, resp).GetFinalPrice(); got != want.final {
							t.Errorf("final price %d, want %d", got, want.final)
						}
						if resp.GetAccurate() == want.priceRelated {
							t.Errorf("accurate is %v", resp.GetAccurate())
						}
						found := false
						for _, d := range resp.Degradations {
							found = found || d.Feature == want.feature && d.Scope == command && d.Cause == r.cause
						}
						if !found {
							t.Errorf("%v: want %s degraded by %v", resp.Degradations, want.feature, r.cause)
						}
						at := slices.IndexFunc(resp.Trace.Calls, func(c *pricingv1.TraceCall) bool { return c.Command == command })
						if at < 0 {
							t.Fatalf("the trace does not have the call: %v", resp.Trace.Calls)
						}
						c := resp.Trace.Calls[at]
						breaker := ""
						if r.prime {
							breaker = "open"
						}
						if c.Outcome != "refused" || c.Limiter != r.limiter || c.Breaker != breaker || c.Attempts != 0 {
							t.Errorf("the trace says %v", c)
						}
					})
				})
			}
		}
	}
}

// wantUnavailable wants an error that says which policy kept which command from being called.
func wantUnavailable(t *testing.T, err error, reason, command, layer, key string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want an error", err)
	}
	cause := map[string]string{"breaker": "breaker_open"}[layer]
	if cause == "" {
		cause = "limited"
	}
	want := map[string]string{"command": command, "outcome": "refused", "layer": layer, "policy": key, "cause": cause}
	if diff := cmp.Diff(want, f.Metadata); diff != "" || f.Kind != fault.Unavailable || f.Reason != reason {
		t.Errorf("%v of kind %v (-want +got):\n%s", f, f.Kind, diff)
	}
	if layer == "breaker" && (f.RetryAfter <= 0 || f.RetryAfter > time.Minute) {
		t.Errorf("it says to try again in %v, the breaker is open for a minute", f.RetryAfter)
	}
}

func TestWithoutPricesARefusalFailsTheRequest(t *testing.T) {
	for way, r := range refusing {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const command = "price.query"
				w := fullWorld()
				g := w.guarded(t, base+scene("s", fullScenario, full)+fmt.Sprintf(r.policies, command))
				if r.prime {
					misbehave(w, command, func(context.Context) error { return errDown })
					if _, err := g.buys(t); fault.Reason(err) != "PRICE_STOCK_UNAVAILABLE" {
						t.Fatal(err)
					}
					g.failed = nil
				}
				_, err := g.buys(t)
				key := r.key
				if key == "%s" {
					key = command
				}
				wantUnavailable(t, err, "PRICE_STOCK_UNAVAILABLE", command, r.layer, key)
				if len(g.failed) != 0 {
					t.Errorf("told as a failure: %v", g.failed)
				}
			})
		})
	}
}

func TestWhatCountsAgainstADependency(t *testing.T) {
	for _, tc := range []struct {
		name          string
		how           func(context.Context) error
		cancel        bool // the caller does, while the call is under way
		deadline      time.Duration
		calls, errors int64
	}{
		{"an answer", func(context.Context) error { return nil }, false, 0, 1, 0},
		{"an error", func(context.Context) error { return errDown }, false, 0, 1, 1},
		{"a panic", func(context.Context) error { panic("bug") }, false, 0, 1, 1},
		{"a rejection", func(context.Context) error { return fmt.Errorf("%w: no such model", engine.ErrRejected) }, false, 0, 1, 0},
		{"a malformed answer", func(context.Context) error { return engine.ErrMalformed }, false, 0, 1, 1},
		{"its own time", hang, false, 0, 1, 1},
		{"the deadline of the request", hang, false, 100 * time.Millisecond, 1, 1},
		{"the caller's cancellation", hang, true, 0, 0, 0},
		{"a cancellation of its own", func(context.Context) error { return context.Canceled }, false, 0, 1, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := fullWorld()
				w.fromMemory = false
				misbehave(w, "tax.rates", tc.how)
				g := w.guarded(t, base+scene("s", fullScenario, full)+`
breakers: {tax.rates: {error_percent_threshold: 100}}
scene_breakers: {tax.rates: {error_percent_threshold: 100}}
`)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tc.deadline > 0 {
					ctx, cancel = context.WithTimeout(ctx, tc.deadline)
					defer cancel()
				}
				if tc.cancel {
					time.AfterFunc(50*time.Millisecond, cancel)
				}
				_, _ = g.Price(ctx, engine.Caller{}, asUser(request("s", 1), 7))
				for _, scene := range []string{"", "s"} {
					if b := g.breaker(t, "tax.rates", scene); b.Calls != tc.calls || b.Errors != tc.errors {
						t.Errorf("the breaker of %q saw %d calls and %d errors, want %d and %d", scene, b.Calls, b.Errors, tc.calls, tc.errors)
					}
				}
				time.Sleep(2 * time.Minute) // until the last provider is back
			})
		})
	}
}

func TestAnAnswerThatCannotBeCountsAgainstItsProvider(t *testing.T) {
	w := fullWorld()
	w.rebate.answer = func(*engine.Call, engine.RebateKey) int64 { return -1 }
	g := w.guarded(t, base+scene("s", fullScenario, full)+"breakers: {rebate.query: {error_percent_threshold: 100}}\n")
	if _, err := g.buys(t); err != nil {
		t.Fatal(err)
	}
	if b := g.breaker(t, "rebate.query", ""); b.Errors != 1 || g.seen.calls["live rebate.query malformed"] != 1 {
		t.Errorf("%+v, and counted %v", b, g.seen.calls)
	}
}

func TestAPanicOnTheWayBackIsAFailureAndGoesOnUp(t *testing.T) {
	w := fullWorld()
	g := w.guarded(t, base+scene("s", fullScenario, full)+"breakers: {tax.rates: {error_percent_threshold: 100}}\ndependencies: [{command: tax.rates, max_concurrent: 1}]\n")
	g.seen.breaksAt = "tax.rates"
	for range 2 { // the room is given back, too
		func() {
			defer func() {
				if recover() == nil {
					t.Error("it did not go on up")
				}
			}()
			_, err := g.buys(t)
			t.Errorf("it did not go on up: %v", err)
		}()
	}
	if b := g.breaker(t, "tax.rates", ""); b.Calls != 2 || b.Errors != 2 || len(g.seen.refusals) != 0 {
		t.Errorf("%+v, refused were %v", b, g.seen.refusals)
	}
}

func TestALateProviderTakesUpItsRoomUntilItHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fullWorld()
		w.fromMemory = false
		w.price = newWorld(noon, model(10, promo(0, original, 100)), model(11, promo(0, original, 100)), model(12, promo(0, original, 100))).price
		var well atomic.Bool
		misbehave(w, "tax.rates", func(ctx context.Context) error {
			if well.Load() {
				return nil
			}
			return hang(ctx) // for half a second, and a minute beyond
		})
		g := w.guarded(t, base+scene("s", fullScenario, full)+"dependencies: [{command: tax.rates, max_batch: 1, max_concurrent: 4}]\n")
		if _, err := g.buys(t); err != nil {
			t.Fatal(err)
		}
		well.Store(true)
		_, err := g.buys(t)
		if diff := cmp.Diff([]string{"live bulkhead tax.rates dry=false"}, g.seen.refusals); diff != "" || err != nil {
			t.Errorf("three are under way still, three more find no room among four (%v):\n%s", err, diff)
		}
		time.Sleep(2 * time.Minute)
		resp, err := g.buys(t)
		if err != nil || !resp.GetAccurate() || len(g.seen.refusals) != 1 {
			t.Errorf("they have ended: %v, %v, refused were %v", err, resp, g.seen.refusals)
		}
	})
}

func TestASecondRequestFindsTheRoomOfTheFirst(t *testing.T) {
	for _, memory := range []bool{true, false} {
		w := fullWorld()
		w.fromMemory = memory
		g := w.guarded(t, base+scene("s", "", modelMain)+"dependencies: [{command: price.query, max_concurrent: 1}]\n")
		for i := range 20_000 {
			if _, err := g.Price(t.Context(), engine.Caller{}, request("s", 1)); err != nil {
				t.Fatalf("in process %v, request %d: %v", memory, i, err)
			}
		}
	}
}

func TestAQueryHasNoMoreCallsAtOnceThanItsBulkhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fullWorld()
		w.fromMemory = false
		var models []facts.Model
		for id := range int64(9) {
			models = append(models, model(10+id, promo(0, original, 100)))
		}
		w.price = newWorld(noon, models...).price
		var mu sync.Mutex
		inside, most := 0, 0
		misbehave(w, "tax.rates", func(context.Context) error {
			mu.Lock()
			inside++
			most = max(most, inside)
			mu.Unlock()
			time.Sleep(time.Millisecond)
			mu.Lock()
			inside--
			mu.Unlock()
			return nil
		})
		g := w.guarded(t, base+scene("s", fullScenario, full)+"dependencies: [{command: tax.rates, max_batch: 1, max_parallel: 8, max_concurrent: 2}]\n")
		if resp, err := g.buys(t); err != nil || !resp.GetAccurate() || most != 2 {
			t.Errorf("%d at once, want 2: %v, %v", most, resp, err)
		}
	})
}

func TestEachClassHasBreakersOfItsOwn(t *testing.T) {
	w := fullWorld()
	g := w.guarded(t, base+scene("s", fullScenario, full)+"breakers: {tax.rates: {error_percent_threshold: 1, minimum_number_of_calls: 1, open: 60s}}\n")
	as := func(class traffic.Class) bool {
		resp, err := g.Price(t.Context(), engine.Caller{Class: class}, asUser(request("s", 1), 7))
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetAccurate()
	}
	misbehave(w, "tax.rates", func(context.Context) error { return errDown })
	as(traffic.Shadow)
	misbehave(w, "tax.rates", func(context.Context) error { return nil })
	if as(traffic.Shadow) || !as(traffic.Live) {
		t.Error("want shadow traffic refused, and live traffic not")
	}
	if diff := cmp.Diff([]string{"shadow tax.rates open"}, g.seen.transitions); diff != "" {
		t.Error(diff)
	}
}

func TestOfflineThereAreNoPolicies(t *testing.T) {
	w := fullWorld()
	e := w.engine(t, base+scene("s", fullScenario, full+"    limits: [none]\n")+`
limits: {none: {all: {window: 60s, limit: 0, precision: LOCAL}}}
inbound: {limits: [none]}
dependencies: [{command: tax.rates, limits: [none]}]
`)
	if resp := ask(t, e, asUser(request("s", 1), 7)); !resp.GetAccurate() {
		t.Errorf("%v", resp)
	}
}

func TestTheTraceHasWhatPoliciesSaidOfACall(t *testing.T) {
	w := fullWorld()
	g := w.guarded(t, base+scene("s", fullScenario, full)+`
breakers: {tax.rates: {error_percent_threshold: 50}}
limits:
  soft: {all: {window: 60s, limit: 9, soft_limit: 1, precision: LOCAL}}
  dry: {dry_run: true, all: {window: 60s, limit: 0, precision: LOCAL}}
dependencies: [{command: tax.rates, limits: [soft, dry]}]
`)
	for _, want := range []string{"ok", "soft"} {
		resp, err := g.buys(t)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range resp.Trace.Calls {
			breaker, limiter := "", ""
			if c.Command == "tax.rates" {
				breaker, limiter = "closed", want
			}
			if c.Breaker != breaker || c.Limiter != limiter {
				t.Errorf("%v: want breaker %q and limiter %q", c, breaker, limiter)
			}
		}
	}
	if diff := cmp.Diff([]string{"live limit dry/all dry=true", "live limit dry/all dry=true"}, g.seen.refusals); diff != "" {
		t.Error(diff)
	}
}
