package breaker_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"proscenium/engine/policy/breaker"
)

var halves = breaker.Rule{ErrorPercent: 50, MinimumCalls: 4}

func TestAnOpenBreakerRefusesEverythingForItsPause(t *testing.T) {
	l := opened(t, halves)
	l.refuses()
	if got := l.b.RetryAfter(int64(l.now)); got != 5*time.Second {
		t.Errorf("retry after %v, want 5s", got)
	}
	l.pass(5*time.Second - 1)
	l.refuses()
	if got := l.b.RetryAfter(int64(l.now)); got != 1 {
		t.Errorf("retry after %v, want 1ns", got)
	}
	l.pass(1)
	l.is(breaker.HalfOpen)
	if got := l.b.RetryAfter(int64(l.now)); got != 0 {
		t.Errorf("retry after %v, want 0", got)
	}
	l.allow()
	l.wasTold(change{breaker.Closed, breaker.Open, 0}, change{breaker.Open, breaker.HalfOpen, 5 * time.Second})
}

func TestThePauseHasJitterOfATenth(t *testing.T) {
	for _, test := range []struct {
		name         string
		random       float64
		open, paused time.Duration
	}{
		{"the least", 0, 5 * time.Second, 4500 * time.Millisecond},
		{"the middle", 0.5, 5 * time.Second, 5 * time.Second},
		{"nearly the most", math.Nextafter(1, 0), 5 * time.Second, 5500*time.Millisecond - 1},
		{"too short for jitter", 0.9, 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := breaker.New(breaker.Rule{ErrorPercent: 1, MinimumCalls: 1, Open: test.open}, func() float64 { return test.random })
			permit, _ := b.Allow(0)
			permit.Done(0, failure)
			if got := time.Duration(b.Status(0).OpenUntil); got != test.paused {
				t.Errorf("open for %v, want %v", got, test.paused)
			}
		})
	}
	t.Run("it ends with time itself", func(t *testing.T) {
		b := breaker.New(breaker.Rule{ErrorPercent: 1, MinimumCalls: 1, Open: math.MaxInt64}, func() float64 { return 0.9 })
		permit, _ := b.Allow(5)
		permit.Done(5, failure)
		if s := b.Status(6); s.State != breaker.Open || s.OpenUntil != math.MaxInt64 {
			t.Errorf("%+v, want it open until the last instant", s)
		}
	})
	t.Run("each pause has its own", func(t *testing.T) {
		values := []float64{0, 0.25, 0.75}
		b := breaker.New(breaker.Rule{ErrorPercent: 1, MinimumCalls: 1}, func() float64 {
			value := values[0]
			values = values[1:]
			return value
		})
		now := int64(0)
		var pauses []time.Duration
		for range 3 {
			permit, _ := b.Allow(now)
			permit.Done(now, failure)
			until := b.Status(now).OpenUntil
			pauses = append(pauses, time.Duration(until-now))
			now = until
		}
		if diff := cmp.Diff([]time.Duration{4500 * time.Millisecond, 4750 * time.Millisecond, 5250 * time.Millisecond}, pauses); diff != "" {
			t.Errorf("pauses (-want +got):\n%s", diff)
		}
	})
}

func TestCallsFromBeforeATransitionNeverCountAfterIt(t *testing.T) {
	t.Run("calls from before it opened are no probes", func(t *testing.T) {
		l := newLab(t, halves)
		var before []breaker.Permit
		for range 20 {
			before = append(before, l.allow())
		}
		l.calls(4, failure)
		for _, permit := range before[:5] {
			l.done(permit, success)
		}
		l.is(breaker.Open)
		l.pass(5 * time.Second)
		l.is(breaker.HalfOpen)
		for _, permit := range before[5:10] {
			l.done(permit, success)
		}
		for _, permit := range before[10:15] {
			l.done(permit, failure)
		}
		l.counts(0, 0, 0)
		l.calls(5, success)
		l.is(breaker.Closed)
		for _, permit := range before[15:] {
			l.done(permit, failure)
		}
		l.counts(0, 0, 0)
		l.is(breaker.Closed)
	})
	t.Run("probes of an earlier half-open phase are none of this one", func(t *testing.T) {
		l := halfOpened(t, halves)
		first, second := l.allow(), l.allow()
		l.calls(3, failure) // opens
		l.is(breaker.Open)
		l.pass(5 * time.Second)
		l.is(breaker.HalfOpen)
		l.done(first, failure)
		l.done(second, ignored)
		l.counts(0, 0, 0)
		for range 5 {
			l.allow()
		}
		l.refuses()
	})
	t.Run("probes do not count in the closed breaker that they closed", func(t *testing.T) {
		l := halfOpened(t, halves)
		l.calls(3, success)
		l.calls(2, failure) // 40 percent
		l.is(breaker.Closed)
		l.counts(0, 0, 0)
	})
}

func TestProbesDecide(t *testing.T) {
	slowly := breaker.Rule{ErrorPercent: 50, SlowPercent: 50, SlowAfter: time.Second, MinimumCalls: 4}
	const good, bad, slow, badAndSlow, canceled = 'g', 'b', 's', 'x', 'c'
	for _, test := range []struct {
		name   string
		rule   breaker.Rule
		probes string
		want   breaker.State
	}{
		{"four of five are not all", halves, "gggg", breaker.HalfOpen},
		{"five good ones close it", halves, "ggggg", breaker.Closed},
		{"40 percent of errors close it", halves, "gbgbg", breaker.Closed},
		{"60 percent of errors open it", halves, "gbgbb", breaker.Open},
		{"two errors of five are not certain to open it", halves, "bb", breaker.HalfOpen},
		{"three errors of five are certain to open it", halves, "bbb", breaker.Open},
		{"20 percent: the first error is certain", breaker.Rule{ErrorPercent: 20, MinimumCalls: 4}, "b", breaker.Open},
		{"21 percent: the first error is not", breaker.Rule{ErrorPercent: 21, MinimumCalls: 4}, "b", breaker.HalfOpen},
		{"100 percent: one success closes it in the end", breaker.Rule{ErrorPercent: 100, MinimumCalls: 4}, "bbbbg", breaker.Closed},
		{"100 percent: five errors open it", breaker.Rule{ErrorPercent: 100, MinimumCalls: 4}, "bbbbb", breaker.Open},
		{"three slow ones of five open it", slowly, "sss", breaker.Open},
		{"errors and slow ones are two shares", slowly, "ssbbg", breaker.Closed},
		{"one that is both counts in both", slowly, "sxs", breaker.Open},
		{"canceled probes count nowhere", halves, "ccccccccccggggcc", breaker.HalfOpen},
		{"canceled probes give their places back", halves, "ccccccccccgggccgcg", breaker.Closed},
		{"one probe alone", breaker.Rule{ErrorPercent: 50, MinimumCalls: 4, HalfOpenCalls: 1}, "g", breaker.Closed},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := halfOpened(t, test.rule)
			for _, probe := range test.probes {
				switch probe {
				case good:
					l.calls(1, success)
				case bad:
					l.calls(1, failure)
				case slow:
					l.slowCalls(1, 2*time.Second, success)
				case badAndSlow:
					l.slowCalls(1, 2*time.Second, failure)
				case canceled:
					l.calls(1, ignored)
				}
			}
			l.is(test.want)
		})
	}
	t.Run("it opens anew, for a new pause", func(t *testing.T) {
		l := halfOpened(t, halves)
		l.pass(time.Second)
		l.calls(3, failure)
		l.refuses()
		l.pass(5 * time.Second)
		l.is(breaker.HalfOpen)
		l.wasTold(
			change{breaker.Closed, breaker.Open, 0}, change{breaker.Open, breaker.HalfOpen, 5 * time.Second},
			change{breaker.HalfOpen, breaker.Open, 6 * time.Second}, change{breaker.Open, breaker.HalfOpen, 11 * time.Second},
		)
		if got := l.b.Status(int64(l.now)).Opened; got != 2 {
			t.Errorf("opened %d times, want 2", got)
		}
	})
}

func TestThereAreNoMoreProbesThanHalfOpenCalls(t *testing.T) {
	t.Run("under way", func(t *testing.T) {
		l := halfOpened(t, halves)
		for range 5 {
			l.allow()
		}
		l.refuses()
		l.is(breaker.HalfOpen)
		if got := l.b.RetryAfter(int64(l.now)); got != 5*time.Second {
			t.Errorf("retry after %v, want no longer than a pause", got)
		}
		l.pass(7 * time.Second)
		if got := l.b.RetryAfter(int64(l.now)); got != 3*time.Second {
			t.Errorf("retry after %v, want until the first deadline", got)
		}
	})
	t.Run("in the phase", func(t *testing.T) {
		l := halfOpened(t, halves)
		l.calls(3, success)
		l.allow()
		l.allow()
		l.refuses()
	})
	t.Run("a probe that is given back makes room for one", func(t *testing.T) {
		l := halfOpened(t, halves)
		var permits []breaker.Permit
		for range 5 {
			permits = append(permits, l.allow())
		}
		l.done(permits[2], ignored)
		l.done(permits[2], ignored)
		l.allow()
		l.refuses()
	})
}

func TestAProbeThatIsNotReportedIsReclaimed(t *testing.T) {
	t.Run("at its deadline, as a failure", func(t *testing.T) {
		l := halfOpened(t, halves)
		l.allow()
		l.calls(2, failure)
		l.pass(10*time.Second - 1)
		l.is(breaker.HalfOpen)
		l.counts(2, 2, 0)
		l.pass(1)
		l.is(breaker.Open)
		l.refuses()
		l.wasTold(
			change{breaker.Closed, breaker.Open, 0}, change{breaker.Open, breaker.HalfOpen, 5 * time.Second},
			change{breaker.HalfOpen, breaker.Open, 15 * time.Second},
		)
	})
	t.Run("its place is not free again in the phase", func(t *testing.T) {
		l := halfOpened(t, halves)
		l.allow()
		l.calls(2, success)
		l.pass(10 * time.Second)
		l.counts(3, 1, 0)
		l.calls(2, success)
		l.is(breaker.Closed)
	})
	t.Run("a report at the deadline or later counts nothing", func(t *testing.T) {
		for _, late := range []time.Duration{0, 1, time.Hour} {
			for _, outcome := range []breaker.Outcome{success, failure, ignored} {
				l := halfOpened(t, halves)
				probe := l.allow()
				l.pass(10*time.Second + late)
				l.done(probe, outcome)
				l.counts(1, 1, 0)
			}
		}
	})
	t.Run("nobody has to look at the deadline", func(t *testing.T) {
		l := halfOpened(t, halves)
		for range 3 {
			l.allow()
		}
		l.pass(time.Hour)
		l.allow() // the pause after the deadlines is long over
		l.wasTold(
			change{breaker.Closed, breaker.Open, 0}, change{breaker.Open, breaker.HalfOpen, 5 * time.Second},
			change{breaker.HalfOpen, breaker.Open, 15 * time.Second}, change{breaker.Open, breaker.HalfOpen, 20 * time.Second},
		)
	})
	t.Run("each at its own deadline", func(t *testing.T) {
		l := halfOpened(t, halves)
		for range 3 {
			l.allow()
			l.pass(time.Second)
		}
		l.pass(7*time.Second - 1)
		l.counts(0, 0, 0)
		l.pass(1)
		l.counts(1, 1, 0)
		l.pass(time.Second)
		l.counts(2, 2, 0)
		l.is(breaker.HalfOpen)
		l.pass(time.Second)
		l.is(breaker.Open)
	})
	t.Run("from Allow on, whenever it starts", func(t *testing.T) {
		l := halfOpened(t, halves)
		probe := l.allow()
		l.pass(9 * time.Second)
		probe.Start(int64(l.now))
		l.pass(time.Second)
		l.counts(1, 1, 0)
	})
	t.Run("as slow too: a dependency that hangs does not close a breaker that has only a slow rule", func(t *testing.T) {
		l := newLab(t, breaker.Rule{SlowPercent: 50, SlowAfter: time.Second, MinimumCalls: 4})
		l.slowCalls(4, time.Minute, success)
		l.pass(5 * time.Second)
		for range 5 {
			l.allow()
		}
		l.pass(10 * time.Second)
		l.is(breaker.Open)
	})
	t.Run("a caller whose instant is from before the phase has as long as others", func(t *testing.T) {
		l := halfOpened(t, halves)
		if _, ok := l.b.Allow(int64(time.Second)); !ok {
			t.Fatal("refused")
		}
		l.pass(10*time.Second - 1)
		l.counts(0, 0, 0)
	})
}

func TestWhatProbesLeaveDoesNotDependOnTheOrderOfReports(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {2, 0, 4, 1, 3}} {
		l := halfOpened(t, halves)
		var permits []breaker.Permit
		for range 5 {
			permits = append(permits, l.allow())
		}
		for i, at := range order {
			if got := l.b.Status(int64(l.now)).Probes; got != 5-i {
				t.Errorf("%v: %d probes under way, want %d", order, got, 5-i)
			}
			l.done(permits[at], success)
		}
		l.is(breaker.Closed)
	}
}

func TestHooksRunOutsideOfLocksAndInOrder(t *testing.T) {
	t.Run("a hook may call its breaker, and cause the next transition", func(t *testing.T) {
		var b *breaker.Breaker
		var states []breaker.State
		inside := false
		b = breaker.New(breaker.Rule{ErrorPercent: 1, MinimumCalls: 1}, nil, breaker.OnTransition(func(_, to breaker.State, now int64) {
			if inside {
				t.Error("a hook runs within a hook")
			}
			inside = true
			defer func() { inside = false }()
			states = append(states, to)
			b.Status(now)
			if to == breaker.HalfOpen {
				for range 5 {
					permit, _ := b.Allow(now)
					permit.Done(now, success)
				}
			}
		}))
		permit, _ := b.Allow(0)
		permit.Done(0, failure)
		b.State(int64(5 * time.Second))
		if want := []breaker.State{breaker.Open, breaker.HalfOpen, breaker.Closed}; !slices.Equal(states, want) {
			t.Errorf("told of %v, want %v", states, want)
		}
	})
	t.Run("a hook that panics is called again for the next", func(t *testing.T) {
		told := 0
		b := breaker.New(breaker.Rule{ErrorPercent: 1, MinimumCalls: 1}, nil, breaker.OnTransition(func(breaker.State, breaker.State, int64) {
			told++
			panic("hook")
		}))
		for _, look := range []func(){
			func() { permit, _ := b.Allow(0); permit.Done(0, failure) },
			func() { b.State(int64(5 * time.Second)) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Error("the panic of the hook was lost")
					}
				}()
				look()
			}()
		}
		if told != 2 {
			t.Errorf("told %d times, want 2", told)
		}
	})
}

func TestTheStatusOfABreaker(t *testing.T) {
	rule := breaker.Rule{ErrorPercent: 50, SlowPercent: 90, SlowAfter: time.Second, MinimumCalls: 10}
	l := newLab(t, rule)
	full := rule.WithDefaults()
	check := func(want breaker.Status) {
		t.Helper()
		want.Rule = full
		if diff := cmp.Diff(want, l.b.Status(int64(l.now))); diff != "" {
			t.Errorf("at %v (-want +got):\n%s", l.now, diff)
		}
	}
	check(breaker.Status{})
	l.pass(time.Second)
	l.calls(5, success)
	l.slowCalls(2, 2*time.Second, success)
	l.slowCalls(1, 2*time.Second, failure)
	check(breaker.Status{Calls: 8, Errors: 1, Slow: 3})
	l.calls(6, failure)
	check(breaker.Status{State: breaker.Open, Since: int64(time.Second), OpenUntil: int64(6 * time.Second), Opened: 1})
	l.pass(time.Minute)
	check(breaker.Status{State: breaker.HalfOpen, Since: int64(6 * time.Second), Opened: 1})
	l.allow()
	l.calls(1, success)
	l.slowCalls(1, 2*time.Second, success)
	check(breaker.Status{State: breaker.HalfOpen, Since: int64(6 * time.Second), Calls: 2, Slow: 1, Probes: 1, Opened: 1})
	l.calls(2, success)
	l.pass(10 * time.Second)
	check(breaker.Status{State: breaker.Closed, Since: int64(71 * time.Second), Opened: 1})
}

func TestNamesOfStatesAndOutcomes(t *testing.T) {
	for value, want := range map[interface{ String() string }]string{
		breaker.Closed: "closed", breaker.Open: "open", breaker.HalfOpen: "half_open",
		success: "success", failure: "failure", ignored: "ignored",
	} {
		if got := value.String(); got != want {
			t.Errorf("%#v is called %q, want %q", value, got, want)
		}
	}
}
