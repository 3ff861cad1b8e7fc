package breaker_test

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"proscenium/engine/policy/breaker"
)

// What a decision costs, beside what it costs in the libraries, which have ten buckets too. All read the clock for Allow and for Done: they by themselves,
// and here the caller does. x-gobreaker and x-failsafe are our time by theirs: below 1 ours is the quicker one.
//
//	go test ./engine/policy/breaker -run '^$' -bench .

var (
	benchRule = breaker.Rule{ErrorPercent: 50, SlowPercent: 50, SlowAfter: time.Second}.WithDefaults()
	benchTrip = breaker.Rule{ErrorPercent: 1, MinimumCalls: 1, Open: forever}.WithDefaults()
)

// closedCall is a call that a closed breaker counts.
func closedCall() func() {
	epoch, b := time.Now(), breaker.New(benchRule, rand.Float64)
	return func() {
		permit, _ := b.Allow(int64(time.Since(epoch)))
		permit.Done(int64(time.Since(epoch)), breaker.Success)
	}
}

func refusedCall() func() {
	epoch, b := time.Now(), breaker.New(benchTrip, rand.Float64)
	permit, _ := b.Allow(0)
	permit.Done(0, breaker.Failure)
	return func() {
		if _, ok := b.Allow(int64(time.Since(epoch))); ok {
			panic("allowed")
		}
	}
}

func pairCall() func() {
	epoch, command, scene := time.Now(), breaker.New(benchRule, rand.Float64), breaker.New(benchRule, rand.Float64)
	return func() {
		permits, _ := breaker.AllowBoth(int64(time.Since(epoch)), command, scene)
		permits.Done(int64(time.Since(epoch)), breaker.Success)
	}
}

func BenchmarkClosed(b *testing.B) {
	b.Run("one", func(b *testing.B) { compare(b, 1, closedCall(), gobreakerCalls(), "x-gobreaker") })
	b.Run("parallel", func(b *testing.B) { compare(b, runtime.GOMAXPROCS(0), closedCall(), gobreakerCalls(), "x-gobreaker") })
	b.Run("64-goroutines", func(b *testing.B) { compare(b, 64, closedCall(), gobreakerCalls(), "x-gobreaker") })
	b.Run("without-clock", func(b *testing.B) {
		ours := breaker.New(benchRule, rand.Float64)
		alone(b, func() {
			permit, _ := ours.Allow(1)
			permit.Done(2, breaker.Success)
		})
	})
}

func BenchmarkRefused(b *testing.B) {
	theirs := gobreakerOf(benchTrip, 10*time.Second, time.Second)
	done, _ := theirs.Allow()
	done(errFailed)
	refused := func() {
		if _, err := theirs.Allow(); err == nil {
			panic("allowed")
		}
	}
	b.Run("one", func(b *testing.B) { compare(b, 1, refusedCall(), refused, "x-gobreaker") })
	b.Run("parallel", func(b *testing.B) { compare(b, runtime.GOMAXPROCS(0), refusedCall(), refused, "x-gobreaker") })
}

// Two levels, where gobreaker is asked one after the other: that is not all or nothing.
func BenchmarkPair(b *testing.B) {
	command, scene := gobreakerOf(benchRule, 10*time.Second, time.Second), gobreakerOf(benchRule, 10*time.Second, time.Second)
	theirs := func() {
		first, _ := command.Allow()
		second, _ := scene.Allow()
		first(nil)
		second(nil)
	}
	b.Run("one", func(b *testing.B) { compare(b, 1, pairCall(), theirs, "x-gobreaker") })
	b.Run("parallel", func(b *testing.B) { compare(b, runtime.GOMAXPROCS(0), pairCall(), theirs, "x-gobreaker") })
	b.Run("without-clock", func(b *testing.B) {
		command, scene := breaker.New(benchRule, rand.Float64), breaker.New(benchRule, rand.Float64)
		alone(b, func() {
			permits, _ := breaker.AllowBoth(1, command, scene)
			permits.Done(2, breaker.Success)
		})
	})
}

func BenchmarkState(b *testing.B) {
	for _, s := range []breaker.State{breaker.Closed, breaker.Open, breaker.HalfOpen} {
		ours := breaker.New(breaker.Rule{ErrorPercent: 1, MinimumCalls: 1, Open: time.Hour}, nil)
		now := int64(0)
		if s != breaker.Closed {
			permit, _ := ours.Allow(0)
			permit.Done(0, breaker.Failure)
		}
		if s == breaker.HalfOpen {
			now = int64(time.Hour)
		}
		b.Run(s.String(), func(b *testing.B) {
			alone(b, func() {
				if ours.State(now) != s {
					panic("it is not")
				}
			})
		})
	}
}

func gobreakerCalls() func() {
	theirs := gobreakerOf(benchRule, 10*time.Second, time.Second)
	return func() {
		done, _ := theirs.Allow()
		done(nil)
	}
}

// compare runs turns of ours and theirs, one after the other, and reports medians: a burst of something else on the machine spoils one turn, not the
// figure. In each turn n goroutines make calls at once.
func compare(b *testing.B, n int, ours, theirs func(), unit string) {
	b.Helper()
	const turn = 2000
	var perCall, ratios []float64
	for b.Loop() {
		took := timeOf(n, turn, ours)
		perCall = append(perCall, took/turn/float64(n))
		ratios = append(ratios, took/timeOf(n, turn, theirs))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(perCall), "ns/call")
	b.ReportMetric(median(ratios), unit)
}

// alone reports the median of turns of one goroutine.
func alone(b *testing.B, call func()) {
	b.Helper()
	const turn = 2000
	var perCall []float64
	for b.Loop() {
		perCall = append(perCall, timeOf(1, turn, call)/turn)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(perCall), "ns/call")
}

// timeOf is how many nanoseconds it takes until each of n goroutines has made a turn of calls.
func timeOf(n, turn int, call func()) float64 {
	start := time.Now()
	if n == 1 {
		for range turn {
			call()
		}
		return float64(time.Since(start))
	}
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for range turn {
				call()
			}
		})
	}
	all.Wait()
	return float64(time.Since(start))
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
