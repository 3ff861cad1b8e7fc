package share

import (
	"errors"
	"fmt"
	"time"
)

// Resource is a capacity and the queues that share it. Nothing here changes it; [Resource.Times] makes another.
type Resource struct {
	// Max is the capacity, max_limit: granted rates never add up to more.
	Max Rate
	// Activation is the rate below which growth is never suppressed, activation_rate.
	//
	// A resource has a surge suppressor where Activation or Step is above 0. Both 0 means that none is configured: the effective
	// capacity is Max. An Activation of 0 beside a Step above 0 suppresses from the first request on.
	Activation Rate
	// Step is how much the total may grow in a second above Activation, max_increment_step. Where it is 0 and Activation is not, the
	// total stays at Activation or what the guarantees demand, whichever is more.
	Step Rate
	// Queues are in the order in which demands and grants are passed. What a queue is granted does not depend on that order.
	Queues []Queue
}

// Queue is one of the parts that share a resource.
type Queue struct {
	// Name is the queue's, unique in its resource. It decides exact ties: the smaller name goes first.
	Name string
	// Guaranteed is what the queue gets before anything is shared by priority, as far as it wants it.
	Guaranteed Rate
	// Priority orders what is left after the guarantees: larger wins.
	Priority int32
	// Burst and StarvingTimeout give a starving or new instance its floor: Burst requests within StarvingTimeout. Where either is
	// not above 0 there is no floor.
	Burst           int64
	StarvingTimeout time.Duration
}

// Demand is what one instance asks of one queue.
type Demand struct {
	// Instance numbers the instance in the fleet. An instance is listed once for a queue. The number decides exact ties: of equal
	// wants the smaller number goes first.
	Instance int
	// Want is the rate that the instance could use, see [Estimator].
	Want Rate
	// Starving says that callers wait at this instance, or that it is new and what it wants is not known yet.
	Starving bool
}

// Suppressed says whether a surge suppressor is configured.
func (r *Resource) Suppressed() bool { return r.Activation > 0 || r.Step > 0 }

// Times is the resource with Max, Activation, Step and all guarantees multiplied by a multiplier in thousandths: 1000 changes
// nothing. Results are rounded down to a thousandth and are at most [MaxRate]; guarantees that fitted in Max still do. Activation
// and Step, where above 0, stay so at every multiplier above 0: rounding does not switch the suppressor off. Bursts stay as they
// are. A multiplier that is not above 0 leaves no capacity at all.
func (r Resource) Times(multiplier Rate) Resource {
	by := uint64(max(multiplier, 0))
	queues := make([]Queue, len(r.Queues))
	for i, q := range r.Queues {
		q.Guaranteed = q.Guaranteed.times(by, uint64(PerSecond))
		queues[i] = q
	}
	scaled := Resource{
		Max:        r.Max.times(by, uint64(PerSecond)),
		Activation: r.Activation.times(by, uint64(PerSecond)),
		Step:       r.Step.times(by, uint64(PerSecond)),
		Queues:     queues,
	}
	if by > 0 {
		scaled.Activation = max(scaled.Activation, min(r.Activation, 1))
		scaled.Step = max(scaled.Step, min(r.Step, 1))
	}
	return scaled
}

// Check says what is wrong with a configuration: rates outside 0 and [MaxRate], negative bursts and timeouts, names missing or
// used twice. Guarantees that together exceed Max are no fault here: they are met as far as they go.
func (r *Resource) Check() error {
	var wrong []error
	rate := func(name string, v Rate) {
		if v != v.bounded() {
			wrong = append(wrong, fmt.Errorf("%s is %d thousandths, outside 0 and %d", name, v, MaxRate))
		}
	}
	rate("max_limit", r.Max)
	rate("activation_rate", r.Activation)
	rate("max_increment_step", r.Step)
	seen := make(map[string]bool, len(r.Queues))
	for i := range r.Queues {
		q := &r.Queues[i]
		switch {
		case q.Name == "":
			wrong = append(wrong, fmt.Errorf("queue %d has no name", i))
		case seen[q.Name]:
			wrong = append(wrong, fmt.Errorf("queue %s is there twice", q.Name))
		}
		seen[q.Name] = true
		rate("guaranteed_limit of queue "+q.Name, q.Guaranteed)
		if q.Burst < 0 {
			wrong = append(wrong, fmt.Errorf("burst of queue %s is %d", q.Name, q.Burst))
		}
		if q.StarvingTimeout < 0 {
			wrong = append(wrong, fmt.Errorf("starving_timeout of queue %s is %s", q.Name, q.StarvingTimeout))
		}
	}
	return errors.Join(wrong...)
}

// DemandedGuarantees is the sum of what queues want within their guarantees: of each the smaller of guarantee and demand. demands
// is as for [Allocator.Allocate].
func (r *Resource) DemandedGuarantees(demands [][]Demand) Rate {
	var sum Rate
	for i := range r.Queues {
		q := &r.Queues[i]
		sum += min(q.Guaranteed.bounded(), q.demand(demands[i]))
	}
	return sum
}

// Floor is what a starving or new instance of the queue gets before others get anything of the queue: the rate that serves Burst
// within StarvingTimeout, rounded up to a thousandth. It is 0 where no burst or no timeout is configured.
func (q *Queue) Floor() Rate { return perSecond(q.Burst, int64(q.StarvingTimeout)) }

// Want is what the allocation takes an instance to want: what it says, and at least the floor where it starves.
func (q *Queue) Want(d Demand) Rate { return d.atLeast(q.Floor()) }

// Headroom is the most that an instance may be granted above its want, so that a rise in traffic meets a grant that is already
// there: a quarter of the want, and not less than the floor, which lets an idle instance begin at once. It is bounded so that
// most of what nobody wants stays free and can be granted to anyone without being taken back first.
func (q *Queue) Headroom(want Rate) Rate { return headroom(want.bounded(), q.Floor()) }

// demand is what a queue's instances want together, at most MaxRate.
func (q *Queue) demand(demands []Demand) Rate {
	floor := q.Floor()
	var sum Rate
	for i := range demands {
		sum += demands[i].atLeast(floor)
	}
	return sum.bounded()
}

// atLeast is the want, raised to a floor where the instance starves.
func (d *Demand) atLeast(floor Rate) Rate {
	want := d.Want.bounded()
	if d.Starving {
		want = max(want, floor)
	}
	return want
}

func headroom(want, floor Rate) Rate { return max(want/4, floor) }
