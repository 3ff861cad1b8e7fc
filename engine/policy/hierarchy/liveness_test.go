package hierarchy

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"proscenium/engine/policy/hierarchy/share"
)

// wanting makes a node want fixed rates from now on, whatever it is asked.
func (n *node) wanting(rates ...share.Rate) {
	for q, s := range *n.member.slots.Load() {
		s.estimator = share.NewEstimator(0, 0)
		s.estimator.Observe(sec, share.Period{Offered: int64(rates[q] / share.PerSecond)})
		s.seenAt = math.MaxInt64
	}
}

// inForceBy is what is in force by node and queue.
func (w *world) inForceBy() [][]share.Rate {
	var out [][]share.Rate
	for _, n := range w.alive() {
		var row []share.Rate
		for _, s := range *n.member.slots.Load() {
			row = append(row, s.bucket.read(n.clock()).rate)
		}
		out = append(out, row)
	}
	return out
}

func TestConstantWantsReachAFixedPointWithinThreeSeconds(t *testing.T) { // I11
	for _, seed := range fewSeeds() {
		w := newWorld(seed, DefaultTiming(), contended(), 0)
		for range 4 {
			w.start(0, 0, 0)
		}
		const change = 8 * sec
		for _, at := range []int64{0, change} {
			w.at(at, func() {
				for _, n := range w.alive() {
					n.wanting(rps(w.between(0, 40)), rps(w.between(0, 40)), rps(w.between(0, 40)))
				}
			})
		}
		must(t, seed, w.run(change+3*sec))
		fixed := w.inForceBy()
		tick := w.leader().station.office.resources[0].last
		if tick.pending || tick.granted != tick.target || tick.granted < min(tick.effective, tick.demand) {
			t.Fatalf("-sim.seed %d: after three seconds %+v", seed, tick)
		}
		for w.now < change+6*sec {
			must(t, seed, w.run(w.now+sec/10))
			if diff := cmp.Diff(fixed, w.inForceBy()); diff != "" {
				t.Fatalf("-sim.seed %d: at %d ms grants still move (-before +now):\n%s", seed, w.now/ms, diff)
			}
		}
		var sum share.Rate
		for _, row := range fixed {
			for _, r := range row {
				sum += r
			}
		}
		if sum != tick.granted {
			t.Fatalf("-sim.seed %d: %d in force of %d granted", seed, sum, tick.granted)
		}
	}
}

func TestWhoStarvesIsServedItsBurstWithinThreeSecondsAndItsTimeout(t *testing.T) { // I10
	for _, seed := range fewSeeds() {
		w := newWorld(seed, DefaultTiming(), contended(), 0)
		for range 3 {
			w.start(w.between(100, 200), w.between(100, 200), 0)
		}
		w.at(w.between(5*sec, 8*sec), func() { w.start(w.between(30, 200), w.between(30, 200), 0) })
		for range 3 { // hogs come and go
			w.at(w.between(5*sec, 18*sec), func() { w.alive()[w.rng.IntN(3)].offered[1] = w.between(1, 2) * 100 })
		}
		seen := map[*slot][]int64{} // what was admitted, each tenth of a second
		for w.now < 20*sec {
			must(t, seed, w.run(w.now+sec/10))
			if w.now < 5*sec {
				continue // the first allocator waits for leases that there may be
			}
			for _, n := range w.alive() {
				for q, s := range (*n.member.slots.Load())[:2] {
					seen[s] = append(seen[s], s.bucket.read(n.clock()).counts.admitted)
					// What a new process has at once, within its first tenth of a second, does not count.
					within := int((int64(w.resource.Share.Queues[q].StarvingTimeout) + 3*sec) / (sec / 10))
					if k := len(seen[s]) - 1; k > within && seen[s][k]-seen[s][k-within] < w.resource.Share.Queues[q].Burst {
						t.Fatalf("-sim.seed %d: at %d ms node %d got %d of queue %d in 4 s", seed, w.now/ms, n.id, seen[s][k]-seen[s][k-within], q)
					}
				}
			}
		}
	}
}

func TestWhatAFleetGetsWhenEverythingIsNew(t *testing.T) {
	for _, seed := range fewSeeds() {
		w := newWorld(seed, DefaultTiming(), contended(), 0)
		n := w.start(30, 30, 0)
		must(t, seed, w.run(sec))
		if got := (*n.member.slots.Load())[0].bucket.read(n.clock()); got.counts.admitted != 2 || got.rate != 0 {
			t.Fatalf("-sim.seed %d: before anything is granted there is one bucket: %+v", seed, got)
		}
		must(t, seed, w.run(5*sec))
		if got := w.inForceBy()[0]; got[0] < rps(30) || got[1] < rps(30) {
			t.Fatalf("-sim.seed %d: after the hold %v", seed, got)
		}
	}
}

func TestACrashGivesItsCapacityBackAfterTheHold(t *testing.T) {
	for _, seed := range fewSeeds() {
		w := newWorld(seed, DefaultTiming(), contended(), 0)
		a, b := w.start(0, 0, 0), w.start(0, 0, 0)
		for _, n := range []*node{a, b} {
			n.wanting(rps(90), 0, 0)
		}
		must(t, seed, w.run(6*sec))
		dead, left := a, b
		if w.leader() == a {
			dead, left = b, a
		}
		dead.crash()
		must(t, seed, w.run(6*sec+3*sec/2))
		if got := w.inForceBy()[0][0]; got > rps(60) {
			t.Fatalf("-sim.seed %d: %d a second and a half after the crash: the other may still be running", seed, got)
		}
		must(t, seed, w.run(6*sec+9*sec/2))
		// What stays aside is the safe share of the dead: half of 20 and of 30.
		if got := w.inForceBy()[0][0]; got < rps(74) {
			t.Fatalf("-sim.seed %d: %d of 75 after the hold; %s", seed, got, w.describe())
		}
		_ = left
	}
}

func TestAGoodbyeGivesCapacityBackAtOnce(t *testing.T) {
	for _, seed := range fewSeeds() {
		w := newWorld(seed, DefaultTiming(), contended(), 0)
		a, b := w.start(0, 0, 0), w.start(0, 0, 0)
		for _, n := range []*node{a, b} {
			n.wanting(rps(90), 0, 0)
		}
		must(t, seed, w.run(6*sec))
		if w.leader() == a {
			a = b
		}
		a.leave()
		must(t, seed, w.run(7*sec))
		if got := w.inForceBy()[0][0]; got < rps(90) {
			t.Fatalf("-sim.seed %d: %d of 90 a second after the goodbye; %s", seed, got, w.describe())
		}
	}
}

func TestTheFleetGoesOnWhenItsAllocatorCrashes(t *testing.T) {
	lapses := 0
	for _, seed := range fewSeeds() {
		w := newWorld(seed, DefaultTiming(), contended(), 0)
		for range 3 {
			w.start(0, 0, 0)
		}
		for _, n := range w.nodes {
			n.wanting(rps(20), rps(10), 0)
		}
		must(t, seed, w.run(6*sec))
		w.leader().crash()
		for w.now < 12*sec {
			must(t, seed, w.run(w.now+sec/20))
			for _, n := range w.alive() {
				if (*n.member.slots.Load())[0].bucket.read(n.clock()).state != Granted {
					lapses++
				}
			}
		}
		if w.leader() == nil {
			t.Fatalf("-sim.seed %d: nobody took over", seed)
		}
	}
	t.Logf("%d of %d looks found a process in its safe mode", lapses, len(fewSeeds())*120*2)
}

func TestSilenceForLongIsForgotten(t *testing.T) {
	timing := DefaultTiming()
	timing.Forget = 10 * timing.Lease
	w := newWorld(1, timing, contended(), 0)
	a, b := w.start(0, 0, 0), w.start(0, 0, 0)
	for _, n := range []*node{a, b} {
		n.wanting(rps(90), 0, 0)
	}
	must(t, 1, w.run(6*sec))
	if w.leader() == a {
		a = b
	}
	a.crash()
	must(t, 1, w.run(40*sec))
	if got := w.inForceBy()[0][0]; got < rps(90) {
		t.Fatalf("%d of 90: the dead is not forgotten", got)
	}
	if len(w.exchange.reports) != 1 || len(w.exchange.grants) != 1 {
		t.Errorf("rows stay: %d reports, %d grants", len(w.exchange.reports), len(w.exchange.grants))
	}
}

func must(t *testing.T, seed uint64, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("-sim.seed %d: %v", seed, err)
	}
}
