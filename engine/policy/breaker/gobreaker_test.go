package breaker_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
	"pgregory.net/rapid"

	"proscenium/engine/policy/breaker"
)

var (
	errFailed   = errors.New("failed")
	errCanceled = errors.New("canceled")
)

const forever = 10_000 * time.Hour

// gobreakerOf opens at a share of errors, as far as gobreaker can: it asks only after failures.
func gobreakerOf(rule breaker.Rule, interval, bucket time.Duration) *gobreaker.TwoStepCircuitBreaker[struct{}] {
	return gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests: uint32(rule.HalfOpenCalls), Interval: interval, BucketPeriod: bucket, Timeout: rule.Open,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			total := int(c.TotalSuccesses + c.TotalFailures)
			return total >= rule.MinimumCalls && int(c.TotalFailures)*100 >= rule.ErrorPercent*total
		},
		IsExcluded: func(err error) bool { return errors.Is(err, errCanceled) },
	})
}

func errorOf(outcome breaker.Outcome) error {
	return map[breaker.Outcome]error{success: nil, failure: errFailed, ignored: errCanceled}[outcome]
}

// command is one step of a comparison. Which of its fields count depends on how things stand then.
type command struct {
	kind    int // 0 to 9
	call    int // which of those under way
	outcome breaker.Outcome
	wait    time.Duration
}

func commands(waits ...time.Duration) *rapid.Generator[[]command] {
	one := rapid.Custom(func(t *rapid.T) command {
		return command{
			kind: rapid.IntRange(0, 9).Draw(t, "kind"), call: rapid.IntRange(0, 1000).Draw(t, "call"),
			outcome: rapid.SampledFrom([]breaker.Outcome{success, success, failure, ignored}).Draw(t, "outcome"),
			wait:    rapid.SampledFrom(waits).Draw(t, "wait"),
		}
	})
	return rapid.SliceOfN(one, 100, 500)
}

// Where gobreaker does what is wanted, both do the same. That is where
//   - only errors count, and no call is slow;
//   - calls never grow old: gobreaker drops those that take longer than its window;
//   - a failure completes the minimum: gobreaker does not ask after a success;
//   - one failed probe is enough to open it again: gobreaker knows no share there;
//   - every probe is reported at some time: gobreaker waits for it for ever;
//   - nobody asks at the very instant when the pause ends: gobreaker still refuses then.
//
// Within that, calls overlap in any way, report late and after transitions, and are canceled.
func TestItDoesWhatGobreakerDoesWhereThatIsRight(t *testing.T) {
	transitions := 0
	steps := commands(time.Millisecond, 3*time.Second, 7*time.Second, time.Hour)
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(rt, "half-open calls")
		rule := breaker.Rule{
			ErrorPercent: rapid.IntRange(1, 100/n).Draw(rt, "percent"), MinimumCalls: rapid.IntRange(1, 20).Draw(rt, "minimum"),
			Window: forever, Open: 5 * time.Second, HalfOpenCalls: n, HalfOpenMaxWait: forever,
		}
		var err error
		list := steps.Draw(rt, "commands")
		synctest.Test(t, func(*testing.T) {
			c := besideGobreaker{rule: rule, theirs: gobreakerOf(rule, 0, 0), ours: breaker.New(rule, nil), epoch: time.Now()}
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

type besideGobreaker struct {
	rule        breaker.Rule
	theirs      *gobreaker.TwoStepCircuitBreaker[struct{}]
	ours        *breaker.Breaker
	epoch       time.Time
	underWay    []gobreakerCall
	transitions int
}

type gobreakerCall struct {
	ours   breaker.Permit
	theirs func(error)
}

func (c *besideGobreaker) now() int64 { return int64(time.Since(c.epoch)) }

func (c *besideGobreaker) run(list []command) error {
	for i, command := range list {
		before := c.ours.Status(c.now())
		switch {
		case command.kind < 4:
			permit, ok := c.ours.Allow(c.now())
			done, err := c.theirs.Allow()
			if ok != (err == nil) {
				return fmt.Errorf("command %d: allowed %v, gobreaker says %w", i, ok, err)
			}
			if ok {
				c.underWay = append(c.underWay, gobreakerCall{permit, done})
			}
		case command.kind < 9 && len(c.underWay) > 0:
			outcome := command.outcome
			if before.State == breaker.Closed && before.Calls == int64(c.rule.MinimumCalls-1) {
				outcome = failure
			}
			at := command.call % len(c.underWay)
			call := c.underWay[at]
			c.underWay = slices.Delete(c.underWay, at, at+1)
			call.ours.Done(c.now(), outcome)
			call.theirs(errorOf(outcome))
		default:
			time.Sleep(command.wait)
		}
		state := c.ours.State(c.now())
		if theirs := stateOfGobreaker[c.theirs.State()]; state != theirs {
			return fmt.Errorf("command %d: %v, gobreaker is %v", i, state, theirs)
		}
		if state != before.State {
			c.transitions++
		}
	}
	return nil
}

var stateOfGobreaker = map[gobreaker.State]breaker.State{
	gobreaker.StateClosed: breaker.Closed, gobreaker.StateOpen: breaker.Open, gobreaker.StateHalfOpen: breaker.HalfOpen,
}

// Why there is a breaker here of our own: what gobreaker does instead. A test that fails because the library changed is good news, and a reason to
// read docs/decisions/0009-breakers.md again.

func TestGobreakerHasOneShareForErrorsAndSlowCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs := gobreakerOf(twoShares, 0, 0)
		ours := newLab(t, twoShares)
		eachOfTwoShares(func(outcome breaker.Outcome, took time.Duration) {
			if done, refused := theirs.Allow(); refused == nil {
				done(slowIsError(outcome, took))
			}
			ours.slowCalls(1, took, outcome)
		})
		if theirs.State() != gobreaker.StateOpen {
			t.Errorf("gobreaker is %v, it used to open", theirs.State())
		}
		ours.counts(100, 30, 30)
		ours.is(breaker.Closed)
	})
}

var twoShares = breaker.Rule{
	ErrorPercent: 50, SlowPercent: 50, SlowAfter: time.Second, MinimumCalls: 100, HalfOpenCalls: 5, Open: 5 * time.Second, Window: forever,
}

// eachOfTwoShares are 100 calls of which 30 fail, and 30 others are slow: neither is half of them.
func eachOfTwoShares(each func(outcome breaker.Outcome, took time.Duration)) {
	for i := range 100 {
		switch {
		case i%10 < 4:
			each(success, 0)
		case i%10 < 7:
			each(failure, 0)
		default:
			each(success, 2*time.Second)
		}
	}
}

// slowIsError is how the caller of a breaker that knows only errors has to report slow calls.
func slowIsError(outcome breaker.Outcome, took time.Duration) error {
	if took > twoShares.SlowAfter {
		return errFailed
	}
	return errorOf(outcome)
}

// fiveProbes is a rule that four failures open.
var fiveProbes = breaker.Rule{ErrorPercent: 50, MinimumCalls: 4, HalfOpenCalls: 5, Open: 5 * time.Second, Window: 10 * time.Second}

func TestGobreakerWaitsForLostProbesForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs := gobreakerOf(fiveProbes, 0, 0)
		ours := opened(t, fiveProbes)
		for range 4 {
			done, _ := theirs.Allow()
			done(errFailed)
		}
		time.Sleep(6 * time.Second)
		ours.pass(6 * time.Second)
		for range 5 { // probes whose callers are gone
			if _, err := theirs.Allow(); err != nil {
				t.Fatal(err)
			}
			ours.allow()
		}
		time.Sleep(24 * time.Hour)
		ours.pass(24 * time.Hour)
		if _, err := theirs.Allow(); err == nil {
			t.Error("gobreaker reclaimed a probe, it used to refuse")
		}
		ours.calls(5, success)
		ours.is(breaker.Closed)
	})
}

func TestGobreakerDropsCallsThatTakeLongerThanItsWindow(t *testing.T) {
	rule := breaker.Rule{ErrorPercent: 50, MinimumCalls: 4, Window: 10 * time.Second}
	synctest.Test(t, func(t *testing.T) {
		theirs := gobreakerOf(rule, 10*time.Second, time.Second)
		ours := newLab(t, rule)
		var underWay []gobreakerCall
		for range 100 {
			done, _ := theirs.Allow()
			underWay = append(underWay, gobreakerCall{ours.allow(), done})
		}
		time.Sleep(11 * time.Second)
		ours.pass(11 * time.Second)
		for _, call := range underWay { // all of them hang, and then fail
			call.theirs(errFailed)
			ours.done(call.ours, failure)
		}
		if theirs.State() != gobreaker.StateClosed || theirs.Counts().TotalFailures != 0 {
			t.Errorf("gobreaker is %v with %+v, it used to drop all of them", theirs.State(), theirs.Counts())
		}
		ours.is(breaker.Open)
	})
}

func TestGobreakerHasNoVerdictAfterASuccess(t *testing.T) {
	rule := breaker.Rule{ErrorPercent: 50, MinimumCalls: 100, Window: forever}
	synctest.Test(t, func(t *testing.T) {
		theirs := gobreakerOf(rule, 0, 0)
		ours := newLab(t, rule)
		for i := range 100 {
			outcome := failure
			if i == 99 {
				outcome = success
			}
			done, _ := theirs.Allow()
			done(errorOf(outcome))
			ours.calls(1, outcome)
		}
		if theirs.State() != gobreaker.StateClosed {
			t.Errorf("gobreaker is %v with %+v, it used to stay closed", theirs.State(), theirs.Counts())
		}
		ours.is(breaker.Open)
	})
}

func TestGobreakerOpensOnOneFailedProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs := gobreakerOf(fiveProbes, 0, 0)
		ours := opened(t, fiveProbes)
		for range 4 {
			done, _ := theirs.Allow()
			done(errFailed)
		}
		time.Sleep(6 * time.Second)
		ours.pass(6 * time.Second)
		done, _ := theirs.Allow()
		done(errFailed)
		ours.calls(1, failure)
		if theirs.State() != gobreaker.StateOpen {
			t.Errorf("gobreaker is %v, it used to open", theirs.State())
		}
		ours.calls(4, success) // 20 percent of the five
		ours.is(breaker.Closed)
	})
}
