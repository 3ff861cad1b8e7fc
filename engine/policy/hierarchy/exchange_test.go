package hierarchy

import (
	"testing"
	"time"

	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

// onEachExchange runs a test on all implementations of the exchange, that of the simulation among them.
func onEachExchange(t *testing.T, run func(t *testing.T, x exchange)) {
	t.Helper()
	timing := DefaultTiming()
	timing.Term = time.Minute
	t.Run("memory", func(t *testing.T) { run(t, newMemory(func() int64 { return 1 }, timing.Term)) })
	kvtest.Both(t, func(t *testing.T, k *kv.KV) {
		t.Helper()
		run(t, &redisExchange{store: k.Of(traffic.Live), timing: &timing})
	})
}

func TestTheExchange(t *testing.T) {
	onEachExchange(t, func(t *testing.T, x exchange) {
		t.Helper()
		ask := func(r request) *response {
			t.Helper()
			answer, err := x.do(t.Context(), &r)
			if err != nil {
				t.Fatal(err)
			}
			return answer
		}
		reports := func(epoch uint64) map[uint64]string {
			t.Helper()
			out := map[uint64]string{}
			for _, row := range ask(request{op: opCollect, id: 7, epoch: epoch}).reports {
				out[row.id] = string(row.data)
			}
			return out
		}
		report := func(id, seq uint64, text string) *response {
			t.Helper()
			return ask(request{op: opReport, id: id, seq: seq, report: []byte(text)})
		}

		if got := report(7, 1, "a\x00b"); got.leader != 0 || got.grant != nil {
			t.Fatalf("at the beginning: %+v", got)
		}
		if got := ask(request{op: opCollect, id: 7, epoch: 1}); got.ok {
			t.Fatal("who was not elected collects")
		}
		if got := ask(request{op: opElect, id: 7, floor: 41}); !got.ok || got.epoch != 42 || !got.lost {
			t.Fatalf("elected: %+v", got)
		}
		if got := ask(request{op: opElect, id: 8, floor: 99}); got.ok {
			t.Fatalf("there is one: %+v", got)
		}
		if got := report(8, 5, "eight"); got.leader != 7 {
			t.Fatalf("%+v", got)
		}
		report(8, 4, "late")
		report(8, 5, "twice")
		report(9, 1<<60, "nine")
		if got := reports(42); len(got) != 3 || got[7] != "a\x00b" || got[8] != "eight" || got[9] != "nine" {
			t.Fatalf("reports: %v", got)
		}

		if got := ask(request{op: opElect, id: 7}); got.epoch != 43 || !got.lost {
			t.Fatalf("nothing whole was published: %+v", got)
		}
		publish := request{op: opPublish, id: 7, epoch: 43, whole: true, grants: []row{{id: 8, seq: 5, data: []byte("g\xff8")}, {id: 9, seq: 1, data: []byte("g9")}}, forget: []uint64{9, 1000}}
		if got := ask(publish); !got.ok {
			t.Fatal("not published")
		}
		if got := report(8, 6, "eight"); string(got.grant) != "g\xff8" {
			t.Fatalf("%q", got.grant)
		}
		if got := ask(request{op: opCollect, id: 7, epoch: 43, withGrants: true}); len(got.grants) != 2 || len(got.reports) != 2 {
			t.Fatalf("%+v", got)
		}
		if got := ask(request{op: opCollect, id: 7, epoch: 43}); len(got.grants) != 0 {
			t.Fatalf("nobody asked for %+v", got.grants)
		}

		// The same process in a later term: the earlier one is fenced.
		if got := ask(request{op: opElect, id: 7, floor: 3}); !got.ok || got.epoch != 44 || got.lost {
			t.Fatalf("again: %+v", got)
		}
		publish.grants[0].data = []byte("of the earlier term")
		if got := ask(publish); got.ok {
			t.Fatal("the earlier term publishes")
		}
		if got := ask(request{op: opPublish, id: 8, epoch: 44, grants: publish.grants}); got.ok {
			t.Fatal("another process publishes")
		}
		if got := report(8, 7, "eight"); string(got.grant) != "g\xff8" {
			t.Fatalf("%q", got.grant)
		}
		if got := ask(request{op: opElect, id: 7, floor: 1000}); !got.lost || got.epoch != 1001 {
			t.Fatalf("there was a higher epoch than it remembers: %+v", got)
		}

		ask(request{op: opLeave, id: 8})
		if got := report(8, 8, "from before the goodbye"); got.grant != nil || got.leader != 7 {
			t.Fatalf("after the goodbye: %+v", got)
		}
		for _, row := range ask(request{op: opCollect, id: 7, epoch: 1001}).reports {
			if row.id == 8 && row.seq != goodbye {
				t.Fatalf("%+v", row)
			}
		}
		ask(request{op: opLeave, id: 7})
		if got := report(9, 1, "x"); got.leader != 0 {
			t.Fatalf("the allocator left: %+v", got)
		}
		if got := ask(request{op: opElect, id: 9}); !got.ok || got.epoch != 1002 {
			t.Fatalf("%+v", got)
		}
	})
}

func TestATermEndsWhereNothingIsHeardOfItsAllocator(t *testing.T) {
	timing := DefaultTiming()
	timing.Term = 50 * time.Millisecond
	x := &redisExchange{store: kvtest.Open(t).Of(traffic.Live), timing: &timing}
	if got, err := x.do(t.Context(), &request{op: opElect, id: 1}); err != nil || !got.ok {
		t.Fatal(got, err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		got, err := x.do(t.Context(), &request{op: opElect, id: 2})
		if err != nil {
			t.Fatal(err)
		}
		if got.ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the term does not end")
		}
	}
}

func TestRowsOfOthersAreLeftOut(t *testing.T) {
	k := kvtest.Open(t)
	store := k.Of(traffic.Live)
	timing := DefaultTiming()
	x := &redisExchange{store: store, timing: &timing}
	if _, err := x.do(t.Context(), &request{op: opElect, id: 1}); err != nil {
		t.Fatal(err)
	}
	odd := kv.NewScript(`redis.call('HSET', KEYS[1], 'name', 'x', '0000000000000001', 'short', 'zz', '0000000000000001rest') return 1`)
	if _, err := store.Run(t.Context(), odd, []string{reportsKey}); err != nil {
		t.Fatal(err)
	}
	got, err := x.do(t.Context(), &request{op: opCollect, id: 1, epoch: 1})
	if err != nil || len(got.reports) != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
}
