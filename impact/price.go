package impact

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// PriceChange is a final price that differs. Amounts are in minor units of Currency.
type PriceChange struct {
	Scene    string `json:"scene"`
	Region   string `json:"region"`
	Currency string `json:"currency"`
	ItemID   int64  `json:"item_id,string"`
	// ModelID is 0 where the scene answers a price of the item only.
	ModelID int64 `json:"model_id,omitempty,string"`
	Old     int64 `json:"old,string"`
	New     int64 `json:"new,string"`
	// Percent is the change by the old price; 0 where the old price is 0.
	Percent float64 `json:"percent"`
	// Requests says how many requests have this change; User and Place are those of the first of them.
	Requests int `json:"requests"`
	// User is 0 for a guest. Pseudonym says that it is not the user's own id.
	User      int64 `json:"user,omitempty,string"`
	Pseudonym bool  `json:"pseudonym,omitempty"`
	// Because tells what else of the model changed: its main promo, its vouchers, and where there is a trace, which rule did it.
	Because []string `json:"because,omitempty"`
	// Place is the file and line of the request in the recording.
	Place string `json:"place"`

	request *Request
	seq     int
}

func (p *PriceChange) delta() float64 { return float64(p.New) - float64(p.Old) }

// ratio is how large the change is by the old price.
func (p *PriceChange) ratio() float64 {
	if p.Old == 0 {
		return math.Inf(1)
	}
	return math.Abs(p.delta()) / math.Abs(float64(p.Old))
}

// key is what changes of different requests have in common.
func (p *PriceChange) key() priceKey {
	return priceKey{p.Scene, p.Region, p.Currency, p.ItemID, p.ModelID, p.Old, p.New}
}

type priceKey struct {
	scene, region, currency string
	item, model, old, now   int64
}

// prices tells the final prices that both answers have, of each model, or of the item where the scene answers no models.
func prices(before, after *pricingv1.GetPromotionInfoResponse, tell func(priced)) {
	items := make(map[int64]*pricingv1.Item, len(before.GetItems()))
	for _, item := range before.GetItems() {
		items[item.GetItemId()] = item
	}
	for _, now := range after.GetItems() {
		old := items[now.GetItemId()]
		if old == nil {
			continue
		}
		if len(old.GetModels()) == 0 || len(now.GetModels()) == 0 {
			if old.FinalPrice != nil && now.FinalPrice != nil {
				tell(priced{item: now.GetItemId(), old: old.GetFinalPrice(), now: now.GetFinalPrice(), why: func() []string {
					return whyPromo(old.GetMainPromo(), now.GetMainPromo())
				}})
			}
			continue
		}
		models := make(map[int64]*pricingv1.Model, len(old.GetModels()))
		for _, m := range old.GetModels() {
			models[m.GetModelId()] = m
		}
		for _, m := range now.GetModels() {
			was := models[m.GetModelId()]
			if was == nil || was.FinalPrice == nil || m.FinalPrice == nil {
				continue
			}
			tell(priced{
				item: now.GetItemId(), model: m.GetModelId(), old: was.GetFinalPrice(), now: m.GetFinalPrice(),
				why: func() []string { return whyModel(was, m) },
			})
		}
	}
}

// priced is a final price on both sides. why tells what else changed; it is asked of the few that are shown.
type priced struct {
	item, model, old, now int64
	why                   func() []string
}

func whyModel(old, now *pricingv1.Model) []string {
	why := whyPromo(old.GetMainPromo(), now.GetMainPromo())
	if len(why) == 0 && old.GetPromoPrice() != now.GetPromoPrice() {
		why = append(why, "the price before vouchers")
	}
	if a, b := vouchersOf(old), vouchersOf(now); a != b {
		why = append(why, fmt.Sprintf("vouchers: %s -> %s", a, b))
	}
	return why
}

func whyPromo(old, now *pricingv1.Promotion) []string {
	if old == nil && now == nil || old.GetPromotionId() == now.GetPromotionId() && old.GetPriceRuleType() == now.GetPriceRuleType() {
		return nil
	}
	return []string{fmt.Sprintf("main promo: %s -> %s", promoName(old), promoName(now))}
}

func promoName(p *pricingv1.Promotion) string {
	switch {
	case p == nil:
		return "none"
	case p.GetPromotionId() == 0:
		return p.GetPriceRuleType()
	default:
		return fmt.Sprintf("%s %d", p.GetPriceRuleType(), p.GetPromotionId())
	}
}

func voucherName(v *pricingv1.Voucher) string {
	if v.GetCode() != "" {
		return v.GetCode()
	}
	return fmt.Sprint(v.GetVoucherId())
}

// vouchersOf names what is taken off the price of a model.
func vouchersOf(m *pricingv1.Model) string {
	var names []string
	for _, v := range m.GetVouchers().GetApplied() {
		names = append(names, voucherName(v))
	}
	if len(names) == 0 { // the scene does not say which
		if m.GetShopVoucherDiscount() != 0 {
			names = append(names, "shop")
		}
		if m.GetPlatformVoucherDiscount() != 0 {
			names = append(names, "platform")
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " + ")
}

// largest keeps the changes that come first in an order. The order must not depend on how often a change occurs: then one that was let go
// could not have come back, and the counts of those kept are right.
type largest struct {
	limit  int
	order  func(a, b *PriceChange) int
	sorted []*PriceChange
	byKey  map[priceKey]*PriceChange
}

func newLargest(limit int, order func(a, b *PriceChange) int) *largest {
	return &largest{limit: limit, order: order, byKey: map[priceKey]*PriceChange{}}
}

// byAmount orders by the change itself, byRatio by the change of the old price.
func byAmount(a, b *PriceChange) int {
	return cmp.Or(cmp.Compare(math.Abs(b.delta()), math.Abs(a.delta())), cmp.Compare(b.ratio(), a.ratio()), byName(a, b))
}

func byRatio(a, b *PriceChange) int {
	return cmp.Or(cmp.Compare(b.ratio(), a.ratio()), cmp.Compare(math.Abs(b.delta()), math.Abs(a.delta())), byName(a, b))
}

func byName(a, b *PriceChange) int {
	return cmp.Or(
		strings.Compare(a.Scene, b.Scene), strings.Compare(a.Region, b.Region), strings.Compare(a.Currency, b.Currency),
		cmp.Compare(a.ItemID, b.ItemID), cmp.Compare(a.ModelID, b.ModelID), cmp.Compare(a.Old, b.Old), cmp.Compare(a.New, b.New),
	)
}

// add takes a change in, if it is among the first. explain fills in what is told of those only.
func (l *largest) add(p PriceChange, explain func(*PriceChange)) {
	if l.limit == 0 {
		return
	}
	if known := l.byKey[p.key()]; known != nil {
		known.Requests += p.Requests
		if p.seq < known.seq {
			p.Requests = known.Requests
			explain(&p)
			*known = p
		}
		return
	}
	at, _ := slices.BinarySearchFunc(l.sorted, &p, l.order)
	if at == l.limit {
		return
	}
	explain(&p)
	l.sorted = slices.Insert(l.sorted, at, &p)
	l.byKey[p.key()] = &p
	if len(l.sorted) > l.limit {
		delete(l.byKey, l.sorted[l.limit].key())
		l.sorted = l.sorted[:l.limit]
	}
}

func (l *largest) merge(other *largest) {
	for _, p := range other.sorted {
		l.add(*p, func(*PriceChange) {})
	}
}
