package choice

import "cmp"

// pair is what is taken off a price: a voucher of each layer, or of one, or none.
type pair struct {
	shop, platform                 *offer
	shopDiscount, platformDiscount int64
}

func (p *pair) total() int64 { return p.shopDiscount + p.platformDiscount }

// beats is the order of pairs that the package documents.
func (p *pair) beats(o *pair) bool {
	if c := cmp.Or(cmp.Compare(p.total(), o.total()), cmp.Compare(o.count(), p.count())); c != 0 {
		return c > 0
	}
	if p.count() == 0 {
		return false
	}
	pEarly, pLate := p.ends()
	oEarly, oLate := o.ends()
	pLow, pHigh := p.ids()
	oLow, oHigh := o.ids()
	return cmp.Or(cmp.Compare(pEarly, oEarly), cmp.Compare(pLate, oLate), cmp.Compare(pLow, oLow), cmp.Compare(pHigh, oHigh)) < 0
}

func (p *pair) count() int {
	n := 0
	if p.shop != nil {
		n++
	}
	if p.platform != nil {
		n++
	}
	return n
}

// ends are the expiries, the earlier first; a single voucher's twice.
func (p *pair) ends() (early, late int64) {
	a, b := p.both()
	return min(a.end, b.end), max(a.end, b.end)
}

func (p *pair) ids() (low, high int64) {
	a, b := p.both()
	return min(a.id, b.id), max(a.id, b.id)
}

func (p *pair) both() (a, b *offer) {
	switch {
	case p.shop == nil:
		return p.platform, p.platform
	case p.platform == nil:
		return p.shop, p.shop
	default:
		return p.shop, p.platform
	}
}

// bestPair is the best pair, and the best voucher of each layer on its own.
//
// For a shop voucher the best platform voucher is that with the largest discount of what is left, and the order of pairs agrees with the order
// of single vouchers in each of the two places; so each place can be decided on its own once the other is fixed.
func (c *Chooser) bestPair(price int64) (best pair, shop, platform candidate) {
	shop = c.seek(&c.shop, search{goal: now, running: price, floor: 1})
	platform = c.seek(&c.platform, search{goal: now, running: price, floor: 1})
	best = pair{shop: shop.offer, shopDiscount: shop.discount}
	if alone := (pair{platform: platform.offer, platformDiscount: platform.discount}); alone.beats(&best) {
		best = alone
	}
	if shop.offer == nil || platform.offer == nil {
		return best, shop, platform
	}
	c.extend(&best, shop, price, 0)
	if least := best.wanted() - platform.discount; least <= shop.discount {
		c.collectShops(price, max(1, least))
		c.extendEach(&best, price, platform.discount)
	}
	return best, shop, platform
}

// wanted is the least total of a pair of two that may beat this one: where this is a single voucher, a tie is not enough.
func (p *pair) wanted() int64 {
	if p.count() < 2 {
		return p.total() + 1
	}
	return p.total()
}

// extendEach makes best the best pair of any of c.shops, if that beats it. Two bounds leave little to be looked at:
//
// What platform vouchers take off the whole price, at most bound, is no less than what they take off a part of it. From the largest discount
// down, shop vouchers are tried until even with that they cannot reach the best pair.
//
// With one more unit left a platform voucher whose minimum spend is met takes at most one unit more off. So of two shop vouchers that leave enough
// for it, the one with the larger discount makes the better pair; it wins ties too where it comes before the other. A shop voucher
// is therefore tried only with minimum spends that such a one before it did not leave enough for.
func (c *Chooser) extendEach(best *pair, price, bound int64) {
	// Shop vouchers tried that can take the place of later ones; each comes before those above it. It grows into what was read of c.shops.
	tried := c.shops[:0]
	for _, shop := range c.shops {
		if shop.discount < best.wanted()-bound {
			break
		}
		if shop.offer.exclusive {
			continue
		}
		top := len(tried)
		for top > 0 && !before(tried[top-1].offer, shop.offer) {
			top--
		}
		var from int64
		if top > 0 {
			from = price - tried[top-1].discount + 1
		}
		c.extend(best, shop, price, from)
		if shop.offer.group == 0 {
			tried = append(tried[:top], shop)
		}
	}
}

// extend makes best the best pair of this shop voucher and any platform voucher with a minimum spend of at least from, if that beats it.
func (c *Chooser) extend(best *pair, shop candidate, price, from int64) {
	left := price - shop.discount
	if shop.offer.exclusive || from > left {
		return
	}
	platform := c.seek(&c.platform, search{
		goal: now, running: left, floor: max(1, best.wanted()-shop.discount), from: from, with: [2]*offer{shop.offer},
	})
	if platform.offer == nil {
		return
	}
	if p := (pair{shop.offer, platform.offer, shop.discount, platform.discount}); p.beats(best) {
		*best = p
	}
}
