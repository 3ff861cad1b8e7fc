package hierarchy

import "testing"

// The first allocator after Redis lost its memory has heard of few at first. Who decides without Redis just then must not take the part of a fleet of few.
func TestAnAllocatorThatHasNotHeardOfAllMakesTheFleetNoSmaller(t *testing.T) {
	timing := DefaultTiming()
	s := newStation(0, 1, &timing, false)
	for i, step := range []struct {
		hold             bool
		instances, known int
	}{
		{false, 3, 3}, {true, 1, 3}, {true, 2, 3}, {true, 4, 4}, {false, 2, 2},
	} {
		s.seq++
		g := grants{epoch: 1, leader: 7, version: uint64(i + 1), answers: s.seq, hold: step.hold, instances: step.instances}
		s.granted(int64(i), g.encode())
		if got := s.instances(); got != step.known {
			t.Errorf("after %d by an allocator that holds: %v, the fleet is %d, want %d", step.instances, step.hold, got, step.known)
		}
	}
	s.office = newAllocator(0, 0, &response{ok: true, epoch: 2}, s)
	if s.office.fleet != 2 {
		t.Errorf("the next allocator begins with a fleet of %d", s.office.fleet)
	}
}
