package choice

import (
	"cmp"
	"slices"

	"proscenium/facts"
)

// MaxConsidered bounds the verdicts on the vouchers for one model: those that came closest are kept.
const MaxConsidered = 1000

// verdict is what became of a voucher.
type verdict struct {
	offer  *offer
	reason Reason
	facts  facts.VoucherVerdict
}

// explain gives a verdict on every voucher of the index: the applied ones first, then those that passed the most checks, then by id.
func (c *Chooser) explain(chosen *pair, beside []facts.VoucherUse, price int64) []facts.VoucherVerdict {
	verdicts := make([]verdict, 0, len(c.index.offers))
	for place := range c.index.offers {
		verdicts = append(verdicts, c.judge(place, chosen, beside, price))
	}
	slices.SortFunc(verdicts, func(a, b verdict) int {
		if (a.reason == Applied) != (b.reason == Applied) {
			return cmp.Compare(a.reason, b.reason)
		}
		return cmp.Or(cmp.Compare(b.reason, a.reason), cmp.Compare(a.offer.id, b.offer.id))
	})
	verdicts = verdicts[:min(len(verdicts), MaxConsidered)]
	c.collectShops(price, 1)
	considered := make([]facts.VoucherVerdict, len(verdicts))
	for i, v := range verdicts {
		v.facts.Reason = v.reason.String()
		if v.facts.LostToVoucherID != 0 && c.reduces(v.offer) {
			v.facts.Missing = chosen.total() - c.bestWith(v.offer, price)
		}
		considered[i] = v.facts
	}
	return considered
}

// judge finds the first reason why a voucher does not apply, or why it is not used although it does.
func (c *Chooser) judge(place int, chosen *pair, beside []facts.VoucherUse, price int64) verdict {
	o := &c.index.offers[place]
	running := c.running(o, chosen, price)
	v := verdict{offer: o, reason: c.refusal(place, running), facts: facts.VoucherVerdict{VoucherID: o.id}}
	if v.reason == MinSpend {
		v.facts.Missing = o.minSpend - running
	}
	if v.reason != Applied {
		return v
	}
	v.facts.Discount = o.discount(running)
	switch {
	case o == chosen.shop || o == chosen.platform:
		v.facts.Applied = true
	case c.reduces(o):
		v.lose(chosen)
	default:
		v.standBeside(chosen, beside)
	}
	return v
}

func (c *Chooser) reduces(o *offer) bool { return c.query.Snap.ReducesPrice[o.voucher.RewardType] }

// lose names the voucher that stands in the way: that of the other layer where both cannot be used together, else that of the own layer.
func (v *verdict) lose(chosen *pair) {
	own, other := chosen.shop, chosen.platform
	if v.offer.voucher.Layer == facts.LayerPlatform {
		own, other = other, own
	}
	winner := own
	v.reason = LostTo
	if other != nil && conflict(v.offer, other) {
		v.reason, winner = conflictReason(v.offer, other), other
	} else if own == nil {
		winner = other
	}
	v.facts.LostToVoucherID = winner.id
}

// standBeside compares a reward with the one of its type that is reported, if they are wanted.
func (v *verdict) standBeside(chosen *pair, beside []facts.VoucherUse) {
	for _, used := range []*offer{chosen.shop, chosen.platform} {
		if used != nil && conflict(v.offer, used) {
			v.reason, v.facts.LostToVoucherID = conflictReason(v.offer, used), used.id
			return
		}
	}
	v.reason = Beside
	for _, best := range beside {
		if best.Voucher.RewardType == v.offer.voucher.RewardType && best.Voucher != v.offer.voucher {
			v.reason, v.facts.LostToVoucherID = LostTo, best.Voucher.ID
			v.facts.Missing = best.Discount - v.facts.Discount
		}
	}
}

// conflictReason tells why two vouchers cannot be used together.
func conflictReason(a, b *offer) Reason {
	if a.exclusive || b.exclusive {
		return Exclusive
	}
	return Group
}

// running is the amount that a voucher is taken off: the price, or for the platform's what the chosen shop voucher left.
func (c *Chooser) running(o *offer, chosen *pair, price int64) int64 {
	if o.voucher.Layer == facts.LayerPlatform {
		return price - chosen.shopDiscount
	}
	return price
}

// refusal is the first reason why a voucher would not apply on its own, or Applied.
func (c *Chooser) refusal(place int, running int64) Reason {
	o, at := &c.index.offers[place], c.query.Request.At
	view := c.shopView
	if o.voucher.Layer == facts.LayerPlatform {
		view = c.platformView
	}
	switch {
	case o.fault != Applied:
		return o.fault
	case o.voucher.Region != c.query.Region.Code:
		return OtherRegion
	case !view.has(place):
		return NotInPool
	case at < o.start:
		return NotStarted
	case at >= o.end:
		return Ended
	}
	if reason := cmp.Or(o.covers.check(c.item, c.model), c.validate(o).first(), c.applies(o)); reason != Applied {
		return reason
	}
	switch {
	case running < o.minSpend:
		return MinSpend
	case o.discount(running) == 0:
		return NoEffect
	default:
		return Applied
	}
}

// bestWith is the largest total discount of all pairs with this voucher. c.shops holds every shop voucher that applies.
func (c *Chooser) bestWith(o *offer, price int64) int64 {
	discount := o.discount(price)
	total := discount
	if o.voucher.Layer == facts.LayerShop {
		if !o.exclusive {
			total += c.seek(&c.platform, search{goal: now, running: price - discount, floor: 1, with: [2]*offer{o}}).discount
		}
		return total
	}
	for _, shop := range c.shops {
		if left := price - shop.discount; left > 0 && !conflict(o, shop.offer) {
			if taken := o.discount(left); taken > 0 {
				total = max(total, shop.discount+taken)
			}
		}
	}
	return total
}
