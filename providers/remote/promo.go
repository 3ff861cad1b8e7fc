package remote

import (
	"fmt"

	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
)

// Record writes a promotion to a message, which shares its prices: both are only read from here on.
func Record(p *facts.Promo, to *providerv1.PriceRecord) {
	to.PromotionId = p.ID
	to.PriceRuleTypeId = p.Type
	if p.PreTax != facts.NoPrice {
		to.PreTaxPrice = &p.PreTax
	}
	if p.PostTax != facts.NoPrice {
		to.PostTaxPrice = &p.PostTax
	}
	to.StartTime, to.EndTime = Start(p.Start), End(p.End)
	to.SoldOut = p.SoldOut
	to.Stock = p.Stock
	to.PurchaseLimit = p.PurchaseLimit
	to.Audience = p.Audience
	to.LiveStreamSessionId, to.LiveStreamStreamerId = p.SessionID, p.StreamerID
}

// Promo reads a promotion from a message. It is [Malformed] if no price is known, a number is negative, or the window is none.
func Promo(r *providerv1.PriceRecord, to *facts.Promo) error {
	switch {
	case r.GetPromotionId() < 0:
		return Malformed("promotion %d has a negative id", r.GetPromotionId())
	case r.PreTaxPrice == nil && r.PostTaxPrice == nil:
		return Malformed("promotion %d has no price", r.GetPromotionId())
	case r.GetPreTaxPrice() < 0 || r.GetPostTaxPrice() < 0:
		return Malformed("promotion %d has a negative price", r.GetPromotionId())
	case r.GetStock() < 0:
		return Malformed("promotion %d has a negative stock", r.GetPromotionId())
	case r.GetPurchaseLimit() < 0:
		return Malformed("promotion %d has a negative purchase limit", r.GetPromotionId())
	}
	start, end, err := Window(r.GetStartTime(), r.GetEndTime())
	if err != nil {
		return fmt.Errorf("promotion %d: %w", r.GetPromotionId(), err)
	}
	*to = facts.Promo{
		ID: r.GetPromotionId(), Type: r.GetPriceRuleTypeId(), SoldOut: r.GetSoldOut(),
		PreTax: facts.NoPrice, PostTax: facts.NoPrice, Start: start, End: end,
		Stock: r.GetStock(), PurchaseLimit: r.GetPurchaseLimit(), Audience: r.GetAudience(),
		SessionID: r.GetLiveStreamSessionId(), StreamerID: r.GetLiveStreamStreamerId(),
	}
	if r.PreTaxPrice != nil {
		to.PreTax = *r.PreTaxPrice
	}
	if r.PostTaxPrice != nil {
		to.PostTax = *r.PostTaxPrice
	}
	return nil
}
