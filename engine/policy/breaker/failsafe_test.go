package breaker_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"pgregory.net/rapid"

	"proscenium/engine/policy/breaker"
)

func failsafeOf(rule breaker.Rule) circuitbreaker.Builder[any] {
	return circuitbreaker.NewBuilder[any]().
		WithFailureRateThreshold(float64(rule.ErrorPercent)/100, uint(rule.MinimumCalls), rule.Window).WithDelay(rule.Open)
}

// failsafeSubset is a share, and up to how many calls in a window no smaller share is rounded up to it.
type failsafeSubset struct{ percent, probes, calls int }

// Where failsafe-go does what is wanted, both do the same. That is where
//   - only errors count, and no call is slow;
//   - rounding a share to two decimals makes no difference: with few calls in a window;
//   - a call is reported before the next one begins: failsafe-go does not know which calls are from before a transition;
//   - no call is ignored: failsafe-go has no word for that;
//   - one failed probe is enough to open it again, and all are reported;
//   - the clock moves by whole buckets: failsafe-go's begin at round times, ours at the first call.
//
// Within that the window rolls, and the instant when a pause ends is met.
func TestItDoesWhatFailsafeDoesWhereThatIsRight(t *testing.T) {
	transitions := 0
	subsets := rapid.SampledFrom([]failsafeSubset{{10, 5, 20}, {20, 5, 40}, {50, 2, 99}, {50, 1, 99}, {100, 1, 199}})
	steps := commands(time.Second, 2*time.Second, 5*time.Second, 9*time.Second, 10*time.Second, time.Hour)
	rapid.Check(t, func(rt *rapid.T) {
		subset := subsets.Draw(rt, "subset")
		rule := breaker.Rule{
			ErrorPercent: subset.percent, MinimumCalls: rapid.IntRange(1, 15).Draw(rt, "minimum"),
			Window: 10 * time.Second, Open: 5 * time.Second, HalfOpenCalls: subset.probes, HalfOpenMaxWait: forever,
		}
		var err error
		list := steps.Draw(rt, "commands")
		synctest.Test(t, func(*testing.T) {
			c := besideFailsafe{
				theirs: failsafeOf(rule).WithSuccessThreshold(uint(subset.probes)).Build(), ours: breaker.New(rule, nil), most: subset.calls, epoch: time.Now(),
			}
			err = c.run(list)
			transitions += c.transitions
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
	t.Logf("%d transitions were the same", transitions)
	if transitions < 20 {
		t.Errorf("only %d transitions: little was compared", transitions)
	}
}

type besideFailsafe struct {
	theirs      circuitbreaker.CircuitBreaker[any]
	ours        *breaker.Breaker
	most        int // calls in the window
	epoch       time.Time
	transitions int
}

func (c *besideFailsafe) run(list []command) error {
	for i, command := range list {
		now := int64(time.Since(c.epoch))
		before := c.ours.Status(now)
		if command.kind == 0 || before.Calls >= int64(c.most) {
			time.Sleep(command.wait)
			continue
		}
		permit, ok := c.ours.Allow(now)
		if theirs := c.theirs.TryAcquirePermit(); ok != theirs {
			return fmt.Errorf("command %d: allowed %v, failsafe-go says %v", i, ok, theirs)
		}
		if !ok {
			continue
		}
		if command.outcome == failure && command.kind < 6 { // about one of seven
			permit.Done(now, failure)
			c.theirs.RecordFailure()
		} else {
			permit.Done(now, success)
			c.theirs.RecordSuccess()
		}
		state := c.ours.State(now)
		if theirs := stateOfFailsafe[c.theirs.State()]; state != theirs {
			return fmt.Errorf("command %d: %v, failsafe-go is %v", i, state, theirs)
		}
		if state != before.State {
			c.transitions++
		}
	}
	return nil
}

var stateOfFailsafe = map[circuitbreaker.State]breaker.State{
	circuitbreaker.ClosedState: breaker.Closed, circuitbreaker.OpenState: breaker.Open, circuitbreaker.HalfOpenState: breaker.HalfOpen,
}

// What failsafe-go does instead, see what is said of gobreaker.

func TestFailsafeHasOneShareForErrorsAndSlowCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs := failsafeOf(twoShares).Build()
		ours := newLab(t, twoShares)
		eachOfTwoShares(func(outcome breaker.Outcome, took time.Duration) {
			theirs.RecordError(slowIsError(outcome, took))
			ours.slowCalls(1, took, outcome)
		})
		if !theirs.IsOpen() {
			t.Errorf("failsafe-go is %v, it used to open", theirs.State())
		}
		ours.counts(100, 30, 30)
		ours.is(breaker.Closed)
	})
}

// halfOpenBeside makes failsafe-go's and ours half-open, with calls under way from before they opened.
func halfOpenBeside(t *testing.T, calls int) (theirs circuitbreaker.CircuitBreaker[any], ours *lab, before []breaker.Permit) {
	t.Helper()
	theirs, ours = failsafeOf(fiveProbes).WithSuccessThreshold(5).Build(), newLab(t, fiveProbes)
	for range calls {
		theirs.TryAcquirePermit()
		before = append(before, ours.allow())
	}
	for range 4 {
		theirs.TryAcquirePermit()
		theirs.RecordFailure()
	}
	ours.calls(4, failure)
	time.Sleep(5 * time.Second)
	ours.pass(5 * time.Second)
	return theirs, ours, before
}

func TestFailsafeWaitsForLostProbesForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs, ours, _ := halfOpenBeside(t, 0)
		for range 5 { // probes whose callers are gone
			if !theirs.TryAcquirePermit() {
				t.Fatal("no probe")
			}
			ours.allow()
		}
		time.Sleep(24 * time.Hour)
		ours.pass(24 * time.Hour)
		if theirs.TryAcquirePermit() {
			t.Error("failsafe-go reclaimed a probe, it used to refuse")
		}
		ours.calls(5, success)
		ours.is(breaker.Closed)
	})
}

func TestFailsafeIsClosedByCallsFromBeforeItOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs, ours, before := halfOpenBeside(t, 5)
		theirs.TryAcquirePermit() // a probe, of which nothing is known yet
		ours.allow()
		for _, permit := range before {
			theirs.RecordSuccess()
			ours.done(permit, success)
		}
		if !theirs.IsClosed() {
			t.Errorf("failsafe-go is %v, it used to close", theirs.State())
		}
		ours.is(breaker.HalfOpen)
		ours.counts(0, 0, 0)
	})
}

func TestFailsafeLetsMoreProbesPassThanItShould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs, ours, before := halfOpenBeside(t, 4)
		theirsUnderWay, oursUnderWay := 0, 0
		ask := func() {
			for range 10 {
				if theirs.TryAcquirePermit() {
					theirsUnderWay++
				}
				if _, ok := ours.b.Allow(int64(ours.now)); ok {
					oursUnderWay++
				}
			}
		}
		ask()
		for _, permit := range before { // each gives a place back that it never took
			theirs.RecordSuccess()
			ours.done(permit, success)
		}
		ask()
		if theirsUnderWay <= 5 {
			t.Errorf("failsafe-go has %d probes under way, it used to have more than 5", theirsUnderWay)
		}
		if oursUnderWay != 5 {
			t.Errorf("%d probes under way, want 5", oursUnderWay)
		}
	})
}

func TestFailsafeRoundsItsShare(t *testing.T) {
	rule := breaker.Rule{ErrorPercent: 50, MinimumCalls: 1000, Window: 10 * time.Second}
	synctest.Test(t, func(t *testing.T) {
		theirs := failsafeOf(rule).Build()
		ours := newLab(t, rule)
		for range 505 {
			theirs.RecordSuccess()
		}
		for range 495 {
			theirs.RecordFailure()
		}
		ours.calls(505, success)
		ours.calls(495, failure)
		if !theirs.IsOpen() {
			t.Errorf("failsafe-go is %v at 495 of 1000, it used to open", theirs.State())
		}
		ours.is(breaker.Closed)
	})
}

func TestFailsafeClosesBeforeAllProbesReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs := failsafeOf(fiveProbes).WithSuccessThresholdRatio(3, 5).Build()
		for range 4 {
			theirs.RecordFailure()
		}
		ours := opened(t, fiveProbes)
		time.Sleep(5 * time.Second)
		ours.pass(5 * time.Second)
		for range 3 {
			theirs.TryAcquirePermit()
			theirs.RecordSuccess()
		}
		ours.calls(3, success)
		if !theirs.IsClosed() {
			t.Errorf("failsafe-go is %v, it used to close", theirs.State())
		}
		ours.is(breaker.HalfOpen)
	})
}

func BenchmarkClosedBesideFailsafe(b *testing.B) {
	theirs := failsafeOf(benchRule).Build()
	call := func() {
		theirs.TryAcquirePermit()
		theirs.RecordSuccess()
	}
	b.Run("one", func(b *testing.B) { compare(b, 1, closedCall(), call, "x-failsafe") })
	b.Run("parallel", func(b *testing.B) { compare(b, runtime.GOMAXPROCS(0), closedCall(), call, "x-failsafe") })
	b.Run("64-goroutines", func(b *testing.B) { compare(b, 64, closedCall(), call, "x-failsafe") })
}

func BenchmarkRefusedBesideFailsafe(b *testing.B) {
	theirs := failsafeOf(benchTrip).Build()
	theirs.RecordFailure()
	call := func() {
		if theirs.TryAcquirePermit() {
			panic("allowed")
		}
	}
	b.Run("one", func(b *testing.B) { compare(b, 1, refusedCall(), call, "x-failsafe") })
	b.Run("parallel", func(b *testing.B) { compare(b, runtime.GOMAXPROCS(0), refusedCall(), call, "x-failsafe") })
}

// Two levels, where failsafe-go is asked one after the other: that is not all or nothing.
func BenchmarkPairBesideFailsafe(b *testing.B) {
	command, scene := failsafeOf(benchRule).Build(), failsafeOf(benchRule).Build()
	call := func() {
		command.TryAcquirePermit()
		scene.TryAcquirePermit()
		command.RecordSuccess()
		scene.RecordSuccess()
	}
	b.Run("one", func(b *testing.B) { compare(b, 1, pairCall(), call, "x-failsafe") })
	b.Run("parallel", func(b *testing.B) { compare(b, runtime.GOMAXPROCS(0), pairCall(), call, "x-failsafe") })
}
