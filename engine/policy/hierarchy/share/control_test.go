package share

import (
	"cmp"
	"math/big"
	"slices"
	"testing"
)

// The controls are allocations that look reasonable and are not: each must fail the properties that it is known to break, by the
// same checks and the same scenarios that the allocator passes.

// equalSplit gives every instance of every queue the same.
func equalSplit(r *Resource, effective Rate, demands [][]Demand) [][]Rate {
	grants := grantsFor(demands)
	var instances Rate
	for q := range demands {
		instances += Rate(len(demands[q]))
	}
	for q := range grants {
		for k := range grants[q] {
			grants[q][k] = min(max(effective, 0), r.Max) / instances
		}
	}
	return grants
}

// inOrder gives everyone what it wants as long as there is some.
func inOrder(r *Resource, effective Rate, demands [][]Demand) [][]Rate {
	grants := grantsFor(demands)
	left := min(max(effective, 0), r.Max)
	for q := range demands {
		for k := range demands[q] {
			grants[q][k] = min(left, r.Queues[q].Want(demands[q][k]))
			left -= grants[q][k]
		}
	}
	return grants
}

// largestRemainder shares by want in proportion, and the thousandths that are left by the largest remainder.
func largestRemainder(r *Resource, effective Rate, demands [][]Demand) [][]Rate {
	grants := grantsFor(demands)
	capacity := min(max(effective, 0), r.Max)
	type cell struct {
		q, k int
		rest *big.Int
	}
	var cells []cell
	demand := new(big.Int)
	want := func(q, k int) *big.Int { return big.NewInt(int64(r.Queues[q].Want(demands[q][k]))) }
	for q := range demands {
		for k := range demands[q] {
			demand.Add(demand, want(q, k))
		}
	}
	if demand.Sign() == 0 {
		return grants
	}
	if demand.Cmp(big.NewInt(int64(capacity))) < 0 {
		capacity = Rate(demand.Int64())
	}
	left := capacity
	for q := range demands {
		for k := range demands[q] {
			part, rest := new(big.Int).QuoRem(new(big.Int).Mul(want(q, k), big.NewInt(int64(capacity))), demand, new(big.Int))
			grants[q][k] = Rate(part.Int64())
			left -= grants[q][k]
			cells = append(cells, cell{q, k, rest})
		}
	}
	slices.SortStableFunc(cells, func(a, b cell) int { return cmp.Or(b.rest.Cmp(a.rest), cmp.Compare(a.q, b.q)) })
	for _, c := range cells[:left] {
		grants[c.q][c.k]++
	}
	return grants
}

// spendthrift hands out what nobody wants too, the same to everyone.
func spendthrift(r *Resource, effective Rate, demands [][]Demand) [][]Rate {
	grants := shared()(r, effective, demands)
	left := min(max(effective, 0), r.Max) - total(grants...)
	var instances Rate
	for q := range demands {
		instances += Rate(len(demands[q]))
	}
	for q := range grants {
		for k := range grants[q] {
			grants[q][k] += left / instances
		}
	}
	return grants
}

// unscaled hands out twenty requests a second, however large the resource is.
func unscaled(r *Resource, effective Rate, demands [][]Demand) [][]Rate {
	return shared()(r, min(effective, 20*PerSecond), demands)
}

func TestTheSamePropertiesTellRightAllocationsFromWrongOnes(t *testing.T) {
	properties := map[string]property{
		"I1": withinCapacity, "I3": guaranteesMet, "I4": workConserving, "I5": prioritiesRespected,
		"I6 queues": fairQueues, "I6 instances": fairInstances, "I6 model": likeTheModel,
		"I7 monotone": monotone, "I7 homogeneous": homogeneous, "I7 order": orderIndependent,
		"I9": withinHeadroom, "I10": floorsMet,
	}
	samples := examples(1200)
	for _, control := range []struct {
		name     string
		allocate allocation
		breaks   []string
	}{
		{"the allocator itself", shared(), nil},
		{"an equal split", equalSplit, []string{"I3", "I4", "I5", "I6 queues", "I6 model", "I9", "I10"}},
		{"first come, first served", inOrder, []string{"I3", "I5", "I6 instances", "I6 model", "I6 queues", "I7 order", "I10"}},
		{"in proportion by largest remainder", largestRemainder, []string{
			"I3", "I5", "I6 instances", "I6 model", "I6 queues", "I7 monotone", "I7 order", "I10",
		}},
		{"headroom without bound", spendthrift, []string{"I6 model", "I9"}},
		{"a capacity that does not scale", unscaled, []string{"I3", "I4", "I6 model", "I7 homogeneous", "I10"}},
	} {
		t.Run(control.name, func(t *testing.T) {
			broken := map[string]int{}
			for _, s := range samples {
				for name, p := range properties {
					if p(control.allocate, s) != nil {
						broken[name]++
					}
				}
			}
			t.Logf("scenarios of %d that show it, by property: %v", len(samples), broken)
			for name := range properties {
				if found := broken[name] > 0; found != slices.Contains(control.breaks, name) {
					t.Errorf("%s: broken in %d scenarios", name, broken[name])
				}
			}
		})
	}
}

// examples are the same scenarios at every call.
func examples(n int) []scenario {
	generator := scenarios()
	samples := make([]scenario, n)
	for seed := range samples {
		samples[seed] = generator.Example(seed)
	}
	return samples
}

func TestTheScenariosReachEveryCase(t *testing.T) {
	samples := examples(1200)
	allocate := shared()
	reached := map[string]int{}
	for _, s := range samples {
		grants := allocate(&s.Resource, s.Effective, s.Demands)
		var demand, room Rate
		for q, row := range s.Demands {
			demand += s.demand(q)
			var floors, levelled Rate
			for _, d := range row {
				room += s.headroom(q, d)
				levelled += min(s.want(q, d), s.floor(q))
				if d.Starving {
					floors += s.floor(q)
				}
			}
			switch has := total(grants[q]); {
			case floors == 0 || has == 0 || has >= s.demand(q):
			case has < floors:
				reached["floors that do not fit"]++
			case has < levelled:
				reached["floors above the common level"]++
			default:
				reached["floors below the common level"]++
			}
		}
		switch capacity := s.capacity(); {
		case capacity == 0:
			reached["no capacity"]++
		case capacity < s.demandedGuarantees():
			reached["guarantees that do not fit"]++
		case capacity < demand:
			reached["wants that do not fit"]++
		case capacity < demand+room:
			reached["headroom that does not fit"]++
		default:
			reached["capacity for everything"]++
		}
	}
	t.Log(reached)
	for _, what := range []string{
		"no capacity", "guarantees that do not fit", "wants that do not fit", "headroom that does not fit", "capacity for everything",
		"floors that do not fit", "floors above the common level", "floors below the common level",
	} {
		if reached[what] < len(samples)/100 {
			t.Errorf("%s: in only %d of %d scenarios", what, reached[what], len(samples))
		}
	}
}
