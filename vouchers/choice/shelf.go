package choice

import (
	"cmp"
	"math"
	"slices"

	"proscenium/facts"
)

// placement is where the index keeps a voucher: under the narrowest thing that it names.
type placement uint8

const (
	placedByModel placement = iota
	placedByItem
	placedByShop
	placedByCategory
	placedByLabel
	placedEverywhere
)

func (s *scope) placement() placement {
	switch {
	case len(s.models) > 0:
		return placedByModel
	case len(s.items) > 0:
		return placedByItem
	case s.shop != 0:
		return placedByShop
	case len(s.categories) > 0:
		return placedByCategory
	case len(s.labels) > 0:
		return placedByLabel
	default:
		return placedEverywhere
	}
}

// shelf holds vouchers of which at most one is used: those of a layer and pool that reduce the price, or that give one type of reward.
// The vouchers for a model are in few lists: those of the model, its item, shop, categories and labels, and the one for everything.
type shelf struct {
	models, items, shops map[int64]*list
	categories, labels   map[string]*list
	everywhere           *list
}

func newShelf(offers []*offer) *shelf {
	s := &shelf{
		models: map[int64]*list{}, items: map[int64]*list{}, shops: map[int64]*list{},
		categories: map[string]*list{}, labels: map[string]*list{}, everywhere: &list{},
	}
	// In this order every list comes out in order.
	slices.SortFunc(offers, byTerms)
	for _, o := range offers {
		switch o.covers.placement() {
		case placedByModel:
			place(s.models, o, o.covers.models...)
		case placedByItem:
			place(s.items, o, o.covers.items...)
		case placedByShop:
			place(s.shops, o, o.covers.shop)
		case placedByCategory:
			place(s.categories, o, o.covers.categories...)
		case placedByLabel:
			place(s.labels, o, o.covers.labels...)
		default:
			s.everywhere.add(o)
		}
	}
	seal(s.models)
	seal(s.items)
	seal(s.shops)
	seal(s.categories)
	seal(s.labels)
	s.everywhere.seal()
	return s
}

// byTerms brings vouchers together whose discounts are alike, so that summaries of neighbours are tight.
func byTerms(a, b *offer) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.minSpend, b.minSpend), cmp.Compare(b.value, a.value), cmp.Compare(b.limit, a.limit),
		cmp.Compare(a.end, b.end), cmp.Compare(a.id, b.id))
}

func place[K comparable](lists map[K]*list, o *offer, keys ...K) {
	for _, key := range keys {
		l := lists[key]
		if l == nil {
			l = &list{}
			lists[key] = l
		}
		l.add(o)
	}
}

func seal[K comparable](lists map[K]*list) {
	for _, l := range lists {
		l.seal()
	}
}

// ofItem appends the lists that all models of an item in a shop share.
func (s *shelf) ofItem(lists []*list, itemID, shopID int64, item *facts.Item) []*list {
	if s == nil {
		return lists
	}
	if len(s.everywhere.offers) > 0 {
		lists = append(lists, s.everywhere)
	}
	lists = found(lists, s.items, itemID)
	lists = found(lists, s.shops, shopID)
	for _, category := range item.Categories {
		lists = found(lists, s.categories, category)
	}
	for _, label := range item.Labels {
		lists = found(lists, s.labels, label)
	}
	return lists
}

// ofModel appends the list of a model.
func (s *shelf) ofModel(lists []*list, modelID int64) []*list {
	if s == nil {
		return lists
	}
	return found(lists, s.models, modelID)
}

func found[K comparable](lists []*list, in map[K]*list, key K) []*list {
	if len(in) > 0 {
		if l := in[key]; l != nil {
			return append(lists, l)
		}
	}
	return lists
}

// fan is how many offers, or summaries, one summary stands for.
const fan = 16

// list is vouchers in the order of byTerms. A long one has summaries above it, level upon level, so that a search sees only the parts that can
// hold what it looks for: levels[0] sums up runs of offers, each next level runs of the one below, the last has at most fan summaries.
type list struct {
	offers []*offer
	levels [][]summary
}

// add appends an offer once: a voucher may name the same key twice.
func (l *list) add(o *offer) {
	if n := len(l.offers); n == 0 || l.offers[n-1] != o {
		l.offers = append(l.offers, o)
	}
}

func (l *list) seal() {
	l.offers = slices.Clip(l.offers)
	if len(l.offers) <= fan {
		return
	}
	var level []summary
	for run := range slices.Chunk(l.offers, fan) {
		sum := emptySummary()
		for _, o := range run {
			sum.include(o)
		}
		level = append(level, sum)
	}
	l.levels = append(l.levels, level)
	for len(level) > fan {
		var above []summary
		for run := range slices.Chunk(level, fan) {
			sum := emptySummary()
			for i := range run {
				sum.merge(&run[i])
			}
			above = append(above, sum)
		}
		l.levels = append(l.levels, above)
		level = above
	}
}

// summary bounds what the vouchers of a run can do.
type summary struct {
	minSpend, maxSpend int64 // smallest and largest minimum spend
	amount             int64 // largest fixed amount after its cap
	rate, rateLimit    int64 // largest rate, largest cap of a percent
	newPrice, newLimit int64 // lowest new price, largest cap of one
	openRate           int64 // largest rate without cap
	reached            int64 // largest discount at any spend, of those that have one
	start, end         int64 // of the union of the windows
	firstEnd, firstID  int64 // earliest expiry, lowest id
}

func emptySummary() summary {
	return summary{
		minSpend: math.MaxInt64, newPrice: math.MaxInt64, start: math.MaxInt64, end: math.MinInt64,
		firstEnd: math.MaxInt64, firstID: math.MaxInt64,
	}
}

func (s *summary) include(o *offer) {
	one := summary{
		minSpend: o.minSpend, maxSpend: o.minSpend, newPrice: math.MaxInt64,
		start: o.start, end: o.end, firstEnd: o.end, firstID: o.id,
	}
	switch {
	case o.kind == facts.DiscountNewPrice:
		one.newPrice, one.newLimit = o.value, o.limit
	case o.kind == facts.DiscountAmount:
		one.amount = min(o.value, o.limit)
		one.reached = one.amount
	case o.limit == unlimited:
		one.rate, one.rateLimit, one.openRate = o.value, o.limit, o.value
	default:
		one.rate, one.rateLimit, one.reached = o.value, o.limit, o.limit
	}
	s.merge(&one)
}

func (s *summary) merge(o *summary) {
	s.minSpend, s.maxSpend = min(s.minSpend, o.minSpend), max(s.maxSpend, o.maxSpend)
	s.amount = max(s.amount, o.amount)
	s.rate, s.rateLimit = max(s.rate, o.rate), max(s.rateLimit, o.rateLimit)
	s.newPrice, s.newLimit = min(s.newPrice, o.newPrice), max(s.newLimit, o.newLimit)
	s.openRate, s.reached = max(s.openRate, o.openRate), max(s.reached, o.reached)
	s.start, s.end = min(s.start, o.start), max(s.end, o.end)
	s.firstEnd, s.firstID = min(s.firstEnd, o.firstEnd), min(s.firstID, o.firstID)
}

// discount bounds the discounts of a running amount.
func (s *summary) discount(running int64) int64 {
	if running < s.minSpend {
		return 0
	}
	d := s.amount
	if s.rate > 0 {
		d = max(d, min(portion(running, s.rate), s.rateLimit))
	}
	if s.newPrice < running {
		d = max(d, min(running-s.newPrice, s.newLimit))
	}
	return min(d, running)
}

// reach bounds the discounts reachable at any spend.
func (s *summary) reach(price int64) int64 {
	spend := max(price, s.maxSpend)
	d := s.reached
	if s.openRate > 0 {
		d = max(d, portion(spend, s.openRate))
	}
	if s.newPrice < spend {
		d = max(d, min(spend-s.newPrice, s.newLimit))
	}
	return d
}

// mayPrecede says whether a voucher of the run may come before another in the order of those that take off the same.
func (s *summary) mayPrecede(o *offer) bool {
	return s.firstEnd < o.end || s.firstEnd == o.end && s.firstID < o.id
}
