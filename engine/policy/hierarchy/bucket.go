package hierarchy

import (
	"math"
	"sync"
	"time"

	"proscenium/engine/policy/hierarchy/share"
)

// State is what a queue of a process runs on.
type State uint8

// The states.
const (
	// New is a process that was not granted anything yet: it has one bucket.
	New State = iota
	// Granted is a grant whose lease runs.
	Granted
	// Safe is the safe mode.
	Safe
	// Stopped is a queue that is not there any more, or a process that said goodbye: nothing is let through.
	Stopped
	stateCount
)

// StateNames are the names of the states.
var StateNames = [stateCount]string{"new", "granted", "safe_mode", "stopped"}

func (s State) String() string { return StateNames[s] }

const (
	// unit is a request in a bucket: a rate of a thousandth of a request a second adds 1 in a nanosecond.
	unit = int64(share.PerSecond) * int64(time.Second)
	// mostRequests bounds a bucket, so that twice its content fits in an int64.
	mostRequests = 4_000_000
	// burstTime is for how long a grant fills a bucket whose burst is not configured.
	burstTime = int64(50 * time.Millisecond)
	never     = int64(math.MaxInt64)
)

// bucket is what one process may let through of one queue. It is safe for concurrent use.
type bucket struct {
	mu    sync.Mutex
	state State
	// free lets everything through.
	free   bool
	until  int64 // the state ends; never: it does not by itself
	tokens int64 // in units
	full   int64
	last   int64      // tokens are as of then
	filled int64      // nanoseconds in which an empty bucket fills
	rate   share.Rate // in force
	grant  share.Rate
	safe   share.Rate

	burst     int64 // requests; 0: burstTime of the rate
	unlimited bool  // in the safe state

	counts counts
	// barren says that nothing was let through since the refusal at barrenSince.
	barren      bool
	barrenSince int64
}

// counts are of requests, or what they cost, since the bucket began.
type counts struct {
	offered, admitted int64
	waiting           int64 // callers that wait now
}

func newBucket(now, until, burst int64, unlimited bool) *bucket {
	b := &bucket{until: until, last: now, burst: burst, unlimited: unlimited}
	b.run(0)
	b.tokens = b.full
	return b
}

// take lets a request through, or says after what time at the present rate it may be; 0: not known.
func (b *bucket) take(now, cost int64) (bool, time.Duration) {
	b.mu.Lock()
	b.counts.offered += cost
	ok, after := b.draw(now, cost)
	b.mu.Unlock()
	return ok, after
}

// draw is take without counting what is offered. The lock is held.
func (b *bucket) draw(now, cost int64) (bool, time.Duration) {
	b.advance(now)
	if b.free {
		b.admit(cost)
		return true, 0
	}
	if cost <= mostRequests {
		if need := cost * unit; b.tokens >= need && b.state != Stopped {
			b.tokens -= need
			b.admit(cost)
			return true, 0
		}
	}
	if !b.barren {
		b.barren, b.barrenSince = true, now
	}
	return false, b.after(cost)
}

func (b *bucket) admit(cost int64) {
	b.counts.admitted += cost
	b.barren = false
}

// after is how long it takes until a cost is there; 0: it never will be at the present rate.
func (b *bucket) after(cost int64) time.Duration {
	if b.rate == 0 || cost > b.full/unit || b.state == Stopped {
		return 0
	}
	return time.Duration((cost*unit-b.tokens)/int64(b.rate) + 1)
}

// advance brings the bucket to now.
func (b *bucket) advance(now int64) {
	if now >= b.until {
		b.refill(b.until)
		b.enterSafe()
	}
	b.refill(now)
}

func (b *bucket) refill(now int64) {
	passed := now - b.last
	if passed <= 0 {
		return
	}
	b.last = now
	if passed >= b.filled {
		b.tokens = b.full
		return
	}
	b.tokens = min(b.full, b.tokens+int64(b.rate)*passed)
}

// run changes the rate. It never adds to what is in the bucket.
func (b *bucket) run(rate share.Rate) {
	b.rate = min(max(rate, 0), share.MaxRate)
	switch {
	case b.burst > 0:
		b.full = min(b.burst, mostRequests) * unit
	case b.rate > mostRequests*share.Rate(unit/burstTime):
		b.full = mostRequests * unit
	default:
		b.full = max(int64(b.rate)*burstTime, unit)
	}
	b.tokens = min(b.tokens, b.full)
	b.filled = never
	if b.rate > 0 {
		b.filled = (b.full + int64(b.rate) - 1) / int64(b.rate)
	}
}

func (b *bucket) enterSafe() {
	b.state, b.until, b.grant, b.free = Safe, never, 0, b.unlimited
	b.run(b.safe)
}

// apply puts a grant into force until the end of its lease. held: what the bucket runs on is kept where the grant is more.
func (b *bucket) apply(now, until int64, grant, safe share.Rate, held bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == Stopped {
		return
	}
	b.advance(now)
	if held {
		grant, safe = min(grant, b.grant), min(safe, b.safe)
		if b.state != Granted {
			b.safe = safe
			b.run(b.safeRate())
			return
		}
	}
	b.state, b.until, b.grant, b.safe, b.free = Granted, until, grant, safe, false
	b.run(grant)
	b.advance(now) // a grant may be over when it arrives
}

// safeRate is what the bucket runs on without a grant.
func (b *bucket) safeRate() share.Rate {
	if b.state == New {
		return 0
	}
	return b.safe
}

// configure changes what a configuration says of the queue.
func (b *bucket) configure(now, burst int64, unlimited bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	b.burst, b.unlimited = burst, unlimited
	if b.state == Safe {
		b.free = unlimited
	}
	b.run(b.rate)
}

// stop lets nothing through any more, for good.
func (b *bucket) stop(now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	b.state, b.until, b.grant, b.safe, b.free, b.tokens = Stopped, never, 0, 0, false, 0
	b.run(0)
}

// reading is a bucket as it is at an instant.
type reading struct {
	state                 State
	rate, grant, safe     share.Rate
	until                 int64
	counts                counts
	barren, free, stopped bool
	barrenSince           int64
}

func (b *bucket) read(now int64) reading {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	return reading{
		state: b.state, rate: b.rate, grant: b.grant, safe: b.safe, until: b.until, counts: b.counts,
		barren: b.barren, barrenSince: b.barrenSince, free: b.free, stopped: b.state == Stopped,
	}
}

// enter and leave are of a caller that waits for a cost, which is offered once however often it is tried.
func (b *bucket) enter(cost int64) {
	b.mu.Lock()
	b.counts.offered += cost
	b.counts.waiting++
	b.mu.Unlock()
}

func (b *bucket) leave() {
	b.mu.Lock()
	b.counts.waiting--
	b.mu.Unlock()
}

// drawFor is draw for a caller that waits. The error says that waiting is of no use.
func (b *bucket) drawFor(now, cost int64) (ok bool, after time.Duration, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ok, after = b.draw(now, cost)
	switch {
	case ok:
		return true, 0, nil
	case b.state == Stopped:
		return false, 0, ErrStopped
	case cost > mostRequests || b.burst > 0 && cost > b.burst:
		return false, 0, ErrTooMuch
	}
	return false, after, nil
}

// restart begins a stopped bucket anew, empty: what it held when it was stopped, others may have by now.
func (b *bucket) restart(now, until, burst int64, unlimited bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	b.state, b.until, b.burst, b.unlimited, b.barren = New, until, burst, unlimited, false
	b.run(0)
}
