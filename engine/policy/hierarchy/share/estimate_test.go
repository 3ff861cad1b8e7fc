package share

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestEstimator(t *testing.T) {
	const ms = int64(time.Millisecond)
	type step struct {
		at       int64 // milliseconds
		counted  Period
		want     Rate
		starving bool
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"a new instance starves for the starving timeout, whatever it counts", []step{
			{1000, Period{}, 0, true}, {1999, Period{}, 0, true}, {2000, Period{}, 0, false},
		}},
		{"what is offered is wanted, admitted or not", []step{
			{1000, Period{Offered: 50, Admitted: 10}, 50_000, true}, {3000, Period{Offered: 50, Admitted: 10}, 25_000, false},
		}},
		{"where callers wait, twice what was admitted is wanted", []step{
			{3000, Period{Offered: 30, Admitted: 30}, 10_000, false},
			{4000, Period{Offered: 12, Admitted: 10, Blocked: 2}, 20_000, true},
			{5000, Period{Offered: 25, Admitted: 20, Blocked: 7}, 40_000, true},
			{6000, Period{Offered: 18, Admitted: 25}, 18_000, true},
			{7000, Period{Offered: 18, Admitted: 18}, 18_000, false},
		}},
		{"callers that wait at a grant of nothing want something", []step{
			{3000, Period{Offered: 1, Blocked: 1}, 1_000, true},
		}},
		{"short periods are put together", []step{
			{50, Period{Offered: 5}, 0, true},
			{99, Period{Offered: 5}, 0, true},
			{100, Period{Offered: 5}, 150_000, true},
			{100, Period{Offered: 5}, 150_000, true},
			{1100, Period{Offered: 5}, 10_000, true},
		}},
		{"a short period in which callers wait starves at once", []step{
			{3000, Period{}, 0, false}, {3001, Period{Blocked: 1}, 0, true}, {3002, Period{}, 0, true},
		}},
		{"a single request is never a rate of nothing", []step{
			{86_400_000, Period{Offered: 1}, 1, false},
		}},
		{"negative counts are none", []step{
			{3000, Period{Offered: -5, Admitted: -5, Blocked: -5}, 0, false},
		}},
		{"the largest counts are the largest rate", []step{
			{3000, Period{Offered: math.MaxInt64}, MaxRate, false},
			{4000, Period{Admitted: math.MaxInt64, Blocked: math.MaxInt64}, MaxRate, true},
		}},
		{"a clock that stands still or goes back forms no rate", []step{
			{3000, Period{Offered: 3}, 1_000, false},
			{3000, Period{Offered: 3}, 1_000, false},
			{2000, Period{Offered: 3}, 1_000, false},
			{4000, Period{Offered: 3}, 9_000, false},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := NewEstimator(0, 2*time.Second)
			if got, want := e.Demand(0, 7), (Demand{Instance: 7, Starving: true}); got != want {
				t.Errorf("a new instance demands %+v", got)
			}
			for _, s := range c.steps {
				e.Observe(s.at*ms, s.counted)
				if got, want := e.Demand(s.at*ms, 7), (Demand{Instance: 7, Want: s.want, Starving: s.starving}); got != want {
					t.Errorf("after %d ms: %+v, not %+v", s.at, got, want)
				}
			}
		})
	}
}

func TestAnEstimatorWithoutATimeoutStarvesOnlyWhileCallersWait(t *testing.T) {
	for _, timeout := range []time.Duration{0, -time.Second} {
		e := NewEstimator(5, timeout)
		if e.Demand(5, 0).Starving {
			t.Error("a new instance starves")
		}
		e.Observe(second, Period{Blocked: 1})
		if !e.Demand(second, 0).Starving {
			t.Error("callers wait and it does not starve")
		}
		e.Observe(2*second, Period{})
		if e.Demand(2*second, 0).Starving {
			t.Error("nobody waits and it starves")
		}
	}
}

// The loop of instances, estimators and allocator, with a tick a second and grants that apply at once.
func TestBlockedInstancesFindTheirShareByDoubling(t *testing.T) {
	resource := &Resource{Max: 1_000 * PerSecond, Queues: []Queue{{Name: "a", Burst: 25, StarvingTimeout: 2 * time.Second}}}
	load := []int64{20, 300, 2_000, 2_000} // a second; callers wait for what they do not get
	shares := []Rate{20_000, 300_000, 340_000, 340_000}
	estimators := make([]*Estimator, len(load))
	for i := range estimators {
		estimators[i] = NewEstimator(0, 2*time.Second)
	}
	var a Allocator
	demands := [][]Demand{make([]Demand, len(load))}
	grants := grantsFor(demands)
	for tick := range int64(15) {
		for i, e := range estimators {
			admitted := min(load[i], int64(grants[0][i]/PerSecond))
			e.Observe(tick*second, Period{Offered: admitted, Admitted: admitted, Blocked: load[i] - admitted})
			demands[0][i] = e.Demand(tick*second, i)
		}
		a.Allocate(resource, resource.Max, demands, grants)
		if tick >= 4 && !slices.Equal(grants[0], shares) {
			t.Errorf("second %d: %v, not %v", tick, grants[0], shares)
		}
	}
}

// Where nobody waits but requests are refused, only the new instance starves: it gets its burst past all who want far more.
func TestI10ANewInstanceIsServedItsBurstPastRefusedOnes(t *testing.T) {
	const old = 9
	resource := &Resource{Max: 40 * PerSecond, Queues: []Queue{{Name: "a", Burst: 25, StarvingTimeout: 2 * time.Second}}}
	var a Allocator
	var estimators []*Estimator
	for range old {
		estimators = append(estimators, NewEstimator(0, 2*time.Second))
	}
	demands := [][]Demand{make([]Demand, old)}
	grants := grantsFor(demands)
	var served, admitted int64
	for tick := range int64(16) {
		if tick == 10 {
			estimators = append(estimators, NewEstimator(tick*second, 2*time.Second))
			demands[0] = append(demands[0], Demand{})
			grants[0] = append(grants[0], 0)
		}
		for i, e := range estimators {
			if i == old {
				admitted = min(25-served, int64(grants[0][i]/PerSecond))
				served += admitted
				e.Observe(tick*second, Period{Offered: admitted, Admitted: admitted, Blocked: 25 - served})
			} else {
				e.Observe(tick*second, Period{Offered: 500, Admitted: int64(grants[0][i] / PerSecond)})
			}
			demands[0][i] = e.Demand(tick*second, i)
		}
		a.Allocate(resource, resource.Max, demands, grants)
		if tick == 10 && grants[0][old] < 12_500 {
			t.Errorf("the new instance begins with %d", grants[0][old])
		}
	}
	if served != 25 {
		t.Errorf("%d of 25 served within 5 s", served)
	}
}
