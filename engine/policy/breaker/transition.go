package breaker

import (
	"math"
	"time"
)

// advance makes happen what is due at now. The breaker is locked.
func (b *Breaker) advance(now int64) {
	if state(b.phase.Load()) == HalfOpen {
		b.settle(now) // a new rule may have made the verdict due
	}
	for {
		switch state(b.phase.Load()) {
		case Closed:
			return
		case Open:
			until := b.openUntil.Load()
			if now < until {
				return
			}
			if b.rule.off() {
				b.become(Closed, until)
			} else {
				b.become(HalfOpen, until)
			}
		case HalfOpen:
			probe := b.probes
			if probe == nil || now < probe.deadline {
				return
			}
			b.remove(probe)
			b.window.add(b.rule.lost())
			b.settle(probe.deadline)
		}
	}
}

// settle ends the half-open state once it is certain how it ends.
func (b *Breaker) settle(now int64) {
	done, wanted := b.window.sum, int64(b.rule.HalfOpenCalls)
	switch {
	case b.rule.trips(done, max(done.total, wanted)):
		b.become(Open, now)
	case done.total >= wanted, b.rule.off():
		b.become(Closed, now)
	}
}

// become goes to another state. Calls that passed before don't count any more.
func (b *Breaker) become(to State, now int64) {
	phase := b.phase.Load()
	now = max(now, b.since) // a caller may come late with the instant that it read
	if to == Open {
		b.opened++
		b.openUntil.Store(later(now, b.pause()))
	}
	b.since = now
	b.probes, b.underWay = nil, 0
	b.window.restart(now)
	b.phase.Store((generation(phase)+1)<<2 | uint64(to))
	b.news.add(transition{from: state(phase), to: to, now: now})
}

// pause is how long the breaker stays open: its rule's time, less a tenth up to plus a tenth.
func (b *Breaker) pause() time.Duration {
	open := b.rule.Open
	if b.random == nil {
		return open
	}
	least := open - open/10
	return least + min(time.Duration(float64(open/5)*b.random()), open/5, math.MaxInt64-least)
}

// insert adds a probe. Those before it have the same deadline or an earlier one: a new rule can make later probes due earlier.
func (b *Breaker) insert(probe *level) {
	at := &b.probes
	for *at != nil && (*at).deadline <= probe.deadline {
		at = &(*at).next
	}
	probe.next, *at = *at, probe
	b.underWay++
}

// remove takes a probe out, and says whether it was there still.
func (b *Breaker) remove(probe *level) bool {
	for at := &b.probes; *at != nil; at = &(*at).next {
		if *at == probe {
			*at, probe.next = probe.next, nil
			b.underWay--
			return true
		}
	}
	return false
}

type transition struct {
	from, to State
	now      int64
}

// news are the transitions that the hook has not been told of.
type news struct {
	hook    func(from, to State, now int64)
	owed    []transition
	telling bool // somebody is at it
}

func (n *news) add(t transition) {
	if n.hook != nil {
		n.owed = append(n.owed, t)
	}
}

// next hands out the oldest transition, unless somebody else is telling.
func (n *news) next() (t transition, ok bool) {
	if n.telling || len(n.owed) == 0 {
		return t, false
	}
	t, n.owed = n.owed[0], n.owed[1:]
	if len(n.owed) == 0 {
		n.owed = nil
	}
	n.telling = true
	return t, true
}

// tell calls the hook for all that is owed, unless somebody else does. The breaker is not locked.
func (b *Breaker) tell() {
	for b.tellOne() {
	}
}

func (b *Breaker) tellOne() bool {
	b.mu.Lock()
	t, ok := b.news.next()
	b.mu.Unlock()
	if !ok {
		return false
	}
	defer func() { // also if the hook panics
		b.mu.Lock()
		b.news.telling = false
		b.mu.Unlock()
	}()
	b.news.hook(t.from, t.to, t.now)
	return true
}
