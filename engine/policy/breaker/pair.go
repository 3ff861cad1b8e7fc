package breaker

// Permits is leave for one call by two breakers. It is a value like Permit.
type Permits struct {
	permit  Permit
	refuser *Breaker
}

// AllowBoth asks two breakers whether a call may pass: a command's, and that of the command in a scene. It passes if both let it, and a refusal of one leaves no
// trace on the other, not even for a moment. Either may be nil, and both may be the same one, which is asked once.
func AllowBoth(now int64, a, b *Breaker) (Permits, bool) {
	switch {
	case a == nil && b == nil:
		return Permits{}, true
	case b == nil || a == b:
		return alone(now, a)
	case a == nil:
		return alone(now, b)
	}
	phaseA, phaseB := a.phase.Load(), b.phase.Load()
	switch {
	case state(phaseA) == Closed && state(phaseB) == Closed:
		permit := issue(now)
		permit.call.levels = [2]level{{breaker: a, generation: generation(phaseA)}, {breaker: b, generation: generation(phaseB)}}
		return Permits{permit: permit}, true
	case state(phaseA) == Open && now < a.openUntil.Load():
		return Permits{refuser: a}, false
	case state(phaseB) == Open && now < b.openUntil.Load():
		return Permits{refuser: b}, false
	}
	return slowly(now, a, b)
}

func alone(now int64, b *Breaker) (Permits, bool) {
	permit, ok := b.Allow(now)
	if !ok {
		return Permits{refuser: b}, false
	}
	return Permits{permit: permit}, true
}

// slowly decides with both locked: a probe that is taken and given back could refuse another caller in between.
func slowly(now int64, a, b *Breaker) (permits Permits, ok bool) {
	lockBoth(a, b)
	a.advance(now)
	b.advance(now)
	switch {
	case !a.free():
		permits.refuser = a
	case !b.free():
		permits.refuser = b
	default:
		permits.permit, ok = issue(now), true
		a.take(&permits.permit.call.levels[0], now)
		b.take(&permits.permit.call.levels[1], now)
	}
	// Hooks run when neither is locked any more.
	owedA, owedB := len(a.news.owed) > 0, len(b.news.owed) > 0
	b.mu.Unlock()
	a.mu.Unlock()
	if owedA {
		a.tell()
	}
	if owedB {
		b.tell()
	}
	return permits, ok
}

// lockBoth never waits for one while it holds the other: others may lock them the other way round.
func lockBoth(a, b *Breaker) {
	for {
		a.mu.Lock()
		if b.mu.TryLock() {
			return
		}
		a.mu.Unlock()
		a, b = b, a
	}
}

// Refuser is the breaker that refused, the first of the two where both would have; nil of permits that were given.
func (p Permits) Refuser() *Breaker { return p.refuser }

// Start says that the call itself begins now, see Permit.Start.
func (p *Permits) Start(now int64) { p.permit.Start(now) }

// Done reports to both how the call ended, see Permit.Done.
func (p Permits) Done(now int64, outcome Outcome) { p.permit.Done(now, outcome) }

// Do makes the call and reports its outcome to both, see Permit.Do.
func (p Permits) Do(clock func() int64, call func() Outcome) { p.permit.Do(clock, call) }
