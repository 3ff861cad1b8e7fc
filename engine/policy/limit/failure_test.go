package limit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"proscenium/engine/policy/limit"
	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

// hasty has stores give up as they do in service.
func hasty(o *kv.Options) { o.Timeout, o.Rest = kv.DefaultTimeout, 50*time.Millisecond }

// outage is a limit of each class in a fleet of three processes.
type outage struct {
	now  func() int64
	live *limit.Keyed
	dark *limit.Keyed
}

func (o *outage) take(ctx context.Context, l *limit.Keyed, key string) limit.Verdict {
	return l.Take(ctx, o.now(), []string{key}, 1)
}

func fleetOfThree(k *kv.KV, n int64) *outage {
	o := &outage{now: clock()}
	of := func(class traffic.Class) *limit.Keyed {
		rules := []limit.Rule{{Dimension: "d", Window: time.Hour, Limit: n}}
		return limit.NewKeyed("test", class, rules, false, limit.Deps{
			Store: k.Of(class), Now: o.now, Instances: func() int { return 3 },
		})
	}
	o.live, o.dark = of(traffic.Live), of(traffic.Shadow)
	return o
}

// withoutRedis checks what is decided while Redis does not answer: a third of 10 for live traffic, nothing for shadow traffic.
func (o *outage) withoutRedis(t *testing.T, key string) {
	t.Helper()
	begin := time.Now()
	var got []limit.Outcome
	for range 5 {
		v := o.take(t.Context(), o.live, key)
		if v.Source != limit.FromFallback {
			t.Errorf("who decided: %+v", v)
		}
		got = append(got, v.Outcome)
	}
	if diff := cmp.Diff([]limit.Outcome{limit.OK, limit.OK, limit.OK, limit.Refused, limit.Refused}, got); diff != "" {
		t.Error(diff)
	}
	if v := o.take(t.Context(), o.dark, key); v.Outcome != limit.Refused || v.Source != limit.FromFallback || v.Reset <= 0 {
		t.Errorf("shadow: %+v", v)
	}
	t.Logf("six decisions without Redis took %v", time.Since(begin))
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("decisions waited for Redis: %v", took)
	}
}

// withRedis waits until Redis counts again.
func (o *outage) withRedis(t *testing.T, key string) limit.Verdict {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		if v := o.take(t.Context(), o.live, key); v.Source == limit.FromRedis {
			return v
		}
		select {
		case <-deadline:
			t.Fatal("Redis is not asked again")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestWithoutRedisLiveTrafficHasItsPartAndShadowTrafficNothing(t *testing.T) {
	disturb := map[string]struct {
		begin, end func(*kvtest.Server)
	}{
		"stalled": {(*kvtest.Server).Stall, (*kvtest.Server).Resume},
		"killed":  {(*kvtest.Server).Stop, (*kvtest.Server).Restart},
	}
	for name, d := range disturb {
		t.Run(name, func(t *testing.T) {
			server := kvtest.Start(t)
			if server == nil {
				return
			}
			o := fleetOfThree(server.Open(hasty), 10)
			o.withRedis(t, "before")
			d.begin(server)
			o.withoutRedis(t, "k")
			d.end(server)
			if v := o.withRedis(t, "after"); v.Outcome != limit.OK || v.Remaining > 9 {
				t.Errorf("%+v", v)
			}
			if s := o.dark.Status()[0]; s.Refused != 1 || s.Fallback != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestAStoreThatIsNotThereIsDown(t *testing.T) {
	o := &outage{now: clock()}
	rules := []limit.Rule{{Dimension: "d", Window: time.Hour, Limit: 10}}
	deps := limit.Deps{Now: o.now, Instances: func() int { return 3 }}
	o.live = limit.NewKeyed("test", traffic.Live, rules, false, deps)
	o.dark = limit.NewKeyed("test", traffic.Shadow, rules, false, deps)
	o.withoutRedis(t, "k")
}

// Of a limit that is smaller than the fleet each process lets one through in a longer time.
func TestASmallLimitIsStretchedOverTheFleet(t *testing.T) {
	l := limit.NewKeyed("test", traffic.Live, []limit.Rule{{Dimension: "d", Window: time.Hour, Limit: 2}}, false,
		limit.Deps{Instances: func() int { return 6 }})
	var at []int64
	for minute := range int64(10 * 60) {
		if l.Take(t.Context(), minute*int64(time.Minute), []string{"k"}, 1).Outcome == limit.OK {
			at = append(at, minute/60)
		}
	}
	if diff := cmp.Diff([]int64{0, 3, 6, 9}, at); diff != "" { // six processes: two an hour
		t.Error(diff)
	}
}

func TestAnAnswerThatIsLostIsCountedOnce(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return
	}
	proxy := kvtest.Through(t, server.Addr())
	sameKeys := func(o *kv.Options) { o.Prefix = "one" }
	through := fleetOfThree(kvtest.At(t, proxy.Addr(), hasty, sameKeys), 10)
	direct := fleetOfThree(server.Open(sameKeys), 10)
	through.withRedis(t, "known")
	proxy.Mute()
	if v := through.take(t.Context(), through.live, "k"); v.Source != limit.FromFallback || v.Outcome != limit.OK {
		t.Fatalf("%+v", v)
	}
	proxy.Flow()
	through.withRedis(t, "known")
	v := direct.live.Take(t.Context(), direct.now(), []string{"k"}, 0)
	if used := v.Limit - v.Remaining; used != 1 {
		t.Errorf("one request whose answer was lost was counted %d times", used)
	}
}

func TestARequestThatIsOverIsRefusedAndNotCounted(t *testing.T) {
	l, now := countingIn(t, kvtest.Embedded(t), limit.Rule{Dimension: "d", Window: time.Hour, Limit: 1},
		limit.Rule{Dimension: "e", Window: time.Hour, Limit: 1, Counting: limit.ByProcess})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if v := l.Take(ctx, now(), []string{"k", "k"}, 1); v.Outcome != limit.Refused {
		t.Errorf("%+v", v)
	}
	for i, s := range l.Status() {
		if s.Allowed+s.Refused+s.Fallback != 0 {
			t.Errorf("dimension %d: %+v", i, s)
		}
	}
	if v := l.Take(t.Context(), now(), []string{"k", "k"}, 1); v.Outcome != limit.OK {
		t.Errorf("it was counted: %+v", v)
	}
}

func TestFailuresAreTold(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return
	}
	var told []error
	k := server.Open(func(o *kv.Options) { o.Rest = time.Hour })
	l := limit.NewKeyed("test", traffic.Live, []limit.Rule{{Dimension: "d", Window: time.Hour, Limit: 5}}, false,
		limit.Deps{Store: k.Of(traffic.Live), Failed: func(err error) { told = append(told, err) }})
	server.Stop()
	l.Take(t.Context(), 0, []string{"k"}, 1)
	l.Take(t.Context(), 0, []string{"k"}, 1)
	if len(told) != 2 || errors.Is(told[0], kv.ErrDown) || !errors.Is(told[1], kv.ErrDown) {
		t.Errorf("%v", told)
	}
}

// A step back neither keeps anybody waiting for it to be made up, nor lets more through; one forward is taken for time that passed.
func TestRedisClockSteps(t *testing.T) {
	for name, r := range map[string]limit.Rule{
		"sliding": {Dimension: "d", Window: 10 * time.Second, Limit: 4},
		"fixed":   {Dimension: "d", Window: 10 * time.Second, Limit: 4, Fixed: true},
		"gcra":    {Dimension: "d", Window: 10 * time.Second, Limit: 4, Burst: 4},
	} {
		t.Run(name, func(t *testing.T) {
			k, server := kvtest.Steered(t, time.UnixMicro(1_700_000_000_000_000))
			var truth int64 // what a watch shows
			admitted := func(key string) (n int) {
				for range 6 { // each from a process that remembers nothing
					l := limit.NewKeyed("test", traffic.Live, []limit.Rule{r}, false, limit.Deps{Store: k.Of(traffic.Live)})
					if l.Take(t.Context(), truth, []string{key}, 1).Outcome == limit.OK {
						n++
					}
				}
				return n
			}
			pass := func(d time.Duration) {
				truth += int64(d)
				server.Advance(d)
			}
			got := []int{admitted("a"), admitted("idle")}
			pass(time.Second)
			server.Advance(-10 * time.Minute)
			got = append(got, admitted("b"), admitted("a"), admitted("b")) // a has nothing left, b has all, once
			pass(time.Second)
			server.Advance(-10 * time.Minute)
			got = append(got, admitted("a"), admitted("b"))
			pass(10 * time.Second) // and both have, ten seconds later, though the clock shows less than before
			got = append(got, admitted("a"), admitted("b"), admitted("idle"))
			server.Advance(10 * time.Minute)
			got = append(got, admitted("a"))
			if diff := cmp.Diff([]int{4, 4, 4, 0, 0, 0, 0, 4, 4, 4, 4}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
