package breaker_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"proscenium/engine/policy/breaker"
)

// lab is a breaker whose clock moves only when it is told to. Its pauses have no jitter.
type lab struct {
	*testing.T
	b    *breaker.Breaker
	now  time.Duration
	told []change
}

type change struct {
	From, To breaker.State
	At       time.Duration
}

func newLab(t *testing.T, rule breaker.Rule) *lab {
	t.Helper()
	l := &lab{T: t}
	l.b = breaker.New(rule, nil, breaker.OnTransition(func(from, to breaker.State, now int64) {
		l.told = append(l.told, change{from, to, time.Duration(now)})
	}))
	return l
}

func (l *lab) pass(d time.Duration) { l.now += d }

// allow takes a permit that has to be given.
func (l *lab) allow() breaker.Permit {
	l.Helper()
	permit, ok := l.b.Allow(int64(l.now))
	if !ok {
		l.Fatalf("at %v: refused, want a permit", l.now)
	}
	return permit
}

func (l *lab) refuses() {
	l.Helper()
	if _, ok := l.b.Allow(int64(l.now)); ok {
		l.Fatalf("at %v: a permit, want a refusal", l.now)
	}
}

// calls makes n calls that end at once.
func (l *lab) calls(n int, outcome breaker.Outcome) {
	l.Helper()
	for range n {
		l.allow().Done(int64(l.now), outcome)
	}
}

// slowCalls makes n calls that end now and took so long.
func (l *lab) slowCalls(n int, took time.Duration, outcome breaker.Outcome) {
	l.Helper()
	for range n {
		permit := l.allow()
		permit.Start(int64(l.now - took))
		permit.Done(int64(l.now), outcome)
	}
}

func (l *lab) done(permit breaker.Permit, outcome breaker.Outcome) {
	permit.Done(int64(l.now), outcome)
}

func (l *lab) is(want breaker.State) {
	l.Helper()
	if got := l.b.State(int64(l.now)); got != want {
		l.Fatalf("at %v: %v, want %v", l.now, got, want)
	}
}

// counts compares what counts now.
func (l *lab) counts(calls, errors, slow int64) {
	l.Helper()
	s := l.b.Status(int64(l.now))
	if got, want := [...]int64{s.Calls, s.Errors, s.Slow}, [...]int64{calls, errors, slow}; got != want {
		l.Fatalf("at %v: %v calls, errors and slow ones count, want %v", l.now, got, want)
	}
}

func (l *lab) wasTold(want ...change) {
	l.Helper()
	if diff := cmp.Diff(want, l.told); diff != "" {
		l.Fatalf("transitions (-want +got):\n%s", diff)
	}
}

// opened is a lab whose breaker opened just now.
func opened(t *testing.T, rule breaker.Rule) *lab {
	t.Helper()
	l := newLab(t, rule)
	l.calls(rule.WithDefaults().MinimumCalls, breaker.Failure)
	l.is(breaker.Open)
	return l
}

// halfOpened is a lab whose breaker is half-open since now.
func halfOpened(t *testing.T, rule breaker.Rule) *lab {
	t.Helper()
	l := opened(t, rule)
	l.pass(rule.WithDefaults().Open)
	l.is(breaker.HalfOpen)
	return l
}
