package share

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The definition itself, one thousandth after the other.
func TestWeightedFillingGivesEveryThousandthToTheLowest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var claims []claim
		for i := range rapid.SampledFrom([]int{3, 1, 2, 5, 8}).Draw(t, "claims") {
			claims = append(claims, claim{
				of: i, rank: i,
				weight: rapid.SampledFrom([]uint64{1, 2, 3, 6, 7, 100}).Draw(t, "weight"),
				want:   Rate(rapid.IntRange(0, 40).Draw(t, "want")),
			})
		}
		budget := Rate(rapid.IntRange(-1, 150).Draw(t, "budget"))
		want := slices.Clone(claims)
		var shared Rate
		for ; shared < budget; shared++ {
			best := -1
			for i, c := range want {
				if c.got < c.want && (best < 0 || uint64(c.got+1)*want[best].weight < uint64(want[best].got+1)*c.weight) {
					best = i
				}
			}
			if best < 0 {
				break
			}
			want[best].got++
		}
		if got := fillWeighted(claims, budget); got != shared {
			t.Fatalf("%d shared, not %d", got, shared)
		}
		slices.SortFunc(claims, func(a, b claim) int { return cmp.Compare(a.rank, b.rank) })
		if diff := gocmp.Diff(fmt.Sprint(want), fmt.Sprint(claims)); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func TestAClaimOfLargeWeightStopsAtItsWantAmongTheLastThousandths(t *testing.T) {
	claims := []claim{{rank: 8, weight: 100, want: 96}}
	for i := range 8 {
		claims = append(claims, claim{rank: i, weight: 1, want: 5})
	}
	if got := fillWeighted(claims, 103); got != 103 {
		t.Errorf("%d shared", got)
	}
	for _, c := range claims {
		want := Rate(1)
		switch c.rank {
		case 7:
			want = 0
		case 8:
			want = 96
		}
		if c.got != want {
			t.Errorf("claim %d has %d, not %d", c.rank, c.got, want)
		}
	}
}

func TestEvenFillingGivesEveryThousandthToTheLowest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var askers []asker
		var wanted Rate
		for i := range rapid.SampledFrom([]int{3, 1, 2, 5, 8}).Draw(t, "askers") {
			askers = append(askers, asker{at: i, instance: (i*3 + 1) % 8, want: Rate(rapid.IntRange(1, 12).Draw(t, "want"))})
			wanted += askers[i].want
		}
		budget := Rate(rapid.IntRange(0, 60).Draw(t, "budget"))
		want := make([]Rate, len(askers))
		for range min(budget, wanted) {
			best := -1
			for i, a := range askers {
				if want[i] == a.want {
					continue
				}
				if best < 0 || cmp.Or(cmp.Compare(want[i], want[best]), cmp.Compare(askers[best].want, a.want), a.instance-askers[best].instance) < 0 {
					best = i
				}
			}
			want[best]++
		}
		got := make([]Rate, len(askers))
		fillEven(askers, budget, got)
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func TestTheLargestFleetAtTheLargestRatesDoesNotOverflow(t *testing.T) {
	const queues, instances = 20, 10_000
	resource := &Resource{Max: MaxRate}
	var demands [][]Demand
	for q := range queues {
		resource.Queues = append(resource.Queues, Queue{
			Name: fmt.Sprint(q), Guaranteed: MaxRate, Priority: int32(q % 2), Burst: 1 << 62, StarvingTimeout: 1,
		})
		row := make([]Demand, instances)
		for i := range row {
			row[i] = Demand{Instance: i, Want: 1<<63 - 1, Starving: i%2 == 0}
		}
		demands = append(demands, row)
	}
	grants := grantsFor(demands)
	var a Allocator
	if got := a.Allocate(resource, 1<<63-1, demands, grants); got != MaxRate || total(grants...) != MaxRate {
		t.Errorf("%d granted, adding up to %d", got, total(grants...))
	}
	if got := resource.DemandedGuarantees(demands); got != queues*MaxRate {
		t.Errorf("demanded guarantees are %d", got)
	}
	for q := range grants {
		if got := total(grants[q]); got != MaxRate/queues {
			t.Errorf("queue %d has %d", q, got)
		}
	}
}
