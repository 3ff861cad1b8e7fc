package hierarchy

import "time"

// Timing is the pace of the protocol. All processes of a fleet have the same.
type Timing struct {
	// Period is the time between two reports of a process, and between two ticks of the allocator.
	Period time.Duration
	// Lease is how long a grant holds, counted by the member from when it sent the report that the grant answers.
	Lease time.Duration
	// Drift bounds, in percent, how much faster or slower than true time a monotonic clock may run. Less than 100.
	Drift int
	// Term is how long the allocator stays elected, on the clock of Redis, without being heard of. Nothing but the speed of its replacement depends on it.
	Term time.Duration
	// Observed is the time over which offered and used rates are formed.
	Observed time.Duration
	// Barren is how long a queue that is asked lets nothing through before it counts as starving.
	Barren time.Duration
	// Forget is how long the safe share of a process that fell silent without a goodbye is kept free for it. Should a process be cut off for longer, and
	// go on serving, its safe share comes on top of the capacity until it is heard of again.
	Forget time.Duration
}

// DefaultTiming is the pace that everyone has; docs/decisions/0011-hierarchical-limits.md says why.
func DefaultTiming() Timing {
	return Timing{
		Period:   250 * time.Millisecond,
		Lease:    3 * time.Second,
		Drift:    5,
		Term:     2 * time.Second,
		Observed: time.Second,
		Barren:   500 * time.Millisecond,
		Forget:   2 * time.Minute,
	}
}

// hold is how long the allocator counts a lease, from when it read the report that the grant answers. A slow member's lease is long in true time, and a
// fast allocator counts much of it.
func (t *Timing) hold() int64 {
	return (int64(t.Lease)*int64(100+t.Drift) + int64(99-t.Drift)) / int64(100-t.Drift)
}

// soon is the time between reports of a process that waits for its first grant.
func (t *Timing) soon() int64 { return int64(t.Period / 5) }
