// Package breaker has circuit breakers that open on errors and on slow calls.
//
//	permit, ok := b.Allow(now)
//	if !ok {
//		return refused(b.RetryAfter(now))
//	}
//	permit.Do(clock, func() breaker.Outcome { ... })
//
// A breaker reads no clock and starts no goroutine. Instants are nanoseconds of one monotonic clock, which callers read, once for each method that they
// call. What is due with time, the end of a pause or a probe that nobody reported, is dated to the instant when it was due, whoever comes
// first afterwards: how often a breaker is looked at does not change what it decides.
package breaker

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// State of a breaker.
type State uint8

// The states.
const (
	Closed   State = iota // all calls pass and are counted
	Open                  // no call passes
	HalfOpen              // a few calls pass, and decide
)

func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case Open:
		return "open"
	default:
		return "half_open"
	}
}

// Breaker lets calls through, or refuses them, by how the calls before ended. All methods are safe for concurrent use. It takes less than 500
// bytes, whatever its rule; calls under way have a little memory of their own, which all breakers share.
type Breaker struct {
	phase     atomic.Uint64 // the generation, which each transition increases, and in the lowest two bits the State; changes under mu
	openUntil atomic.Int64  // of the latest pause; changes under mu, before phase does

	mu       sync.Mutex
	rule     Rule
	window   window // while half-open it does not roll
	probes   *level // under way, by deadline
	underWay int    // how many those are
	since    int64  // the latest transition
	opened   int64
	random   func() float64
	news     news
}

// Option changes what a new breaker does.
type Option func(*Breaker)

// OnTransition calls hook after each transition, one after the other and in their order, with the instant of the transition. The breaker is not locked
// meanwhile: hook may call it. Who causes a transition while hook runs does not wait: it is told by whoever runs it.
func OnTransition(hook func(from, to State, now int64)) Option {
	return func(b *Breaker) { b.news.hook = hook }
}

// New makes a closed breaker. random is in [0, 1), for the jitter of pauses; it is called under the breaker's lock, by any goroutine. nil: no jitter.
func New(rule Rule, random func() float64, options ...Option) *Breaker {
	rule = rule.WithDefaults()
	b := &Breaker{rule: rule, window: newWindow(int64(rule.Window)), since: math.MinInt64, random: random}
	for _, option := range options {
		option(b)
	}
	return b
}

// Allow asks whether a call may pass. Its outcome is to be reported with the permit. A permit that is never reported costs a half-open breaker
// one probe until its deadline, and a closed one nothing.
func (b *Breaker) Allow(now int64) (Permit, bool) {
	switch phase := b.phase.Load(); {
	case state(phase) == Closed:
		permit := issue(now)
		permit.call.levels[0] = level{breaker: b, generation: generation(phase)}
		return permit, true
	case state(phase) == Open && now < b.openUntil.Load():
		return Permit{}, false
	}
	b.mu.Lock()
	defer b.unlock()
	b.advance(now)
	if !b.free() {
		return Permit{}, false
	}
	permit := issue(now)
	b.take(&permit.call.levels[0], now)
	return permit, true
}

// free says whether a call may pass. The breaker is locked and up to date.
func (b *Breaker) free() bool {
	switch state(b.phase.Load()) {
	case Closed:
		return true
	case HalfOpen:
		return int64(b.underWay)+b.window.sum.total < int64(b.rule.HalfOpenCalls)
	default:
		return false
	}
}

// take lets a call pass. The breaker is locked and free.
func (b *Breaker) take(l *level, now int64) {
	phase := b.phase.Load()
	*l = level{breaker: b, generation: generation(phase)}
	if state(phase) == HalfOpen {
		l.deadline = later(max(now, b.since), b.rule.HalfOpenMaxWait)
		b.insert(l)
	}
}

// Reconfigure swaps the rule in place: state, counts, the pause and the deadlines of probes stay. A new length of the window holds for how
// fast counted calls grow old from now on. A verdict that thereby becomes due falls at the next look at the breaker.
func (b *Breaker) Reconfigure(rule Rule) {
	rule = rule.WithDefaults()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rule = rule
	b.window.width = width(int64(rule.Window))
}

// State is what a caller at now meets: Open while it would be refused for the pause, HalfOpen as soon as there may be probes, whether or not one is free.
func (b *Breaker) State(now int64) State {
	phase := b.phase.Load()
	if s := state(phase); s == Closed || s == Open && now < b.openUntil.Load() {
		return s
	}
	b.mu.Lock()
	defer b.unlock()
	b.advance(now)
	return state(b.phase.Load())
}

// RetryAfter is how long a caller that is refused at now should wait; 0 where it would pass. While probes are under way and none is free, that is until
// the first of them has to be reported, but not longer than a pause.
func (b *Breaker) RetryAfter(now int64) time.Duration {
	phase, until := b.phase.Load(), b.openUntil.Load()
	switch {
	case state(phase) == Closed:
		return 0
	case state(phase) == Open && now < until:
		return between(now, until)
	}
	b.mu.Lock()
	defer b.unlock()
	b.advance(now)
	switch {
	case b.free():
		return 0
	case b.probes != nil:
		return min(between(now, b.probes.deadline), b.rule.Open)
	default:
		return between(now, b.openUntil.Load())
	}
}

// Status is a breaker at an instant, for operators. Instants are on the callers' clock.
type Status struct {
	State State
	// Since is when it got there; 0 while it never left Closed.
	Since int64
	// Calls completed in the window, Errors and Slow of them; half-open, of the probes. None while open.
	Calls, Errors, Slow int64
	// OpenUntil is when probes may pass; 0: it is not open.
	OpenUntil int64
	// Probes under way.
	Probes int
	// Opened is how often it opened.
	Opened int64
	// Rule is the one in force, with its defaults.
	Rule Rule
}

// Status tells how the breaker is at now.
func (b *Breaker) Status(now int64) Status {
	b.mu.Lock()
	defer b.unlock()
	b.advance(now)
	phase := b.phase.Load()
	s := Status{State: state(phase), Probes: b.underWay, Opened: b.opened, Rule: b.rule}
	if generation(phase) > 0 {
		s.Since = b.since
	}
	if s.State == Open {
		s.OpenUntil = b.openUntil.Load()
	}
	w := b.window // a look does not roll it
	if s.State == Closed {
		w.roll(now)
	}
	s.Calls, s.Errors, s.Slow = w.sum.total, w.sum.errors, w.sum.slow
	return s
}

// unlock unlocks the breaker, and then tells of its transitions.
func (b *Breaker) unlock() {
	owed := len(b.news.owed) > 0
	b.mu.Unlock()
	if owed {
		b.tell()
	}
}

func state(phase uint64) State       { return State(phase & 3) }
func generation(phase uint64) uint64 { return phase >> 2 }

// later is the instant after a duration that is not negative, at most the last there is.
func later(instant int64, d time.Duration) int64 {
	if instant > math.MaxInt64-int64(d) {
		return math.MaxInt64
	}
	return instant + int64(d)
}

// between is how long it is from one instant to another; at least a nanosecond, for who asks is refused.
func between(from, to int64) time.Duration {
	if to <= from {
		return 1
	}
	return time.Duration(min(uint64(to)-uint64(from), math.MaxInt64))
}
