package share

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// load is how far a fleet's wants go beyond its capacity, in percent, and how many of its instances starve.
type load struct {
	name     string
	percent  int
	starving int
}

var loads = []load{
	{"all wants met", 60, 0},
	{"wants twice the capacity", 200, 0},
	{"wants ten times the capacity, a third starving", 1000, 33},
}

// fleet is a resource of queues in four priorities and what a number of instances want of it, the same at every call.
func fleet(queues, instances int, l load) (*Resource, [][]Demand) {
	random := rand.New(rand.NewPCG(7, uint64(queues*instances)))
	r := &Resource{Max: 12_000 * PerSecond}
	var demands [][]Demand
	for q := range queues {
		r.Queues = append(r.Queues, Queue{
			Name:            fmt.Sprintf("queue_%03d", q),
			Guaranteed:      Rate(random.Int64N(int64(2*r.Max) * 6 / 10 / int64(queues))),
			Priority:        int32(random.IntN(4)),
			Burst:           25,
			StarvingTimeout: 2 * time.Second,
		})
		mean := int64(r.Max) * int64(l.percent) / 100 / int64(queues*instances)
		row := make([]Demand, instances)
		for i := range row {
			row[i] = Demand{Instance: i, Want: Rate(random.Int64N(2 * mean)), Starving: random.IntN(100) < l.starving}
		}
		demands = append(demands, row)
	}
	return r, demands
}

func BenchmarkAllocate(b *testing.B) {
	for _, l := range loads {
		for _, shape := range [][2]int{{20, 50}, {1, 50}, {5, 50}, {80, 50}, {320, 50}, {20, 5}, {20, 500}, {20, 5000}} {
			b.Run(fmt.Sprintf("%s/%d queues x %d instances", l.name, shape[0], shape[1]), func(b *testing.B) {
				resource, demands := fleet(shape[0], shape[1], l)
				grants := grantsFor(demands)
				begin := time.Now()
				rounds := 0
				for ; rounds < 3 || time.Since(begin) < 50*time.Millisecond; rounds++ {
					fillInFloats(resource, resource.Max, demands)
				}
				naive := float64(time.Since(begin)) / float64(rounds)
				var a Allocator
				a.Allocate(resource, resource.Max, demands, grants)
				b.ReportAllocs()
				for b.Loop() {
					a.Allocate(resource, resource.Max, demands, grants)
				}
				each := float64(b.Elapsed()) / float64(b.N)
				b.ReportMetric(each/float64(shape[0]*shape[1]), "ns/grant")
				b.ReportMetric(naive/each, "naive/this")
			})
		}
	}
}

// fillInFloats is the baseline: the same rules by progressive filling in floating point, as one would write them down at first. It
// loses thousandths and depends on the order of its input.
func fillInFloats(r *Resource, effective Rate, demands [][]Demand) [][]float64 {
	n := len(r.Queues)
	wants := make([][]float64, n)
	sums, rooms, weights, guaranteed := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	for q := range demands {
		wants[q] = make([]float64, len(demands[q]))
		for k, d := range demands[q] {
			wants[q][k] = float64(r.Queues[q].Want(d))
			sums[q] += wants[q][k]
			rooms[q] += float64(r.Queues[q].Headroom(r.Queues[q].Want(d)))
		}
		weights[q] = max(float64(r.Queues[q].Guaranteed), float64(r.Max)/100)
		guaranteed[q] = min(sums[q], float64(r.Queues[q].Guaranteed))
	}
	left := float64(effective)
	shares := levelUp(guaranteed, weights, &left)
	priorities := func(most []float64) []float64 {
		got := make([]float64, n)
		done := make(map[int32]bool)
		for len(done) < n && left > 0 {
			top, found := int32(math.MinInt32), false
			for q := range r.Queues {
				if p := r.Queues[q].Priority; !done[p] && p >= top {
					top, found = p, true
				}
			}
			if !found {
				break
			}
			done[top] = true
			members := make([]float64, n)
			for q := range r.Queues {
				if r.Queues[q].Priority == top {
					members[q] = most[q]
				}
			}
			for q, v := range levelUp(members, weights, &left) {
				got[q] += v
			}
		}
		return got
	}
	above := make([]float64, n)
	for q := range above {
		above[q] = sums[q] - shares[q]
	}
	wanted := priorities(above)
	headrooms := priorities(rooms)
	out := make([][]float64, n)
	for q := range out {
		even := make([]float64, len(wants[q]))
		floors := make([]float64, len(wants[q]))
		room := make([]float64, len(wants[q]))
		for k, d := range demands[q] {
			even[k] = 1
			if d.Starving {
				floors[k] = float64(r.Queues[q].Floor())
			}
			room[k] = float64(r.Queues[q].Headroom(Rate(wants[q][k])))
		}
		budget := shares[q] + wanted[q]
		out[q] = levelUp(floors, even, &budget)
		rest := make([]float64, len(wants[q]))
		for k := range rest {
			rest[k] = wants[q][k] - out[q][k]
		}
		more := levelUp(rest, even, &budget)
		extra := levelUp(room, even, &headrooms[q])
		for k := range out[q] {
			out[q][k] += more[k] + extra[k]
		}
	}
	return out
}

// levelUp raises everybody's level until the next one has enough, again and again, and takes what it gives from left.
func levelUp(most, weights []float64, left *float64) []float64 {
	got := make([]float64, len(most))
	for *left > 1e-6 {
		var sum float64
		rise := math.Inf(1)
		for i := range most {
			if got[i] < most[i] {
				sum += weights[i]
				rise = min(rise, (most[i]-got[i])/weights[i])
			}
		}
		if sum == 0 {
			break
		}
		rise = min(rise, *left/sum)
		for i := range most {
			if got[i] < most[i] {
				more := min(rise*weights[i], most[i]-got[i])
				if most[i]-got[i]-more < 1e-6 {
					more = most[i] - got[i]
				}
				got[i] += more
				*left -= more
			}
		}
	}
	return got
}
