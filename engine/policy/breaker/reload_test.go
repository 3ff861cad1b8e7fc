package breaker_test

import (
	"testing"
	"time"

	"proscenium/engine/policy/breaker"
)

func TestAReloadSwapsThresholdsInPlace(t *testing.T) {
	t.Run("counts stay, and are judged by the new rule from the next completion on", func(t *testing.T) {
		l := newLab(t, breaker.Rule{ErrorPercent: 90, MinimumCalls: 100})
		l.calls(60, success)
		l.calls(39, failure)
		l.b.Reconfigure(breaker.Rule{ErrorPercent: 40, MinimumCalls: 100})
		l.counts(99, 39, 0)
		l.is(breaker.Closed)
		l.calls(1, failure)
		l.is(breaker.Open)
	})
	t.Run("a smaller minimum does not open by itself", func(t *testing.T) {
		l := newLab(t, breaker.Rule{ErrorPercent: 50})
		l.calls(50, failure)
		l.b.Reconfigure(breaker.Rule{ErrorPercent: 50, MinimumCalls: 10})
		l.is(breaker.Closed)
		l.calls(1, ignored)
		l.is(breaker.Closed)
		l.calls(1, success)
		l.is(breaker.Open)
	})
	t.Run("what is slow is judged by the rule at completion", func(t *testing.T) {
		l := newLab(t, breaker.Rule{SlowPercent: 100, SlowAfter: time.Second})
		permit := l.allow()
		l.b.Reconfigure(breaker.Rule{SlowPercent: 100, SlowAfter: time.Minute})
		l.pass(2 * time.Second)
		l.done(permit, success)
		l.counts(1, 0, 0)
	})
	t.Run("calls under way count", func(t *testing.T) {
		l := newLab(t, breaker.Rule{ErrorPercent: 50})
		permit := l.allow()
		l.b.Reconfigure(breaker.Rule{ErrorPercent: 20})
		l.done(permit, failure)
		l.counts(1, 1, 0)
	})
	t.Run("open-until stays", func(t *testing.T) {
		l := opened(t, halves)
		l.pass(time.Second)
		l.b.Reconfigure(breaker.Rule{ErrorPercent: 99, Open: time.Millisecond})
		l.refuses()
		l.pass(4*time.Second - 1)
		l.refuses()
		l.pass(1)
		l.is(breaker.HalfOpen)
	})
	t.Run("the next pause is a new one", func(t *testing.T) {
		l := newLab(t, halves)
		l.b.Reconfigure(breaker.Rule{ErrorPercent: 50, MinimumCalls: 4, Open: time.Minute})
		l.calls(4, failure)
		l.pass(time.Minute - 1)
		l.refuses()
		l.pass(1)
		l.is(breaker.HalfOpen)
	})
	t.Run("with both rules off an open breaker closes after its pause", func(t *testing.T) {
		l := opened(t, halves)
		l.b.Reconfigure(breaker.Rule{})
		l.refuses()
		l.pass(time.Hour)
		l.is(breaker.Closed)
		l.wasTold(change{breaker.Closed, breaker.Open, 0}, change{breaker.Open, breaker.Closed, 5 * time.Second})
		l.calls(1000, failure)
		l.is(breaker.Closed)
	})
	t.Run("with both rules off a half-open breaker closes at the next look", func(t *testing.T) {
		l := halfOpened(t, halves)
		probe := l.allow()
		l.b.Reconfigure(breaker.Rule{})
		l.pass(time.Second)
		l.is(breaker.Closed)
		l.done(probe, failure)
		l.counts(0, 0, 0)
	})
	t.Run("fewer probes than have completed decide at the next look", func(t *testing.T) {
		for _, test := range []struct {
			good, bad int
			want      breaker.State
		}{
			{3, 0, breaker.Closed},
			{2, 1, breaker.Closed},
			{1, 2, breaker.Open},
		} {
			l := halfOpened(t, breaker.Rule{ErrorPercent: 50, MinimumCalls: 4, HalfOpenCalls: 10})
			l.calls(test.good, success)
			l.calls(test.bad, failure)
			l.b.Reconfigure(breaker.Rule{ErrorPercent: 50, MinimumCalls: 4, HalfOpenCalls: 2})
			l.pass(time.Second)
			l.is(test.want)
		}
	})
	t.Run("fewer probes than are under way: those decide", func(t *testing.T) {
		l := halfOpened(t, halves)
		var permits []breaker.Permit
		for range 5 {
			permits = append(permits, l.allow())
		}
		l.b.Reconfigure(breaker.Rule{ErrorPercent: 50, MinimumCalls: 4, HalfOpenCalls: 2})
		l.refuses()
		l.done(permits[0], success)
		l.is(breaker.HalfOpen)
		l.refuses()
		l.done(permits[1], success)
		l.is(breaker.Closed)
	})
	t.Run("fewer probes, of which none is reported", func(t *testing.T) {
		l := halfOpened(t, halves)
		for range 5 {
			l.allow()
		}
		l.b.Reconfigure(breaker.Rule{ErrorPercent: 50, MinimumCalls: 4, HalfOpenCalls: 2})
		l.pass(10 * time.Second)
		l.is(breaker.Open)
	})
	t.Run("more probes are free at once", func(t *testing.T) {
		l := halfOpened(t, halves)
		for range 5 {
			l.allow()
		}
		l.refuses()
		l.b.Reconfigure(breaker.Rule{ErrorPercent: 50, MinimumCalls: 4, HalfOpenCalls: 6})
		l.allow()
		l.refuses()
	})
	t.Run("deadlines stay, and later probes may be due earlier", func(t *testing.T) {
		l := halfOpened(t, halves)
		late := l.allow()
		l.b.Reconfigure(breaker.Rule{ErrorPercent: 50, MinimumCalls: 4, HalfOpenMaxWait: time.Second})
		l.allow()
		l.pass(time.Second)
		l.counts(1, 1, 0)
		l.pass(time.Second)
		l.done(late, success)
		l.counts(2, 1, 0)
	})
	t.Run("a shorter window ages what is counted faster", func(t *testing.T) {
		l := newLab(t, breaker.Rule{ErrorPercent: 50})
		l.calls(10, success)
		l.pass(3 * time.Second)
		l.calls(10, success)
		l.b.Reconfigure(breaker.Rule{ErrorPercent: 50, Window: time.Second})
		l.counts(20, 0, 0)
		l.pass(700 * time.Millisecond)
		l.counts(10, 0, 0)
		l.pass(300 * time.Millisecond)
		l.counts(0, 0, 0)
	})
	t.Run("a longer window ages it slower", func(t *testing.T) {
		l := newLab(t, breaker.Rule{ErrorPercent: 50})
		l.calls(10, success)
		l.b.Reconfigure(breaker.Rule{ErrorPercent: 50, Window: time.Minute})
		l.pass(time.Minute - 1)
		l.counts(10, 0, 0)
		l.pass(1)
		l.counts(0, 0, 0)
	})
	t.Run("the same rule again changes nothing", func(t *testing.T) {
		l := halfOpened(t, halves)
		l.allow()
		l.calls(1, failure)
		before := l.b.Status(int64(l.now))
		l.b.Reconfigure(halves)
		if after := l.b.Status(int64(l.now)); after != before {
			t.Errorf("%+v, was %+v", after, before)
		}
	})
}
