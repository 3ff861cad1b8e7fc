package share

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// wants are demands of instances 0, 1, 2 and so on, in requests a second.
func wants(rates ...Rate) []Demand {
	demands := make([]Demand, len(rates))
	for i, v := range rates {
		demands[i] = Demand{Instance: i, Want: v * PerSecond}
	}
	return demands
}

// starve marks instances as starving.
func starve(demands []Demand, instances ...int) []Demand {
	for _, i := range instances {
		demands[i].Starving = true
	}
	return demands
}

// grantsFor are rows of the shape that Allocate writes.
func grantsFor(demands [][]Demand) [][]Rate {
	grants := make([][]Rate, len(demands))
	for q := range demands {
		grants[q] = make([]Rate, len(demands[q]))
	}
	return grants
}

func TestAllocate(t *testing.T) {
	const k = PerSecond
	queue := func(name string, guaranteed Rate, priority int32) Queue {
		return Queue{Name: name, Guaranteed: guaranteed * k, Priority: priority}
	}
	floored := func(guaranteed Rate) Queue {
		return Queue{Name: "a", Guaranteed: guaranteed * k, Burst: 25, StarvingTimeout: 2 * time.Second}
	}
	for _, c := range []struct {
		name      string
		max       Rate
		effective Rate
		queues    []Queue
		demands   [][]Demand
		want      [][]Rate
	}{
		{
			name: "no queues get nothing", max: 100, effective: 100,
			queues: nil, demands: nil, want: [][]Rate{},
		},
		{
			name: "a queue without instances gets nothing", max: 100, effective: 100,
			queues: []Queue{queue("a", 50, 1)}, demands: [][]Demand{{}}, want: [][]Rate{{}},
		},
		{
			name: "without capacity nobody gets anything", max: 0, effective: 10,
			queues: []Queue{queue("a", 0, 1), queue("b", 5, 1)}, demands: [][]Demand{wants(5), wants(5)}, want: [][]Rate{{0}, {0}},
		},
		{
			name: "a negative effective capacity is none", max: 100, effective: -1,
			queues: []Queue{queue("a", 5, 1)}, demands: [][]Demand{wants(5)}, want: [][]Rate{{0}},
		},
		{
			name: "an effective capacity above the maximum is the maximum", max: 100, effective: 1000,
			queues: []Queue{queue("a", 5, 1)}, demands: [][]Demand{wants(500)}, want: [][]Rate{{100 * k}},
		},
		{
			name: "wants that fit are met, with a quarter as headroom", max: 100, effective: 100,
			queues: []Queue{queue("a", 0, 1)}, demands: [][]Demand{wants(40, 8)}, want: [][]Rate{{50 * k, 10 * k}},
		},
		{
			name: "guarantees go before priority", max: 100, effective: 100,
			queues:  []Queue{queue("high", 0, 9), queue("low", 30, 1)},
			demands: [][]Demand{wants(500), wants(500)}, want: [][]Rate{{70 * k}, {30 * k}},
		},
		{
			name: "a guarantee that is not wanted is there for others", max: 100, effective: 100,
			queues:  []Queue{queue("high", 0, 9), queue("low", 30, 1)},
			demands: [][]Demand{wants(500), wants(10)}, want: [][]Rate{{90 * k}, {10 * k}},
		},
		{
			name: "guarantees that exceed the capacity are shared by guarantee, whatever the priority", max: 100, effective: 30,
			queues:  []Queue{queue("high", 20, 9), queue("low", 40, 1)},
			demands: [][]Demand{wants(500), wants(500)}, want: [][]Rate{{10 * k}, {20 * k}},
		},
		{
			name: "a higher priority leaves only what it does not want", max: 100, effective: 100,
			queues:  []Queue{queue("low", 0, -1), queue("high", 0, 0)},
			demands: [][]Demand{wants(500), wants(60)}, want: [][]Rate{{40 * k}, {60 * k}},
		},
		{
			name: "inside a priority the guarantee is the weight above the guarantee too", max: 100, effective: 100,
			queues:  []Queue{queue("a", 20, 1), queue("b", 5, 1)},
			demands: [][]Demand{wants(500), wants(500)}, want: [][]Rate{{80 * k}, {20 * k}},
		},
		{
			name: "a queue without a guarantee weighs a hundredth of the maximum", max: 100, effective: 100,
			queues:  []Queue{queue("a", 19, 1), queue("b", 0, 1)},
			demands: [][]Demand{wants(500), wants(500)}, want: [][]Rate{{95_950}, {4_050}},
		},
		{
			name: "inside a queue small wants are met and the rest is even", max: 100, effective: 100,
			queues: []Queue{queue("a", 0, 1)}, demands: [][]Demand{wants(500, 10, 60)}, want: [][]Rate{{45 * k, 10 * k, 45 * k}},
		},
		{
			name: "thousandths that do not go round are for the larger want, then for the smaller number", max: 100, effective: 100,
			queues: []Queue{queue("a", 0, 1)}, demands: [][]Demand{wants(60, 61, 60)}, want: [][]Rate{{33_333, 33_334, 33_333}},
		},
		{
			name: "a starving instance gets its floor where the common level is lower", max: 100, effective: 20,
			queues:  []Queue{floored(0)},
			demands: [][]Demand{starve(wants(10, 10, 10, 0), 3)}, want: [][]Rate{{2_500, 2_500, 2_500, 12_500}},
		},
		{
			name: "a starving instance gets no more than others where the common level is higher", max: 100, effective: 60,
			queues:  []Queue{floored(0)},
			demands: [][]Demand{starve(wants(90, 90, 90), 1)}, want: [][]Rate{{20 * k, 20 * k, 20 * k}},
		},
		{
			name: "floors that do not fit are shared by the starving", max: 100, effective: 20,
			queues:  []Queue{floored(0)},
			demands: [][]Demand{starve(wants(1, 0, 90), 1, 2)}, want: [][]Rate{{0, 10 * k, 10 * k}},
		},
		{
			name: "headroom goes by priority too", max: 100, effective: 100,
			queues:  []Queue{floored(0), queue("b", 0, 1)},
			demands: [][]Demand{wants(0), wants(95)}, want: [][]Rate{{0}, {100 * k}},
		},
		{
			name: "an idle instance gets its floor as headroom", max: 100, effective: 100,
			queues: []Queue{floored(0)}, demands: [][]Demand{wants(0, 60)}, want: [][]Rate{{12_500, 75 * k}},
		},
		{
			name: "negative wants are none", max: 100, effective: 100,
			queues: []Queue{queue("a", 50, 1)}, demands: [][]Demand{wants(-5, 8)}, want: [][]Rate{{0, 10 * k}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			resource := &Resource{Max: c.max * k, Queues: c.queues}
			grants := grantsFor(c.demands)
			var a Allocator
			granted := a.Allocate(resource, c.effective*k, c.demands, grants)
			if diff := cmp.Diff(c.want, grants); diff != "" {
				t.Errorf("grants (-want +got):\n%s", diff)
			}
			var sum Rate
			for _, row := range grants {
				for _, g := range row {
					sum += g
				}
			}
			if granted != sum {
				t.Errorf("Allocate says %d, the grants add up to %d", granted, sum)
			}
		})
	}
}

func TestAllocateLeavesNothingOfOlderGrants(t *testing.T) {
	resource := &Resource{Max: 100 * PerSecond, Queues: []Queue{{Name: "a"}, {Name: "b"}}}
	grants := [][]Rate{{7, 7, 7}, {7}}
	var a Allocator
	a.Allocate(resource, resource.Max, [][]Demand{wants(0, 8), {}}, grants)
	if diff := cmp.Diff([][]Rate{{0, 10 * PerSecond, 0}, {0}}, grants); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAllocateRefusesRowsThatDoNotFit(t *testing.T) {
	resource := &Resource{Max: 1, Queues: []Queue{{Name: "a"}}}
	for _, c := range []struct {
		name    string
		demands [][]Demand
		out     [][]Rate
	}{
		{"no demands", nil, [][]Rate{{}}},
		{"no grants", [][]Demand{{}}, nil},
		{"more queues than there are", [][]Demand{{}, {}}, [][]Rate{{}, {}}},
		{"a short row", [][]Demand{{{}}}, [][]Rate{{}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			new(Allocator).Allocate(resource, 1, c.demands, c.out)
		})
	}
}

func TestInstancesListedTwiceAreTwo(t *testing.T) {
	resource := &Resource{Max: 9, Queues: []Queue{{Name: "a"}, {Name: "a"}}}
	demands := [][]Demand{{{Instance: 1, Want: 3}, {Instance: 1, Want: 3}}, {{Instance: 1, Want: 2}}}
	grants := grantsFor(demands)
	if got := new(Allocator).Allocate(resource, 7, demands, grants); got != 7 {
		t.Errorf("%d granted", got)
	}
	if diff := cmp.Diff([][]Rate{{3, 2}, {2}}, grants); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
