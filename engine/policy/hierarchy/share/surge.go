package share

import "time"

const (
	second = int64(time.Second)
	// useSeconds is how far back use counts.
	useSeconds = 5
)

// Surge is the state of a resource's surge suppressor. It lets the total grow by Step a second above Activation, from a base
// that is renewed at most once a second. The zero value is ready and has a base of 0.
//
// Times are nanoseconds since any fixed moment, not negative, from a clock that does not jump; a time before the latest renewal
// renews nothing. A Surge is not safe for concurrent use.
type Surge struct {
	base    Rate
	granted Rate
	renewed int64
	begun   bool
	// uses are the highest rates of use by second: the one that runs and the five before it.
	uses [useSeconds + 1]struct {
		second int64
		peak   Rate
	}
}

// Effective is how much may be granted now:
//
//	min(Max, max(Activation, demandedGuarantees, base + Step))
//
// and Max where no suppressor is configured. The base is what was granted when it was renewed, bounded by 1.05 times the use of
// the last five seconds. Between two renewals lies at least a second, so that in any w seconds the part above Activation and the
// demanded guarantees grows by at most (w + 1) * Step.
func (s *Surge) Effective(r *Resource, now int64, demandedGuarantees Rate) Rate {
	if !s.begun || now-s.renewed >= second {
		s.renew(now)
	}
	limit := r.Max.bounded()
	if !r.Suppressed() {
		return limit
	}
	return min(limit, max(r.Activation.bounded(), demandedGuarantees, s.base+r.Step.bounded()))
}

// Observe takes what is granted in total from now on and the rate at which the fleet used its grants lately. An allocator that
// takes over calls it before its first Effective, with the grants that it finds in force: the total then goes on from there
// instead of beginning again at Activation.
func (s *Surge) Observe(now int64, granted, used Rate) {
	s.granted = granted.bounded()
	at := now / second
	slot := &s.uses[uint64(at)%uint64(len(s.uses))]
	if slot.second != at {
		slot.second, slot.peak = at, 0
	}
	slot.peak = max(slot.peak, used.bounded())
}

// Base is the base of the latest renewal.
func (s *Surge) Base() Rate { return s.base }

func (s *Surge) renew(now int64) {
	s.begun, s.renewed = true, now
	s.base = min(s.granted, s.used(now).times(105, 100))
}

// used is the highest rate of use observed in the second that runs and the five before it.
func (s *Surge) used(now int64) Rate {
	at := now / second
	var peak Rate
	for _, slot := range s.uses {
		if at-slot.second <= useSeconds && slot.second <= at {
			peak = max(peak, slot.peak)
		}
	}
	return peak
}
