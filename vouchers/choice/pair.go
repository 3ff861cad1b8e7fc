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
// of single vouchers in each of the two places; so each place can be decided on its own once the other is fixed. What platform
// vouchers take off an amount bounds what they take off a smaller one: that leaves few of the shop vouchers to be tried.
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
	c.extend(&best, shop, price)
	if least := best.wanted() - platform.discount; least <= shop.discount {
		c.collectShops(price, max(1, least))
		for i, candidate := range c.shops {
			if candidate.discount < best.wanted()-platform.discount {
				break
			}
			if i == 0 || !stands(c.shops[i-1], candidate) {
				c.extend(&best, candidate, price)
			}
		}
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

// stands says that the pairs of a shop voucher are no better than those of the one before it in order: they take off the same, and whatever can
// be used with the second can be used with the first.
func stands(first, second candidate) bool {
	return first.discount == second.discount && !first.offer.exclusive && (first.offer.group == 0 || first.offer.group == second.offer.group)
}

// extend makes best the best pair of this shop voucher and any platform voucher, if that beats it.
func (c *Chooser) extend(best *pair, shop candidate, price int64) {
	platform := c.seekPartner(shop.offer, price-shop.discount, best.wanted()-shop.discount)
	if platform.offer == nil {
		return
	}
	if p := (pair{shop.offer, platform.offer, shop.discount, platform.discount}); p.beats(best) {
		*best = p
	}
}

// seekPartner finds the best platform voucher that can be used together with a shop voucher and takes at least this much off what is left.
func (c *Chooser) seekPartner(shop *offer, left, least int64) candidate {
	if shop.exclusive {
		return candidate{}
	}
	return c.seek(&c.platform, search{goal: now, running: left, floor: max(1, least), with: [2]*offer{shop}})
}
