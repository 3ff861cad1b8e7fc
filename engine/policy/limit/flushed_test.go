package limit

import (
	"context"
	"fmt"
	"hash/maphash"
	"testing"
	"time"

	"go.uber.org/goleak"

	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

func flushing(k *kv.KV, process string, now func() int64, rules ...Rule) *Keyed {
	return NewKeyed("test", traffic.Live, rules, false, Deps{Store: k.Of(traffic.Live), Now: now, Process: process})
}

func admitted(l *Keyed, now int64, n int) (count int64) {
	for range n {
		if l.Take(context.Background(), now, []string{"k"}, 1).Outcome == OK {
			count++
		}
	}
	return count
}

// inRedis is what Redis says of a rule's consumption.
func inRedis(t *testing.T, k *kv.KV, r Rule) int64 {
	t.Helper()
	r.Counting = Each
	v := NewKeyed("test", traffic.Live, []Rule{r}, false, Deps{Store: k.Of(traffic.Live)}).Take(t.Context(), 0, []string{"k"}, 0)
	if v.Source != FromRedis {
		t.Fatalf("%+v", v)
	}
	return v.Limit - v.Remaining
}

func TestHotKeysAreAddedUpAndOvershootByOneInterval(t *testing.T) {
	for _, isFixed := range []bool{false, true} {
		for name, k := range kvtest.Stores(t) {
			r := Rule{Dimension: "d", Window: time.Hour, Limit: 100, Fixed: isFixed, Counting: Flushed}
			now := func() int64 { return 1 }
			one, two := flushing(k, "one", now, r), flushing(k, "two", now, r)
			one.state.closed, two.state.closed = true, true // the test flushes
			got := []int64{admitted(one, 1, 60), admitted(two, 1, 90), inRedis(t, k, r)}
			one.state.flush(t.Context())
			two.state.flush(t.Context())
			got = append(got, inRedis(t, k, r))
			one.state.flush(t.Context())
			got = append(got, admitted(one, 1, 10), admitted(two, 1, 10))
			if want := "[60 90 2 100 0 0]"; fmt.Sprint(got) != want { // Remaining is never less than 0
				t.Errorf("%s, fixed %v: %v, not %s", name, isFixed, got, want)
			}
		}
	}
}

func TestAMessageWhoseAnswerIsLostAddsUpOnce(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return
	}
	proxy := kvtest.Through(t, server.Addr())
	prefix := func(o *kv.Options) { o.Prefix, o.Rest = "one", time.Nanosecond }
	direct := server.Open(prefix)
	through := kvtest.At(t, proxy.Addr(), prefix, func(o *kv.Options) { o.Timeout = 200 * time.Millisecond })
	r := Rule{Dimension: "d", Window: time.Hour, Limit: 100, Counting: Flushed}
	l := flushing(through, "one", func() int64 { return 1 }, r)
	l.state.closed = true
	if got := admitted(l, 1, 10); got != 10 {
		t.Fatal(got)
	}
	l.state.flush(t.Context())
	if got := admitted(l, 1, 10); got != 10 {
		t.Fatal(got)
	}
	proxy.Mute()
	l.state.flush(t.Context())
	if got := inRedis(t, direct, r); got != 20 {
		t.Fatalf("%d in Redis", got)
	}
	if l.dims[0].hot.message == nil {
		t.Fatal("the message is held for known to have arrived")
	}
	proxy.Flow()
	for range 100 { // a connection that was cut off is found out by its use
		l.state.flush(t.Context())
		if l.dims[0].hot.message == nil {
			break
		}
	}
	if got := inRedis(t, direct, r); got != 20 {
		t.Errorf("%d in Redis: a message was added up twice, or never", got)
	}
	if v := l.Take(t.Context(), 1, []string{"k"}, 1); v.Source != FromFlushed {
		t.Errorf("%+v", v)
	}
}

func TestKeysThatAreNoLongerHotAreForgotten(t *testing.T) {
	r := Rule{Dimension: "d", Window: time.Hour, Limit: 100, Counting: Flushed}
	l := flushing(kvtest.Embedded(t), "one", func() int64 { return 1 }, r)
	l.state.closed = true
	admitted(l, 1, 3)
	var kept []int
	for range 3 {
		kept = append(kept, len(l.dims[0].hot.keys))
		l.state.flush(t.Context())
	}
	if fmt.Sprint(kept) != "[1 1 0]" {
		t.Error(kept)
	}
	if v := l.Take(t.Context(), 1, []string{"k"}, 1); v.Source != FromRedis || v.Remaining != 96 {
		t.Errorf("%+v", v)
	}
}

func TestWhatRunsInTheBackgroundEndsWithClose(t *testing.T) {
	before := goleak.IgnoreCurrent()
	k, err := kv.Open(kv.Options{Timeout: kvtest.Patience})
	if err != nil {
		t.Fatal(err)
	}
	r := Rule{Dimension: "d", Window: 200 * time.Millisecond, Limit: 1000, Fixed: true, Counting: Flushed}
	start := time.Now()
	now := func() int64 { return int64(time.Since(start)) }
	l := flushing(k, "one", now, r)
	next := l.Reconfigured([]Rule{{Dimension: "d", Window: time.Hour, Limit: 1000, Fixed: true, Counting: Flushed}}, false)
	admitted(next, now(), 50)
	deadline := time.Now().Add(20 * time.Second)
	for inRedis(t, k, next.dims[0].rule.Rule) != 50 { // within a second
		if time.Now().After(deadline) {
			t.Fatal("nothing was added up")
		}
	}
	admitted(next, now(), 7)
	next.Close(t.Context())
	l.Close(t.Context())
	if got := inRedis(t, k, next.dims[0].rule.Rule); got != 57 {
		t.Errorf("%d after Close", got)
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, before)
}

// A table is full of keys that count: those that come new share one count, until there is room.
func TestATableForgetsNothingThatCounts(t *testing.T) {
	for _, r := range []Rule{
		{Dimension: "d", Window: time.Second, Limit: 2},
		{Dimension: "d", Window: time.Second, Limit: 2, Fixed: true},
		{Dimension: "d", Window: time.Second, Limit: 2, Burst: 2},
	} {
		c := compile(r, slicesOfKey)
		tab := newTable(tableShards * 3)
		now := int64(1)
		take := func(key string) bool {
			h, a := tab.hold(&c, now, key, 1)
			if a.outcome == Refused {
				return false
			}
			h.count(&c, now, 1)
			return true
		}
		byKey := map[string]int{}
		for round := range 3 {
			for i := range 1000 {
				key := fmt.Sprint(i)
				if take(key) {
					byKey[key]++
				}
				if byKey[key] > 2 {
					t.Fatalf("%s: %s was let through %d times, in round %d", r.Algorithm(), key, byKey[key], round)
				}
			}
		}
		kept := 0
		for i := range tab.shards {
			kept += len(tab.shards[i].keys)
		}
		if kept > tableShards*3 {
			t.Errorf("%d keys are kept", kept)
		}
		now += int64(5 * time.Second)
		for i := range 3 {
			key := fmt.Sprint("new", i)
			if got := [3]bool{take(key), take(key), take(key)}; got != [3]bool{true, true, false} {
				t.Errorf("%s: room was not made: %v", r.Algorithm(), got)
			}
		}
	}
}

// A key that was counted with others, for there was no room, is counted there still when there is room again.
func TestRoomInATableDoesNotForgetWhatOthersCounted(t *testing.T) {
	c := compile(Rule{Dimension: "d", Window: time.Second, Limit: 2}, slicesOfKey)
	tab := newTable(tableShards) // one key for each shard
	take := func(now int64, key string) bool {
		h, a := tab.hold(&c, now, key, 1)
		if a.outcome != Refused {
			h.count(&c, now, 1)
		}
		return a.outcome != Refused
	}
	shard := func(key string) uint64 { return maphash.String(tab.seed, key) % tableShards }
	other := 0
	for shard(fmt.Sprint(other)) != shard("first") {
		other++
	}
	half := int64(time.Second / 2)
	got := []bool{take(1, "first"), take(half, fmt.Sprint(other)), take(half, fmt.Sprint(other)), take(1+2*half, fmt.Sprint(other)), take(3*half, fmt.Sprint(other))}
	if want := "[true true true false true]"; fmt.Sprint(got) != want {
		t.Errorf("%v, not %s", got, want)
	}
}
