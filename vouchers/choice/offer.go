package choice

import (
	"math"
	"slices"

	"proscenium/facts"
	"proscenium/money"
	"proscenium/rules"
)

// unlimited is the limit of a voucher without a cap.
const unlimited = math.MaxInt64

// offer is a voucher as the search sees it: what it takes off, when, and which checks are left once it was found in the index.
type offer struct {
	id         int64
	start, end int64
	minSpend   int64
	value      int64
	limit      int64 // most that one unit gets
	kind       facts.DiscountKind
	exclusive  bool
	validated  bool  // the context of the request matters
	scoped     bool  // being found in the index does not say that the voucher covers the model
	group      int32 // 0: none
	condition  int32 // place in Index.conditions, or none
	ruled      int32 // place among the offers with an applies_when, or none
	fault      Reason
	voucher    *facts.Voucher
	when       *rules.Rule
	covers     scope
}

const none = -1

// discount is what the voucher takes off a running amount of one unit: 0 below its minimum spend, never more than the amount or the cap.
// A percent rounds half up. It never falls when the running amount rises; the search rests on that.
func (o *offer) discount(running int64) int64 {
	if running < o.minSpend {
		return 0
	}
	var d int64
	switch o.kind {
	case facts.DiscountPercent:
		d = portion(running, o.value)
	case facts.DiscountNewPrice:
		d = running - o.value
	default:
		d = o.value
	}
	return max(0, min(d, o.limit, running))
}

// reach is the largest discount of one unit at any spend. A percent and a new price without a cap have none: for them the
// spend is the price or the minimum spend, whichever is larger.
func (o *offer) reach(price int64) int64 {
	spend := max(price, o.minSpend)
	switch {
	case o.kind == facts.DiscountAmount:
		return min(o.value, o.limit)
	case o.kind == facts.DiscountPercent && o.limit == unlimited:
		return portion(spend, o.value)
	case o.kind == facts.DiscountPercent && o.value == 0:
		return 0
	case o.kind == facts.DiscountPercent:
		return o.limit
	default:
		return max(0, min(spend-o.value, o.limit))
	}
}

// use is the voucher with a discount, and the part of it that somebody else pays for, rounded half up.
func (o *offer) use(discount int64) facts.VoucherUse {
	if o == nil {
		return facts.VoucherUse{}
	}
	return facts.VoucherUse{Voucher: o.voucher, Discount: discount, Rebate: portion(discount, o.voucher.RebateShare)}
}

// portion is the part of an amount, not negative, that a rate of at most 100% names, rounded half up; it cannot overflow.
func portion(amount, rate int64) int64 {
	part, _ := money.RateOf(amount, rate, money.HalfUp)
	return part
}

// before is the order of vouchers that take off the same: earlier expiry, then lower id.
func before(a, b *offer) bool {
	return a.end < b.end || a.end == b.end && a.id < b.id
}

// conflict says that two vouchers cannot be used together.
func conflict(a, b *offer) bool {
	return a.exclusive || b.exclusive || sameGroup(a, b)
}

func sameGroup(a, b *offer) bool { return a.group != 0 && a.group == b.group }

// scope is what a voucher covers. Its lists are sorted.
type scope struct {
	shop                               int64
	models, items, notModels, notItems []int64
	categories, notCategories          []string
	labels, notLabels                  []string
}

func scopeOf(v *facts.Voucher) scope {
	return scope{
		shop:   v.ShopID,
		models: sorted(v.Models), notModels: sorted(v.NotModels),
		items: sorted(v.Items), notItems: sorted(v.NotItems),
		categories: sorted(v.Categories), notCategories: sorted(v.NotCategories),
		labels: sorted(v.Labels), notLabels: sorted(v.NotLabels),
	}
}

// restrictsBeyond says that the voucher's place in the index does not imply that it covers the model.
func (s *scope) restrictsBeyond(place placement) bool {
	return place != placedByModel && len(s.models) > 0 || place != placedByItem && len(s.items) > 0 || place != placedByShop && s.shop != 0 ||
		place != placedByCategory && len(s.categories) > 0 || place != placedByLabel && len(s.labels) > 0 ||
		len(s.notModels) > 0 || len(s.notItems) > 0 || len(s.notCategories) > 0 || len(s.notLabels) > 0
}

// check is the first reason why the voucher does not cover the model, or Applied.
func (s *scope) check(item *facts.Item, model *facts.Model) Reason {
	switch {
	case s.shop != 0 && s.shop != model.ShopID:
		return OtherShop
	case len(s.models) > 0 && !contains(s.models, model.ID) || contains(s.notModels, model.ID):
		return ModelScope
	case len(s.items) > 0 && !contains(s.items, model.ItemID) || contains(s.notItems, model.ItemID):
		return ItemScope
	case len(s.categories) > 0 && !meet(s.categories, item.Categories) || meet(s.notCategories, item.Categories):
		return CategoryScope
	case len(s.labels) > 0 && !meet(s.labels, item.Labels) || meet(s.notLabels, item.Labels):
		return LabelScope
	default:
		return Applied
	}
}

// sorted is the list itself where it is in order already, as definitions mostly are: they are shared, never changed.
func sorted[T int64 | string](list []T) []T {
	if slices.IsSorted(list) {
		return list
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

func contains[T int64 | string](list []T, wanted T) bool {
	const short = 8
	if len(list) <= short {
		return slices.Contains(list, wanted)
	}
	_, found := slices.BinarySearch(list, wanted)
	return found
}

func meet(list, others []string) bool {
	if len(list) == 0 {
		return false
	}
	for _, other := range others {
		if contains(list, other) {
			return true
		}
	}
	return false
}
