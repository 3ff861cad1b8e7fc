package hierarchy

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"proscenium/engine/policy/hierarchy/share"
	"proscenium/traffic"
)

var (
	simSeed = flag.Uint64("sim.seed", 0, "run one seed of the simulation; 0: all")
	simRuns = flag.Uint64("sim.runs", 200, "seeds for each scenario and loss")
)

// scenario sets a world up, and how long it runs in virtual time.
type scenario struct {
	name     string
	resource func() Resource
	length   int64
	setUp    func(*world)
}

func rps(v int64) share.Rate { return share.Rate(v) * share.PerSecond }

func contended() Resource {
	return Resource{Name: "voucher", Class: traffic.Live, Share: share.Resource{
		Max: rps(100),
		Queues: []share.Queue{
			{Name: "high", Guaranteed: rps(20), Priority: 2, Burst: 2, StarvingTimeout: time.Second},
			{Name: "low", Guaranteed: rps(30), Priority: 1, Burst: 2, StarvingTimeout: time.Second},
			{Name: "rest", Guaranteed: 0, Priority: 1, Burst: 1, StarvingTimeout: time.Second},
		},
	}}
}

func suppressed() Resource {
	r := contended()
	r.Share.Activation, r.Share.Step = rps(40), rps(10)
	return r
}

var scenarios = []scenario{
	{"steady contention", contended, 11 * sec, func(w *world) {
		for range 4 {
			w.start(w.between(0, 30), w.between(0, 30), w.between(0, 20))
		}
	}},
	{"surges", suppressed, 15 * sec, func(w *world) {
		for range 3 {
			w.start(w.between(0, 20), w.between(0, 10), w.between(0, 5))
		}
		for range 8 {
			w.at(w.between(3*sec, 14*sec), func() {
				for _, n := range w.alive() {
					for q := range n.offered {
						n.offered[q] = w.between(0, 1) * w.between(0, 60)
					}
				}
			})
		}
	}},
	{"coming and going", contended, 20 * sec, func(w *world) {
		for range 3 {
			w.start(w.between(0, 30), w.between(0, 40), w.between(0, 20))
		}
		for range 9 {
			w.at(w.between(sec, 18*sec), func() { w.comeOrGo() })
		}
	}},
	{"allocators and exchanges fail", contended, 26 * sec, func(w *world) {
		w.late = w.loss > 0
		for range 4 {
			w.start(w.between(0, 30), w.between(0, 40), w.between(0, 20))
		}
		for range 6 {
			w.at(w.between(2*sec, 24*sec), func() { w.failSomething() })
		}
	}},
}

func (w *world) comeOrGo() {
	nodes := w.alive()
	if len(nodes) < 2 || len(nodes) < 6 && w.rng.IntN(2) == 0 {
		w.start(w.between(0, 30), w.between(0, 40), w.between(0, 20))
		return
	}
	n := nodes[w.rng.IntN(len(nodes))]
	switch w.rng.IntN(3) {
	case 0:
		n.leave()
	case 1:
		n.crash()
	default:
		w.cut(n, w.between(sec/2, 6*sec))
	}
}

func (w *world) cut(n *node, d int64) {
	if w.rng.IntN(3) == 0 {
		n.deaf = true
	} else {
		n.cutOff = true
	}
	w.after(d, func() { n.cutOff, n.deaf = false, false })
}

func (w *world) failSomething() {
	switch w.rng.IntN(6) {
	case 0:
		if n := w.leader(); n != nil {
			n.crash()
			w.after(w.between(0, 2*sec), func() { w.start(w.between(0, 30), w.between(0, 40), w.between(0, 20)) })
		}
	case 1:
		if n := w.leader(); n != nil {
			w.cut(n, w.between(sec, 6*sec))
		}
	case 2:
		if n := w.leader(); n != nil {
			n.paused = true
			w.after(w.between(sec/10, 5*sec), func() { n.paused = false; n.pump() })
		}
	case 3:
		w.exchange.wipe()
	case 4: // for as long as it takes to be given up, and while others fail
		if nodes := w.alive(); len(nodes) > 2 {
			w.cut(nodes[w.rng.IntN(len(nodes))], w.between(sec, 15*sec))
		}
	default:
		w.down = true
		wipe := w.rng.IntN(2) == 0
		w.after(w.between(sec/10, 5*sec), func() {
			w.down = false
			if wipe {
				w.exchange.wipe()
			}
		})
	}
}

func (s *scenario) world(seed uint64, loss float64) *world {
	w := newWorld(seed, DefaultTiming(), s.resource(), loss)
	s.setUp(w)
	return w
}

// losses are the shares of messages that are lost.
var losses = []float64{0, 0.05, 0.2}

func TestInvariantsHoldWhateverHappens(t *testing.T) {
	for i := range scenarios {
		s := &scenarios[i]
		for _, loss := range losses {
			t.Run(fmt.Sprintf("%s/loss %g", s.name, loss), func(t *testing.T) {
				ticks, settled := 0, 0
				var peak share.Rate
				for _, seed := range seeds() {
					w := s.world(seed, loss)
					if err := w.run(s.length); err != nil {
						t.Fatalf("-sim.seed %d: %v", seed, err)
					}
					ticks, settled, peak = ticks+w.check.ticks, settled+w.check.settled, max(peak, w.check.peak)
				}
				t.Logf("%d ticks with an allocation, %d of them with nothing pending; at most %d in force", ticks, settled, peak)
				if *simSeed == 0 && (ticks == 0 || settled == 0) {
					t.Error("nothing was checked")
				}
			})
		}
	}
}

// fewSeeds are for what depends less on chance.
func fewSeeds() []uint64 { return seeds()[:(len(seeds())+3)/4] }

func seeds() []uint64 {
	if *simSeed != 0 {
		return []uint64{*simSeed}
	}
	out := make([]uint64, *simRuns)
	for i := range out {
		out[i] = uint64(i) + 1
	}
	return out
}

// brokenBy runs scenarios with something wrong in them, and counts what breaks.
func brokenBy(spoil func(*world)) map[string]int {
	all := map[string]int{}
	for i := range scenarios {
		s := &scenarios[i]
		for seed := range uint64(10) {
			w := newWorld(seed+1, DefaultTiming(), s.resource(), 0.05)
			w.goOn = true
			spoil(w)
			s.setUp(w)
			_ = w.run(s.length) // goes on whatever is broken
			for name, n := range w.check.all {
				all[name] += n
			}
		}
	}
	return all
}

func TestHandingOverAtOnceBreaksTheSimulation(t *testing.T) {
	broken := brokenBy(func(w *world) { w.noHold = true })
	t.Log(broken)
	if broken["I2"] == 0 {
		t.Error("more than the capacity was never in force")
	}
}

// equalSplit gives everyone the same, whatever is wanted.
type equalSplit struct{}

func (equalSplit) Allocate(_ *share.Resource, effective share.Rate, demands [][]share.Demand, out [][]share.Rate) share.Rate {
	parts := share.Rate(0)
	for q := range demands {
		parts += share.Rate(len(demands[q]))
	}
	for q := range out {
		for k := range out[q] {
			out[q][k] = effective / parts
		}
	}
	return effective / max(parts, 1) * parts
}

func TestEqualPartsBreakTheSimulation(t *testing.T) {
	broken := brokenBy(func(w *world) { w.divide = func() divider { return equalSplit{} } })
	t.Log(broken)
	for _, name := range []string{"I3", "I4", "I5", "I6", "I9"} {
		if broken[name] == 0 {
			t.Errorf("%s holds all the same", name)
		}
	}
	if broken["I2"] != 0 {
		t.Error("I2 does not depend on who gets what, and is broken")
	}
}

func TestNothingIsBrokenWhereNothingIsWrong(t *testing.T) {
	if broken := brokenBy(func(*world) {}); len(broken) > 0 {
		t.Error(broken)
	}
}
