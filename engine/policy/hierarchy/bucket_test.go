package hierarchy

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"proscenium/engine/policy/hierarchy/share"
)

func TestABucket(t *testing.T) {
	const lease = 3 * sec
	granted := func(rate share.Rate, burst int64) *bucket {
		b := newBucket(0, lease, burst, false)
		b.apply(0, lease, rate, rps(1), false)
		return b
	}
	taken := func(b *bucket, now int64) (n int) {
		for ok, _ := b.take(now, 1); ok; ok, _ = b.take(now, 1) {
			n++
		}
		return n
	}
	for _, c := range []struct {
		name string
		take func() int
		want int
	}{
		{"a new one has a burst", func() int { return taken(newBucket(0, lease, 7, false), 0) }, 7},
		{"a new one has nothing more, however long it lasts", func() int { b := newBucket(0, lease, 7, false); taken(b, 0); return taken(b, lease-1) }, 0},
		{"a new one has nothing after the time of a lease either", func() int { b := newBucket(0, lease, 7, false); taken(b, 0); return taken(b, 100*sec) }, 0},
		{"without a configured burst it holds 50 ms of the rate", func() int { b := granted(rps(100), 0); return taken(b, sec) }, 5},
		{"without a configured burst it holds at least one", func() int { b := granted(1, 0); return taken(b, sec) }, 1},
		{"it fills at its rate", func() int { b := granted(rps(10), 20); taken(b, 0); return taken(b, sec/2) }, 5},
		{"it holds no more than a burst", func() int { b := granted(rps(10), 3); taken(b, 0); return taken(b, sec) }, 3},
		{"a larger grant adds nothing to what it holds", func() int {
			b := granted(rps(10), 5)
			taken(b, 0)
			b.apply(0, lease, rps(1000), 0, false)
			return taken(b, 0)
		}, 0},
		{"changing grants do not pile up bursts", func() int {
			b := granted(rps(10), 5)
			for i := range int64(100) {
				b.apply(i, lease, rps(i), 0, false)
			}
			return taken(b, 100)
		}, 5},
		{"a smaller grant takes what is beyond its 50 ms", func() int { b := granted(rps(1000), 0); b.apply(sec, lease, rps(40), 0, false); return taken(b, sec) }, 2},
		{"time before a grant counts at the rate before", func() int {
			b := granted(rps(4), 100)
			taken(b, 0)
			b.apply(sec, lease, rps(90), 0, false)
			return taken(b, sec)
		}, 4},
		{"after the lease it runs at the safe share", func() int { b := granted(rps(100), 10); taken(b, lease); return taken(b, lease+2*sec) }, 2},
		{"the lease ends at its time, however late that is noticed", func() int { b := granted(rps(2), 100); taken(b, 0); return taken(b, lease+4*sec) }, 6 + 4},
		{"a grant that is over when it comes is never in force", func() int {
			b := newBucket(0, lease, 100, false)
			taken(b, 0)
			b.apply(2*sec, sec, rps(50), rps(3), false)
			return taken(b, 3*sec)
		}, 3},
		{"keep what you have is never more", func() int {
			b := granted(rps(10), 100)
			taken(b, 0)
			b.apply(0, lease, rps(50), rps(50), true)
			return taken(b, sec)
		}, 10},
		{"keep what you have may be less", func() int {
			b := granted(rps(10), 100)
			taken(b, 0)
			b.apply(0, lease, rps(5), 0, true)
			return taken(b, sec)
		}, 5},
		{"keep what you have gives a new one nothing", func() int {
			b := newBucket(0, lease, 9, false)
			taken(b, 0)
			b.apply(0, lease, rps(50), rps(50), true)
			return taken(b, 10*sec)
		}, 0},
		{"keep what you have does not wake a lease that ended", func() int {
			b := granted(rps(50), 100)
			taken(b, 4*sec)
			b.apply(4*sec, 9*sec, rps(50), rps(50), true)
			return taken(b, 6*sec)
		}, 2},
		{"a stopped one lets nothing through", func() int { b := granted(rps(10), 5); b.stop(sec); return taken(b, 9*sec) }, 0},
		{"a stopped one is not started by a grant", func() int {
			b := granted(rps(10), 5)
			b.stop(sec)
			b.apply(sec, 9*sec, rps(10), rps(10), false)
			return taken(b, 8*sec)
		}, 0},
		{"one that is configured again begins empty", func() int {
			b := granted(rps(10), 5)
			b.stop(sec)
			b.restart(sec, 4*sec, 5, false)
			return taken(b, 3*sec)
		}, 0},
		{"a smaller configured burst takes what is beyond it", func() int { b := granted(rps(10), 50); b.configure(0, 4, false); return taken(b, 0) }, 4},
		{"time that goes back adds nothing", func() int { b := granted(rps(10), 5); taken(b, sec); return taken(b, 0) }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.take(); got != c.want {
				t.Errorf("%d were let through, want %d", got, c.want)
			}
		})
	}
}

func TestUnlimitedIsSoOnceNobodyGrants(t *testing.T) {
	b := newBucket(0, 3*sec, 1, true)
	b.take(0, 1)
	if ok, _ := b.take(sec, 1); ok {
		t.Error("a new process has one bucket")
	}
	if ok, _ := b.take(3*sec, 1_000_000_000); !ok {
		t.Error("refused without an allocator")
	}
	b.apply(4*sec, 7*sec, rps(1), 0, false)
	b.take(4*sec, 1)
	if ok, _ := b.take(4*sec, 1); ok {
		t.Error("a grant bounds it again")
	}
	if ok, _ := b.take(7*sec, 10); !ok {
		t.Error("refused when the lease is over")
	}
	b.configure(8*sec, 1, false)
	if ok, _ := b.take(8*sec, 10); ok {
		t.Error("the safe mode was changed")
	}
}

func TestARefusalSaysWhenToTryAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBucket(0, never, rapid.Int64Range(0, 100).Draw(t, "burst"), false)
		b.apply(0, never, share.Rate(rapid.Int64Range(0, 1_000_000_000).Draw(t, "rate")), 0, false)
		now := int64(0)
		for range 20 {
			now += rapid.Int64Range(0, sec).Draw(t, "pause")
			cost := rapid.Int64Range(1, 200).Draw(t, "cost")
			ok, after := b.take(now, cost)
			if ok || after == 0 {
				continue
			}
			if ok, _ := b.take(now+int64(after), cost); !ok {
				t.Fatalf("refused %d after %s too", cost, after)
			}
			now += int64(after)
		}
	})
}

func TestWhatIsLetThroughIsTheRateAndOneBurst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		burst := rapid.Int64Range(1, 50).Draw(t, "burst")
		b := newBucket(0, never, burst, false)
		now, allowed := int64(0), 0.0
		rate := share.Rate(0)
		admitted := int64(0)
		for range 50 {
			pause := rapid.Int64Range(0, sec).Draw(t, "pause")
			allowed += float64(rate) / 1000 * float64(pause) / float64(sec)
			now += pause
			if rapid.Bool().Draw(t, "regrant") {
				rate = share.Rate(rapid.Int64Range(0, 100_000).Draw(t, "rate"))
				b.apply(now, never, rate, 0, false)
			}
			for range rapid.IntRange(0, 60).Draw(t, "calls") {
				cost := rapid.Int64Range(1, 3).Draw(t, "cost")
				if ok, _ := b.take(now, cost); ok {
					admitted += cost
				}
			}
			if float64(admitted) > allowed+float64(burst)+1e-6 {
				t.Fatalf("%d let through of %f and a burst of %d", admitted, allowed, burst)
			}
		}
	})
}

func TestTheLargestValuesDoNotOverflow(t *testing.T) {
	for _, burst := range []int64{0, 1, 1_000_000, math.MaxInt64} {
		b := newBucket(0, never, burst, false)
		b.apply(0, never, share.MaxRate, share.MaxRate, false)
		for _, now := range []int64{0, 1, sec, math.MaxInt64 / 2, math.MaxInt64 - 1} {
			b.take(now, 1)
			b.take(now, mostRequests)
			b.take(now, mostRequests+1)
			b.take(now, math.MaxInt64)
			if b.tokens < 0 || b.tokens > b.full || b.full < unit {
				t.Fatalf("burst %d at %d: %d of %d", burst, now, b.tokens, b.full)
			}
		}
		if ok, after := b.take(math.MaxInt64-1, math.MaxInt64); ok || after != time.Duration(0) {
			t.Errorf("burst %d: %v %v", burst, ok, after)
		}
	}
}

func TestTakeAllocatesNothing(t *testing.T) {
	m := newMember("r", func() int64 { return 0 }, new(DefaultTiming()))
	m.configure(0, new(contended()))
	now := int64(0)
	if n := testing.AllocsPerRun(1000, func() { now += sec; m.Take(0, now, 1); m.Take(1, now, 1_000) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestACostOfNothingIsLetThrough(t *testing.T) {
	m := newMember("r", func() int64 { return 0 }, new(DefaultTiming()))
	m.configure(0, new(contended()))
	m.stop(0)
	for _, cost := range []int64{0, -1, math.MinInt64} {
		if ok, after := m.Take(0, 0, cost); !ok || after != 0 {
			t.Errorf("cost %d: %v %v", cost, ok, after)
		}
	}
	if got := (*m.slots.Load())[0].bucket.read(0).counts; got != (counts{}) {
		t.Errorf("it was counted: %+v", got)
	}
}
