package limit_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"proscenium/engine/policy/limit"
	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

// clock is a monotonic clock as processes have one.
func clock() func() int64 {
	start := time.Now()
	return func() int64 { return int64(time.Since(start)) }
}

// countingIn is a limit of live traffic on a store, with a clock of the test's time.
func countingIn(t testing.TB, k *kv.KV, rules ...limit.Rule) (*limit.Keyed, func() int64) {
	t.Helper()
	now := clock()
	l := limit.NewKeyed("test", traffic.Live, rules, false, limit.Deps{
		Store: k.Of(traffic.Live), Now: now, Failed: func(err error) { t.Error(err) },
	})
	t.Cleanup(func() { l.Close(context.WithoutCancel(t.Context())) })
	return l, now
}

// storm calls from 64 goroutines, 50 times each, and counts by outcome.
func storm(call func(i int) limit.Verdict) (counts [3]int64) {
	var by [3]atomic.Int64
	var all sync.WaitGroup
	for g := range 64 {
		all.Go(func() {
			for i := range 50 {
				v := call(g*50 + i)
				by[v.Outcome].Add(1)
			}
		})
	}
	all.Wait()
	for i := range by {
		counts[i] = by[i].Load()
	}
	return counts
}

// kinds are rules of each algorithm that let 100 requests through in the time of a test.
func kinds() map[string]limit.Rule {
	return map[string]limit.Rule{
		"sliding":                    {Dimension: "d", Window: time.Hour, Limit: 100},
		"sliding in slices":          {Dimension: "d", Window: 24 * time.Hour, Limit: 2000},
		"fixed":                      {Dimension: "d", Window: time.Hour, Limit: 100, Fixed: true},
		"a flow":                     {Dimension: "d", Window: 24 * time.Hour, Limit: 1, Burst: 100},
		"sliding, reserved":          {Dimension: "d", Window: time.Hour, Limit: 100, Counting: limit.Reserved, Chunk: 7},
		"fixed, reserved":            {Dimension: "d", Window: time.Hour, Limit: 100, Fixed: true, Counting: limit.Reserved, Chunk: 7},
		"a flow, reserved":           {Dimension: "d", Window: 24 * time.Hour, Limit: 1, Burst: 100, Counting: limit.Reserved, Chunk: 7},
		"sliding, in the process":    {Dimension: "d", Window: time.Hour, Limit: 100, Counting: limit.ByProcess},
		"a flow, in the process":     {Dimension: "d", Window: 24 * time.Hour, Limit: 1, Burst: 100, Counting: limit.ByProcess},
		"fixed, of one process only": {Dimension: "d", Window: time.Hour, Limit: 100, Fixed: true, Counting: limit.Flushed},
	}
}

func capacity(r limit.Rule) int64 {
	switch {
	case r.Burst > 0 && r.Counting == limit.Reserved:
		return r.Burst - r.Burst/4
	case r.Burst > 0:
		return r.Burst
	default:
		return r.Limit
	}
}

func TestManyAtOnceGetTheLimitAndNoMore(t *testing.T) {
	for name, r := range kinds() {
		t.Run(name, func(t *testing.T) {
			for on, k := range kvtest.Stores(t) {
				l, now := countingIn(t, k, r)
				got := storm(func(int) limit.Verdict { return l.Take(t.Context(), now(), []string{"k"}, 1) })
				if want := capacity(r); got[limit.OK] != want {
					t.Errorf("%s: %d were let through of %d", on, got[limit.OK], want)
				}
				if s := l.Status()[0]; s.Allowed != got[limit.OK] || s.Refused != got[limit.Refused] || s.Fallback != 0 {
					t.Errorf("%s: %+v", on, s)
				}
			}
		})
	}
}
