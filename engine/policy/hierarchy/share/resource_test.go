package share

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTimesMultipliesRatesAndNothingElse(t *testing.T) {
	resource := Resource{
		Max: 12_000_001, Activation: 1_000_000, Step: 3,
		Queues: []Queue{{Name: "a", Guaranteed: 625_001, Priority: 1, Burst: 25, StarvingTimeout: 2 * time.Second}},
	}
	with := func(limit, activation, step, guaranteed Rate) Resource {
		return Resource{Max: limit, Activation: activation, Step: step, Queues: []Queue{
			{Name: "a", Guaranteed: guaranteed, Priority: 1, Burst: 25, StarvingTimeout: 2 * time.Second},
		}}
	}
	for _, c := range []struct {
		name       string
		multiplier Rate
		want       Resource
	}{
		{"once changes nothing", 1000, with(12_000_001, 1_000_000, 3, 625_001)},
		{"half rounds down", 500, with(6_000_000, 500_000, 1, 312_500)},
		{"twice is exact", 2000, with(24_000_002, 2_000_000, 6, 1_250_002)},
		{"a small one leaves the suppressor on", 1, with(12_000, 1_000, 1, 625)},
		{"none leaves no capacity", 0, with(0, 0, 0, 0)},
		{"a negative one is none", -1000, with(0, 0, 0, 0)},
		{"a huge one stops at the largest rate", math.MaxInt64, with(MaxRate, MaxRate, 27_670_116_110_564_327, MaxRate)},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.Step = min(c.want.Step, MaxRate)
			got := resource.Times(c.multiplier)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			got.Queues[0].Name = "changed"
			if resource.Queues[0].Name != "a" {
				t.Error("the queues of the original are shared")
			}
		})
	}
}

func TestTimesNeitherSwitchesASuppressorOnNorOff(t *testing.T) {
	for _, resource := range []Resource{{Max: 5_000, Activation: 1}, {Max: 5_000, Step: 1}} {
		if scaled := resource.Times(1); !scaled.Suppressed() {
			t.Errorf("%+v by a thousandth is %+v", resource, scaled)
		}
	}
	if scaled := (Resource{Max: 5}).Times(3000); scaled.Suppressed() {
		t.Errorf("suppressed: %+v", scaled)
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name     string
		resource Resource
		want     []string // parts of the error, none: no error
	}{
		{"nothing configured is no fault", Resource{}, nil},
		{"guarantees above the maximum are no fault", Resource{Max: 1, Queues: []Queue{{Name: "a", Guaranteed: 2}}}, nil},
		{"negative rates", Resource{Max: -1, Activation: -1, Step: -1}, []string{"max_limit", "activation_rate", "max_increment_step"}},
		{"rates that are too large", Resource{Max: MaxRate + 1}, []string{"max_limit is 1000000000001 thousandths"}},
		{"a queue without a name", Resource{Queues: []Queue{{Name: "a"}, {}}}, []string{"queue 1 has no name"}},
		{"a queue that is there twice", Resource{Queues: []Queue{{Name: "a"}, {Name: "a"}}}, []string{"queue a is there twice"}},
		{
			"a queue with negative values",
			Resource{Queues: []Queue{{Name: "a", Guaranteed: -1, Burst: -2, StarvingTimeout: -3}}},
			[]string{"guaranteed_limit of queue a is -1", "burst of queue a is -2", "starving_timeout of queue a is -3ns"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.resource.Check()
			if (err == nil) != (c.want == nil) {
				t.Fatalf("error is %v", err)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in %q", part, err)
				}
			}
		})
	}
}

func TestFloorAndHeadroom(t *testing.T) {
	for _, c := range []struct {
		name        string
		queue       Queue
		floor, room Rate // room for a want of 100 requests a second
	}{
		{"no burst, no floor", Queue{StarvingTimeout: time.Second}, 0, 25_000},
		{"no timeout, no floor", Queue{Burst: 25}, 0, 25_000},
		{"negative values, no floor", Queue{Burst: -25, StarvingTimeout: -time.Second}, 0, 25_000},
		{"25 in 2 s", Queue{Burst: 25, StarvingTimeout: 2 * time.Second}, 12_500, 25_000},
		{"a floor above a quarter of the want is the headroom", Queue{Burst: 60, StarvingTimeout: 2 * time.Second}, 30_000, 30_000},
		{"what does not divide is rounded up", Queue{Burst: 1, StarvingTimeout: 3 * time.Second}, 334, 25_000},
		{"one in a century is a thousandth", Queue{Burst: 1, StarvingTimeout: 876_000 * time.Hour}, 1, 25_000},
		{"the largest is cut off", Queue{Burst: math.MaxInt64, StarvingTimeout: 1}, MaxRate, MaxRate},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.queue.Floor(); got != c.floor {
				t.Errorf("floor is %d, not %d", got, c.floor)
			}
			if got := c.queue.Headroom(100 * PerSecond); got != c.room {
				t.Errorf("headroom is %d, not %d", got, c.room)
			}
		})
	}
}
