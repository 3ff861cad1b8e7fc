package share

import (
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// property is one invariant: what is wrong with an allocation's answer to a scenario, nil where nothing is. The tests run each on
// the allocator; the controls run the same on allocations that must fail.
type property func(allocate allocation, s scenario) error

func hold(t *testing.T, p property) {
	t.Helper()
	generator := scenarios()
	allocate := shared()
	rapid.Check(t, func(t *rapid.T) {
		for range 40 {
			s := generator.Draw(t, "scenario")
			if err := p(allocate, s); err != nil {
				t.Fatalf("%v\nin %v", err, s)
			}
		}
	})
}

func TestI1GrantsNeverExceedTheEffectiveCapacity(t *testing.T) { hold(t, withinCapacity) }

func withinCapacity(allocate allocation, s scenario) error {
	grants := allocate(&s.Resource, s.Effective, s.Demands)
	if sum := total(grants...); sum > s.capacity() {
		return fmt.Errorf("%d granted of %d", sum, s.capacity())
	}
	for q := range grants {
		for k, g := range grants[q] {
			if g < 0 {
				return fmt.Errorf("grant %d of queue %d is %d", k, q, g)
			}
		}
	}
	return nil
}

func TestI3DemandedGuaranteesAreMetIfTheyFit(t *testing.T) { hold(t, guaranteesMet) }

func guaranteesMet(allocate allocation, s scenario) error {
	if s.demandedGuarantees() > s.capacity() {
		return nil
	}
	grants := allocate(&s.Resource, s.Effective, s.Demands)
	for q := range grants {
		if due := min(s.Resource.Queues[q].Guaranteed, s.demand(q)); s.met(q, grants[q]) < due {
			return fmt.Errorf("queue %d gets %d of a demanded guarantee of %d", q, s.met(q, grants[q]), due)
		}
	}
	return nil
}

func TestI4WhatIsWantedIsGrantedAsFarAsTheCapacityGoes(t *testing.T) { hold(t, workConserving) }

// workConserving also says that nobody has headroom while somebody's want is not met: what is met would fall short then.
func workConserving(allocate allocation, s scenario) error {
	grants := allocate(&s.Resource, s.Effective, s.Demands)
	var met, demand Rate
	for q := range grants {
		met += s.met(q, grants[q])
		demand += s.demand(q)
	}
	if due := min(s.capacity(), demand); met != due {
		return fmt.Errorf("%d of the wants are met, not %d", met, due)
	}
	return nil
}

func TestI5ALowerPriorityGetsMoreThanItsGuaranteeOnlyWhenHigherOnesHaveAllTheyWant(t *testing.T) {
	hold(t, prioritiesRespected)
}

func prioritiesRespected(allocate allocation, s scenario) error {
	grants := allocate(&s.Resource, s.Effective, s.Demands)
	for low := range grants {
		if total(grants[low]) <= s.Resource.Queues[low].Guaranteed {
			continue
		}
		for high := range grants {
			if s.Resource.Queues[high].Priority > s.Resource.Queues[low].Priority && s.met(high, grants[high]) < s.demand(high) {
				return fmt.Errorf("queue %d has %d, more than its guarantee; queue %d above it wants for %d",
					low, total(grants[low]), high, s.demand(high)-s.met(high, grants[high]))
			}
		}
	}
	return nil
}

func TestI6SharingIsFairWithinAPriority(t *testing.T) { hold(t, fairQueues) }

// fairQueues is weighted max-min optimality in whole thousandths: moving one thousandth from a queue to another of its priority that
// still wants some never leaves the receiver at a lower level than the giver had. Levels are what is granted above the guarantee for
// the weight; where the guarantees do not fit, what is granted for the guarantee, among all queues.
func fairQueues(allocate allocation, s scenario) error {
	grants := allocate(&s.Resource, s.Effective, s.Demands)
	fit := s.demandedGuarantees() <= s.capacity()
	for p := range grants {
		for q := range grants {
			giver, taker := s.Resource.Queues[p], s.Resource.Queues[q]
			if p == q || fit && giver.Priority != taker.Priority {
				continue
			}
			due := func(queue Queue, of int) Rate { return min(queue.Guaranteed, s.demand(of)) }
			has, gets := s.met(p, grants[p]), s.met(q, grants[q])
			wants := due(taker, q)
			weigh := func(queue Queue) *big.Rat { return rat(queue.Guaranteed) }
			if fit {
				has, gets, wants = has-due(giver, p), gets-wants, s.demand(q)-wants
				weigh = func(queue Queue) *big.Rat { return rat(max(100*queue.Guaranteed, s.Resource.Max)) }
			}
			if has <= 0 || gets >= wants {
				continue
			}
			if new(big.Rat).Mul(rat(gets+1), weigh(giver)).Cmp(new(big.Rat).Mul(rat(has), weigh(taker))) < 0 {
				return fmt.Errorf("queue %d has %d, queue %d only %d", p, has, q, gets)
			}
		}
	}
	return nil
}

func TestI6SharingIsFairWithinAQueue(t *testing.T) { hold(t, fairInstances) }

// fairInstances: nobody is more than a thousandth above one that still wants some, unless by the floor.
func fairInstances(allocate allocation, s scenario) error {
	grants := allocate(&s.Resource, s.Effective, s.Demands)
	for q := range grants {
		for j, giver := range s.Demands[q] {
			for k, taker := range s.Demands[q] {
				has, gets := grants[q][j], grants[q][k]
				if gets >= s.want(q, taker) || has <= gets+1 || giver.Starving && has <= s.floor(q) {
					continue
				}
				return fmt.Errorf("queue %d: instance %d has %d, instance %d only %d of %d",
					q, giver.Instance, has, taker.Instance, gets, s.want(q, taker))
			}
		}
	}
	return nil
}

func TestI6GrantsAreThoseOfProgressiveFillingInFractions(t *testing.T) { hold(t, likeTheModel) }

// likeTheModel allows a thousandth for each queue and one more, which is what whole numbers cost.
func likeTheModel(allocate allocation, s scenario) error {
	grants := allocate(&s.Resource, s.Effective, s.Demands)
	slack := rat(len(s.Resource.Queues) + 1)
	for q, row := range s.ideal() {
		for k, want := range row {
			off := new(big.Rat).Sub(rat(grants[q][k]), want)
			if off.Abs(off).Cmp(slack) >= 0 {
				return fmt.Errorf("queue %d: instance %d has %d, not %s", q, s.Demands[q][k].Instance, grants[q][k], want.FloatString(3))
			}
		}
	}
	return nil
}

func TestI7NobodyLosesByMoreCapacity(t *testing.T) { hold(t, monotone) }

// monotone holds exactly, to the thousandth, for every instance and so for every queue, headroom included.
func monotone(allocate allocation, s scenario) error {
	before := allocate(&s.Resource, s.Effective, s.Demands)
	after := allocate(&s.Resource, s.Effective+s.More, s.Demands)
	for q := range before {
		for k := range before[q] {
			if after[q][k] < before[q][k] {
				return fmt.Errorf("queue %d: instance %d loses %d by %d more", q, s.Demands[q][k].Instance, before[q][k]-after[q][k], s.More)
			}
		}
	}
	return nil
}

func TestI7GrantsScaleWithTheMultiplier(t *testing.T) { hold(t, homogeneous) }

// homogeneous: with wants and bursts scaled too, grants are the multiple but for what rounding to thousandths moves, which is
// less than factor thousandths for each queue and instance there is. Up to the largest rate, where everything is cut off.
func homogeneous(allocate allocation, s scenario) error {
	other := s.scaled()
	parties := len(s.Resource.Queues) + 2
	for q := range s.Demands {
		parties += len(s.Demands[q])
		if s.demand(q)*s.Times > MaxRate || s.Resource.Queues[q].Guaranteed*s.Times > MaxRate {
			return nil
		}
	}
	if s.Resource.Max*s.Times > MaxRate || s.Effective*s.Times > MaxRate {
		return nil
	}
	grants := allocate(&s.Resource, s.Effective, s.Demands)
	for q, row := range allocate(&other.Resource, other.Effective, other.Demands) {
		for k, g := range row {
			if off := g - s.Times*grants[q][k]; max(off, -off) > s.Times*Rate(parties) {
				return fmt.Errorf("queue %d: instance %d has %d, and of %d times as much %d",
					q, s.Demands[q][k].Instance, grants[q][k], s.Times, g)
			}
		}
	}
	return nil
}

func TestI7OrderOfDeclarationHasNoInfluence(t *testing.T) { hold(t, orderIndependent) }

func orderIndependent(allocate allocation, s scenario) error {
	grants := allocate(&s.Resource, s.Effective, s.Demands)
	other, queues, instances := s.shuffled()
	for at, row := range allocate(&other.Resource, other.Effective, other.Demands) {
		for k, g := range row {
			if was := grants[queues[at]][instances[at][k]]; g != was {
				return fmt.Errorf("queue %s: instance %d has %d, in another order %d",
					other.Resource.Queues[at].Name, other.Demands[at][k].Instance, was, g)
			}
		}
	}
	return nil
}

func TestI9AGrantIsAtMostWantAndHeadroom(t *testing.T) { hold(t, withinHeadroom) }

func withinHeadroom(allocate allocation, s scenario) error {
	grants := allocate(&s.Resource, s.Effective, s.Demands)
	for q, row := range s.Demands {
		for k, d := range row {
			if most := s.want(q, d) + s.headroom(q, d); grants[q][k] > most {
				return fmt.Errorf("queue %d: instance %d has %d, at most %d are of use", q, d.Instance, grants[q][k], most)
			}
		}
	}
	return nil
}

func TestI10StarvingInstancesGetTheirFloor(t *testing.T) { hold(t, floorsMet) }

// floorsMet: where the floors of a queue fit in what it has, every starving instance has its own; where they do not, the
// starving ones have all there is. A guarantee that covers the floors makes them fit.
func floorsMet(allocate allocation, s scenario) error {
	grants := allocate(&s.Resource, s.Effective, s.Demands)
	for q, row := range s.Demands {
		floor := s.floor(q)
		var floors, starving Rate
		for k, d := range row {
			if d.Starving {
				floors += floor
				starving += grants[q][k]
			}
		}
		has := total(grants[q])
		fits := s.demandedGuarantees() <= s.capacity() && s.Resource.Queues[q].Guaranteed >= floors
		if fits && has < floors {
			return fmt.Errorf("queue %d has %d, its guarantee covers floors of %d", q, has, floors)
		}
		if has < floors && starving != has {
			return fmt.Errorf("queue %d: the starving have %d of %d", q, starving, has)
		}
		for k, d := range row {
			if d.Starving && has >= floors && grants[q][k] < floor {
				return fmt.Errorf("queue %d: starving instance %d has %d, not %d", q, d.Instance, grants[q][k], floor)
			}
		}
	}
	return nil
}

func TestTheFloorServesTheBurstWithinTheStarvingTimeout(t *testing.T) {
	generator := scenarios()
	rapid.Check(t, func(t *rapid.T) {
		s := generator.Draw(t, "scenario")
		for q, queue := range s.Resource.Queues {
			floor := queue.Floor()
			if floor != s.floor(q) {
				t.Fatalf("floor of %+v is %d, not %d", queue, floor, s.floor(q))
			}
			if floor == 0 {
				continue
			}
			served := quotient(product(int64(floor), int64(queue.StarvingTimeout)), product(int64(PerSecond), second))
			if served.Cmp(rat(queue.Burst)) < 0 {
				t.Fatalf("a floor of %d serves %s of %+v", floor, served, queue)
			}
		}
	})
}
