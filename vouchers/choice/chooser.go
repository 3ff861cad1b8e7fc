package choice

import (
	"slices"

	"proscenium/facts"
	"proscenium/rules"
	"proscenium/scenes"
)

// Query is what the choices of one request have in common.
type Query struct {
	Snap    *scenes.Snapshot
	Region  *scenes.Region
	Request *facts.Request
	// User is nil for a guest.
	User *facts.User
	// ShopPool and PlatformPool are where vouchers come from; nil: no voucher of that kind.
	ShopPool, PlatformPool *scenes.VoucherPool
	// Bypass names the validations to skip; nil: none.
	Bypass *scenes.BypassRule
	// What to answer besides the pair. Explain also tells what became of up to MaxConsidered vouchers.
	NeedBest, NeedNext, NeedHighest, NeedBeside, Explain bool
	// RuleFailed is told of expressions of vouchers that fail to evaluate: those vouchers do not apply. It may be nil.
	RuleFailed func(rule string, err error)
}

// Chooser chooses for the models of one request. It is not safe for concurrent use; Close gives it back.
type Chooser struct {
	index *Index
	query Query
	skip  [8]bool

	shopView, platformView *view
	shop, platform, beside sources

	// The model asked about. input is what its expressions see.
	item  *facts.Item
	model *facts.Model
	input rules.Input

	conditions []uint8  // by place in Index.conditions
	when       []uint32 // by offer.ruled: what became of an applies_when, and for which of the models
	models     uint32   // how many were asked about
	shops      []candidate
	unknown    facts.Item // stands for an item that is nil
	guest      facts.User // stands for a user that is nil
}

// What became of a user condition or an applies_when.
const (
	notEvaluated uint8 = iota
	isTrue
	isFalse
	isError
)

// sources are the lists of a shelf that hold the vouchers for a model; the first are common to the models of its item.
type sources struct {
	lists  []*list
	common int
}

func (s *sources) ofItem(shelf *shelf, model *facts.Model, item *facts.Item) {
	s.lists = shelf.ofItem(s.lists[:0], model.ItemID, model.ShopID, item)
	s.common = len(s.lists)
}

func (s *sources) ofModel(shelf *shelf, model *facts.Model) {
	s.lists = shelf.ofModel(s.lists[:s.common], model.ID)
}

// Chooser gives a chooser for a request.
func (x *Index) Chooser(q Query) *Chooser {
	c, reused := x.choosers.Get().(*Chooser)
	if !reused {
		c = &Chooser{index: x, conditions: make([]uint8, len(x.conditions)), when: make([]uint32, x.ruled)}
	}
	clear(c.conditions)
	clear(c.when)
	c.models = 0
	if q.User == nil {
		q.User = &c.guest
	}
	c.query = q
	if q.Bypass != nil {
		c.skip = q.Bypass.Skip
	}
	c.shopView = x.view(q.Snap, viewKey{q.ShopPool, q.Region, facts.LayerShop})
	c.platformView = x.view(q.Snap, viewKey{q.PlatformPool, q.Region, facts.LayerPlatform})
	c.input = rules.Input{User: q.User, Request: q.Request, Zone: q.Region.Zone}
	return c
}

// Close ends the use of the chooser, and of nothing that it answered.
func (c *Chooser) Close() {
	c.query, c.skip, c.input = Query{}, [8]bool{}, rules.Input{}
	c.shopView, c.platformView, c.item, c.model = nil, nil, nil, nil
	clear(c.shops)
	clear(c.shop.lists)
	clear(c.platform.lists)
	clear(c.beside.lists)
	c.index.choosers.Put(c)
}

// Choose answers for one unit of a model at a price. The item may be nil where it is not known: vouchers for categories and labels then do not apply.
func (c *Chooser) Choose(item *facts.Item, model *facts.Model, price int64) facts.VoucherChoice {
	c.ask(item, model)
	price = max(0, price)
	chosen, bestShop, bestPlatform := c.bestPair(price)
	answer := facts.VoucherChoice{
		Shop: chosen.shop.use(chosen.shopDiscount), Platform: chosen.platform.use(chosen.platformDiscount),
	}
	if c.query.NeedBest {
		answer.BestShop, answer.BestPlatform = bestShop.offer.use(bestShop.discount), bestPlatform.offer.use(bestPlatform.discount)
	}
	if c.query.NeedNext {
		c.next(&answer, &chosen, price)
	}
	if c.query.NeedHighest {
		wanted := search{goal: reachable, running: price, floor: 1}
		highest := better(c.seek(&c.shop, wanted), c.seek(&c.platform, wanted))
		answer.HighestTier = highest.offer.use(highest.discount)
	}
	if c.query.NeedBeside {
		answer.Beside = c.bestBeside(&chosen, price)
	}
	if c.query.Explain {
		answer.Considered = c.explain(&chosen, answer.Beside, price)
	}
	return answer
}

// ask turns to a model. What was found of an item serves the models of it that follow.
func (c *Chooser) ask(item *facts.Item, model *facts.Model) {
	same := item != nil && item == c.item && c.model != nil && c.model.ItemID == model.ItemID && c.model.ShopID == model.ShopID
	if item == nil {
		c.unknown = facts.Item{ID: model.ItemID, ShopID: model.ShopID}
		item = &c.unknown
	}
	c.item, c.model, c.input.Item, c.input.Model = item, model, item, model
	if !same {
		c.shop.ofItem(c.shopView.shelf(), model, item)
		c.platform.ofItem(c.platformView.shelf(), model, item)
	}
	c.shop.ofModel(c.shopView.shelf(), model)
	c.platform.ofModel(c.platformView.shelf(), model)
	c.models++
}

// next finds the best voucher that the user misses by one thing only. It must be worth more than what it would displace: the chosen voucher of its
// layer, and that of the other layer too where both cannot be used together.
func (c *Chooser) next(answer *facts.VoucherChoice, chosen *pair, price int64) {
	left := price - chosen.shopDiscount
	shop := c.seek(&c.shop, search{goal: missed, running: price, floor: chosen.shopDiscount + 1, chosen: chosen})
	platform := c.seek(&c.platform, search{goal: missed, running: left, floor: chosen.platformDiscount + 1, chosen: chosen})
	best, running := better(shop, platform), price
	if best.offer == nil {
		return
	}
	if best.offer == platform.offer {
		running = left
	}
	reason, _ := c.missing(best.offer, running)
	answer.NextBest = best.offer.use(best.discount)
	answer.NextBestReason = reason.String()
	if reason == MinSpend {
		answer.NextBestMissing = best.offer.minSpend - running
	}
}

// bestBeside finds the best voucher of each reward type that does not reduce the price: of shops on the price, of the platform on what the chosen
// shop voucher left. Each can be used together with the pair; whether they can with each other is not looked at.
func (c *Chooser) bestBeside(chosen *pair, price int64) []facts.VoucherUse {
	var uses []facts.VoucherUse
	shops, platforms := c.shopView.rewards(), c.platformView.rewards()
	for len(shops) > 0 || len(platforms) > 0 {
		kind := rewardTypes
		if len(shops) > 0 {
			kind = shops[0].rewardType
		}
		if len(platforms) > 0 {
			kind = min(kind, platforms[0].rewardType)
		}
		var best candidate
		if len(shops) > 0 && shops[0].rewardType == kind {
			best = c.seekBeside(shops[0].shelf, price, chosen)
			shops = shops[1:]
		}
		if len(platforms) > 0 && platforms[0].rewardType == kind {
			best = better(best, c.seekBeside(platforms[0].shelf, price-chosen.shopDiscount, chosen))
			platforms = platforms[1:]
		}
		if best.offer != nil {
			uses = append(uses, best.offer.use(best.discount))
		}
	}
	return uses
}

func (c *Chooser) seekBeside(shelf *shelf, running int64, chosen *pair) candidate {
	c.beside.ofItem(shelf, c.model, c.item)
	c.beside.ofModel(shelf, c.model)
	return c.seek(&c.beside, search{goal: now, running: running, floor: 1, with: [2]*offer{chosen.shop, chosen.platform}})
}

// collectShops fills c.shops with the shop vouchers that take at least floor off the price, the largest discount first.
func (c *Chooser) collectShops(price, floor int64) {
	c.shops = c.shops[:0]
	c.seek(&c.shop, search{goal: now, running: price, floor: floor, collects: true})
	slices.SortFunc(c.shops, byDiscount)
}
