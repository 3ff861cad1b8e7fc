package policy

import (
	"testing"
	"testing/synctest"
	"time"

	"proscenium/engine/policy/breaker"
	"proscenium/traffic"
)

// taxPolicies put every layer around tax.rates: breakers that one failure opens, a limit of three calls, room for two at once.
const taxPolicies = `
breakers:
  tax.rates: {error_percent_threshold: 100, minimum_number_of_calls: 1, open: 10s, half_open_calls: 1}
scene_breakers:
  tax.rates: {error_percent_threshold: 50, minimum_number_of_calls: 2, open: 20s, half_open_calls: 1}
limits:
  tax_calls: {all: {window: 60s, limit: 3, precision: LOCAL}}
dependencies:
  - {command: tax.rates, limits: [tax_calls], max_concurrent: 2}
`

func TestNothingStandsWhereNothingIsConfigured(t *testing.T) {
	snap := load(t, base, twoScenes("", "", ""), taxPolicies)
	set := serve(t, registry(t), snap)
	cart := snap.ScenesByName["cart"]
	if set.Outbound(traffic.Live, "rebate.query", cart) != nil || set.Inbound(traffic.Live, cart.Client, cart) != nil || set.Downgraded(traffic.Shadow, cart) != nil {
		t.Error("there are policies where none is configured")
	}
	if set.Outbound(traffic.Live, "tax.rates", cart) == nil || set.Outbound(traffic.Shadow, "tax.rates", cart) == nil {
		t.Error("there is nothing where policies are configured")
	}
	var none *Set
	if none.Outbound(traffic.Live, "tax.rates", cart) != nil || none.Inbound(traffic.Live, cart.Client, cart) != nil || none.Registry() != nil {
		t.Error("no set has policies")
	}
}

func TestABreakerThatNothingOpensIsNone(t *testing.T) {
	snap := load(t, base, twoScenes("", "", ""), "breakers: {tax.rates: {minimum_number_of_calls: 5}}")
	if serve(t, registry(t), snap).Outbound(traffic.Live, "tax.rates", snap.Scenes[0]) != nil {
		t.Error("a breaker without thresholds stands around calls")
	}
}

func TestTheBreakerIsAskedBeforeTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := registry(t)
		snap := load(t, base, twoScenes("", "", ""), taxPolicies)
		o := serve(t, r, snap).Outbound(traffic.Live, "tax.rates", snap.Scenes[0])
		wantPass(t, "the first", call(t, o, 1, breaker.Failure))
		refused := call(t, o, 1, breaker.Success)
		wantRefusal(t, "after a failure", refused, Breaker, "tax.rates")
		if refused != nil && (refused.RetryAfter != 10*time.Second || refused.Subject != "command:tax.rates") {
			t.Errorf("%+v: want to be told of the pause, and what is guarded", refused)
		}
		if s := limitOf(t, r, traffic.Live, "tax_calls/all"); s.Allowed != 1 || s.Refused != 0 {
			t.Errorf("the limit counted what the breaker refused: %+v", s)
		}
		if s := breakerOf(t, r, traffic.Live, "tax.rates"); s.Refused != 1 || s.Opened != 1 || s.State != "open" || !s.OpenUntil.Equal(time.Now().Add(10*time.Second)) {
			t.Errorf("the breaker shows %+v", s)
		}
		if s := breakerOf(t, r, traffic.Live, "tax.rates@cart"); s.Calls != 1 || s.Errors != 1 || s.Refused != 0 {
			t.Errorf("the refusal of one left a trace on the other: %+v", s)
		}
	})
}

func TestWhatALaterLayerRefusesIsNoCallForTheBreakers(t *testing.T) {
	fails := func(t *testing.T, o *Outbound) *Refusal {
		t.Helper()
		return call(t, o, 1, breaker.Failure)
	}
	for _, tc := range []struct {
		name   string
		prime  func(t *testing.T, o *Outbound) func()
		layer  Layer
		key    string
		method func(t *testing.T, o *Outbound) *Refusal
	}{
		{"the limit", func(t *testing.T, o *Outbound) func() {
			t.Helper()
			wantPass(t, "priming", call(t, o, 3, breaker.Ignored))
			return func() {}
		}, Limit, "tax_calls/all", fails},
		{"the bulkhead", func(t *testing.T, o *Outbound) func() {
			t.Helper()
			pass, refused := o.Enter(t.Context(), &Query{Input: user(1), Calls: 1, AtOnce: 2, Listener: silent{}})
			wantPass(t, "priming", refused)
			pass.Done(breaker.Ignored)
			return func() { pass.Room().Leave(2) }
		}, Bulkhead, "tax.rates", fails},
		{"the end of its time", func(*testing.T, *Outbound) func() { return func() {} }, Limit, "tax.rates", func(t *testing.T, o *Outbound) *Refusal {
			t.Helper()
			_, refused := o.Enter(canceled(t), &Query{Input: user(1), Calls: 1, AtOnce: 1, Listener: silent{}})
			return refused
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := registry(t)
				snap := load(t, base, twoScenes("", "", ""), taxPolicies)
				o := serve(t, r, snap).Outbound(traffic.Live, "tax.rates", snap.Scenes[0])
				wantPass(t, "a failure", call(t, o, 0, breaker.Failure))
				time.Sleep(11 * time.Second) // the pause of the breaker
				leave := tc.prime(t, o)
				wantRefusal(t, "the probe", tc.method(t, o), tc.layer, tc.key)
				if s := breakerOf(t, r, traffic.Live, "tax.rates"); s.State != "half_open" || s.Calls != 0 {
					t.Errorf("the refusal counted: %+v", s)
				}
				leave()
				time.Sleep(time.Minute) // the limit's window
				wantPass(t, "the next probe", call(t, o, 1, breaker.Success))
				if s := breakerOf(t, r, traffic.Live, "tax.rates"); s.State != "closed" {
					t.Errorf("the one probe was not given back: %+v", s)
				}
			})
		})
	}
}

func TestTheLimitIsAskedBeforeTheBulkhead(t *testing.T) {
	snap := load(t, base, twoScenes("", "", ""), taxPolicies)
	o := serve(t, registry(t), snap).Outbound(traffic.Live, "tax.rates", snap.Scenes[0])
	if _, refused := o.Enter(t.Context(), &Query{Input: user(1), Calls: 3, AtOnce: 2, Listener: silent{}}); refused != nil {
		t.Fatal(refused)
	}
	wantRefusal(t, "both would refuse", call(t, o, 1, breaker.Success), Limit, "tax_calls/all")
}

func TestAQueryCostsAsManyAsItHasBatches(t *testing.T) {
	r := registry(t)
	snap := load(t, base, twoScenes("", "", ""), taxPolicies)
	o := serve(t, r, snap).Outbound(traffic.Live, "tax.rates", snap.Scenes[0])
	wantPass(t, "two batches of three", call(t, o, 2, breaker.Success))
	wantRefusal(t, "two more", call(t, o, 2, breaker.Success), Limit, "tax_calls/all")
	wantPass(t, "one more", call(t, o, 1, breaker.Success))
}

func TestABulkheadCountsCallsAtOnceOfTheWholeProcess(t *testing.T) {
	snap := load(t, base, twoScenes("", "", ""), "dependencies: [{command: tax.rates, max_concurrent: 3, shadow_max_concurrent: 1}]")
	set := serve(t, registry(t), snap)
	cart, chat := set.Outbound(traffic.Live, "tax.rates", snap.Scenes[0]), set.Outbound(traffic.Live, "tax.rates", snap.Scenes[1])
	enter := func(o *Outbound, n int) (Room, *Refusal) {
		pass, refused := o.Enter(t.Context(), &Query{Input: user(1), Calls: n, AtOnce: n, Listener: silent{}})
		return pass.Room(), refused
	}
	two, refused := enter(cart, 2)
	wantPass(t, "two of three", refused)
	_, refused = enter(chat, 2)
	wantRefusal(t, "two more, of another scene", refused, Bulkhead, "tax.rates")
	_, refused = enter(set.Outbound(traffic.Shadow, "tax.rates", snap.Scenes[0]), 1)
	wantPass(t, "one of shadow traffic", refused)
	_, refused = enter(set.Outbound(traffic.Shadow, "tax.rates", snap.Scenes[1]), 1)
	wantRefusal(t, "one more of shadow traffic", refused, Bulkhead, "tax.rates")
	two.Leave(1)
	_, refused = enter(chat, 2)
	wantPass(t, "two, when one has left", refused)
	two.Leave(1)
	one, refused := enter(chat, 1)
	wantPass(t, "one, when both have left", refused)
	one.Leave(1)
	_, refused = enter(chat, 9)
	wantRefusal(t, "more than there ever may be, while others are there", refused, Bulkhead, "tax.rates")
}

func TestMoreCallsThanABulkheadEverHasTakeItAll(t *testing.T) {
	snap := load(t, base, twoScenes("", "", ""), "dependencies: [{command: tax.rates, max_concurrent: 3}]")
	o := serve(t, registry(t), snap).Outbound(traffic.Live, "tax.rates", snap.Scenes[0])
	pass, refused := o.Enter(t.Context(), &Query{Input: user(1), Calls: 9, AtOnce: 9, Listener: silent{}})
	wantPass(t, "nine of three, where nobody is", refused)
	if pass.Room().Size() != 3 {
		t.Errorf("they take up %d, want 3", pass.Room().Size())
	}
}

func TestAPassThroughPoliciesOfTheProcessAllocatesNothing(t *testing.T) {
	snap := load(t, base, twoScenes("limits: [much]", "", "quota: much"), `
breakers:
  tax.rates: {error_percent_threshold: 50}
scene_breakers:
  tax.rates: {error_percent_threshold: 50}
limits:
  much: {all: {window: 60s, limit: 1000000, precision: LOCAL}}
  more: {all: {window: 1s, limit: 1000000, burst: 100000, precision: LOCAL}}
inbound: {limits: [more]}
dependencies:
  - {command: tax.rates, limits: [much, more], max_concurrent: 2}
`)
	set := serve(t, registry(t), snap)
	cart := snap.Scenes[0]
	o, in := set.Outbound(traffic.Live, "tax.rates", cart), set.Inbound(traffic.Live, cart.Client, cart)
	input, ctx := user(7), t.Context()
	if n := testing.AllocsPerRun(200, func() {
		entry, refused := in.Enter(ctx, input, silent{})
		pass, other := o.Enter(ctx, &Query{Input: input, Calls: 1, AtOnce: 1, Listener: silent{}})
		if refused != nil || other != nil {
			t.Fatal(refused, other)
		}
		pass.Room().Leave(1)
		pass.Done(breaker.Success)
		entry.Leave()
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
