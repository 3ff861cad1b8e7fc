package breaker_test

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"proscenium/engine/policy/breaker"
)

// The promises of the specification that are not about time: no allocation for Allow and Done, 600 bytes for a key.

const bytesOfAKey = 600

func TestABreakerTakesAtMost600Bytes(t *testing.T) {
	if got := unsafe.Sizeof(breaker.Breaker{}); got > bytesOfAKey {
		t.Errorf("a breaker is %d bytes, want at most %d", got, bytesOfAKey)
	}
	const n = 1000
	kept := make([]*breaker.Breaker, n)
	// What is taken for all of them, with whatever they point to; more than what is kept.
	taken := func(f func()) int64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return int64(after.TotalAlloc-before.TotalAlloc) / n
	}
	rule := breaker.Rule{ErrorPercent: 50, MinimumCalls: 4, HalfOpenCalls: 1000}
	made := taken(func() {
		for i := range kept {
			kept[i] = breaker.New(rule, rand.Float64)
		}
	})
	// Through all states, with more probes than default: that takes nothing more.
	lived := taken(func() {
		for _, b := range kept {
			for range 4 {
				permit, _ := b.Allow(0)
				permit.Done(0, failure)
			}
			now := int64(time.Minute)
			for range 1000 {
				permit, _ := b.Allow(now)
				permit.Done(now, success)
			}
			if b.State(now) != breaker.Closed {
				t.Fatal("not closed again")
			}
		}
	})
	if made+lived > bytesOfAKey && !raced {
		t.Errorf("%d bytes for a new breaker and %d for its life, want at most %d", made, lived, bytesOfAKey)
	}
	runtime.KeepAlive(kept)
}

func TestAllowAndDoneAllocateNothing(t *testing.T) {
	if raced {
		return // the detector makes pools drop things
	}
	slow := breaker.Rule{ErrorPercent: 50, SlowPercent: 50, SlowAfter: time.Second}
	closed, also := breaker.New(slow, rand.Float64), breaker.New(slow, rand.Float64)
	open := opened(t, halves)
	half, full := halfOpened(t, halves), halfOpened(t, halves)
	for range 5 {
		full.allow()
	}
	now := int64(0)
	clock := func() int64 { now++; return now }
	allow := func() breaker.Permit {
		permit, ok := closed.Allow(clock())
		if !ok {
			t.Error("refused")
		}
		return permit
	}
	for name, f := range map[string]func(){
		"closed":     func() { allow().Done(clock(), success) },
		"ignored":    func() { allow().Done(clock(), ignored) },
		"refused":    func() { open.b.Allow(0) },
		"probe":      func() { half.allow().Done(int64(half.now), ignored) },
		"no probe":   func() { full.b.Allow(int64(full.now)) },
		"wait":       func() { full.b.RetryAfter(int64(full.now)) },
		"state":      func() { full.b.State(int64(full.now)) },
		"status":     func() { closed.Status(now) },
		"reload":     func() { closed.Reconfigure(slow) },
		"rolling":    func() { now += int64(time.Second); allow().Done(now, success) },
		"twice":      func() { permit := allow(); permit.Done(now, success); permit.Done(now, failure) },
		"two levels": func() { permits, _ := breaker.AllowBoth(clock(), closed, also); permits.Done(clock(), success) },
		"two levels, one refuses": func() {
			if _, ok := breaker.AllowBoth(int64(half.now), half.b, full.b); ok {
				t.Error("allowed")
			}
		},
		"with a call": func() {
			permit := allow()
			permit.Do(clock, func() breaker.Outcome { return success })
		},
	} {
		if got := testing.AllocsPerRun(1000, f); got != 0 {
			t.Errorf("%s: %v allocations, want none", name, got)
		}
	}
}
