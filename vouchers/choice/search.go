package choice

import (
	"cmp"

	"proscenium/facts"
)

// goal is what a search wants most of.
type goal uint8

const (
	// now: the discount of the running amount, by vouchers that apply.
	now goal = iota
	// missed: the discount that one thing that the user can change would bring.
	missed
	// reachable: the discount at any spend, by vouchers that would apply there.
	reachable
)

// candidate is a voucher and its discount; the zero value is none.
type candidate struct {
	offer    *offer
	discount int64
}

// byDiscount sorts the larger discount first, then the earlier expiry, then the lower id.
func byDiscount(a, b candidate) int {
	return cmp.Or(cmp.Compare(b.discount, a.discount), cmp.Compare(a.offer.end, b.offer.end), cmp.Compare(a.offer.id, b.offer.id))
}

// better is the candidate that byDiscount puts first.
func better(a, b candidate) candidate {
	if a.offer == nil || b.offer != nil && byDiscount(b, a) < 0 {
		return b
	}
	return a
}

// search is the state of one search through the lists of a shelf.
type search struct {
	goal    goal
	running int64
	// floor is the least discount that is still wanted: what was asked for at first, then that of the best so far.
	floor int64
	// from is the least minimum spend that is wanted.
	from int64
	// with are vouchers that the one sought is to be used together with; nil: none.
	with [2]*offer
	// chosen is the pair, for the goal missed.
	chosen *pair
	// collects: all that reach the floor, into Chooser.shops, not only the best.
	collects bool
	best     *offer
}

// seek finds the voucher with the largest discount of at least s.floor, and of equals the one before the others.
func (c *Chooser) seek(from *sources, s search) candidate {
	if s.goal == now && s.running < s.floor {
		return candidate{}
	}
	for _, l := range from.lists {
		if top := len(l.levels) - 1; top >= 0 {
			c.descend(&s, l, top, 0, len(l.levels[top]))
		} else {
			c.scan(&s, l.offers)
		}
	}
	if s.best == nil {
		return candidate{}
	}
	return candidate{s.best, s.floor}
}

// scan looks at vouchers one by one. What is cheap comes first: most vouchers are left behind by comparing a number.
func (c *Chooser) scan(s *search, offers []*offer) {
	for _, o := range offers {
		if o.minSpend < s.from {
			continue
		}
		d := s.worth(o)
		if d < s.floor || s.best != nil && d == s.floor && !before(o, s.best) || !c.admits(s, o, d) {
			continue
		}
		if s.collects {
			c.shops = append(c.shops, candidate{o, d})
			continue
		}
		s.best, s.floor = o, d
	}
}

// descend looks at the summaries [from, to) of a level, the most promising first, and below those that can hold what is sought.
func (c *Chooser) descend(s *search, l *list, level, from, to int) {
	type child struct {
		bound int64
		place int
	}
	var children [fan]child
	n, at := 0, c.query.Request.At
	for place := from; place < to; place++ {
		sum := &l.levels[level][place]
		if sum.maxSpend < s.from || at < sum.start || at >= sum.end {
			continue
		}
		bound := s.bound(sum)
		if !s.hopes(bound, sum) {
			continue
		}
		i := n
		for ; i > 0 && children[i-1].bound < bound; i-- {
			children[i] = children[i-1]
		}
		children[i] = child{bound, place}
		n++
	}
	for _, child := range children[:n] {
		if !s.hopes(child.bound, &l.levels[level][child.place]) {
			continue
		}
		first := child.place * fan
		if level == 0 {
			c.scan(s, l.offers[first:min(first+fan, len(l.offers))])
		} else {
			c.descend(s, l, level-1, first, min(first+fan, len(l.levels[level-1])))
		}
	}
}

// hopes says whether the vouchers of a run, of which none is worth more than bound, can hold what is sought.
func (s *search) hopes(bound int64, sum *summary) bool {
	return bound > s.floor || bound == s.floor && (s.best == nil || sum.mayPrecede(s.best))
}

func (s *search) worth(o *offer) int64 {
	switch s.goal {
	case missed:
		return o.discount(max(s.running, o.minSpend))
	case reachable:
		return o.reach(s.running)
	default:
		return o.discount(s.running)
	}
}

// bound is no less than worth of any voucher of a run.
func (s *search) bound(sum *summary) int64 {
	switch s.goal {
	case missed:
		return sum.discount(max(s.running, sum.maxSpend))
	case reachable:
		return sum.reach(s.running)
	default:
		return sum.discount(s.running)
	}
}

// admits checks all but the spend.
func (c *Chooser) admits(s *search, o *offer, discount int64) bool {
	if at := c.query.Request.At; at < o.start || at >= o.end {
		return false
	}
	for _, other := range s.with {
		if other != nil && conflict(o, other) {
			return false
		}
	}
	if s.goal == missed {
		return c.worthMore(o, discount, s.chosen) && c.misses(o, s.running)
	}
	if o.validated && c.validate(o) != 0 {
		return false
	}
	return c.fits(o)
}

// worthMore compares a discount with what the voucher would displace.
func (c *Chooser) worthMore(o *offer, discount int64, chosen *pair) bool {
	own, other := chosen.platformDiscount, chosen.shop
	if o.voucher.Layer == facts.LayerShop {
		own, other = chosen.shopDiscount, chosen.platform
	}
	if other != nil && conflict(o, other) {
		return discount > chosen.total()
	}
	return discount > own
}

// misses says whether exactly one thing that the user can change is in the way.
func (c *Chooser) misses(o *offer, running int64) bool {
	_, one := c.missing(o, running)
	return one && c.fits(o)
}
