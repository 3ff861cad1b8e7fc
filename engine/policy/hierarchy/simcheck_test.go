package hierarchy

import (
	"fmt"
	"strings"

	"proscenium/engine/policy/hierarchy/share"
)

// checker holds the invariants against a world. It keeps the first one that is broken.
type checker struct {
	w        *world
	broken   error
	all      map[string]int // how often which invariant was broken
	totals   []total
	admitted map[*slot]int64
	ticks    int // with an allocation
	settled  int // of them nothing was pending
	peak     share.Rate
}

type total struct {
	at                          int64
	granted, recent, guarantees share.Rate // recent is the most in the second before, and at the tick before that
}

func (c *checker) fail(format string, args ...any) {
	if c.all == nil {
		c.all = map[string]int{}
	}
	name, _, _ := strings.Cut(format, ":")
	c.all[name]++
	if c.broken == nil {
		c.broken = fmt.Errorf(format, args...)
	}
}

// instant is I2: what is in force is at most the capacity. It is looked at whenever a rate may have changed.
func (c *checker) instant() {
	var sum share.Rate
	for _, n := range c.w.nodes {
		sum += n.inForce()
	}
	c.peak = max(c.peak, sum)
	if sum > c.w.resource.Share.Max {
		c.fail("I2: %d in force of %d: %s", sum, c.w.resource.Share.Max, c.w.describe())
	}
}

func (w *world) describe() string {
	s := ""
	for _, n := range w.nodes {
		if n.dead {
			continue
		}
		s += fmt.Sprintf("\n  node %d (cut off %v, leads %v, epoch %d version %d)", n.id, n.cutOff, n.station.office != nil, n.station.known.epoch, n.station.known.version)
		for _, q := range *n.member.slots.Load() {
			r := q.bucket.read(n.clock())
			s += fmt.Sprintf(" %s:%d(grant %d safe %d)", r.state, r.rate, r.grant, r.safe)
		}
	}
	return s
}

// tick holds whenever an allocator has allocated.
func (c *checker) tick(a *allocator) {
	l := a.resources[0]
	t := l.last
	r := &l.resource.Share
	if t.held {
		c.note(t)
		return
	}
	c.ticks++
	limit := min(t.effective, t.available)
	if t.target > limit || t.effective > r.Max {
		c.fail("I1: target %d, effective %d, available %d, capacity %d", t.target, t.effective, t.available, r.Max)
	}
	targets, demands := make([]share.Rate, len(l.keys)), make([]share.Rate, len(l.keys))
	for q := range l.keys {
		for _, p := range l.parties {
			targets[q] += p.target[q]
			want := r.Queues[q].Want(p.wants[q].demand)
			demands[q] += want
			if p.target[q] > want+r.Queues[q].Headroom(want) {
				c.fail("I9: queue %d wants %d and is granted %d", q, want, p.target[q])
			}
			if p.grant[q] > p.target[q] {
				c.fail("I1: queue %d is published %d, more than the target %d", q, p.grant[q], p.target[q])
			}
		}
	}
	for q := range l.keys {
		if due := min(r.Queues[q].Guaranteed, demands[q]); t.guarantees <= limit && targets[q] < due {
			c.fail("I3: queue %d is due %d by guarantee and is granted %d", q, due, targets[q])
		}
		for h := range l.keys {
			if r.Queues[h].Priority > r.Queues[q].Priority && targets[h] < demands[h] && targets[q] > r.Queues[q].Guaranteed {
				c.fail("I5: queue %d has %d, above its guarantee, while queue %d with %d of %d goes short", q, targets[q], h, targets[h], demands[h])
			}
		}
	}
	if t.target < min(limit, t.demand) {
		c.fail("I4: target %d of %d wanted, %d there", t.target, t.demand, limit)
	}
	if !t.pending {
		c.settled++
		if t.granted < min(limit, t.demand) {
			c.fail("I4: granted %d of %d wanted, %d there, and nothing is pending", t.granted, t.demand, limit)
		}
	}
	c.fair(l)
	if t.guarantees <= limit {
		c.fairBetween(r, targets, demands)
	}
	c.growth(r, t)
}

// fair is I6 inside a queue: nobody who goes short has less than another who does not starve has, by more than what does not divide evenly.
func (c *checker) fair(l *ledger) {
	for q := range l.keys {
		for _, p := range l.parties {
			want := l.resource.Share.Queues[q].Want(p.wants[q].demand)
			if p.target[q] >= want {
				continue
			}
			for _, other := range l.parties {
				if !other.wants[q].demand.Starving && other.target[q] > p.target[q]+1 {
					c.fail("I6: queue %d: %d of %d beside %d", q, p.target[q], want, other.target[q])
				}
				if enough := l.resource.Share.Queues[q].Want(other.wants[q].demand); other.target[q] > enough {
					c.fail("I6: queue %d: %d of %d beside %d of %d", q, p.target[q], want, other.target[q], enough)
				}
			}
		}
	}
}

// fairBetween is I6 between queues of a priority: none goes short while another has more above its guarantee, weight by weight.
func (c *checker) fairBetween(r *share.Resource, targets, demands []share.Rate) {
	extra := func(q int) share.Rate { return targets[q] - min(r.Queues[q].Guaranteed, demands[q]) }
	weight := func(q int) share.Rate { return max(r.Queues[q].Guaranteed, r.Max/100) }
	for q := range targets {
		for h := range targets {
			if r.Queues[q].Priority == r.Queues[h].Priority && targets[q] < demands[q] && extra(h)*weight(q) > (extra(q)+1)*weight(h) {
				c.fail("I6: queue %d has %d above its guarantee beside %d of queue %d", q, extra(q), extra(h), h)
			}
		}
	}
}

// growth is I8: the total grows by at most a step a second above the activation rate, the guarantees that are wanted, and what was granted in the
// second before. The start of growth is renewed at most once a second: up to one step was there and not used, and one renewal comes at once.
func (c *checker) growth(r *share.Resource, t tick) {
	c.note(t)
	if !r.Suppressed() {
		return
	}
	floor := r.Activation
	for i := len(c.totals) - 1; i >= 0; i-- {
		before := c.totals[i]
		floor = max(floor, before.guarantees)
		own := c.own(c.w.now - before.at)
		if own > 5*sec {
			return
		}
		if most := max(floor, before.recent) + 2*r.Step + share.Rate(int64(r.Step)*own/sec); t.target > most {
			c.fail("I8: %d after %d of %d ms before", t.target, before.recent, (c.w.now-before.at)/ms)
			return
		}
	}
}

// own is how many nanoseconds the clock of an allocator may count in a time.
func (c *checker) own(d int64) int64 { return d * 100 / int64(100-c.w.timing.Drift) }

func (c *checker) note(t tick) {
	granted := max(t.granted, t.target)
	now := total{at: c.w.now, granted: granted, recent: granted, guarantees: t.guarantees}
	for i := len(c.totals) - 1; i >= 0; i-- {
		now.recent = max(now.recent, c.totals[i].granted)
		if c.w.now-c.totals[i].at > c.own(sec) {
			break // a renewal within the second was from what the tick before it had granted
		}
	}
	c.totals = append(c.totals, now)
}
