package share

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSurgeEffectiveCapacity(t *testing.T) {
	const k = PerSecond
	suppressed := Resource{Max: 12_000 * k, Activation: 1_000 * k, Step: 200 * k}
	type tick struct {
		at         time.Duration
		guarantees Rate
		want       Rate
		granted    Rate // observed after it
		used       Rate
	}
	for _, c := range []struct {
		name     string
		resource Resource
		takeover *tick
		ticks    []tick
	}{
		{
			name: "without a suppressor it is the maximum from the beginning", resource: Resource{Max: 12_000 * k},
			ticks: []tick{{want: 12_000}, {at: time.Hour, want: 12_000}},
		},
		{
			name: "it begins at the activation rate", resource: suppressed,
			ticks: []tick{{want: 1_000}},
		},
		{
			name: "used up, it grows by the step every second", resource: suppressed,
			ticks: []tick{
				{want: 1_000, granted: 1_000, used: 1_000},
				{at: time.Second, want: 1_200, granted: 1_200, used: 1_200},
				{at: 2 * time.Second, want: 1_400, granted: 1_400, used: 1_400},
				{at: 3 * time.Second, want: 1_600},
			},
		},
		{
			name: "it does not grow twice within a second", resource: suppressed,
			ticks: []tick{
				{want: 1_000, granted: 1_000, used: 1_000},
				{at: 999 * time.Millisecond, want: 1_000, granted: 1_000, used: 1_000},
				{at: 1_300 * time.Millisecond, want: 1_200, granted: 1_200, used: 1_200},
				{at: 2_299 * time.Millisecond, want: 1_200, granted: 1_200, used: 1_200},
				{at: 2_300 * time.Millisecond, want: 1_400},
			},
		},
		{
			name: "a second late does not make it grow twice", resource: suppressed,
			ticks: []tick{
				{want: 1_000, granted: 1_000, used: 1_000},
				{at: 2_900 * time.Millisecond, want: 1_200, granted: 1_200, used: 1_200},
				{at: 3_000 * time.Millisecond, want: 1_200},
			},
		},
		{
			name: "what is granted and not used bears no growth", resource: suppressed,
			ticks: []tick{
				{want: 1_000, granted: 1_000, used: 800},
				{at: time.Second, want: 1_040, granted: 1_040, used: 800},
				{at: 2 * time.Second, want: 1_040},
			},
		},
		{
			name: "what was used once bears the base for five seconds", resource: suppressed, takeover: &tick{granted: 5_000, used: 4_000},
			ticks: []tick{
				{want: 4_400, granted: 4_400, used: 100},
				{at: 3 * time.Second, want: 4_400, granted: 4_400, used: 100},
				{at: 5 * time.Second, want: 4_400, granted: 4_400, used: 100},
				{at: 6 * time.Second, want: 1_000},
			},
		},
		{
			name: "after a pause it begins again", resource: suppressed, takeover: &tick{granted: 5_000, used: 5_000},
			ticks: []tick{{want: 5_200, granted: 5_200, used: 5_200}, {at: time.Minute, want: 1_000}},
		},
		{
			name: "an allocator that takes over goes on from the grants it finds", resource: suppressed,
			takeover: &tick{granted: 5_000, used: 5_000},
			ticks:    []tick{{want: 5_200}},
		},
		{
			name: "demanded guarantees are never suppressed", resource: suppressed,
			ticks: []tick{{guarantees: 3_000, want: 3_000}, {at: time.Millisecond, guarantees: 20_000, want: 12_000}},
		},
		{
			name: "it never exceeds the maximum", resource: suppressed, takeover: &tick{granted: 11_900, used: 11_900},
			ticks: []tick{{want: 12_000}},
		},
		{
			name: "a step alone suppresses from the first request on", resource: Resource{Max: 12_000 * k, Step: 200 * k},
			ticks: []tick{{want: 200, granted: 200, used: 200}, {at: time.Second, want: 400}},
		},
		{
			name: "without a step the total stays where it is", resource: Resource{Max: 12_000 * k, Activation: 1_000 * k},
			ticks: []tick{{want: 1_000, granted: 1_000, used: 1_000}, {at: time.Second, want: 1_000}},
		},
		{
			name: "a clock that goes back renews nothing", resource: suppressed,
			ticks: []tick{
				{at: 9 * time.Second, want: 1_000, granted: 1_000, used: 1_000},
				{at: time.Second, want: 1_000, granted: 1_000, used: 1_000},
				{at: 10 * time.Second, want: 1_200},
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s Surge
			if c.takeover != nil {
				s.Observe(0, c.takeover.granted*k, c.takeover.used*k)
			}
			for _, tick := range c.ticks {
				if got := s.Effective(&c.resource, int64(tick.at), tick.guarantees*k); got != tick.want*k {
					t.Errorf("after %s: %d, not %d", tick.at, got/k, tick.want)
				}
				s.Observe(int64(tick.at), tick.granted*k, tick.used*k)
			}
		})
	}
}

func TestSurgeStandsTheLargestRates(t *testing.T) {
	resource := &Resource{Max: MaxRate, Activation: 1, Step: 1<<63 - 1}
	var s Surge
	for tick := range int64(10) {
		if got := s.Effective(resource, tick*second, 1<<63-1); got != MaxRate {
			t.Fatalf("tick %d: %d", tick, got)
		}
		s.Observe(tick*second, 1<<63-1, 1<<63-1)
	}
	if s.Base() != MaxRate {
		t.Errorf("base is %d", s.Base())
	}
	s.Observe(11*second, -1, -1)
	if got := s.Effective(&Resource{Max: -1, Activation: -1, Step: -1}, 12*second, -1); got != 0 {
		t.Errorf("a negative resource has %d", got)
	}
}

// suppressor is what the growth property is about: Surge, and the control that must fail.
type suppressor interface {
	Effective(r *Resource, now int64, demandedGuarantees Rate) Rate
	Observe(now int64, granted, used Rate)
}

// hasty renews its base at every tick, as an implementation would that mistakes ticks for seconds.
type hasty struct{ granted Rate }

func (h *hasty) Observe(_ int64, granted, _ Rate) { h.granted = granted }

func (h *hasty) Effective(r *Resource, _ int64, demandedGuarantees Rate) Rate {
	return min(r.Max, max(r.Activation, demandedGuarantees, h.granted+r.Step))
}

// traffic is a course of ticks of one resource.
type traffic struct {
	start scenario
	ticks []tickOfTraffic
}

type tickOfTraffic struct {
	after   time.Duration
	percent [][]int // of the want drawn at the start, by queue and instance
	used    int     // percent of what is met
}

func courses() *rapid.Generator[traffic] {
	generator := scenarios()
	return rapid.Custom(func(t *rapid.T) traffic {
		c := traffic{start: generator.Draw(t, "start")}
		c.start.Resource.Activation = Rate(rapid.Int64Range(0, int64(c.start.Resource.Max/2)).Draw(t, "activation"))
		c.start.Resource.Step = 1 + Rate(rapid.Int64Range(0, int64(c.start.Resource.Max/20)).Draw(t, "step"))
		for range 25 {
			tick := tickOfTraffic{
				after: rapid.SampledFrom([]time.Duration{
					time.Second, 250 * time.Millisecond, 999 * time.Millisecond, 1001 * time.Millisecond, 0, 3700 * time.Millisecond,
				}).Draw(t, "after"),
				used: rapid.SampledFrom([]int{100, 97, 80, 10, 0}).Draw(t, "used"),
			}
			for q := range c.start.Demands {
				tick.percent = append(tick.percent,
					rapid.SliceOfN(rapid.SampledFrom([]int{100, 90, 10, 0}), len(c.start.Demands[q]), len(c.start.Demands[q])).Draw(t, "percent"))
			}
			c.ticks = append(c.ticks, tick)
		}
		return c
	})
}

// growth runs a course and says where the total grew faster than it may. In words: from any tick to any later one, w seconds after
// it, the effective capacity rises above what it was, above Activation and above the guarantees demanded since, by no more than
// Step for every second begun; and what is granted a second after is at most Step above what was granted, where ticks are seconds.
func growth(s suppressor, c traffic) error {
	allocate := shared()
	var now int64
	var at []int64
	var effective, guarantees, granted []Rate
	for n, tick := range c.ticks {
		now += int64(tick.after)
		state := c.start
		state.Demands = nil
		for q, row := range c.start.Demands {
			demands := make([]Demand, len(row))
			for k, d := range row {
				d.Want = d.Want / 100 * Rate(tick.percent[q][k])
				demands[k] = d
			}
			state.Demands = append(state.Demands, demands)
		}
		r := &state.Resource
		demanded := r.DemandedGuarantees(state.Demands)
		if demanded != state.demandedGuarantees() {
			return fmt.Errorf("tick %d: demanded guarantees of %d, not %d", n, demanded, state.demandedGuarantees())
		}
		e := s.Effective(r, now, demanded)
		if e > r.Max || e < min(r.Max, max(r.Activation, demanded)) {
			return fmt.Errorf("tick %d: effective capacity %d with %d demanded of %+v", n, e, demanded, r)
		}
		grants := allocate(r, e, state.Demands)
		var met Rate
		for q := range grants {
			met += state.met(q, grants[q])
		}
		s.Observe(now, total(grants...), met/100*Rate(tick.used))
		at, effective = append(at, now), append(effective, e)
		guarantees, granted = append(guarantees, demanded), append(granted, total(grants...))
	}
	r := c.start.Resource
	for i := range at {
		most := max(r.Activation, effective[i])
		for j := i + 1; j < len(at); j++ {
			most = max(most, guarantees[j])
			begun := Rate((at[j]-at[i])/second) + 1
			if effective[j] > most+begun*r.Step {
				return fmt.Errorf("from tick %d to %d, %d s: from %d to %d by steps of %d", i, j, begun, effective[i], effective[j], r.Step)
			}
		}
	}
	for i := 1; i < len(at); i++ {
		if at[i]-at[i-1] >= second && granted[i] > max(r.Activation, guarantees[i], granted[i-1]+r.Step) {
			return fmt.Errorf("tick %d: granted %d after %d, step %d", i, granted[i], granted[i-1], r.Step)
		}
	}
	return nil
}

func TestI8TheTotalGrowsByAtMostTheStepASecond(t *testing.T) {
	generator := courses()
	rapid.Check(t, func(t *rapid.T) {
		if err := growth(&Surge{}, generator.Draw(t, "course")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestI8ASuppressorThatRenewsAtEveryTickFails(t *testing.T) {
	generator := courses()
	var failed int
	for seed := range 300 {
		if growth(&hasty{}, generator.Example(seed)) != nil {
			failed++
		}
		if err := growth(&Surge{}, generator.Example(seed)); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	t.Logf("%d courses of 300 show it", failed)
	if failed == 0 {
		t.Error("no course shows that the base was renewed too often")
	}
}

func TestI8TheBaseIsWhatWasGrantedAndUsed(t *testing.T) {
	resource := &Resource{Max: MaxRate, Activation: 1, Step: 1}
	rapid.Check(t, func(t *rapid.T) {
		var s Surge
		var now int64
		type sample struct {
			at   int64
			used Rate
		}
		var samples []sample
		var granted Rate
		for range 30 {
			now += rapid.Int64Range(0, 4*second).Draw(t, "after")
			before := s
			s.Effective(resource, now, 0)
			renewed := !before.begun || s.renewed != before.renewed
			var certain, possible Rate // used in the last five seconds; in the last six
			for _, u := range samples {
				if now-u.at <= 5*second {
					certain = max(certain, u.used)
				}
				if now-u.at <= 6*second {
					possible = max(possible, u.used)
				}
			}
			least, most := min(granted, certain*105/100), min(granted, possible*105/100)
			if renewed && (s.Base() < least || s.Base() > most) {
				t.Fatalf("base is %d, not between %d and %d", s.Base(), least, most)
			}
			granted = Rate(rapid.Int64Range(0, 10_000).Draw(t, "granted"))
			used := Rate(rapid.Int64Range(0, 10_000).Draw(t, "used"))
			s.Observe(now, granted, used)
			samples = append(samples, sample{now, used})
		}
	})
}

func TestI11ConstantWantsReachAFixedPoint(t *testing.T) {
	generator := scenarios()
	rapid.Check(t, func(t *rapid.T) {
		s := generator.Draw(t, "scenario")
		r := &s.Resource
		suppressed := rapid.Bool().Draw(t, "suppressed")
		within := 1
		if suppressed {
			r.Activation = 1 + Rate(rapid.Int64Range(0, int64(r.Max)).Draw(t, "activation"))
			r.Step = 1 + r.Max/Rate(rapid.SampledFrom([]int{1, 3, 20}).Draw(t, "steps"))
			within = 2 + int(r.Max/r.Step)
		}
		var surge Surge
		allocate := shared()
		var before [][]Rate
		for tick := range within + 10 {
			now := int64(tick) * second
			effective := surge.Effective(r, now, r.DemandedGuarantees(s.Demands))
			grants := allocate(r, effective, s.Demands)
			var met Rate
			for q := range grants {
				met += s.met(q, grants[q])
				for k := range grants[q] {
					if before != nil && grants[q][k] < before[q][k] {
						t.Fatalf("tick %d: queue %d, instance %d loses", tick, q, k)
					}
					if tick > within && grants[q][k] != before[q][k] {
						t.Fatalf("tick %d: queue %d, instance %d still moves: %d after %d", tick, q, k, grants[q][k], before[q][k])
					}
				}
			}
			surge.Observe(now, total(grants...), met)
			before = grants
		}
	})
}
