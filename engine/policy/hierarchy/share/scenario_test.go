package share

import (
	"fmt"
	"math/rand/v2"
	"time"

	"pgregory.net/rapid"
)

// allocation is what the properties are about: the allocator, and the controls that must fail.
type allocation func(r *Resource, effective Rate, demands [][]Demand) [][]Rate

// shared is the allocation under test, on an allocator that other scenarios have used before.
func shared() allocation {
	var a Allocator
	return func(r *Resource, effective Rate, demands [][]Demand) [][]Rate {
		grants := grantsFor(demands)
		a.Allocate(r, effective, demands, grants)
		return grants
	}
}

// scenario is one question to an allocation, and what the properties vary of it.
type scenario struct {
	Resource  Resource
	Effective Rate
	Demands   [][]Demand
	More      Rate // a growth of the effective capacity
	Times     Rate // a factor
	Shuffle   uint64
}

func (s scenario) String() string {
	return fmt.Sprintf("%+v, effective %d (+%d), demands %+v", s.Resource, s.Effective, s.More, s.Demands)
}

// capacity is what may be granted.
func (s scenario) capacity() Rate { return min(max(s.Effective, 0), s.Resource.Max, MaxRate) }

// want is an instance's want as the documentation has it, computed without the code under test.
func (s scenario) want(q int, d Demand) Rate {
	want := min(max(d.Want, 0), MaxRate)
	if d.Starving {
		want = max(want, s.floor(q))
	}
	return want
}

func (s scenario) floor(q int) Rate {
	queue := s.Resource.Queues[q]
	if queue.Burst <= 0 || queue.StarvingTimeout <= 0 {
		return 0
	}
	if timeout := int64(queue.StarvingTimeout); queue.Burst < 1_000_000 {
		return Rate((queue.Burst*1000*second + timeout - 1) / timeout)
	}
	exact := quotient(product(queue.Burst, 1000, second), product(int64(queue.StarvingTimeout)))
	return min(Rate(ceiling(exact)), MaxRate)
}

func (s scenario) headroom(q int, d Demand) Rate { return max(s.want(q, d)/4, s.floor(q)) }

// demand is what the instances of a queue want together.
func (s scenario) demand(q int) Rate {
	var sum Rate
	for _, d := range s.Demands[q] {
		sum += s.want(q, d)
	}
	return sum
}

// met is how much of what is wanted the grants of a queue meet.
func (s scenario) met(q int, grants []Rate) Rate {
	var sum Rate
	for k, d := range s.Demands[q] {
		sum += min(grants[k], s.want(q, d))
	}
	return sum
}

func (s scenario) demandedGuarantees() Rate {
	var sum Rate
	for q := range s.Resource.Queues {
		sum += min(s.Resource.Queues[q].Guaranteed, s.demand(q))
	}
	return sum
}

func total(grants ...[]Rate) Rate {
	var sum Rate
	for _, row := range grants {
		for _, g := range row {
			sum += g
		}
	}
	return sum
}

// scenarios draws scenarios of several sizes: of a few thousandths, where exact ties are the rule; of real traffic; and at the bounds
// of what can be configured. Guarantees and wants may fit, exceed the capacity by far, or be nothing.
func scenarios() *rapid.Generator[scenario] {
	return rapid.Custom(func(t *rapid.T) scenario {
		size := rapid.SampledFrom([]Rate{20_000_000, 12, 2_000, MaxRate}).Draw(t, "size")
		rate := func(most Rate, name string) Rate {
			if rapid.IntRange(0, 9).Draw(t, name+" is nothing") == 9 {
				return 0
			}
			return Rate(rapid.Int64Range(0, int64(most)).Draw(t, name))
		}
		s := scenario{
			Resource: Resource{Max: rate(size, "max")},
			More:     Rate(rapid.Int64Range(0, int64(rapid.SampledFrom([]Rate{2, size}).Draw(t, "step"))).Draw(t, "more")),
			Times:    Rate(rapid.Int64Range(1, 7).Draw(t, "times")),
			Shuffle:  rapid.Uint64().Draw(t, "shuffle"),
		}
		queues := rapid.SampledFrom([]int{4, 2, 7, 3, 1, 6, 5, 0}).Draw(t, "queues")
		for q := range queues {
			most := size / Rate(rapid.SampledFrom([]int{1, 4, 20}).Draw(t, "share"))
			s.Resource.Queues = append(s.Resource.Queues, Queue{
				Name:            string(rune('a' + (q*3+int(s.Shuffle%5))%7)),
				Guaranteed:      rate(most, "guaranteed"),
				Priority:        rapid.Int32Range(-1, 1).Draw(t, "priority"),
				Burst:           rapid.Int64Range(0, 1+int64(most/2000/Rate(rapid.SampledFrom([]int{1, 8}).Draw(t, "small")))).Draw(t, "burst"),
				StarvingTimeout: rapid.SampledFrom([]time.Duration{7 * time.Second, 10 * time.Minute, time.Second, 0}).Draw(t, "timeout"),
			})
			var demands []Demand
			for i := range rapid.SampledFrom([]int{3, 5, 1, 6, 2, 4, 0}).Draw(t, "instances") {
				demands = append(demands, Demand{
					Instance: (i*5 + 3) % 7,
					Want:     rate(most, "want"),
					Starving: rapid.IntRange(0, 3).Draw(t, "starving") == 3,
				})
			}
			s.Demands = append(s.Demands, demands)
		}
		// What is wanted decides how far the capacity goes; a capacity drawn without regard to it is nearly always far off.
		wanted := s.demandedGuarantees()
		if rapid.Bool().Draw(t, "by demand") {
			for q := range s.Demands {
				wanted += max(0, s.demand(q)-s.Resource.Queues[q].Guaranteed)
			}
		}
		percent := rapid.SampledFrom([]Rate{80, 20, 100, 110, 60, 130, 95, 0}).Draw(t, "percent")
		s.Effective = wanted/100*percent + rapid.SampledFrom([]Rate{0, 1, 3, 40, -5, -100}).Draw(t, "shift")
		if rapid.Bool().Draw(t, "maximum above it") {
			s.Resource.Max = min(max(s.Resource.Max, s.Effective+s.More), MaxRate)
		}
		return s
	})
}

// shuffled is the same scenario in another order of queues and instances, with where everything went.
func (s scenario) shuffled() (other scenario, queues []int, instances [][]int) {
	random := rand.New(rand.NewPCG(s.Shuffle, 1))
	other = s
	other.Resource.Queues, other.Demands = nil, nil
	queues = random.Perm(len(s.Resource.Queues))
	for _, from := range queues {
		order := random.Perm(len(s.Demands[from]))
		var demands []Demand
		for _, k := range order {
			demands = append(demands, s.Demands[from][k])
		}
		other.Resource.Queues = append(other.Resource.Queues, s.Resource.Queues[from])
		other.Demands = append(other.Demands, demands)
		instances = append(instances, order)
	}
	return other, queues, instances
}

// scaled is the scenario with every rate and burst multiplied by its factor.
func (s scenario) scaled() scenario {
	other := s
	other.Resource = s.Resource.Times(s.Times * PerSecond)
	other.Effective *= s.Times
	other.Demands = nil
	for q, row := range s.Demands {
		other.Resource.Queues[q].Burst *= int64(s.Times)
		demands := make([]Demand, len(row))
		for k, d := range row {
			d.Want *= s.Times
			demands[k] = d
		}
		other.Demands = append(other.Demands, demands)
	}
	return other
}
