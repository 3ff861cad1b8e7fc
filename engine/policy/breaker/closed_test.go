package breaker_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"proscenium/engine/policy/breaker"
)

const (
	success = breaker.Success
	failure = breaker.Failure
	ignored = breaker.Ignored
)

func TestABreakerOpensAtItsThresholds(t *testing.T) {
	long := 10 * time.Second
	for _, test := range []struct {
		name string
		rule breaker.Rule
		// Calls that end without an error and with one, quickly and slowly, in this order: whatever succeeds first.
		good, slow, failed, both, ignored int
		want                              breaker.State
	}{
		{"495 of 1000 are not 50 percent", breaker.Rule{ErrorPercent: 50, MinimumCalls: 1000}, 505, 0, 495, 0, 0, breaker.Closed},
		{"499 of 1000 are not 50 percent", breaker.Rule{ErrorPercent: 50, MinimumCalls: 1000}, 501, 0, 499, 0, 0, breaker.Closed},
		{"500 of 1000 are 50 percent", breaker.Rule{ErrorPercent: 50, MinimumCalls: 1000}, 500, 0, 500, 0, 0, breaker.Open},
		{"one of three is not 34 percent", breaker.Rule{ErrorPercent: 34, MinimumCalls: 3}, 2, 0, 1, 0, 0, breaker.Closed},
		{"one of three is 33 percent", breaker.Rule{ErrorPercent: 33, MinimumCalls: 3}, 2, 0, 1, 0, 0, breaker.Open},
		{"one of 101 is not 1 percent", breaker.Rule{ErrorPercent: 1}, 100, 0, 1, 0, 0, breaker.Closed},
		{"one of 100 is 1 percent", breaker.Rule{ErrorPercent: 1}, 99, 0, 1, 0, 0, breaker.Open},
		{"99 of 100 are not 100 percent", breaker.Rule{ErrorPercent: 100}, 1, 0, 99, 0, 0, breaker.Closed},
		{"100 of 100 are 100 percent", breaker.Rule{ErrorPercent: 100}, 0, 0, 100, 0, 0, breaker.Open},
		{"a percentage above 100 is 100", breaker.Rule{ErrorPercent: 1000}, 0, 0, 100, 0, 0, breaker.Open},
		{"below the minimum of 100 calls there is no verdict", breaker.Rule{ErrorPercent: 1}, 0, 0, 99, 0, 0, breaker.Closed},
		{"a minimum of one is a verdict on the first call", breaker.Rule{ErrorPercent: 50, MinimumCalls: 1}, 0, 0, 1, 0, 0, breaker.Open},
		{"without a rule nothing opens it", breaker.Rule{}, 0, 0, 1000, 1000, 0, breaker.Closed},
		{"a negative percentage is no rule", breaker.Rule{ErrorPercent: -1, SlowPercent: -50, SlowAfter: time.Second}, 0, 0, 1000, 1000, 0, breaker.Closed},
		{"slow calls do not open an error rule", breaker.Rule{ErrorPercent: 1, SlowAfter: time.Second}, 0, 1000, 0, 0, 0, breaker.Closed},
		{"errors do not open a slow rule", breaker.Rule{SlowPercent: 1, SlowAfter: time.Second}, 0, 0, 1000, 0, 0, breaker.Closed},
		{"a successful slow call is slow", breaker.Rule{SlowPercent: 100, SlowAfter: time.Second}, 0, 100, 0, 0, 0, breaker.Open},
		{"a failed slow call is slow", breaker.Rule{SlowPercent: 100, SlowAfter: time.Second}, 0, 0, 0, 100, 0, breaker.Open},
		{"a failed slow call is an error", breaker.Rule{ErrorPercent: 100, SlowAfter: time.Second}, 0, 0, 0, 100, 0, breaker.Open},
		{"49 of 100 slow are not 50 percent", breaker.Rule{SlowPercent: 50, SlowAfter: time.Second}, 51, 49, 0, 0, 0, breaker.Closed},
		{"50 of 100 slow are 50 percent", breaker.Rule{SlowPercent: 50, SlowAfter: time.Second}, 50, 50, 0, 0, 0, breaker.Open},
		{"without a time nothing is slow", breaker.Rule{SlowPercent: 1}, 0, 1000, 0, 0, 0, breaker.Closed},
		{"ten seconds are not longer than ten seconds", breaker.Rule{SlowPercent: 1, SlowAfter: long}, 0, 1000, 0, 0, 0, breaker.Closed},
		{"ten seconds are longer than a nanosecond less", breaker.Rule{SlowPercent: 1, SlowAfter: long - 1}, 0, 100, 0, 0, 0, breaker.Open},
		{
			"errors and slow calls are two shares and not one",
			breaker.Rule{ErrorPercent: 50, SlowPercent: 50, SlowAfter: time.Second},
			20, 40, 40, 0, 0, breaker.Closed,
		},
		{
			"a call that is both counts in both shares",
			breaker.Rule{ErrorPercent: 50, SlowPercent: 50, SlowAfter: time.Second},
			20, 30, 30, 20, 0, breaker.Open,
		},
		{"ignored calls do not make up the minimum", breaker.Rule{ErrorPercent: 1}, 0, 0, 99, 0, 1000, breaker.Closed},
		{"ignored calls do not thin errors out", breaker.Rule{ErrorPercent: 100}, 0, 0, 100, 0, 1000, breaker.Open},
		{"ignored calls are no errors", breaker.Rule{ErrorPercent: 50}, 100, 0, 0, 0, 1000, breaker.Closed},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t, test.rule)
			l.slowCalls(test.ignored, long, ignored)
			l.calls(test.good, success)
			l.slowCalls(test.slow, long, success)
			l.calls(test.failed, failure)
			l.slowCalls(test.both, long, failure)
			l.is(test.want)
		})
	}
}

func TestTheVerdictFallsAfterEachCompletion(t *testing.T) {
	t.Run("it is the completion that reaches the share which opens", func(t *testing.T) {
		l := newLab(t, breaker.Rule{ErrorPercent: 50, MinimumCalls: 1000})
		l.calls(505, success)
		l.calls(495, failure)
		l.calls(9, failure) // 504 of 1009
		l.is(breaker.Closed)
		l.calls(1, failure) // 505 of 1010
		l.is(breaker.Open)
	})
	t.Run("a success that completes the minimum opens", func(t *testing.T) {
		l := newLab(t, breaker.Rule{ErrorPercent: 50})
		l.calls(99, failure)
		l.is(breaker.Closed)
		l.calls(1, success)
		l.is(breaker.Open)
	})
	t.Run("calls under way do not count", func(t *testing.T) {
		l := newLab(t, breaker.Rule{ErrorPercent: 1})
		for range 1000 {
			l.allow()
		}
		l.calls(99, failure)
		l.counts(99, 99, 0)
		l.is(breaker.Closed)
	})
	t.Run("an outcome that there is not counts as a failure", func(t *testing.T) {
		l := newLab(t, breaker.Rule{ErrorPercent: 100})
		l.calls(100, breaker.Outcome(77))
		l.is(breaker.Open)
	})
}

func TestWhatIsNotSetIsTheDefault(t *testing.T) {
	for _, test := range []struct {
		name       string
		rule, want breaker.Rule
	}{
		{
			"nothing is set",
			breaker.Rule{},
			breaker.Rule{MinimumCalls: 100, Window: 10 * time.Second, Open: 5 * time.Second, HalfOpenCalls: 5, HalfOpenMaxWait: 10 * time.Second},
		},
		{
			"a probe may take as long as a call that is not slow",
			breaker.Rule{SlowPercent: 50, SlowAfter: 20 * time.Second},
			breaker.Rule{
				SlowPercent: 50, SlowAfter: 20 * time.Second,
				MinimumCalls: 100, Window: 10 * time.Second, Open: 5 * time.Second, HalfOpenCalls: 5, HalfOpenMaxWait: 20 * time.Second,
			},
		},
		{
			"but at least ten seconds",
			breaker.Rule{SlowPercent: 50, SlowAfter: time.Second},
			breaker.Rule{
				SlowPercent: 50, SlowAfter: time.Second,
				MinimumCalls: 100, Window: 10 * time.Second, Open: 5 * time.Second, HalfOpenCalls: 5, HalfOpenMaxWait: 10 * time.Second,
			},
		},
		{
			"negative values and impossible percentages",
			breaker.Rule{ErrorPercent: -5, SlowPercent: 101, SlowAfter: -1, MinimumCalls: -1, Window: -1, Open: -1, HalfOpenCalls: -1, HalfOpenMaxWait: -1},
			breaker.Rule{MinimumCalls: 100, Window: 10 * time.Second, Open: 5 * time.Second, HalfOpenCalls: 5, HalfOpenMaxWait: 10 * time.Second},
		},
		{
			"everything is set",
			breaker.Rule{ErrorPercent: 1, SlowPercent: 100, SlowAfter: 2, MinimumCalls: 3, Window: 4, Open: 5, HalfOpenCalls: 6, HalfOpenMaxWait: 7},
			breaker.Rule{ErrorPercent: 1, SlowPercent: 100, SlowAfter: 2, MinimumCalls: 3, Window: 4, Open: 5, HalfOpenCalls: 6, HalfOpenMaxWait: 7},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := test.rule.WithDefaults()
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("rule (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(got, got.WithDefaults()); diff != "" {
				t.Errorf("twice (-once +twice):\n%s", diff)
			}
			if diff := cmp.Diff(got, breaker.New(test.rule, nil).Status(0).Rule); diff != "" {
				t.Errorf("the rule in force (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheWindowRollsInTenBuckets(t *testing.T) {
	rule := breaker.Rule{ErrorPercent: 50, MinimumCalls: 10, SlowAfter: time.Second, SlowPercent: 50}
	t.Run("a call counts until the tenth bucket after its own begins", func(t *testing.T) {
		l := newLab(t, rule)
		l.calls(1, success) // the first bucket begins
		l.pass(999 * time.Millisecond)
		l.calls(1, failure)
		l.pass(9 * time.Second)
		l.counts(2, 1, 0)
		l.pass(time.Millisecond)
		l.counts(0, 0, 0)
	})
	t.Run("each second drops what is ten seconds old", func(t *testing.T) {
		l := newLab(t, rule)
		for i := range 10 {
			l.calls(i+1, success)
			l.pass(time.Second)
		}
		left := int64(55)
		for i := range 10 {
			left -= int64(i + 1)
			l.counts(left, 0, 0)
			l.pass(time.Second)
		}
	})
	t.Run("what was dropped does not open it any more", func(t *testing.T) {
		l := newLab(t, rule)
		l.calls(9, failure)
		l.pass(10 * time.Second)
		l.calls(9, failure)
		l.is(breaker.Closed)
		l.calls(1, failure)
		l.is(breaker.Open)
	})
	t.Run("a call that takes longer than the window counts when it completes", func(t *testing.T) {
		l := newLab(t, rule)
		var permits []breaker.Permit
		for range 10 {
			permits = append(permits, l.allow())
		}
		l.pass(time.Hour)
		for _, permit := range permits {
			l.is(breaker.Closed)
			l.done(permit, failure)
		}
		l.is(breaker.Open)
	})
	t.Run("a clock that stands still loses nothing", func(t *testing.T) {
		l := newLab(t, rule)
		l.calls(10_000, success)
		l.counts(10_000, 0, 0)
	})
	t.Run("a clock that goes back stands still until it catches up", func(t *testing.T) {
		l := newLab(t, rule)
		l.pass(time.Hour)
		l.calls(2, success)
		l.pass(-30 * time.Minute)
		l.calls(3, success)
		l.counts(5, 0, 0)
		l.pass(30*time.Minute + 10*time.Second - 1)
		l.counts(5, 0, 0)
		l.pass(1)
		l.counts(0, 0, 0)
	})
	t.Run("a look from the future drops nothing", func(t *testing.T) {
		l := newLab(t, rule)
		l.calls(5, success)
		if s := l.b.Status(int64(time.Hour)); s.Calls != 0 {
			t.Errorf("an hour later %d calls count, want none", s.Calls)
		}
		l.counts(5, 0, 0)
	})
	t.Run("the ends of time do no harm", func(t *testing.T) {
		for _, ends := range [][]int64{{math.MinInt64, math.MaxInt64}, {math.MaxInt64, math.MinInt64}, {math.MinInt64, 0, math.MaxInt64}, {-1, 0, 1}} {
			b := breaker.New(rule, nil)
			for _, now := range ends {
				permit, ok := b.Allow(now)
				if !ok {
					t.Fatalf("%v: refused at %d", ends, now)
				}
				permit.Done(now, failure)
				if s := b.Status(now); s.Calls < 1 || s.Errors != s.Calls || s.Slow != 0 {
					t.Errorf("%v: %+v", ends, s)
				}
			}
		}
	})
	t.Run("a window of less than ten nanoseconds works", func(t *testing.T) {
		l := newLab(t, breaker.Rule{ErrorPercent: 50, MinimumCalls: 10, Window: 3})
		l.calls(9, failure)
		l.pass(10)
		l.counts(0, 0, 0)
	})
}

func TestASlowCallIsJudgedFromStartToDone(t *testing.T) {
	rule := breaker.Rule{SlowPercent: 100, SlowAfter: time.Second, MinimumCalls: 1}
	for _, test := range []struct {
		name          string
		wait, took    time.Duration // before Start, and after it
		started, slow bool
	}{
		{"from Allow on where Start is not told", 0, time.Second + 1, false, true},
		{"not above the time", 0, time.Second, false, false},
		{"a wait before Start does not make it slow", time.Hour, time.Second, true, false},
		{"slow after Start", time.Hour, time.Second + 1, true, true},
		{"a clock that goes back makes no call slow", 0, -time.Hour, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t, rule)
			permit := l.allow()
			l.pass(test.wait)
			if test.started {
				permit.Start(int64(l.now))
			}
			l.pass(test.took)
			l.done(permit, success)
			want := breaker.Closed
			if test.slow {
				want = breaker.Open
			}
			l.is(want)
		})
	}
	t.Run("from one end of time to the other", func(t *testing.T) {
		b := breaker.New(rule, nil)
		permit, _ := b.Allow(math.MinInt64)
		permit.Done(math.MaxInt64, success)
		if s := b.Status(math.MaxInt64); s.Opened != 1 {
			t.Errorf("it opened %d times, want once", s.Opened)
		}
	})
}

func TestOneDoneOfAPermitCounts(t *testing.T) {
	l := newLab(t, breaker.Rule{ErrorPercent: 100, MinimumCalls: 100})
	permit := l.allow()
	twin := permit
	l.done(permit, success)
	l.done(permit, failure)
	l.done(twin, failure)
	l.counts(1, 0, 0)

	// What the permit was made of is in use again: an old copy means the old call.
	var permits []breaker.Permit
	for range 50 {
		permits = append(permits, l.allow())
	}
	l.done(permit, failure)
	l.done(twin, failure)
	l.counts(1, 0, 0)
	for _, p := range permits {
		l.done(p, success)
	}
	l.counts(51, 0, 0)

	var none breaker.Permit
	none.Start(5)
	l.done(none, failure)
	ran := false
	none.Do(func() int64 { return 0 }, func() breaker.Outcome { ran = true; return failure })
	if !ran {
		t.Error("the zero permit made no call")
	}
	l.counts(51, 0, 0)
}
