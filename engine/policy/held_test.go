package policy

import (
	"testing"
	"testing/synctest"
	"time"

	"proscenium/engine/policy/breaker"
	"proscenium/scenes"
	"proscenium/traffic"
)

// voucherPolicies are breakers that a failure opens: the one of all scenes only after many.
const voucherPolicies = `
breakers:
  voucher.best_vouchers: {error_percent_threshold: 50, minimum_number_of_calls: 50}
scene_breakers:
  voucher.best_vouchers: {error_percent_threshold: 50, minimum_number_of_calls: 1, open: 10s, half_open_calls: 1}
`

const voucherQuery = "voucher.best_vouchers"

// vouchersOf are the policies around the vouchers of a scene, and around those of its downgraded pools.
func vouchersOf(t testing.TB, r *Registry, scene string) (usual, downgraded *Outbound) {
	t.Helper()
	snap := load(t, base, twoScenes("", "", ""), voucherPolicies)
	set := serve(t, r, snap)
	s := snap.ScenesByName[scene]
	return set.Outbound(traffic.Live, voucherQuery, s), set.Downgraded(traffic.Live, s)
}

func TestWhatIsHeldPassesWhateverTheBreakerBecame(t *testing.T) {
	r := registry(t)
	o, _ := vouchersOf(t, r, "cart")
	held, refused := o.Hold()
	wantPass(t, "at the start of the request", refused)
	wantPass(t, "meanwhile", call(t, o, 1, breaker.Failure))
	wantRefusal(t, "another request", call(t, o, 1, breaker.Failure), Breaker, "voucher.best_vouchers@cart")
	pass, refused := o.Enter(t.Context(), &Query{Input: user(1), Calls: 1, AtOnce: 1, Held: &held, Listener: silent{}})
	wantPass(t, "the call of the request", refused)
	pass.Done(breaker.Success)
	if s := breakerOf(t, r, traffic.Live, "voucher.best_vouchers@cart"); s.State != "open" || s.Opened != 1 {
		t.Errorf("a call from before the transition counted: %+v", s)
	}
	if s := breakerOf(t, r, traffic.Live, "voucher.best_vouchers"); s.Calls != 2 {
		t.Errorf("the breaker of all scenes saw %d calls, want 2", s.Calls)
	}
}

func TestAHeldProbeIsTimedFromItsCallAndGivenBackWhereThereIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := registry(t)
		o, _ := vouchersOf(t, r, "cart")
		wantPass(t, "a failure", call(t, o, 1, breaker.Failure))
		if _, refused := o.Hold(); refused == nil || refused.Key != "voucher.best_vouchers@cart" || refused.RetryAfter != 10*time.Second {
			t.Errorf("%+v: want the breaker of the scene to refuse for 10s", refused)
		}
		time.Sleep(11 * time.Second) // the pause of the breaker
		probe, refused := o.Hold()
		wantPass(t, "the probe", refused)
		_, refused = o.Hold()
		wantRefusal(t, "a second probe", refused, Breaker, "voucher.best_vouchers@cart")
		r.GiveBack(probe)
		again, refused := o.Hold()
		wantPass(t, "a probe, where the one before was not used", refused)
		pass, refused := o.Enter(t.Context(), &Query{Input: user(1), Calls: 1, AtOnce: 1, Held: &again, Listener: silent{}})
		wantPass(t, "its call", refused)
		pass.Done(breaker.Success)
		r.GiveBack(again) // a request gives back whatever it has: this changes nothing any more
		if s := breakerOf(t, r, traffic.Live, "voucher.best_vouchers@cart"); s.State != "closed" {
			t.Errorf("the probe did not count: %+v", s)
		}
	})
}

func TestARefusalOfTheCommandGivesTheHeldProbeOfTheSceneBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := registry(t)
		snap := load(t, base, twoScenes("", "", ""), `
breakers: {voucher.best_vouchers: {error_percent_threshold: 1, minimum_number_of_calls: 1, open: 60s}}
scene_breakers: {voucher.best_vouchers: {error_percent_threshold: 1, minimum_number_of_calls: 1, open: 10s, half_open_calls: 1}}
`)
		o := serve(t, r, snap).Outbound(traffic.Live, voucherQuery, snap.Scenes[0])
		wantPass(t, "a failure opens both", call(t, o, 1, breaker.Failure))
		time.Sleep(12 * time.Second) // the pause of the scene's
		held, refused := o.Hold()
		wantPass(t, "the scene's probe", refused)
		_, refused = o.Enter(t.Context(), &Query{Input: user(1), Calls: 1, AtOnce: 1, Held: &held, Listener: silent{}})
		wantRefusal(t, "the call", refused, Breaker, voucherQuery)
		_, refused = o.Hold()
		wantPass(t, "another probe of the scene", refused)
	})
}

func TestCallsToDowngradedPoolsHaveABreakerOfTheirOwn(t *testing.T) {
	r := registry(t)
	usual, downgraded := vouchersOf(t, r, "cart")
	wantPass(t, "a failure", call(t, usual, 1, breaker.Failure))
	wantRefusal(t, "the usual pools", call(t, usual, 1, breaker.Success), Breaker, "voucher.best_vouchers@cart")
	wantPass(t, "the downgraded pools", call(t, downgraded, 1, breaker.Failure))
	wantRefusal(t, "the downgraded pools, after their own failure", call(t, downgraded, 1, breaker.Success), Breaker, "voucher.best_vouchers@cart/downgraded")
	if s := breakerOf(t, r, traffic.Live, voucherQuery); s.Calls != 2 {
		t.Errorf("the breaker of the command counted %d calls of both, want 2", s.Calls)
	}
}

func TestABreakerOfASceneLeavesTheOthersAlone(t *testing.T) {
	r := registry(t)
	snap := load(t, base, twoScenes("", "", ""), voucherPolicies)
	set := serve(t, r, snap)
	of := func(s *scenes.Scene) *Outbound { return set.Outbound(traffic.Live, voucherQuery, s) }
	wantPass(t, "a failure of cart", call(t, of(snap.Scenes[0]), 1, breaker.Failure))
	wantRefusal(t, "cart", call(t, of(snap.Scenes[0]), 1, breaker.Success), Breaker, "voucher.best_vouchers@cart")
	wantPass(t, "chat", call(t, of(snap.Scenes[1]), 1, breaker.Success))
}
