package hierarchy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"proscenium/engine/policy/hierarchy/share"
	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patienceFor is how long tests wait for what comes sooner or later.
const patienceFor = 30 * time.Second

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	deadline := time.NewTimer(patienceFor)
	defer deadline.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		}
	}
}

// started runs a fleet until the test ends, or the function that is returned is called.
func started(t *testing.T, run func(context.Context)) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { run(ctx) })
	end = func() { cancel(); wg.Wait() }
	t.Cleanup(end)
	return end
}

// asks offers requests to a queue until the test ends.
func asks(t *testing.T, f *Fleet, resource string, queue, eachSecond int) {
	t.Helper()
	m := f.Member(resource)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				for range eachSecond / 50 {
					m.Take(queue, f.Now(), 1)
				}
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

func status(f *Fleet, resource, queue string) QueueStatus {
	for _, s := range f.Member(resource).Status(f.Now()) {
		if s.Queue == queue {
			return s
		}
	}
	return QueueStatus{}
}

func TestAProcessAloneHasItsGrantsAtOnce(t *testing.T) {
	f := NewFleet(kvtest.Embedded(t).Of(traffic.Live), Deps{Alone: true})
	if err := f.Apply([]Resource{contended()}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	end := started(t, f.Run)
	eventually(t, "a grant", func() bool { return status(f, "voucher", "high").State == Granted })
	t.Logf("a grant after %s", time.Since(began))
	if got := status(f, "voucher", "high"); got.Rate < rps(2) || got.Epoch == 0 || got.LeaseLeft <= 0 {
		t.Errorf("a new process has at least its burst within the starving timeout: %+v", got)
	}
	asks(t, f, "voucher", 0, 50)
	eventually(t, "a grant of what is asked for", func() bool { return status(f, "voucher", "high").Rate >= rps(45) })
	t.Logf("all of it after %s", time.Since(began))
	if f.Instances() != 1 || f.Class() != traffic.Live {
		t.Error(f.Instances(), f.Class())
	}

	// A reload changes values in place.
	m := f.Member("voucher")
	admitted := status(f, "voucher", "high").Admitted
	smaller := contended()
	smaller.Share.Max = rps(10)
	smaller.Share.Queues[0].Guaranteed, smaller.Share.Queues[1].Guaranteed = rps(5), 0
	if err := f.Apply([]Resource{smaller}); err != nil {
		t.Fatal(err)
	}
	if f.Member("voucher") != m || status(f, "voucher", "high").Admitted < admitted {
		t.Error("the member begins anew")
	}
	eventually(t, "the smaller capacity", func() bool { r := status(f, "voucher", "high").Rate; return r > 0 && r <= rps(10) })

	end()
	if got := m.Status(f.Now()); len(got) != 0 {
		t.Errorf("after the end: %+v", got)
	}
	if ok, after := m.Take(0, f.Now(), 1); ok || after != 0 {
		t.Errorf("something is let through after the end: %v %v", ok, after)
	}
}

func TestResourcesThatCannotBe(t *testing.T) {
	f := NewFleet(kvtest.Embedded(t).Of(traffic.Live), Deps{})
	good := contended()
	if err := f.Apply([]Resource{good}); err != nil {
		t.Fatal(err)
	}
	shadow, nameless, odd, negative := good, good, good, good
	shadow.Class, nameless.Name, odd.SafeMode = traffic.Shadow, "", safeModeCount
	negative.Share.Max = -1
	for name, bad := range map[string][]Resource{
		"of the other class": {shadow}, "without a name": {nameless}, "twice": {good, good}, "of an unknown safe mode": {odd}, "of a negative capacity": {negative},
	} {
		if err := f.Apply(bad); err == nil {
			t.Errorf("a resource %s is applied", name)
		}
	}
	if f.Member("voucher") == nil || f.Member("other") != nil {
		t.Error("what was applied is gone")
	}
}

func TestQueuesKeepTheirNumbersOverReloads(t *testing.T) {
	f := NewFleet(kvtest.Embedded(t).Of(traffic.Live), Deps{Now: func() int64 { return 0 }})
	apply := func(names ...string) *Member {
		t.Helper()
		r := contended()
		r.Share.Queues = nil
		for _, n := range names {
			r.Share.Queues = append(r.Share.Queues, share.Queue{Name: n, Burst: 1})
		}
		if err := f.Apply([]Resource{r}); err != nil {
			t.Fatal(err)
		}
		return f.Member("voucher")
	}
	number := func(m *Member, name string) int {
		t.Helper()
		i, ok := m.Queue(name)
		if !ok {
			t.Fatalf("no queue %s", name)
		}
		return i
	}
	m := apply("a", "b")
	a, b := number(m, "a"), number(m, "b")
	m = apply("c", "b")
	if number(m, "b") != b || number(m, "c") == a {
		t.Error("the numbers moved")
	}
	if ok, _ := m.Take(a, 0, 1); ok {
		t.Error("a queue that is gone lets something through")
	}
	if ok, _ := m.Take(b, 0, 1); !ok {
		t.Error("a queue that stays refuses")
	}
	m = apply("a")
	if number(m, "a") != a {
		t.Error("a queue that is back has another number")
	}
	if ok, _ := m.Take(a, 0, 1); ok {
		t.Error("a queue that is back has a second first bucket")
	}
	if _, ok := m.Queue("never"); ok {
		t.Error("a queue that never was")
	}
}

func TestCallersThatWaitGoInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		now := func() int64 { return int64(time.Since(began)) }
		m := newMember("voucher", now, new(DefaultTiming()))
		m.configure(0, new(contended()))
		b := (*m.slots.Load())[0].bucket
		b.take(0, 2) // the burst
		var order []int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				if err := m.Wait(t.Context(), 0, 1); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
			})
			synctest.Wait()
		}
		if got := b.read(now()).counts; got.waiting != 4 || got.offered != 6 {
			t.Errorf("%+v", got)
		}
		grant := &resourceGrants{key: m.key, queues: []queueGrant{{key: keyOf("high"), grant: rps(2)}}}
		m.apply(now(), now()+60*sec, grant, running{epoch: 1, version: 1}, false)
		wg.Wait()
		if !slices.Equal(order, []int{0, 1, 2, 3}) {
			t.Errorf("they went %v", order)
		}
		if took := time.Since(began); took < 2*time.Second || took > 2*time.Second+time.Millisecond {
			t.Errorf("four requests took %s at two a second", took)
		}
		if got := b.read(now()).counts; got.waiting != 0 || got.admitted != 6 {
			t.Errorf("%+v", got)
		}
	})
}

func TestCallersThatWaitGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMember("voucher", func() int64 { return 0 }, new(DefaultTiming()))
		m.configure(0, new(contended()))
		m.Take(0, 0, 2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := m.Wait(ctx, 0, 1); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if err := m.Wait(t.Context(), 0, 3); !errors.Is(err, ErrTooMuch) {
			t.Error(err)
		}
		wg.Go(func() {
			if err := m.Wait(t.Context(), 0, 1); !errors.Is(err, ErrStopped) {
				t.Error(err)
			}
		})
		synctest.Wait()
		m.stop(0)
		wg.Wait()
		if err := m.Wait(ctx, 0, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// brisk is a pace for tests that wait for leases in real time.
func brisk() *Timing {
	return &Timing{
		Period: 50 * time.Millisecond, Lease: 900 * time.Millisecond, Drift: 5, Term: 600 * time.Millisecond,
		Observed: 200 * time.Millisecond, Barren: 100 * time.Millisecond, Forget: time.Minute,
	}
}

// watch holds I2 against fleets of a test process for as long as it runs. What it reads twice, with the same result, was in force between.
func watch(t *testing.T, resource string, fleets []*Fleet, capacity share.Rate) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var looks, most atomic.Int64
	var wg sync.WaitGroup
	members := make([]*Member, len(fleets))
	for i, f := range fleets {
		members[i] = f.Member(resource)
	}
	read := func() []share.Rate {
		var out []share.Rate
		for i, m := range members {
			for _, s := range m.Status(fleets[i].Now()) {
				out = append(out, s.Rate)
			}
		}
		return out
	}
	wg.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			<-tick.C
			first, second := read(), read()
			if !slices.Equal(first, second) {
				continue
			}
			var sum share.Rate
			for _, r := range first {
				sum += r
			}
			looks.Add(1)
			most.Store(max(most.Load(), int64(sum)))
			if sum > capacity {
				t.Errorf("I2: %d in force of %d: %v", sum, capacity, first)
				return
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		t.Logf("%d looks, at most %d in force of %d", looks.Load(), most.Load(), capacity)
		if looks.Load() == 0 {
			t.Error("nothing was seen")
		}
	})
}

func TestProcessesShareACapacityThroughRedisThatIsKilledAndOneThatFallsSilent(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return // said so, and failed where it must not be
	}
	const processes = 3
	fleets := make([]*Fleet, processes)
	ends := make([]func(), processes)
	failures := make([]atomic.Int64, processes)
	var prefix string
	for i := range fleets {
		k := server.Open(func(o *kv.Options) {
			if prefix == "" {
				prefix = o.Prefix
			}
			o.Prefix, o.Timeout, o.Rest = prefix, 250*time.Millisecond, 50*time.Millisecond
		})
		fleets[i] = NewFleet(k.Of(traffic.Live), Deps{Timing: brisk(), OnError: func(err error) {
			if err != nil {
				failures[i].Add(1)
			}
		}})
		if err := fleets[i].Apply([]Resource{contended()}); err != nil {
			t.Fatal(err)
		}
	}
	watch(t, "voucher", fleets, contended().Share.Max)
	for i, f := range fleets {
		ends[i] = started(t, f.work) // without a goodbye
		asks(t, f, "voucher", 0, 100)
	}
	granted := func(of []*Fleet, least share.Rate) func() bool {
		return func() bool {
			var sum share.Rate
			for _, f := range of {
				s := status(f, "voucher", "high")
				if s.State != Granted {
					return false
				}
				sum += s.Granted
			}
			return sum >= least
		}
	}
	eventually(t, "all are granted what there is", granted(fleets, rps(90)))
	eventually(t, "three instances", func() bool { return fleets[0].Instances() == 3 && fleets[2].Instances() == 3 })

	eventually(t, "a safe share", func() bool { return status(fleets[1], "voucher", "high").Safe > 0 })
	ends[1]()
	eventually(t, "who fell silent is in its safe mode", func() bool { return status(fleets[1], "voucher", "high").State == Safe })
	if got := status(fleets[1], "voucher", "high"); got.Rate == 0 || got.Rate > rps(20) {
		t.Errorf("a safe share of %d", got.Rate)
	}
	rest := []*Fleet{fleets[0], fleets[2]}
	// Its safe shares of high and low, at most 20/3 + 30/3, stay aside; if it was granted all of them.
	eventually(t, "the others are granted what it had", granted(rest, rps(80)))
	eventually(t, "two instances", func() bool { return fleets[0].Instances() == 2 && fleets[2].Instances() == 2 })

	server.Stop()
	eventually(t, "without Redis leases end", func() bool {
		return status(fleets[0], "voucher", "high").State == Safe && status(fleets[2], "voucher", "high").State == Safe
	})
	if fleets[0].Instances() != 2 {
		t.Errorf("%d instances were known last", fleets[0].Instances())
	}
	server.Restart()
	eventually(t, "an empty Redis is as good", granted(rest, rps(80)))
	if failures[0].Load() == 0 || failures[2].Load() == 0 {
		t.Error("nobody was told that Redis failed")
	}

	ends[0]()
	eventually(t, "one is left", granted(fleets[2:], rps(60)))
}

func TestAStalledRedisIsAsGoodAsNone(t *testing.T) {
	server := kvtest.Start(t)
	if server == nil {
		return
	}
	k := server.Open(func(o *kv.Options) { o.Timeout, o.Rest = 50*time.Millisecond, 50*time.Millisecond })
	f := NewFleet(k.Of(traffic.Live), Deps{Timing: brisk()})
	if err := f.Apply([]Resource{contended()}); err != nil {
		t.Fatal(err)
	}
	watch(t, "voucher", []*Fleet{f}, contended().Share.Max)
	started(t, f.Run)
	asks(t, f, "voucher", 1, 100)
	eventually(t, "a grant", func() bool { return status(f, "voucher", "low").Rate >= rps(60) })
	server.Stall()
	eventually(t, "its safe share, all of the guarantee", func() bool { return status(f, "voucher", "low").State == Safe })
	if got := status(f, "voucher", "low"); got.Rate == 0 || got.Rate > rps(30) {
		t.Errorf("%+v", got)
	}
	server.Resume()
	eventually(t, "a grant again", func() bool { return status(f, "voucher", "low").Rate >= rps(60) })
}

func TestAGoodbyeThroughRedis(t *testing.T) {
	k := kvtest.Open(t)
	fleets := []*Fleet{}
	ends := []func(){}
	for range 2 {
		f := NewFleet(k.Of(traffic.Live), Deps{Timing: brisk()})
		if err := f.Apply([]Resource{contended()}); err != nil {
			t.Fatal(err)
		}
		fleets = append(fleets, f)
	}
	watch(t, "voucher", fleets, contended().Share.Max)
	for _, f := range fleets {
		ends = append(ends, started(t, f.Run))
		asks(t, f, "voucher", 0, 200)
	}
	eventually(t, "both are granted", func() bool {
		return status(fleets[0], "voucher", "high").Rate > rps(40) && status(fleets[1], "voucher", "high").Rate > rps(40)
	})
	ends[0]()
	eventually(t, "the other has everything", func() bool { return status(fleets[1], "voucher", "high").Rate >= rps(99) })
	eventually(t, "one instance", func() bool { return fleets[1].Instances() == 1 })
}
