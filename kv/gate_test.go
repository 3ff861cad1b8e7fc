package kv

import (
	"testing"
	"time"
)

func TestAGateLetsOneCallThroughAfterEachRest(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	g := gate{rest: time.Second}
	at := start.Add
	steps := []struct {
		name string
		do   func() bool
		want bool
	}{
		{"it is open at first", func() bool { return g.enter(at(0)) }, true},
		{"a caller that gives up does not close it", func() bool { g.leave(at(0), abandoned); return g.enter(at(0)) }, true},
		{"silence closes it", func() bool { g.leave(at(0), silence); return g.enter(at(0)) }, false},
		{"it says so", func() bool { return g.closed(at(999 * time.Millisecond)) }, true},
		{"after the rest one finds out", func() bool { return g.enter(at(time.Second)) }, true},
		{"and no other", func() bool { return g.enter(at(time.Second)) }, false},
		{"one that gives up leaves it closed", func() bool {
			g.leave(at(1100*time.Millisecond), abandoned)
			return g.enter(at(1100 * time.Millisecond))
		}, false},
		{"until the next rest is over", func() bool { return g.enter(at(2 * time.Second)) }, true},
		{"an answer opens it", func() bool {
			g.leave(at(2*time.Second), answer)
			return g.enter(at(2 * time.Second))
		}, true},
		{"for all", func() bool { return g.enter(at(2 * time.Second)) }, true},
		{"and it is not closed", func() bool { return g.closed(at(2 * time.Second)) }, false},
	}
	for _, s := range steps {
		if got := s.do(); got != s.want {
			t.Fatalf("%s: %v", s.name, got)
		}
	}
}
