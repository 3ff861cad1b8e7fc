package limit

import (
	"sync"
	"time"
)

// Local is a limit of this process with one count for all. It is a handle that does not change, as [Keyed]. It is safe for concurrent use.
type Local struct {
	name   string
	rule   rule
	dryRun bool
	count  *localCount // shared with the handles made from it
}

type localCount struct {
	mu                       sync.Mutex
	tally                    tally
	allowed, marked, refused int64
}

// NewLocal makes a limit; the counting of the rule does not matter. It panics where the rule is out of bounds, see [Rule].
func NewLocal(name string, r Rule, dryRun bool) *Local {
	r.Counting, r.Chunk = ByProcess, 0
	return &Local{name: name, rule: compile(r, slices), dryRun: dryRun, count: &localCount{}}
}

// Reconfigured is the limit by another rule. What was consumed so far counts by the new one; another algorithm counts anew.
func (l *Local) Reconfigured(r Rule, dryRun bool) *Local {
	next := NewLocal(l.name, r, dryRun)
	if next.rule.kind == l.rule.kind {
		next.count = l.count
		return next
	}
	l.count.mu.Lock()
	defer l.count.mu.Unlock()
	next.count.allowed, next.count.marked, next.count.refused = l.count.allowed, l.count.marked, l.count.refused
	return next
}

// Take decides on a request of a cost, as [Keyed.Take] does. now is monotonic, in nanoseconds, and not negative.
func (l *Local) Take(now, cost int64) Verdict {
	if cost < 0 {
		panic("limit: a negative cost")
	}
	n := max(cost, 1)
	v := Verdict{
		Name: l.name, Dimension: l.rule.Dimension, Source: FromLocal, DryRun: l.dryRun, Limit: l.rule.Limit, Window: l.rule.Window,
	}
	c := l.count
	c.mu.Lock()
	c.tally.settle(&l.rule, now)
	var a reading
	if n > l.rule.capacity {
		a.outcome = Refused
	} else {
		a = c.tally.ask(&l.rule, n)
	}
	if cost > 0 {
		if a.outcome == Refused {
			c.refused++
		} else {
			c.tally.add(&l.rule, n)
			a.used += n
			c.allowed++
			if a.outcome == Soft {
				c.marked++
			}
		}
	}
	c.mu.Unlock()
	v.Outcome, v.Remaining, v.Reset = a.outcome, max(l.rule.capacity-a.used, 0), time.Duration(a.reset)
	if v.Reset == 0 && a.outcome != Refused && cost > 0 {
		v.Reset = l.rule.first()
	}
	return v
}

// Status is what was decided.
func (l *Local) Status() Status {
	l.count.mu.Lock()
	defer l.count.mu.Unlock()
	return Status{Rule: l.rule.Rule, Allowed: l.count.allowed, Marked: l.count.marked, Refused: l.count.refused}
}
