package engine

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"

	"proscenium/facts"
)

// slab hands out values of one kind from chunks, so that an answer of many small messages takes few allocations. A chunk lives as long as any of its values.
type slab[T any] struct {
	chunk []T
	size  int
}

func (s *slab[T]) next() *T {
	if len(s.chunk) == 0 {
		s.chunk = make([]T, max(s.size, 4))
	}
	v := &s.chunk[0]
	s.chunk = s.chunk[1:]
	return v
}

// builder builds the answer within the scene's scope.
type builder struct {
	st       *state
	promos   slab[pricingv1.Promotion]
	details  slab[pricingv1.PriceDetail]
	times    slab[timestamppb.Timestamp]
	taxes    slab[pricingv1.Tax]
	rebates  slab[pricingv1.Rebate]
	vouchers slab[pricingv1.Vouchers]
	uses     slab[pricingv1.Voucher]
	stocks   slab[pricingv1.Stock]
	decors   slab[pricingv1.Decoration]
	numbers  slab[int64]
	lists    []*pricingv1.Voucher
	// known holds the instants made last: promotions of a request mostly share their windows.
	known [4]struct {
		at int64
		ts *timestamppb.Timestamp
	}
	oldest int
}

// result builds the response. The state's memory is not part of it.
func (st *state) result() (*pricingv1.GetPromotionInfoResponse, error) {
	n := len(st.models)
	b := builder{st: st}
	b.promos.size, b.details.size, b.taxes.size, b.rebates.size = b.promoCount(n), b.promoCount(n), n, n
	b.vouchers.size, b.uses.size, b.stocks.size, b.decors.size, b.times.size = n, 2*n, n, n, 16
	b.numbers.size = b.promoCount(n) + 4*n + 5*len(st.items)

	resp := &pricingv1.GetPromotionInfoResponse{
		Accurate: new(!st.inaccurate), ConfigVersion: st.program.snap.Version, Currency: st.market.region.Currency, PricedAt: b.time(st.at),
		Items: make([]*pricingv1.Item, len(st.items)),
	}
	if st.group != "" {
		resp.Experiment = &pricingv1.ExperimentGroup{Experiment: st.scene.scene.Experiment.Name, Group: st.group}
	}
	items := make([]pricingv1.Item, len(st.items))
	var models []pricingv1.Model
	var refs []*pricingv1.Model
	if n > 0 {
		models, refs = make([]pricingv1.Model, n), make([]*pricingv1.Model, n)
	}
	for i := range st.items {
		it := &st.items[i]
		b.item(&items[i], it)
		shown := 0
		for j := it.from; j < it.to; j++ {
			if m := &st.models[j]; st.plan.models || m.rec == nil {
				b.model(&models[j], m)
				refs[it.from+shown] = &models[j]
				shown++
			}
		}
		items[i].Models = refs[it.from : it.from+shown : it.from+shown]
		resp.Items[i] = &items[i]
	}
	if st.plan.models && len(st.modelRefs) > 0 {
		totals, err := st.totals()
		if err != nil {
			return nil, err
		}
		resp.Totals = totals
	}
	for _, d := range st.degraded {
		resp.Degradations = append(resp.Degradations, &pricingv1.Degradation{Feature: d.feature, Scope: d.scope, Cause: d.cause})
	}
	st.lap(StageResult)
	if st.trace != nil {
		resp.Trace = st.trace.finish()
	}
	return resp, nil
}

// promoCount guesses how many promotions the answer shows.
func (b *builder) promoCount(models int) int {
	p, n := b.st.plan, 0
	for _, shown := range []bool{p.modelMain, p.modelOriginal, p.modelTeaser} {
		if shown {
			n += models
		}
	}
	if p.ongoing || p.listsUpcoming() {
		n += len(b.st.promos)
	}
	return n + 2*len(b.st.items)
}

func (b *builder) item(out *pricingv1.Item, it *itemState) {
	st, p := b.st, b.st.plan
	out.ItemId, out.ShopId, out.Status = it.req.ItemId, it.facts.ShopID, pricingv1.Status_STATUS_NOT_FOUND
	if it.found {
		out.Status = pricingv1.Status_STATUS_NO_PROMOTION
	}
	priced := false
	for i := it.from; i < it.to; i++ {
		priced = priced || st.models[i].main != nil
	}
	if priced {
		out.Status = pricingv1.Status_STATUS_OK
	}
	for _, k := range it.packages {
		out.PackagePromotions = append(out.PackagePromotions, &pricingv1.PackagePromotion{
			PackageId: k.ID, Name: k.Name, ModelIds: append([]int64(nil), k.ModelIDs...), PackagePrice: k.Price, OriginalPrice: k.OriginalPrice,
		})
	}
	if !p.itemDisplay || st.itemDisplayOff() {
		return
	}
	if it.main != nil && p.itemMain {
		out.MainPromo = b.promo(it.mainModel, it.main)
		out.MainPromo.Decoration = b.decoration(&it.mainDecoration)
		out.MainModelId, out.FinalPrice = it.mainModel.id, b.number(it.mainModel.price.Final)
	}
	if it.teaser != nil {
		out.TeaserPromo, out.TeaserModelId = b.promo(it.teaserModel, it.teaser), it.teaserModel.id
		out.TeaserPromo.Decoration = b.decoration(&it.teaserDecoration)
	}
	if p.itemOriginal && it.mainModel != nil && it.mainModel.original != nil {
		out.OriginalPromo = b.promo(it.mainModel, it.mainModel.original)
	}
	out.PriceRange = b.priceRange(it)
}

// priceRange spans the models of the item that have a price; nil if none has.
func (b *builder) priceRange(it *itemState) *pricingv1.PriceRange {
	var r *pricingv1.PriceRange
	for i := it.from; i < it.to; i++ {
		m := &b.st.models[i]
		if m.main == nil {
			continue
		}
		final, promo := m.price.Final, m.price.Promo
		if r == nil {
			r = &pricingv1.PriceRange{MinFinalPrice: b.number(final), MaxFinalPrice: b.number(final), MinPromoPrice: b.number(promo), MaxPromoPrice: b.number(promo)}
			continue
		}
		*r.MinFinalPrice, *r.MaxFinalPrice = min(*r.MinFinalPrice, final), max(*r.MaxFinalPrice, final)
		*r.MinPromoPrice, *r.MaxPromoPrice = min(*r.MinPromoPrice, promo), max(*r.MaxPromoPrice, promo)
	}
	return r
}

func (b *builder) model(out *pricingv1.Model, m *modelState) {
	p := b.st.plan
	out.ModelId, out.Quantity = m.id, m.quantity
	switch {
	case m.rec == nil:
		out.Status = pricingv1.Status_STATUS_NOT_FOUND
		return
	case m.main == nil:
		out.Status = pricingv1.Status_STATUS_NO_PROMOTION
	default:
		out.Status = pricingv1.Status_STATUS_OK
		b.priced(out, m)
	}
	if m.teaser != nil {
		out.TeaserPromo = b.promo(m, m.teaser)
		out.TeaserPromo.Decoration = b.decoration(&m.teaserDecoration)
	}
	if p.modelOriginal && m.original != nil {
		out.OriginalPromo = b.promo(m, m.original)
	}
	if m.soldOutLive != nil && m.soldOutLive != m.main {
		out.SoldOutFlexibleLiveStreamPromo = b.promo(m, m.soldOutLive)
	}
	if p.ongoing || p.listsUpcoming() {
		b.promoLists(out, m)
	}
}

// priced fills in what a model with a main promo has.
func (b *builder) priced(out *pricingv1.Model, m *modelState) {
	p := b.st.plan
	out.FinalPrice, out.PromoPrice, out.SoldOut = b.number(m.price.Final), b.number(m.price.Promo), m.main.rec.SoldOut
	out.ShopVoucherDiscount, out.PlatformVoucherDiscount = m.price.ShopDiscount, m.price.PlatformDiscount
	if p.modelMain {
		out.MainPromo = b.promo(m, m.main)
		out.MainPromo.Decoration = b.decoration(&m.mainDecoration)
	}
	if b.st.showsTax() {
		if value, known := m.main.tax(); known {
			out.Tax = b.taxes.next()
			out.Tax.TaxValue = b.number(value)
			if rate, fits := TaxRate(value, m.main.pre); fits {
				out.Tax.TaxRate = b.number(rate)
			}
		}
	}
	if p.rebateInfo && b.st.rebatesKnown {
		r := b.rebates.next()
		r.ProductPromoRebate, r.ShopVoucherRebate, r.PlatformVoucherRebate = m.price.ProductRebate, m.price.ShopRebate, m.price.PlatformRebate
		r.TotalRebate, r.PromoRebateRate, r.TotalRebateRate = m.price.TotalRebate, m.price.PromoRebateRate, m.price.TotalRebateRate
		out.Rebate = r
	}
	if m.choice != nil && (p.voucherDetail || p.voucherBest || p.voucherNext || p.voucherHighest) {
		b.vouchersOf(out, m)
	}
	if m.stock.Known {
		b.stock(out, m)
	}
}

func (b *builder) promoLists(out *pricingv1.Model, m *modelState) {
	promos := b.st.promosOf(m)
	for i := range promos {
		p := &promos[i]
		switch {
		case p.dropped:
		case p.upcoming && !p.ineligible && b.st.plan.listsUpcoming():
			out.UpcomingPromos = append(out.UpcomingPromos, b.promo(m, p))
		case !p.upcoming && b.st.plan.ongoing:
			out.OngoingPromos = append(out.OngoingPromos, b.promo(m, p))
		}
	}
}

func (b *builder) promo(m *modelState, p *promoState) *pricingv1.Promotion {
	out := b.promos.next()
	out.PromotionId, out.PriceRuleType, out.Price, out.SoldOut = p.rec.ID, p.typ.Name, b.number(p.price), p.rec.SoldOut
	if p.rec.Start != facts.Always {
		out.StartTime = b.time(p.rec.Start)
	}
	if p.rec.End != facts.Never {
		out.EndTime = b.time(p.rec.End)
	}
	if b.st.call.WithStock {
		out.Stock = b.number(p.rec.Stock)
	}
	if b.st.plan.detail {
		d := b.details.next()
		d.PriceRuleTypeId, d.Priority = p.typ.ID, p.typ.Priority
		if p.pre != facts.NoPrice {
			d.PreTaxPrice = b.number(p.pre)
		}
		if p.post != facts.NoPrice {
			d.PostTaxPrice = b.number(p.post)
		}
		d.PurchaseLimit, d.LiveStreamSessionId = p.rec.PurchaseLimit, p.rec.SessionID
		if m.original != nil && m.original.price > p.price {
			d.DiscountRate, _ = TaxRate(m.original.price-p.price, m.original.price)
		}
		out.Detail = d
	}
	return out
}

func (b *builder) vouchersOf(out *pricingv1.Model, m *modelState) {
	p, c := b.st.plan, m.choice
	v := b.vouchers.next()
	if p.voucherDetail {
		v.Applied = b.useList(&c.Shop, &c.Platform)
		for i := range c.Beside {
			v.Beside = append(v.Beside, b.use(&c.Beside[i]))
		}
	}
	if p.voucherBest {
		v.BestShop, v.BestPlatform = b.use(&c.BestShop), b.use(&c.BestPlatform)
	}
	if p.voucherNext && c.NextBest.Voucher != nil {
		v.NextBest, v.NextBestReason, v.NextBestMissingSpend = b.use(&c.NextBest), c.NextBestReason, c.NextBestMissing
	}
	if p.voucherHighest {
		v.HighestTier = b.use(&c.HighestTier)
	}
	out.Vouchers = v
}

// useList is the vouchers in use, in a slice cut from one that the whole answer shares.
func (b *builder) useList(uses ...*facts.VoucherUse) []*pricingv1.Voucher {
	if b.lists == nil {
		b.lists = make([]*pricingv1.Voucher, 0, 2*len(b.st.models))
	}
	from := len(b.lists)
	for _, u := range uses {
		if u.Voucher != nil {
			b.lists = append(b.lists, b.use(u))
		}
	}
	return b.lists[from:len(b.lists):len(b.lists)]
}

// voucherTypes are the names of the layers in answers.
var voucherTypes = [...]string{facts.LayerShop: "SHOP_VOUCHER", facts.LayerPlatform: "PLATFORM_VOUCHER"}

func (b *builder) use(u *facts.VoucherUse) *pricingv1.Voucher {
	if u.Voucher == nil {
		return nil
	}
	out, v := b.uses.next(), u.Voucher
	out.VoucherId, out.Code, out.Name, out.MinSpend = v.ID, v.Code, v.Name, v.MinSpend
	out.RewardType, out.VoucherType = facts.RewardTypeName(v.RewardType), voucherTypes[v.Layer]
	out.Discount, out.Rebate = u.Discount, u.Rebate
	if v.End != facts.Never {
		out.EndTime = b.time(v.End)
	}
	return out
}

func (b *builder) stock(out *pricingv1.Model, m *modelState) {
	p, s := b.st.plan, b.stocks.next()
	s.Available = b.number(m.stock.Available)
	if p.stockBreakdown {
		for _, l := range m.stock.Breakdown {
			s.Breakdown = append(s.Breakdown, &pricingv1.LocationStock{Location: l.Location, Available: l.Available})
		}
	}
	if p.timeslots {
		for _, t := range m.stock.Timeslots {
			s.Timeslots = append(s.Timeslots, &pricingv1.TimeslotStock{StartTime: b.time(t.Start), EndTime: b.time(t.End), Available: t.Available})
		}
	}
	if p.purchaseLimit {
		s.PurchaseLimit = m.purchaseLimit()
	}
	out.Stock = s
}

// purchaseLimit is what the user may still buy of the main promo: within its limit, and in stock both of the model and of the promotion.
func (m *modelState) purchaseLimit() *pricingv1.PurchaseLimit {
	limit := m.main.rec.PurchaseLimit
	left := min(m.stock.Available, m.main.rec.Stock)
	if m.main.rec.SoldOut {
		left = 0
	}
	if limit > 0 {
		left = min(left, limit-m.stock.Purchased)
	}
	left = max(left, 0)
	return &pricingv1.PurchaseLimit{Limit: limit, Purchased: m.stock.Purchased, Purchasable: &left, Exceeded: m.quantity > left}
}

func (b *builder) decoration(d *facts.Decoration) *pricingv1.Decoration {
	if *d == (facts.Decoration{}) {
		return nil
	}
	out := b.decors.next()
	out.Label, out.Color, out.ImageUrl = d.Label, d.Color, d.ImageURL
	return out
}

func (b *builder) number(v int64) *int64 {
	n := b.numbers.next()
	*n = v
	return n
}

// time makes a timestamp, or finds the one made for the same instant.
func (b *builder) time(at int64) *timestamppb.Timestamp {
	for i := range b.known {
		if b.known[i].ts != nil && b.known[i].at == at {
			return b.known[i].ts
		}
	}
	ts := b.times.next()
	t := time.Unix(0, at)
	ts.Seconds, ts.Nanos = t.Unix(), int32(t.Nanosecond())
	b.known[b.oldest].at, b.known[b.oldest].ts = at, ts
	b.oldest = (b.oldest + 1) % len(b.known)
	return ts
}
