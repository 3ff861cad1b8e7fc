package limit_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"proscenium/engine/policy/limit"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

// event is requests that were let through at a time.
type event struct{ at, cost int64 }

// worst is the most that came in any window [x, x+window) of a log in order of time.
func worst(log []event, window int64) int64 {
	var most, sum int64
	from := 0
	for _, e := range log {
		sum += e.cost
		for log[from].at+window <= e.at {
			sum -= log[from].cost
			from++
		}
		most = max(most, sum)
	}
	return most
}

// excess is what came between two instants beyond a flow of limit in each window, at the worst; the burst is its bound.
func excess(log []event, limit, window int64) float64 {
	most := 0.0
	for i := range log {
		sum := int64(0)
		for _, e := range log[i:] {
			sum += e.cost
			most = max(most, float64(sum)-float64(e.at-log[i].at)*float64(limit)/float64(window))
		}
	}
	return most
}

// gapOf draws what passes between two requests: nothing, moments, and about a window.
func gapOf(t *rapid.T, window time.Duration) time.Duration {
	micros := window.Microseconds()
	switch rapid.IntRange(0, 3).Draw(t, "gap") {
	case 0:
		return 0
	case 1:
		return time.Duration(rapid.Int64Range(0, max(micros/50, 1)).Draw(t, "short")) * time.Microsecond
	case 2:
		return time.Duration(rapid.Int64Range(0, micros).Draw(t, "long")) * time.Microsecond
	default:
		return window - time.Microsecond + time.Duration(rapid.IntRange(0, 2).Draw(t, "edge"))*time.Microsecond
	}
}

func ruleOf(t *rapid.T) limit.Rule {
	r := limit.Rule{
		Dimension: "d",
		Window:    time.Duration(rapid.SampledFrom([]int64{1, 7, 1000, 3_600_000}).Draw(t, "window")) * time.Millisecond,
		Limit:     rapid.SampledFrom([]int64{1, 2, 5, 30, 1500}).Draw(t, "limit"),
	}
	switch rapid.SampledFrom([]string{"sliding", "fixed", "gcra"}).Draw(t, "algorithm") {
	case "fixed":
		r.Fixed = true
	case "gcra":
		r.Burst = rapid.SampledFrom([]int64{1, 3, 40}).Draw(t, "burst")
	}
	return r
}

// check compares a log with what a rule documents.
func check(t *rapid.T, r limit.Rule, log []event) {
	window := int64(r.Window)
	switch {
	case r.Burst > 0:
		if got := excess(log, r.Limit, window); got > float64(r.Burst)+1e-6 {
			t.Fatalf("%v beyond the flow, with a burst of %d", got, r.Burst)
		}
	case r.Fixed:
		var start, sum int64
		for i, e := range log {
			if i == 0 || e.at >= start+window {
				start, sum = e.at, 0
			}
			if sum += e.cost; sum > r.Limit {
				t.Fatalf("%d in the window from %d", sum, start)
			}
		}
	default:
		if got := worst(log, window); got > r.Limit {
			t.Fatalf("%d in a window, of %d", got, r.Limit)
		}
	}
}

// exactly says what a naive log decides, where the rule is exact: nothing is refused that would fit.
func exactly(r limit.Rule, log []event, at, cost int64) (fits, known bool) {
	if r.Burst > 0 || r.Limit > 64 {
		return false, false
	}
	var sum int64
	if r.Fixed {
		var start int64
		for i, e := range log {
			if i == 0 || e.at >= start+int64(r.Window) {
				start, sum = e.at, 0
			}
			sum += e.cost
		}
		if len(log) == 0 || at >= start+int64(r.Window) {
			sum = 0
		}
		return sum+cost <= r.Limit, true
	}
	for _, e := range log {
		if e.at+int64(r.Window) > at {
			sum += e.cost
		}
	}
	return sum+cost <= r.Limit, true
}

// steered is a limit with the clock that it counts by.
type steered struct {
	take    func(cost int64) limit.Verdict
	now     func() int64
	advance func(time.Duration)
}

// property asks a limit at random times and checks all that it promises: its bound, that it refuses only what must be refused where it is exact, and
// that what it refuses is let through at Reset.
func property(rt *rapid.T, r limit.Rule, s steered) {
	var log []event
	capacity := r.Limit
	if r.Burst > 0 {
		capacity = r.Burst
	}
	for range rapid.IntRange(1, 60).Draw(rt, "requests") {
		s.advance(gapOf(rt, r.Window))
		cost := rapid.Int64Range(1, min(capacity, 4)).Draw(rt, "cost")
		if rapid.IntRange(0, 9).Draw(rt, "all") == 0 {
			cost = capacity
		}
		fits, known := exactly(r, log, s.now(), cost)
		v := s.take(cost)
		if known && fits != (v.Outcome == limit.OK) {
			rt.Fatalf("%v at %d, a log says %v", v.Outcome, s.now(), fits)
		}
		// What the deny cache says of the time is from when Redis was asked: cheaper requests may have come since.
		if v.Outcome == limit.Refused && v.Source != limit.FromDenyCache && rapid.Bool().Draw(rt, "wait") {
			s.advance(v.Reset)
			if v = s.take(cost); v.Outcome != limit.OK {
				rt.Fatalf("refused again at its reset: %+v", v)
			}
		}
		if v.Outcome == limit.OK {
			log = append(log, event{s.now(), cost})
		}
		check(rt, r, log)
	}
}

func TestNoWindowHoldsMoreThanTheLimit(t *testing.T) {
	t.Run("of a process", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			r := ruleOf(rt)
			now := int64(0)
			l := limit.NewLocal("test", r, false)
			property(rt, r, steered{
				func(cost int64) limit.Verdict { return l.Take(now, cost) }, func() int64 { return now }, func(d time.Duration) { now += int64(d) },
			})
		})
	})
	t.Run("of a process, for a key", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			r := ruleOf(rt)
			r.Counting = limit.ByProcess
			now := int64(0)
			l := limit.NewKeyed("test", traffic.Live, []limit.Rule{r}, false, limit.Deps{})
			property(rt, r, steered{
				func(cost int64) limit.Verdict { return l.Take(t.Context(), now, []string{"k"}, cost) },
				func() int64 { return now }, func(d time.Duration) { now += int64(d) },
			})
		})
	})
	t.Run("in Redis", func(t *testing.T) {
		k, server := kvtest.Steered(t, time.UnixMicro(1_700_000_000_000_000))
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			r := ruleOf(rt)
			n++
			l := limit.NewKeyed(fmt.Sprint("test", n), traffic.Live, []limit.Rule{r}, false, limit.Deps{
				Store: k.Of(traffic.Live), Failed: func(err error) { rt.Error(err) },
			})
			now := func() int64 { return server.Now().UnixNano() - 1_700_000_000_000_000_000 + 1 }
			property(rt, r, steered{
				func(cost int64) limit.Verdict { return l.Take(t.Context(), now(), []string{"k"}, cost) }, now, server.Advance,
			})
		})
	})
}

// What is reserved is used later than it is counted, by several processes, and some is lost.
func TestReservedChunksNeverOvershoot(t *testing.T) {
	k, server := kvtest.Steered(t, time.UnixMicro(1_700_000_000_000_000))
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		r := ruleOf(rt)
		r.Counting, r.Chunk = limit.Reserved, rapid.Int64Range(0, 12).Draw(rt, "chunk")
		n++
		now := func() int64 { return server.Now().UnixNano() - 1_700_000_000_000_000_000 + 1 }
		var fleet [3]*limit.Keyed
		for i := range fleet {
			fleet[i] = limit.NewKeyed(fmt.Sprint("test", n), traffic.Live, []limit.Rule{r}, false, limit.Deps{
				Store: k.Of(traffic.Live), Failed: func(err error) { rt.Error(err) },
			})
		}
		var log []event
		for range rapid.IntRange(1, 80).Draw(rt, "requests") {
			if rapid.Bool().Draw(rt, "later") {
				server.Advance(gapOf(rt, r.Window/10))
			}
			if rapid.IntRange(0, 9).Draw(rt, "much later") == 0 {
				server.Advance(gapOf(rt, r.Window))
			}
			cost := rapid.Int64Range(1, 2).Draw(rt, "cost")
			v := fleet[rapid.IntRange(0, 2).Draw(rt, "process")].Take(t.Context(), now(), []string{"k"}, cost)
			if v.Outcome == limit.OK {
				log = append(log, event{now(), cost})
			}
			check(rt, r, log)
		}
	})
}

func TestLocalLimitsAllocateNothing(t *testing.T) {
	for _, r := range []limit.Rule{
		{Window: time.Second, Limit: 100},
		{Window: time.Second, Limit: 100_000},
		{Window: time.Second, Limit: 100, Fixed: true},
		{Window: time.Second, Limit: 100, Burst: 10},
	} {
		l := limit.NewLocal("test", r, false)
		now := int64(0)
		take := func() {
			now += int64(time.Millisecond)
			l.Take(now, 1)
		}
		for range 3000 {
			take()
		}
		if got := testing.AllocsPerRun(1000, take); got != 0 {
			t.Errorf("%s: %v allocations", r.Algorithm(), got)
		}
	}
}

func TestManyAtOnceGetTheLimitOfTheProcess(t *testing.T) {
	for _, r := range []limit.Rule{
		{Window: time.Hour, Limit: 100},
		{Window: 24 * time.Hour, Limit: 2000},
		{Window: time.Hour, Limit: 100, Fixed: true},
		{Window: 24 * time.Hour, Limit: 1, Burst: 100},
	} {
		l := limit.NewLocal("test", r, false)
		now := clock()
		if got := storm(func(int) limit.Verdict { return l.Take(now(), 1) }); got[limit.OK] != capacity(r) {
			t.Errorf("%s: %d were let through", r.Algorithm(), got[limit.OK])
		}
	}
}

func TestAReloadOfALocalLimitKeepsWhatWasConsumed(t *testing.T) {
	l := limit.NewLocal("test", limit.Rule{Window: time.Hour, Limit: 2}, false)
	var got []limit.Outcome
	for i, l := range []*limit.Local{
		l, l, l, l.Reconfigured(limit.Rule{Window: time.Hour, Limit: 3}, false), l.Reconfigured(limit.Rule{Window: time.Hour, Limit: 1}, true),
		l.Reconfigured(limit.Rule{Window: time.Hour, Limit: 1, Fixed: true}, false),
	} {
		got = append(got, l.Take(int64(i), 1).Outcome)
	}
	want := []limit.Outcome{limit.OK, limit.OK, limit.Refused, limit.OK, limit.Refused, limit.OK}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%v, not %v", got, want)
		}
	}
	if s := l.Status(); s.Allowed != 3 || s.Refused != 2 {
		t.Errorf("%+v", s)
	}
}

// A flow whose grains take milliseconds is asked each microsecond, and flows all the same.
func TestAFlowIsNotHeldUpByQuestions(t *testing.T) {
	r := limit.Rule{Dimension: "d", Window: time.Hour, Limit: 1, Burst: 1}
	local := limit.NewLocal("test", r, false)
	k, server := kvtest.Steered(t, time.UnixMicro(1_700_000_000_000_000))
	inRedis := func(now int64) limit.Verdict {
		l := limit.NewKeyed("test", traffic.Live, []limit.Rule{r}, false, limit.Deps{
			Store: k.Of(traffic.Live), Failed: func(err error) { t.Error(err) },
		})
		return l.Take(t.Context(), now, []string{""}, 1)
	}
	local.Take(0, 1)
	inRedis(0)
	now := int64(time.Hour - time.Millisecond)
	server.Advance(time.Duration(now))
	for range 999 {
		now += int64(time.Microsecond)
		server.Advance(time.Microsecond)
		if v, w := local.Take(now, 1), inRedis(now); v.Outcome != limit.Refused || w.Outcome != limit.Refused {
			t.Fatalf("%v early: %+v, %+v", time.Hour-time.Duration(now), v, w)
		}
	}
	server.Advance(time.Microsecond)
	if v, w := local.Take(int64(time.Hour), 1), inRedis(int64(time.Hour)); v.Outcome != limit.OK || w.Outcome != limit.OK {
		t.Errorf("%v in the process, %v in Redis", v.Outcome, w.Outcome)
	}
}

// The worst that a chunk can do: to be used at the end of its lease, when other processes have all that Redis then has.
func TestAChunkThatIsUsedLateLeavesNoWindowOverfull(t *testing.T) {
	const lease = 49 * time.Millisecond // of a window of a second
	for name, c := range map[string]struct {
		rule limit.Rule
		then time.Duration // from the reservation until the others come
	}{
		"sliding":        {limit.Rule{Limit: 10, Chunk: 5}, time.Second},
		"fixed":          {limit.Rule{Limit: 10, Chunk: 5, Fixed: true}, time.Second},
		"flow, at once":  {limit.Rule{Limit: 100, Burst: 40, Chunk: 40}, lease},
		"flow, later on": {limit.Rule{Limit: 100, Burst: 40, Chunk: 40}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			k, server := kvtest.Steered(t, time.UnixMicro(1_700_000_000_000_000))
			begin := server.Now()
			r := c.rule
			r.Dimension, r.Window, r.Counting = "d", time.Second, limit.Reserved
			of := func() *limit.Keyed {
				return limit.NewKeyed("test", traffic.Live, []limit.Rule{r}, false, limit.Deps{
					Store: k.Of(traffic.Live), Failed: func(err error) { t.Error(err) },
				})
			}
			var log []event
			reserved := 0
			all := func(l *limit.Keyed, most int) {
				now := server.Now().Sub(begin).Nanoseconds()
				for range most {
					v := l.Take(t.Context(), now, []string{""}, 1)
					if v.Outcome != limit.OK {
						return
					}
					if v.Source == limit.FromReserve {
						reserved++
					}
					log = append(log, event{now, 1})
				}
			}
			late := of()
			all(late, 1)
			server.Set(begin.Add(lease))
			all(late, int(r.Chunk)-1)
			server.Set(begin.Add(c.then))
			all(of(), 100)
			if reserved < 4 {
				t.Errorf("%d came of the chunk", reserved)
			}
			switch {
			case r.Burst > 0:
				if got := excess(log, r.Limit, int64(r.Window)); got > float64(r.Burst)+1e-6 {
					t.Errorf("%v beyond the flow", got)
				}
			case !r.Fixed:
				if got := worst(log, int64(r.Window)); got > r.Limit {
					t.Errorf("%d in a window", got)
				}
			}
		})
	}
}

// A chunk of a fixed window ends with it.
func TestAChunkDoesNotOutliveItsWindow(t *testing.T) {
	k, server := kvtest.Steered(t, time.UnixMicro(1_700_000_000_000_000))
	begin := server.Now()
	l := limit.NewKeyed("test", traffic.Live, []limit.Rule{
		{Dimension: "d", Window: time.Second, Limit: 10, Chunk: 5, Fixed: true, Counting: limit.Reserved},
	}, false, limit.Deps{Store: k.Of(traffic.Live)})
	take := func() limit.Verdict {
		return l.Take(t.Context(), server.Now().Sub(begin).Nanoseconds(), []string{""}, 1)
	}
	for range 5 {
		take()
	}
	server.Set(begin.Add(990 * time.Millisecond))
	got := []limit.Source{take().Source, take().Source}
	server.Set(begin.Add(time.Second))
	got = append(got, take().Source)
	for i, want := range []limit.Source{limit.FromRedis, limit.FromReserve, limit.FromRedis} {
		if got[i] != want {
			t.Fatalf("%v", got)
		}
	}
}
