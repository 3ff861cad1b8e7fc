package share

import (
	"cmp"
	"slices"
)

// claim is one party to a weighted filling.
type claim struct {
	of     int    // index of the queue
	rank   int    // decides exact ties, smaller first
	weight uint64 // above 0 where want is
	want   Rate
	got    Rate
}

// fillWeighted shares a budget by weighted max-min: no claim gets more than it wants, and what one gets for its weight is raised
// only while every claim that still wants more has as much for its own. It says how much was shared, which is the budget or all
// that is wanted, whichever is less. Claims come with nothing got.
//
// Rates are whole thousandths: the next thousandth always goes to the claim for which (got+1)/weight is smallest, which is the
// divisor method of Jefferson and D'Hondt with an upper bound. Unlike the largest remainder it never takes from a claim when the
// budget grows. It reorders the claims.
func fillWeighted(claims []claim, budget Rate) Rate {
	if budget <= 0 {
		return 0
	}
	var total Rate
	var weights uint64
	for i := range claims {
		total += claims[i].want
		weights += claims[i].weight
	}
	if total <= budget {
		for i := range claims {
			claims[i].got = claims[i].want
		}
		return total
	}
	slices.SortFunc(claims, func(a, b claim) int {
		return cmp.Or(compareProducts(uint64(a.want), b.weight, uint64(b.want), a.weight), a.rank-b.rank)
	})
	left := budget
	open := claims
	for compareProducts(uint64(open[0].want), weights, uint64(left), open[0].weight) <= 0 {
		open[0].got = open[0].want
		left -= open[0].want
		weights -= open[0].weight
		open = open[1:]
	}
	level := left
	for i := range open {
		open[i].got = level.times(open[i].weight, weights)
		left -= open[i].got
	}
	for ; left > 0; left-- {
		next(open).got++
	}
	return budget
}

// next is the claim that the next thousandth belongs to; one that wants more is among them. Fewer thousandths than claims are
// left when it is asked.
func next(claims []claim) *claim {
	var best *claim
	for i := range claims {
		c := &claims[i]
		if c.got == c.want {
			continue
		}
		if best == nil || cmp.Or(compareProducts(uint64(c.got)+1, best.weight, uint64(best.got)+1, c.weight), c.rank-best.rank) < 0 {
			best = c
		}
	}
	return best
}

// asker is one party to an even filling.
type asker struct {
	at       int // where its grant goes
	instance int
	want     Rate
}

// fillEven adds a budget to grants by max-min: everyone gets the same level or, where that is less, what it wants. Thousandths that
// do not go round evenly are for those who want most, and among equal wants for the smallest numbers. It reorders the askers.
func fillEven(askers []asker, budget Rate, grants []Rate) {
	var total Rate
	for i := range askers {
		total += askers[i].want
	}
	if total <= budget {
		for _, a := range askers {
			grants[a.at] += a.want
		}
		return
	}
	slices.SortFunc(askers, func(a, b asker) int {
		return cmp.Or(cmp.Compare(a.want, b.want), cmp.Compare(b.instance, a.instance), cmp.Compare(b.at, a.at))
	})
	for i, a := range askers {
		got := min(a.want, budget/Rate(len(askers)-i))
		grants[a.at] += got
		budget -= got
	}
}
