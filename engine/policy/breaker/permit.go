package breaker

import (
	"sync"
	"sync/atomic"
)

// Outcome is how a call ended. Whether it was slow is not part of it: the breaker judges that by the time that it took.
type Outcome uint8

// The outcomes. Any other value counts as Failure.
const (
	Success Outcome = iota // also a business rejection: the dependency did its work
	Failure                // the dependency's fault: an error, a deadline, a panic
	Ignored                // no word about the dependency: the caller canceled, or a policy of our own refused
)

func (o Outcome) String() string {
	switch o {
	case Success:
		return "success"
	case Ignored:
		return "ignored"
	default:
		return "failure"
	}
}

// Permit is leave for one call. It is a value, and its copies are the same permit: the first Done of any of them counts, the others do nothing. The zero
// Permit is of no breaker: nothing it does has an effect.
type Permit struct {
	call    *call
	ticket  uint64
	started int64
}

// call is what the copies of a permit share. It belongs to the permit whose ticket it shows, and goes to another one after Done. Whoever takes the ticket
// owns the call alone, but for a probe: its breaker reads deadline and next, under its lock, until it removes the probe.
type call struct {
	ticket atomic.Uint64
	levels [2]level
}

// level is a call as one of its breakers knows it.
type level struct {
	breaker    *Breaker // nil: there is none
	generation uint64
	deadline   int64 // of a probe
	next       *level
}

// calls are free ones, without levels.
var calls = sync.Pool{New: func() any { return new(call) }}

func issue(now int64) Permit {
	c := calls.Get().(*call)
	return Permit{call: c, ticket: c.ticket.Load(), started: now}
}

// Start says that the call itself begins now, where the permit was taken earlier. Copies that were made before don't learn of it.
func (p *Permit) Start(now int64) { p.started = now }

// Done reports how the call ended.
func (p Permit) Done(now int64, outcome Outcome) {
	c := p.call
	if c == nil || !c.ticket.CompareAndSwap(p.ticket, p.ticket+1) {
		return
	}
	for i := range c.levels {
		if l := &c.levels[i]; l.breaker != nil {
			l.breaker.done(l, p.started, now, outcome)
			l.breaker, l.next = nil, nil
		}
	}
	calls.Put(c)
}

// Do makes the call, from clock() to clock(), and reports its outcome. A panic is a failure and goes on up, as does a runtime.Goexit.
func (p Permit) Do(clock func() int64, call func() Outcome) {
	outcome := Failure
	p.Start(clock())
	defer func() { p.Done(clock(), outcome) }()
	outcome = call()
}

// done counts a call that ended, unless it is from before a transition.
func (b *Breaker) done(l *level, started, now int64, outcome Outcome) {
	phase := b.phase.Load()
	if generation(phase) != l.generation {
		return
	}
	b.mu.Lock()
	defer b.unlock()
	b.advance(now) // may reclaim the probe
	if phase != b.phase.Load() {
		return
	}
	if state(phase) == HalfOpen && !b.remove(l) || outcome == Ignored {
		return
	}
	ended := counts{total: 1}
	if outcome != Success {
		ended.errors = 1
	}
	if b.rule.slow(started, now) {
		ended.slow = 1
	}
	if state(phase) == HalfOpen {
		b.window.add(ended)
		b.settle(now)
		return
	}
	b.window.roll(now)
	b.window.add(ended)
	if sum := b.window.sum; sum.total >= int64(b.rule.MinimumCalls) && b.rule.trips(sum, sum.total) {
		b.become(Open, now)
	}
}
