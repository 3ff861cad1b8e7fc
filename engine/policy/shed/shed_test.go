package shed

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"proscenium/traffic"
)

// process is a model of a server: it answers rate requests a second one after the other, in the order of their coming; a refusal costs a part of that.
type process struct {
	rate    float64
	refusal float64       // of the cost of an answer
	free    time.Duration // when the processor is idle again
	inside  []leaving
}

// leaving is a request that comes out at a time.
type leaving struct {
	class traffic.Class
	at    time.Duration
}

// advance lets out who is done.
func (p *process) advance(s *Shedder, now time.Duration) {
	for len(p.inside) > 0 && p.inside[0].at <= now {
		s.Leave(p.inside[0].class)
		p.inside = p.inside[1:]
	}
}

// flow is requests of a kind.
type flow struct {
	class traffic.Class
	p     Priority
	rate  float64
}

// run offers the flows for a time and returns, for the time after the first second, how many of each were answered within deadline, and offered.
func run(t *testing.T, s *Shedder, pr *process, flows []flow, d, deadline time.Duration, seed uint64) (good, offered []float64) {
	t.Helper()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	good, offered = make([]float64, len(flows)), make([]float64, len(flows))
	next := make([]time.Duration, len(flows))
	answer := time.Duration(float64(time.Second) / pr.rate)
	var waited, waits time.Duration
	tick := time.Duration(0)
	s.Tick(0, 0)
	for {
		first := 0
		for i := range flows {
			if flows[i].rate > 0 && (next[i] < next[first] || flows[first].rate == 0) {
				first = i
			}
		}
		now := next[first]
		if now >= d {
			return good, offered
		}
		for tick+Period <= now {
			tick += Period
			pr.advance(s, tick)
			mean := time.Duration(0)
			if waits > 0 {
				mean = waited / waits
			}
			s.Tick(int64(tick), mean)
			waited, waits = 0, 0
		}
		next[first] += time.Duration(random.ExpFloat64() * float64(time.Second) / flows[first].rate)
		f := flows[first]
		if now > time.Second {
			offered[first]++
		}
		pr.free = max(pr.free, now)
		waited += pr.free - now
		waits++
		if !s.Enter(f.class, f.p, uint8(random.UintN(Draws))) {
			pr.free += time.Duration(float64(answer) * pr.refusal)
			continue
		}
		pr.free += answer
		pr.inside = append(pr.inside, leaving{f.class, pr.free})
		if now > time.Second && pr.free-now <= deadline {
			good[first]++
		}
	}
}

func TestUnderLoadTheLeastImportantIsRefusedFirstAndTheOthersAreAnsweredInTime(t *testing.T) {
	const capacity = 5000.0
	for _, c := range []struct {
		name    string
		refusal float64
		flows   []flow
		// least is the share of the capacity that is answered in time at least, and whole which flows are answered (all but 2%), none which are not.
		least       float64
		whole, none []int
	}{
		{"below saturation nobody is refused", .05, []flow{{traffic.Live, Low, .4 * capacity}, {traffic.Live, High, .4 * capacity}}, .78, []int{0, 1}, nil},
		{"at three times of it only the most important go in", .05, []flow{
			{traffic.Live, Low, capacity}, {traffic.Live, Normal, capacity}, {traffic.Live, High, .5 * capacity}, {traffic.Live, Critical, .5 * capacity},
		}, .8, []int{3}, []int{0, 1}},
		{"shadow traffic goes first, whatever its priority", .05, []flow{{traffic.Shadow, Critical, 2.4 * capacity}, {traffic.Live, Low, .6 * capacity}}, .8, []int{1}, nil},
		{"one priority alone is refused in part", .05, []flow{{traffic.Live, Normal, 3 * capacity}}, .8, nil, nil},
		{"where refusing costs a sixth, half of the capacity is left", .17, []flow{{traffic.Live, Normal, 3 * capacity}}, .5, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(5) {
				s := New(Rule{})
				good, offered := run(t, s, &process{rate: capacity, refusal: c.refusal}, c.flows, 6*time.Second, 100*time.Millisecond, seed)
				var total float64
				for _, n := range good {
					total += n / 5
				}
				t.Logf("of %.0f answered in time %.0f; by flow %.0f of %.0f", capacity, total, good, offered)
				if total < c.least*capacity {
					t.Errorf("seed %d: answered %.0f a second in time, of a capacity of %.0f", seed, total, capacity)
				}
				for _, i := range c.whole {
					if good[i] < .98*offered[i] {
						t.Errorf("seed %d: of flow %d only %.0f of %.0f", seed, i, good[i], offered[i])
					}
				}
				for _, i := range c.none {
					if good[i] > .08*offered[i] {
						t.Errorf("seed %d: of flow %d still %.0f of %.0f", seed, i, good[i], offered[i])
					}
				}
			}
		})
	}
}

func TestWithoutSheddingNobodyIsAnsweredInTime(t *testing.T) {
	// The model itself: what the test above shows is the shedder's doing.
	s := New(Rule{TargetWait: time.Hour})
	good, _ := run(t, s, &process{rate: 5000}, []flow{{traffic.Live, Normal, 15000}}, 6*time.Second, 100*time.Millisecond, 1)
	if good[0] > 100 {
		t.Errorf("%.0f were answered in time", good[0])
	}
}

func TestAfterTheLoadEverybodyGoesIn(t *testing.T) {
	s := New(Rule{})
	pr := &process{rate: 5000, refusal: .05}
	run(t, s, pr, []flow{{traffic.Live, Normal, 15000}}, 3*time.Second, time.Second, 1)
	if s.cutoff.Load() == 0 {
		t.Fatal("nothing was refused")
	}
	for i := range int64(2000) {
		s.Enter(traffic.Live, Normal, uint8(i))
		s.Tick(int64(3*time.Second)+i*int64(Period), 0)
		if s.cutoff.Load() == 0 {
			t.Logf("after %v", time.Duration(i)*Period)
			return
		}
	}
	t.Errorf("the cutoff stays at %d", s.cutoff.Load())
}

func TestPrioritiesHaveTheirPartsOfTheRoom(t *testing.T) {
	s := New(Rule{MaxConcurrent: 10})
	enter := func(class traffic.Class, p Priority, want int) {
		t.Helper()
		got := 0
		for s.Enter(class, p, 0) {
			got++
		}
		if got != want {
			t.Errorf("%s %s: %d more went in, want %d", class, p, got, want)
		}
	}
	enter(traffic.Shadow, Critical, 2) // a quarter of 10
	enter(traffic.Live, Low, 7)
	enter(traffic.Live, Normal, 1)
	enter(traffic.Live, High, 1)
	enter(traffic.Live, Low, 0)
	enter(traffic.Live, Critical, 1)
	s.Leave(traffic.Live)
	enter(traffic.Live, High, 0)
	enter(traffic.Live, Critical, 1)
	s.Reconfigure(Rule{MaxConcurrent: 11})
	enter(traffic.Live, Critical, 1)
	s.Reconfigure(Rule{})
	for range 1000 {
		if !s.Enter(traffic.Live, Low, 0) {
			t.Fatal("without a bound somebody is refused")
		}
	}
	if refused := s.Status().Refused[traffic.Live][Low]; refused != 2 {
		t.Errorf("%d refused are counted", refused)
	}
}

func TestEarlyAgreesWithEnter(t *testing.T) {
	s := New(Rule{})
	for cutoff := range levels {
		s.cutoff.Store(int32(cutoff))
		for draw := range uint8(Draws) {
			for _, class := range traffic.All() {
				for p := range priorities {
					in := s.Enter(class, p, draw)
					if in {
						s.Leave(class)
					}
					if early := s.Early(class, p, draw); early != in {
						t.Fatalf("cutoff %d, %s %s, draw %d: early %v, then %v", cutoff, class, p, draw, early, in)
					}
				}
			}
		}
	}
}

func TestAPartOfTheMostImportantAlwaysGoesIn(t *testing.T) {
	s := New(Rule{})
	s.Tick(0, 0)
	for i := range int64(2000) {
		for draw := range uint8(Draws) {
			s.Enter(traffic.Live, Critical, draw) // and none comes out
		}
		s.Tick(i*int64(time.Second), time.Hour)
	}
	in := 0
	for draw := range uint8(Draws) {
		if s.Enter(traffic.Live, Critical, draw) {
			in++
		}
	}
	if in != Draws/4 {
		t.Errorf("%d of %d go in", in, Draws)
	}
	if got := fmt.Sprint(s.Status().Shedding[traffic.Live]); got != "[100 100 100 75]" {
		t.Errorf("shedding %s", got)
	}
}

func TestGoroutinesThatWaitForAProcessorAreSeen(t *testing.T) {
	w := newWaits()
	var stop atomic.Bool
	defer stop.Store(true)
	for range 64 {
		go func() {
			for i := 1; !stop.Load(); i++ {
				if i%1_000_000 == 0 {
					runtime.Gosched()
				}
			}
		}()
	}
	deadline := time.Now().Add(30 * time.Second)
	for w.mean() < time.Millisecond {
		if time.Now().After(deadline) {
			t.Fatal("64 busy goroutines wait for nothing")
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestADecisionAllocatesNothing(t *testing.T) {
	s := New(Rule{MaxConcurrent: 100})
	if n := testing.AllocsPerRun(1000, func() {
		if s.Early(traffic.Live, Normal, 3) && s.Enter(traffic.Live, Normal, 3) {
			s.Leave(traffic.Live)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEnterLeave(b *testing.B) {
	s := New(Rule{MaxConcurrent: 1000})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if s.Early(traffic.Live, Normal, 3) && s.Enter(traffic.Live, Normal, 3) {
				s.Leave(traffic.Live)
			}
		}
	})
}

func BenchmarkTick(b *testing.B) {
	s := New(Rule{})
	w := newWaits()
	for i := range b.N {
		s.Tick(int64(i), w.mean())
	}
}
