package share

import (
	"cmp"
	"slices"
	"strings"
)

// Allocator divides a resource's effective capacity. It holds scratch memory only: a call is a function of its arguments, and
// once it has seen the largest shape a call allocates nothing. The zero value is ready. It is not safe for concurrent use.
type Allocator struct {
	order  []int
	queues []portion
	claims []claim
	askers []asker
}

// portion is what one queue wants and gets.
type portion struct {
	floor      Rate // of a starving instance
	guaranteed Rate // granted by guarantee
	demand     Rate
	share      Rate // granted in all, before headroom
	room       Rate // the most headroom that its instances may have
	headroom   Rate // granted of it
}

// Allocate works out what every instance may use of every queue and says what that adds up to. out[q][k] is for demands[q][k],
// which asks of r.Queues[q]; what is left of a row of out is set to 0. It panics where demands or out have other numbers of rows
// than there are queues, or a row of out is shorter than that of demands. Effective counts as at most Max.
//
// An instance's want is [Queue.Want]. What is granted is shared in this order, each step from what the one before has left:
//
//  1. Guarantees, as far as they are wanted. Where they exceed the effective capacity: weighted max-min, by guarantee.
//  2. What is wanted above the guarantees, larger priorities first, within a priority by weighted max-min of what a queue gets
//     above its guarantee. The weight is the guarantee, and at least 1% of Max.
//  3. Headroom, when every want is met: up to [Queue.Headroom] for each instance, between queues as in step 2. What is then left
//     is granted to nobody.
//
// Inside a queue everyone gets the same level or, where that is less, what it wants, but starving instances get at least the
// floor; where the floors exceed what the queue has, the starving ones share it evenly and the others wait until they starve
// too. Headroom is shared evenly up to everyone's own.
//
// Before headroom exactly min(effective, wants) is granted. Nobody, queue or instance, loses by a larger effective capacity. Order
// of declaration has no influence: a thousandth between exact equals goes to the queue of larger priority, then of smaller name,
// and inside a queue to the instance with the larger want, then of smaller number.
func (a *Allocator) Allocate(r *Resource, effective Rate, demands [][]Demand, out [][]Rate) (granted Rate) {
	if len(demands) != len(r.Queues) || len(out) != len(r.Queues) {
		panic("share: demands and grants must have a row for every queue")
	}
	for i := range demands {
		if len(out[i]) < len(demands[i]) {
			panic("share: a row of grants is shorter than that of demands")
		}
	}
	left := min(effective.bounded(), r.Max.bounded())
	a.measure(r, demands)
	a.rank(r)

	left -= a.guarantees(r, left)
	left -= a.byPriority(r, left,
		func(p *portion) Rate { return p.demand - p.guaranteed },
		func(p *portion, got Rate) { p.share = p.guaranteed + got })
	a.byPriority(r, left,
		func(p *portion) Rate { return p.room },
		func(p *portion, got Rate) { p.headroom = got })

	for i, row := range demands {
		clear(out[i])
		a.within(&a.queues[i], row, out[i])
		granted += a.queues[i].share + a.queues[i].headroom
	}
	return granted
}

// measure finds what every queue wants.
func (a *Allocator) measure(r *Resource, demands [][]Demand) {
	a.queues = a.queues[:0]
	for i := range r.Queues {
		floor := r.Queues[i].Floor()
		var wants, room Rate
		for k := range demands[i] {
			want := demands[i][k].atLeast(floor)
			wants += want
			room += headroom(want, floor)
		}
		a.queues = append(a.queues, portion{floor: floor, demand: wants.bounded(), room: room.bounded()})
	}
}

// rank orders the queues by priority, those of one priority by name.
func (a *Allocator) rank(r *Resource) {
	a.order = a.order[:0]
	for i := range r.Queues {
		a.order = append(a.order, i)
	}
	slices.SortFunc(a.order, func(i, j int) int {
		q, p := &r.Queues[i], &r.Queues[j]
		return cmp.Or(cmp.Compare(p.Priority, q.Priority), strings.Compare(q.Name, p.Name), i-j)
	})
}

// guarantees grants what is wanted within the guarantees and says how much that is.
func (a *Allocator) guarantees(r *Resource, budget Rate) Rate {
	a.claims = a.claims[:0]
	for rank, i := range a.order {
		guaranteed := r.Queues[i].Guaranteed.bounded()
		if want := min(guaranteed, a.queues[i].demand); want > 0 {
			a.claims = append(a.claims, claim{of: i, rank: rank, weight: uint64(guaranteed), want: want})
		}
	}
	spent := fillWeighted(a.claims, budget)
	for _, c := range a.claims {
		a.queues[c.of].guaranteed = c.got
	}
	return spent
}

// byPriority shares a budget among priorities, one after the other, and says how much was shared. Every queue, whether it wants
// anything or not, is told what it got.
func (a *Allocator) byPriority(r *Resource, budget Rate, wanted func(*portion) Rate, give func(*portion, Rate)) Rate {
	left := budget
	for from := 0; from < len(a.order); {
		priority := r.Queues[a.order[from]].Priority
		a.claims = a.claims[:0]
		for ; from < len(a.order) && r.Queues[a.order[from]].Priority == priority; from++ {
			i := a.order[from]
			a.claims = append(a.claims, claim{of: i, rank: from, weight: weight(r, i), want: wanted(&a.queues[i])})
		}
		left -= fillWeighted(a.claims, left)
		for _, c := range a.claims {
			give(&a.queues[c.of], c.got)
		}
	}
	return budget - left
}

// weight is a queue's within its priority, times a hundred: its guarantee, and at least 1% of Max.
func weight(r *Resource, queue int) uint64 {
	return max(100*uint64(r.Queues[queue].Guaranteed.bounded()), uint64(r.Max.bounded()))
}

// within divides among a queue's instances what the queue got.
func (a *Allocator) within(p *portion, demands []Demand, grants []Rate) {
	var levelled, floors Rate // wanted within the floor: by everyone, by the starving
	for k := range demands {
		levelled += min(demands[k].atLeast(p.floor), p.floor)
		if demands[k].Starving {
			floors += p.floor
		}
	}
	if p.share >= levelled {
		// The common level reaches the floor: the starving need no more care than the others.
		a.even(demands, p.share, grants, func(d *Demand) Rate { return d.atLeast(p.floor) })
	} else {
		first := min(floors, p.share)
		a.even(demands, first, grants, func(d *Demand) Rate {
			if d.Starving {
				return p.floor
			}
			return 0
		})
		a.even(demands, p.share-first, grants, func(d *Demand) Rate {
			if d.Starving {
				return 0
			}
			return d.Want.bounded()
		})
	}
	a.even(demands, p.headroom, grants, func(d *Demand) Rate { return headroom(d.atLeast(p.floor), p.floor) })
}

// even adds a budget to the grants of those who want something, by max-min.
func (a *Allocator) even(demands []Demand, budget Rate, grants []Rate, wanted func(*Demand) Rate) {
	if budget == 0 {
		return
	}
	a.askers = a.askers[:0]
	for k := range demands {
		if want := wanted(&demands[k]); want > 0 {
			a.askers = append(a.askers, asker{at: k, instance: demands[k].Instance, want: want})
		}
	}
	fillEven(a.askers, budget, grants)
}
