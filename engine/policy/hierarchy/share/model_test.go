package share

import (
	"math/big"
	"slices"
)

// The model divides by the letter of the specification in exact fractions, slowly: progressive filling that raises everybody's
// level together until somebody has enough. It shares no code with the package.

type party struct {
	weight, least, most *big.Rat
}

// progressive fills the parties from their least: the level rises evenly for each one's weight, those above it wait for it,
// those who have enough leave. Where not even what is least is there, it is filled itself, from nothing.
func progressive(parties []party, budget *big.Rat) []*big.Rat {
	got := make([]*big.Rat, len(parties))
	least := new(big.Rat)
	for i, p := range parties {
		got[i] = new(big.Rat).Set(p.least)
		least.Add(least, p.least)
	}
	if least.Cmp(budget) > 0 {
		capped := slices.Clone(parties)
		for i := range capped {
			capped[i].most, capped[i].least = capped[i].least, new(big.Rat)
		}
		return progressive(capped, budget)
	}
	left := new(big.Rat).Sub(budget, least)
	for level := new(big.Rat); left.Sign() > 0; {
		// The next level at which somebody joins or leaves, and the weight of those who rise until then.
		var event *big.Rat
		weights := new(big.Rat)
		for _, p := range parties {
			if p.most.Cmp(p.least) <= 0 {
				continue
			}
			from, to := new(big.Rat).Quo(p.least, p.weight), new(big.Rat).Quo(p.most, p.weight)
			switch {
			case to.Cmp(level) <= 0:
				continue
			case from.Cmp(level) > 0:
				to = from
			default:
				weights.Add(weights, p.weight)
			}
			if event == nil || to.Cmp(event) < 0 {
				event = to
			}
		}
		if event == nil {
			break
		}
		rise := new(big.Rat).Sub(event, level)
		cost := new(big.Rat).Mul(rise, weights)
		last := cost.Cmp(left) >= 0
		if last {
			event = new(big.Rat).Add(level, new(big.Rat).Quo(left, weights))
		}
		for i, p := range parties {
			if p.most.Cmp(p.least) <= 0 {
				continue
			}
			at := new(big.Rat).Mul(event, p.weight)
			if at.Cmp(p.least) > 0 {
				got[i].Set(at)
				if at.Cmp(p.most) > 0 {
					got[i].Set(p.most)
				}
			}
		}
		if last {
			break
		}
		left.Sub(left, cost)
		level = event
	}
	return got
}

// ideal is the allocation in fractions.
func (s scenario) ideal() [][]*big.Rat {
	queues := s.Resource.Queues
	left := rat(s.capacity())

	var guaranteed []party
	for q := range queues {
		want := min(queues[q].Guaranteed, s.demand(q))
		guaranteed = append(guaranteed, party{weight: rat(queues[q].Guaranteed), least: new(big.Rat), most: rat(want)})
	}
	shares := progressive(guaranteed, left)
	for _, got := range shares {
		left.Sub(left, got)
	}

	above := func(most func(q int) *big.Rat) []*big.Rat {
		sums := make([]*big.Rat, len(queues))
		for priority := int32(1); priority >= -1; priority-- {
			var members []party
			var of []int
			for q := range queues {
				if queues[q].Priority != priority {
					continue
				}
				weight := rat(queues[q].Guaranteed)
				if least := new(big.Rat).Quo(rat(s.Resource.Max), rat(100)); least.Cmp(weight) > 0 {
					weight = least
				}
				of = append(of, q)
				members = append(members, party{weight: weight, least: new(big.Rat), most: most(q)})
			}
			for i, got := range fillIfAny(members, left) {
				sums[of[i]] = got
				left.Sub(left, got)
			}
		}
		return sums
	}
	wanted := above(func(q int) *big.Rat { return new(big.Rat).Sub(rat(s.demand(q)), shares[q]) })
	rooms := above(func(q int) *big.Rat {
		var sum Rate
		for _, d := range s.Demands[q] {
			sum += s.headroom(q, d)
		}
		return rat(sum)
	})

	grants := make([][]*big.Rat, len(queues))
	for q := range queues {
		var base, extra []party
		for _, d := range s.Demands[q] {
			least := new(big.Rat)
			if d.Starving {
				least = rat(s.floor(q))
			}
			base = append(base, party{weight: rat(1), least: least, most: rat(s.want(q, d))})
			extra = append(extra, party{weight: rat(1), least: new(big.Rat), most: rat(s.headroom(q, d))})
		}
		grants[q] = fillIfAny(base, new(big.Rat).Add(shares[q], wanted[q]))
		for k, more := range fillIfAny(extra, rooms[q]) {
			grants[q][k].Add(grants[q][k], more)
		}
	}
	return grants
}

// fillIfAny leaves everybody with nothing where there is nothing to share: weights may be 0 then.
func fillIfAny(parties []party, budget *big.Rat) []*big.Rat {
	if budget.Sign() > 0 {
		return progressive(parties, budget)
	}
	got := make([]*big.Rat, len(parties))
	for i := range got {
		got[i] = new(big.Rat)
	}
	return got
}

func rat[T ~int64 | ~int](v T) *big.Rat { return new(big.Rat).SetInt64(int64(v)) }

func product(factors ...int64) *big.Rat {
	p := rat(1)
	for _, f := range factors {
		p.Mul(p, rat(f))
	}
	return p
}

func quotient(a, b *big.Rat) *big.Rat { return new(big.Rat).Quo(a, b) }

// ceiling is the smallest whole number that is not below v; very large ones are cut off above MaxRate.
func ceiling(v *big.Rat) int64 {
	up := new(big.Int).Add(v.Num(), new(big.Int).Sub(v.Denom(), big.NewInt(1)))
	up.Quo(up, v.Denom())
	if !up.IsInt64() {
		return int64(MaxRate) + 1
	}
	return up.Int64()
}
