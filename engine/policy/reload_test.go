package policy

import (
	"testing"
	"testing/synctest"
	"time"

	"proscenium/engine/policy/breaker"
	"proscenium/traffic"
)

func TestAReloadKeepsState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := registry(t)
		text := twoScenes("", "", "")
		before := load(t, base, text, taxPolicies)
		o := serve(t, r, before).Outbound(traffic.Live, "tax.rates", before.Scenes[0])
		long, refused := o.Enter(t.Context(), &Query{Input: user(1), Calls: 2, AtOnce: 2, Listener: silent{}})
		wantPass(t, "two calls that go on", refused)
		long.Done(breaker.Failure)
		was := breakerOf(t, r, traffic.Live, "tax.rates")

		time.Sleep(time.Second) // so that what begins anew would show
		after := load(t, base, text, replaced(taxPolicies, "minimum_number_of_calls: 1, open: 10s", "minimum_number_of_calls: 7, open: 90s",
			"limit: 3", "limit: 4", "max_concurrent: 2", "max_concurrent: 3"))
		next := serve(t, r, after).Outbound(traffic.Live, "tax.rates", after.Scenes[0])
		if s := breakerOf(t, r, traffic.Live, "tax.rates"); s.State != "open" || !s.OpenUntil.Equal(was.OpenUntil) || !s.Since.Equal(was.Since) || s.Opened != 1 {
			t.Errorf("the breaker was %+v, and is %+v", was, s)
		}
		time.Sleep(9 * time.Second) // what is left of the old pause
		wantRefusal(t, "three more calls, of four", call(t, next, 3, breaker.Success), Limit, "tax_calls/all")
		wantRefusal(t, "two more calls at once, of three", call(t, next, 2, breaker.Success), Bulkhead, "tax.rates")
		long.Room().Leave(2)
		time.Sleep(time.Minute) // the limit's window
		wantPass(t, "when the first have ended", call(t, next, 2, breaker.Success))
	})
}

func TestWhatTheConfigurationNoLongerHasIsDropped(t *testing.T) {
	r := registry(t)
	text := twoScenes("", "", "")
	snap := load(t, base, text, taxPolicies)
	old := serve(t, r, snap).Outbound(traffic.Live, "tax.rates", snap.Scenes[0])
	wantPass(t, "a failure", call(t, old, 1, breaker.Failure))

	empty := load(t, base, text)
	if serve(t, r, empty).Outbound(traffic.Live, "tax.rates", empty.Scenes[0]) != nil || len(r.Breakers()) != 0 || len(r.Limits()) != 0 {
		t.Errorf("left are %+v and %+v", r.Breakers(), r.Limits())
	}
	wantRefusal(t, "a request that began before", call(t, old, 1, breaker.Success), Breaker, "tax.rates")
	again := load(t, base, text, taxPolicies)
	o := serve(t, r, again).Outbound(traffic.Live, "tax.rates", again.Scenes[0])
	wantPass(t, "a breaker that is back is a new one", call(t, o, 3, breaker.Success))
}

func TestNothingIsDroppedForASetThatNeverServes(t *testing.T) {
	r := registry(t)
	text := twoScenes("", "", "")
	snap := load(t, base, text, taxPolicies)
	o := serve(t, r, snap).Outbound(traffic.Live, "tax.rates", snap.Scenes[0])
	wantPass(t, "a failure", call(t, o, 1, breaker.Failure))
	if _, err := r.Apply(load(t, base, text)); err != nil {
		t.Fatal(err)
	}
	if s := breakerOf(t, r, traffic.Live, "tax.rates"); s.State != "open" {
		t.Errorf("%+v", s)
	}
	again := load(t, base, text, taxPolicies)
	wantRefusal(t, "the set after it", call(t, serve(t, r, again).Outbound(traffic.Live, "tax.rates", again.Scenes[0]), 1, breaker.Success), Breaker, "tax.rates")
}

func TestAnEqualLimitKeepsItsHandle(t *testing.T) {
	r := registry(t)
	text := twoScenes("", "", "")
	a, b := serve(t, r, load(t, base, text, taxPolicies)), serve(t, r, load(t, base, text, taxPolicies))
	key := limitKey{traffic.Live, "tax_calls"}
	if a.limits[key] != b.limits[key] {
		t.Error("an equal configuration made another handle")
	}
}

func TestPurgingShadowTrafficLeavesTheLive(t *testing.T) {
	r := registry(t)
	snap := load(t, base, twoScenes("", "", ""), taxPolicies)
	set := serve(t, r, snap)
	for _, class := range traffic.All() {
		o := set.Outbound(class, "tax.rates", snap.Scenes[0])
		wantPass(t, "a failure", call(t, o, 3, breaker.Failure))
		wantRefusal(t, "after it", call(t, o, 1, breaker.Success), Breaker, "tax.rates")
	}
	r.PurgeShadow()
	wantPass(t, "shadow traffic", call(t, set.Outbound(traffic.Shadow, "tax.rates", snap.Scenes[0]), 3, breaker.Success))
	wantRefusal(t, "live traffic", call(t, set.Outbound(traffic.Live, "tax.rates", snap.Scenes[0]), 1, breaker.Success), Breaker, "tax.rates")
}

func TestWhatUsersConsumedCountsByTheNewLimit(t *testing.T) {
	r := registry(t)
	text := twoScenes("limits: [users]", "", "")
	limits := "limits: {users: {each: {window: 60s, limit: 2, key: user.id, precision: LOCAL}}}"
	in := func(limits string) *Inbound {
		snap := load(t, base, text, limits)
		return serve(t, r, snap).Inbound(traffic.Live, nil, snap.Scenes[0])
	}
	first := in(limits)
	wantPass(t, "the first", request(t, first, 1))
	wantPass(t, "the second", request(t, first, 1))
	second := in(replaced(limits, "limit: 2", "limit: 3"))
	wantPass(t, "the third, where there may be three now", request(t, second, 1))
	wantRefusal(t, "the fourth", request(t, second, 1), Limit, "users/each")
	if s := limitOf(t, r, traffic.Live, "users/each"); s.Allowed != 3 || s.Refused != 1 || s.Limit != 3 {
		t.Errorf("%+v", s)
	}
}
