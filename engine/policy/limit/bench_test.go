package limit_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"

	"proscenium/engine/policy/limit"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

// timed is nanoseconds of one call, over n of them.
func timed(n int, call func(i int)) float64 {
	start := time.Now()
	for i := range n {
		call(i)
	}
	return float64(time.Since(start)) / float64(n)
}

// against reports a call beside its baseline, so many of each in turns, so that both meet the same machine.
func against(b *testing.B, turn int, call, baseline func(i int)) {
	b.Helper()
	var own, other, turns float64
	for b.Loop() {
		own += timed(turn, call)
		other += timed(turn, baseline)
		turns++
	}
	b.ReportMetric(own/other, "x-baseline")
	b.ReportMetric(own/turns, "ns/call")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLocal compares with golang.org/x/time/rate, which is a flow.
func BenchmarkLocal(b *testing.B) {
	for name, r := range map[string]limit.Rule{
		"sliding":  {Window: time.Second, Limit: 1000},
		"slices":   {Window: time.Second, Limit: 1_000_000},
		"fixed":    {Window: time.Second, Limit: 1_000_000, Fixed: true},
		"gcra":     {Window: time.Second, Limit: 1_000_000, Burst: 1000},
		"refusing": {Window: time.Hour, Limit: 1},
	} {
		b.Run(name, func(b *testing.B) {
			l, now := limit.NewLocal("test", r, false), int64(0)
			start := time.Unix(1_700_000_000, 0)
			other := rate.NewLimiter(rate.Limit(1_000_000), 1000)
			against(b, 10_000, func(int) {
				now += 1000
				l.Take(now, 1)
			}, func(i int) { other.AllowN(start.Add(time.Duration(i)*1000), 1) })
		})
	}
}

// BenchmarkRedis compares with redis_rate on the same Redis: one call for each dimension.
func BenchmarkRedis(b *testing.B) {
	address := kvtest.Address(b)
	if address == "" {
		return
	}
	k := kvtest.Open(b)
	client := redis.NewClient(&redis.Options{Addr: address})
	b.Cleanup(func() { _ = client.Close() })
	other := redis_rate.NewLimiter(client)
	prefix := strconv.FormatInt(time.Now().UnixNano(), 36)
	once := func(calls int) func(int) {
		return func(i int) {
			for c := range calls {
				if _, err := other.Allow(b.Context(), "bench"+prefix+strconv.Itoa(i%1000)+"/"+strconv.Itoa(c), redis_rate.PerSecond(1_000_000)); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	dims := func(n int, r limit.Rule) (*limit.Keyed, []string) {
		var rules []limit.Rule
		for i := range n {
			r.Dimension = "d" + strconv.Itoa(i)
			rules = append(rules, r)
		}
		l, _ := countingIn(b, k, rules...)
		return l, make([]string, n)
	}
	open := limit.Rule{Window: time.Minute, Limit: 1000}
	reserved := limit.Rule{Window: time.Minute, Limit: 1_000_000_000, Counting: limit.Reserved, Chunk: 1000}
	flushed := limit.Rule{Window: time.Minute, Limit: 1_000_000_000, Counting: limit.Flushed}
	cases := []struct {
		name string
		dims int
		rule limit.Rule
		keys int
	}{
		{"one dimension", 1, open, 1000},
		{"three dimensions", 3, open, 1000},
		{"deny cache", 1, limit.Rule{Window: time.Hour, Limit: 1}, 1},
		{"reserved", 1, reserved, 1},
		{"flushed", 1, flushed, 1},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			l, keys := dims(c.dims, c.rule)
			start := time.Now()
			against(b, 100, func(i int) {
				for d := range keys {
					keys[d] = strconv.Itoa(i % c.keys)
				}
				l.Take(b.Context(), int64(time.Since(start)), keys, 1)
			}, once(c.dims))
		})
	}
}

// What redis_rate lets through in a window of its period: its burst, and then what flows. A limit of n in any window is not a flow of n.
func TestAFlowLetsTwiceTheLimitIntoAWindow(t *testing.T) {
	const limited, window = 20, time.Second
	server, at := kvtest.Steered(t, time.UnixMicro(1_700_000_000_000_000))
	own := limit.NewKeyed("test", traffic.Live, []limit.Rule{{Window: window, Limit: limited}}, false, limit.Deps{Store: server.Of(traffic.Live)})
	client := redis.NewClient(&redis.Options{Addr: at.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	other := redis_rate.NewLimiter(client)
	var ownLog, otherLog []event
	for begin := at.Now(); at.Now().Sub(begin) < window; at.Advance(10 * time.Millisecond) {
		for range limited {
			now := at.Now().Sub(begin).Nanoseconds()
			answer, err := other.Allow(t.Context(), "k", redis_rate.Limit{Rate: limited, Burst: limited, Period: window})
			if err != nil {
				t.Fatal(err)
			}
			if answer.Allowed > 0 {
				otherLog = append(otherLog, event{now, 1})
			}
			if own.Take(t.Context(), now, []string{""}, 1).Outcome == limit.OK {
				ownLog = append(ownLog, event{now, 1})
			}
		}
	}
	if got := worst(ownLog, int64(window)); got != limited {
		t.Errorf("%d in a window of %d", got, limited)
	}
	if got := worst(otherLog, int64(window)); got < 2*limited-2 {
		t.Errorf("redis_rate let only %d through", got)
	} else {
		t.Logf("redis_rate let %d through in a window of %d", got, limited)
	}
}
