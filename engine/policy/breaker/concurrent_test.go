package breaker_test

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"proscenium/engine/policy/breaker"
)

const goroutines = 32

// together runs f in many goroutines at once, and waits for them. The system's scheduler interrupts them anywhere, also on few cores.
func together(f func(i int)) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(goroutines))
	var ready, all sync.WaitGroup
	start := make(chan struct{})
	ready.Add(goroutines)
	for i := range goroutines {
		all.Go(func() {
			ready.Done()
			<-start
			f(i)
		})
	}
	ready.Wait()
	close(start)
	all.Wait()
}

func TestNoNumberOfCallersGetsMoreThanHalfOpenCalls(t *testing.T) {
	t.Run("at once", func(t *testing.T) {
		for range 200 {
			l := opened(t, halves)
			l.pass(5 * time.Second)
			var given atomic.Int64
			together(func(int) {
				if _, ok := l.b.Allow(int64(l.now)); ok {
					given.Add(1)
				}
			})
			if got := given.Load(); got != 5 {
				t.Fatalf("%d probes, want 5", got)
			}
		}
	})
	t.Run("at a time", func(t *testing.T) {
		for _, n := range []int{1, 5} {
			rule := halves
			rule.HalfOpenCalls = n
			l := halfOpened(t, rule)
			var underWay, most, total atomic.Int64
			together(func(int) {
				for range 5000 {
					permit, ok := l.b.Allow(int64(l.now))
					if !ok {
						runtime.Gosched()
						continue
					}
					total.Add(1)
					n := underWay.Add(1)
					for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
					}
					runtime.Gosched() // all places are taken most of the time
					underWay.Add(-1)
					permit.Done(int64(l.now), ignored)
				}
			})
			if most.Load() > int64(n) || total.Load() < 100 {
				t.Errorf("%d probes at a time, %d in all; want at most %d at a time, and many", most.Load(), total.Load(), n)
			}
			l.is(breaker.HalfOpen)
			l.calls(n, success)
			l.is(breaker.Closed)
		}
	})
	t.Run("by two levels at once, in either order", func(t *testing.T) {
		for range 200 {
			a, b := opened(t, halves), opened(t, halves)
			now := int64(5 * time.Second)
			var given atomic.Int64
			together(func(i int) {
				first, second := a.b, b.b
				if i%2 == 0 {
					first, second = second, first
				}
				if _, ok := breaker.AllowBoth(now, first, second); ok {
					given.Add(1)
				}
			})
			if got := given.Load(); got != 5 || a.b.Status(now).Probes != 5 || b.b.Status(now).Probes != 5 {
				t.Fatalf("%d probes, and %d and %d under way, want 5", got, a.b.Status(now).Probes, b.b.Status(now).Probes)
			}
		}
	})
}

func TestEveryCallCountsOnceHoweverManyReportIt(t *testing.T) {
	b := breaker.New(breaker.Rule{}, nil) // which never opens
	const each = 500
	together(func(i int) {
		for range each {
			permit, _ := b.Allow(0)
			outcome := success
			if i%2 == 0 {
				outcome = failure
			}
			var twins sync.WaitGroup
			for range 2 {
				twins.Go(func() { permit.Done(0, outcome) })
			}
			permit.Done(0, outcome)
			twins.Wait()
		}
	})
	if s := b.Status(0); s.Calls != goroutines*each || s.Errors != goroutines*each/2 {
		t.Errorf("%d calls and %d errors, want %d and %d", s.Calls, s.Errors, goroutines*each, goroutines*each/2)
	}
}

// Whoever finds the breaker locked by the call that opens it is from before the transition.
func TestCallsThatEndAtOnceOpenItOnce(t *testing.T) {
	for range 20 {
		var others sync.WaitGroup
		var permits [goroutines]breaker.Permit
		transitions := 0
		b := breaker.New(breaker.Rule{ErrorPercent: 50, MinimumCalls: 1}, func() float64 { // the breaker is locked, and closed still
			for _, permit := range permits[1:] {
				others.Go(func() { permit.Done(0, failure) })
			}
			for range 100 {
				runtime.Gosched() // they get as far as the lock
			}
			return 0.5
		}, breaker.OnTransition(func(breaker.State, breaker.State, int64) { transitions++ }))
		for i := range permits {
			permits[i], _ = b.Allow(0)
		}
		permits[0].Done(0, failure)
		others.Wait()
		if s := b.Status(0); s.Opened != 1 || s.State != breaker.Open || s.Calls != 0 || transitions != 1 {
			t.Fatalf("%+v after %d transitions, want it opened once, and nothing counted since", s, transitions)
		}
	}
}

// With a probe that is taken and given back, the caller who asks for one level alone is refused now and then.
func TestARefusalOfTwoLevelsIsNotFeltByOthersEvenForAMoment(t *testing.T) {
	rule := breaker.Rule{ErrorPercent: 50, MinimumCalls: 4, HalfOpenCalls: 1}
	a, full := halfOpened(t, rule), halfOpened(t, rule)
	full.allow()
	now := int64(a.now)
	together(func(i int) {
		for range 2000 {
			switch {
			case i == 0:
				permit, ok := a.b.Allow(now)
				if !ok {
					t.Error("refused, and nobody has a probe")
					return
				}
				permit.Done(now, ignored)
			case i%2 == 0:
				breaker.AllowBoth(now, a.b, full.b)
			default:
				breaker.AllowBoth(now, full.b, a.b)
			}
		}
	})
}

func TestNothingIsTornWhenEverythingHappensAtOnce(t *testing.T) {
	rules := []breaker.Rule{
		{ErrorPercent: 30, SlowPercent: 40, SlowAfter: 50, MinimumCalls: 5, Window: 1000, Open: 200, HalfOpenCalls: 3, HalfOpenMaxWait: 100},
		{ErrorPercent: 60, MinimumCalls: 20, Window: 300, Open: 50, HalfOpenCalls: 1, HalfOpenMaxWait: 300},
		{},
	}
	type told struct {
		sync.Mutex
		running atomic.Int32
		changes []change
	}
	var hooks [2]told
	var levels [2]*breaker.Breaker
	for i := range levels {
		levels[i] = breaker.New(rules[0], rand.Float64, breaker.OnTransition(func(from, to breaker.State, now int64) {
			if hooks[i].running.Add(1) != 1 {
				t.Error("two hooks of a breaker run at once")
			}
			hooks[i].Lock()
			hooks[i].changes = append(hooks[i].changes, change{from, to, time.Duration(now)})
			hooks[i].Unlock()
			hooks[i].running.Add(-1)
		}))
	}
	var clock atomic.Int64
	together(func(i int) {
		random := rand.New(rand.NewPCG(uint64(i), 7))
		var lost []breaker.Permit
		for range 3000 {
			now := clock.Add(random.Int64N(10)) - random.Int64N(5) // some are late with what they read
			level := levels[random.IntN(2)]
			outcome := breaker.Outcome(random.IntN(3))
			switch random.IntN(10) {
			case 0:
				level.Reconfigure(rules[random.IntN(len(rules))])
			case 1:
				if s := level.Status(now); s.Calls < s.Errors || s.Calls < s.Slow || s.Errors < 0 || s.Slow < 0 || s.Probes < 0 || s.Probes > 3 {
					t.Errorf("torn: %+v", s)
				}
			case 2:
				level.State(now)
				level.RetryAfter(now)
			case 3, 4, 5:
				other := levels[random.IntN(2)]
				if permits, ok := breaker.AllowBoth(now, level, other); ok {
					permits.Done(now+random.Int64N(200), outcome)
				}
			case 6:
				if permit, ok := level.Allow(now); ok {
					lost = append(lost, permit) // reported late, or never
				}
			case 7:
				if len(lost) > 0 {
					lost[random.IntN(len(lost))].Done(now, outcome)
				}
			default:
				if permit, ok := level.Allow(now); ok {
					permit.Done(now+random.Int64N(200), outcome)
				}
			}
		}
	})
	for i, level := range levels {
		// Whatever they went through, they work: nothing is stuck.
		now := clock.Load() + int64(time.Hour)
		level.Reconfigure(breaker.Rule{ErrorPercent: 50, MinimumCalls: 10})
		now += int64(time.Hour)
		for range 20 {
			permit, ok := level.Allow(now)
			if !ok {
				t.Fatalf("level %d refuses: %+v", i, level.Status(now))
			}
			permit.Done(now, success)
		}
		if s := level.Status(now); s.State != breaker.Closed || s.Probes != 0 {
			t.Errorf("level %d: %+v, want it closed", i, s)
		}
		state := breaker.Closed
		for _, change := range hooks[i].changes {
			if change.From != state || change.To == state {
				t.Fatalf("level %d: told of %v while %v", i, change, state)
			}
			state = change.To
		}
		if len(hooks[i].changes) < 10 {
			t.Errorf("level %d: only %d transitions", i, len(hooks[i].changes))
		}
	}
}
