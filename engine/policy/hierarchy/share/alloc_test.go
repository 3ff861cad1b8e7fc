//go:build !race

package share

import "testing"

func TestAllocateAndItsCompanionsAllocateNoMemory(t *testing.T) {
	for _, load := range loads {
		t.Run(load.name, func(t *testing.T) {
			resource, demands := fleet(20, 50, load)
			grants := grantsFor(demands)
			var a Allocator
			var s Surge
			var now int64
			e := NewEstimator(0, 0)
			tick := func() {
				now += second
				effective := s.Effective(resource, now, resource.DemandedGuarantees(demands))
				s.Observe(now, a.Allocate(resource, effective, demands, grants), resource.Max)
				e.Observe(now, Period{Offered: 5, Admitted: 5})
				demands[0][0] = e.Demand(now, 0)
			}
			tick()
			if n := testing.AllocsPerRun(100, tick); n != 0 {
				t.Errorf("%v allocations a tick", n)
			}
		})
	}
}
