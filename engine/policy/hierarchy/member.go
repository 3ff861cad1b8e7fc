package hierarchy

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"proscenium/engine/policy/hierarchy/share"
)

// Member is this process's part in a resource. Take, Wait, Queue and Status may be called by any goroutine at any time.
type Member struct {
	name   string
	key    uint64
	now    func() int64
	timing *Timing
	slots  atomic.Pointer[[]*slot] // grows only: a number once given stays that of its queue

	mu  sync.Mutex // of what follows, and of what slots estimate
	run running
}

// running is the grant that a process runs.
type running struct {
	epoch, leader, version uint64
	instances              int
}

// slot is a queue of the resource in this process.
type slot struct {
	name   string
	key    uint64
	bucket *bucket
	turn   chan struct{} // who waits at the head of the line holds it
	nudge  chan struct{} // has room for one sign that the rate changed

	// What follows is under the lock of the member.
	gone       bool
	estimator  *share.Estimator
	timeout    int64
	seen       counts
	seenAt     int64
	wanted     share.Demand
	used       share.Rate
	promised   share.Rate // see queueGrant
	starvesTil int64
	starves    bool
}

// ErrTooMuch is the error of a cost that the bucket of a queue never holds.
var ErrTooMuch = errors.New("the cost is more than the burst of the queue")

// ErrStopped is the error of a queue that is not configured any more, or of a process that is about to end.
var ErrStopped = errors.New("the queue is stopped")

func newMember(name string, now func() int64, timing *Timing) *Member {
	m := &Member{name: name, key: keyOf(name), now: now, timing: timing}
	m.slots.Store(&[]*slot{})
	return m
}

// Name is the resource's.
func (m *Member) Name() string { return m.name }

// Queue is the number that Take and Wait know a queue by. It stays for as long as the process runs, whatever is configured later.
func (m *Member) Queue(name string) (int, bool) {
	slots := *m.slots.Load()
	i := slices.IndexFunc(slots, func(s *slot) bool { return s.name == name })
	return i, i >= 0
}

// Take lets something of a cost in requests through a queue, or says when to try again; 0: not known. now is on the clock of the fleet, [Fleet.Now].
// It does not wait, asks nobody and allocates nothing. A cost that is not above 0 is let through uncounted; one that the bucket never holds never is.
func (m *Member) Take(queue int, now, cost int64) (ok bool, retryAfter time.Duration) {
	if cost <= 0 {
		return true, 0
	}
	return (*m.slots.Load())[queue].bucket.take(now, cost)
}

// Wait is Take for callers that can wait: in the order in which they came, until the cost is there or ctx ends. Callers of Take do not stand in that line.
func (m *Member) Wait(ctx context.Context, queue int, cost int64) error {
	if cost <= 0 {
		return ctx.Err()
	}
	s := (*m.slots.Load())[queue]
	s.bucket.enter(cost)
	defer s.bucket.leave()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return fmt.Errorf("wait for queue %s of %s: %w", s.name, m.name, ctx.Err())
	}
	for {
		ok, after, err := s.bucket.drawFor(m.now(), cost)
		if ok || err != nil {
			return err
		}
		if after == 0 {
			after = time.Minute // until the rate changes, which is told
		}
		timer := time.NewTimer(after)
		select {
		case <-timer.C:
		case <-s.nudge:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("wait for queue %s of %s: %w", s.name, m.name, ctx.Err())
		}
	}
}

// QueueStatus is a queue of this process. Rates are those that the allocator was told, or told, last.
type QueueStatus struct {
	Queue string
	State State
	// Rate is in force; it is 0 and says nothing where Unlimited.
	Rate      share.Rate
	Unlimited bool
	// Granted is 0 when the lease is over; Safe is what is used then.
	Granted, Safe, Wanted, Used share.Rate
	Starving                    bool
	// Epoch is that of the allocator who granted; 0: nobody did.
	Epoch     uint64
	LeaseLeft time.Duration
	// Offered and Admitted count since the process started; Waiting is how many callers wait.
	Offered, Admitted, Waiting int64
}

// Status is every queue that is configured, in the order in which it was configured first.
func (m *Member) Status(now int64) []QueueStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []QueueStatus
	for _, s := range *m.slots.Load() {
		if s.gone {
			continue
		}
		r := s.bucket.read(now)
		status := QueueStatus{
			Queue: s.name, State: r.state, Rate: r.rate, Unlimited: r.free, Granted: r.grant, Safe: r.safe, Wanted: s.wanted.Want, Used: s.used,
			Starving: s.wanted.Starving, Epoch: m.run.epoch, Offered: r.counts.offered, Admitted: r.counts.admitted, Waiting: r.counts.waiting,
		}
		if r.state == Granted {
			status.LeaseLeft = time.Duration(r.until - now)
		}
		out = append(out, status)
	}
	return out
}

// configure makes the member's queues those of a resource.
func (m *Member) configure(now int64, r *Resource) {
	m.mu.Lock()
	defer m.mu.Unlock()
	slots := slices.Clone(*m.slots.Load())
	unlimited := r.SafeMode == Unlimited
	there := make(map[string]bool, len(r.Share.Queues))
	for i := range r.Share.Queues {
		q := &r.Share.Queues[i]
		there[q.Name] = true
		at := slices.IndexFunc(slots, func(s *slot) bool { return s.name == q.Name })
		switch {
		case at < 0:
			slots = append(slots, m.newSlot(now, q, unlimited))
		case slots[at].gone:
			// Callers of an older configuration have its number: the same slot begins anew.
			old := slots[at].bucket
			old.restart(now, now+int64(m.timing.Lease), q.Burst, unlimited)
			slots[at].begin(now, q)
		default:
			slots[at].bucket.configure(now, q.Burst, unlimited)
			slots[at].timeout = int64(q.StarvingTimeout)
		}
	}
	for _, s := range slots {
		if !there[s.name] && !s.gone {
			s.gone = true
			s.bucket.stop(now)
			s.wake()
		}
	}
	m.slots.Store(&slots)
}

func (m *Member) newSlot(now int64, q *share.Queue, unlimited bool) *slot {
	s := &slot{
		name: q.Name, key: keyOf(q.Name), bucket: newBucket(now, now+int64(m.timing.Lease), q.Burst, unlimited),
		turn: make(chan struct{}, 1), nudge: make(chan struct{}, 1),
	}
	s.begin(now, q)
	return s
}

func (s *slot) begin(now int64, q *share.Queue) {
	s.gone, s.seenAt, s.timeout = false, now, int64(q.StarvingTimeout)
	s.seen = s.bucket.read(now).counts
	s.estimator = share.NewEstimator(now, q.StarvingTimeout)
	s.wanted, s.used = s.estimator.Demand(now, 0), 0
}

func (s *slot) wake() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

// stop is the end of the member: nothing is let through any more.
func (m *Member) stop(now int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range *m.slots.Load() {
		s.gone = true
		s.bucket.stop(now)
		s.wake()
	}
}

// report fills in what the resource's queues want and what is in force.
func (m *Member) report(now int64, out *resourceReport) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out.key, out.queues = m.key, out.queues[:0]
	for _, s := range *m.slots.Load() {
		if s.gone {
			continue
		}
		r := s.bucket.read(now)
		s.estimate(now, &r, m.timing)
		out.queues = append(out.queues, queueReport{
			key: s.key, want: s.wanted.Want, starving: s.wanted.Starving, used: s.used, grant: r.grant, safe: r.safe, promised: s.promised,
		})
	}
}

// estimate turns what was counted into what is wanted.
func (s *slot) estimate(now int64, r *reading, t *Timing) {
	passed := now - s.seenAt
	// The first look comes early: until then the process is new, and has no more than a start.
	due := passed >= int64(t.Observed) || s.seen == (counts{}) && passed >= int64(t.Period)
	if due {
		admitted := r.counts.admitted - s.seen.admitted
		s.estimator.Observe(now, share.Period{Offered: r.counts.offered - s.seen.offered, Admitted: admitted, Blocked: r.counts.waiting})
		s.used = rateBetween(admitted, passed)
		s.seen, s.seenAt = r.counts, now
	}
	s.wanted = s.estimator.Demand(now, 0)
	if r.barren && now-r.barrenSince >= int64(t.Barren) {
		s.starves, s.starvesTil = true, now+s.timeout
	}
	s.starves = s.starves && now < s.starvesTil
	s.wanted.Starving = s.wanted.Starving || s.starves
}

// rateBetween is the rate of so many requests in so many nanoseconds, rounded down.
func rateBetween(n, passed int64) share.Rate {
	if n <= 0 || passed <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(n), uint64(unit))
	if hi >= uint64(passed) {
		return share.MaxRate
	}
	v, _ := bits.Div64(hi, lo, uint64(passed))
	return share.Rate(min(v, uint64(share.MaxRate)))
}

// apply puts into force what a grant says of the resource.
func (m *Member) apply(now, until int64, g *resourceGrants, run running, hold bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.run = run
	for _, s := range *m.slots.Load() {
		for i := range g.queues {
			if g.queues[i].key == s.key {
				s.bucket.apply(now, until, g.queues[i].grant, g.queues[i].safe, hold)
				s.promised = g.queues[i].promised
				s.wake()
				break
			}
		}
	}
}
