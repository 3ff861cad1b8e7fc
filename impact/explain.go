package impact

import (
	"context"
	"fmt"
	"slices"
	"strings"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// maxReasons bounds what is told of one price change.
const maxReasons = 4

// explainLargest prices the requests of the largest price changes again, with their traces, and tells what became of the promo and the vouchers
// that made the old price, and why those of the new price did not make it before.
func explainLargest(ctx context.Context, report *Report, before, after *Offline) error {
	for _, c := range slices.Concat(report.Largest, report.LargestByPercent) {
		old, now := before.Trace(ctx, c.request), after.Trace(ctx, c.request)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if old.Response == nil || now.Response == nil {
			continue // it was answered before: what fails now has no more to tell than the answers
		}
		if why := because(c, old.Response, now.Response); len(why) > 0 {
			c.Because = why
		}
	}
	return nil
}

// because compares the traces of a model.
func because(c *PriceChange, before, after *pricingv1.GetPromotionInfoResponse) []string {
	model := c.ModelID
	if model == 0 {
		if model = mainModel(before, c.ItemID); model == 0 || model != mainModel(after, c.ItemID) {
			return c.Because // another model of the item has the price: their traces say nothing of each other
		}
	}
	old, now := before.GetTrace(), after.GetTrace()
	var why []string
	was, is := mainPromo(old, model), mainPromo(now, model)
	if was != nil && is != nil && (was.GetPromotionId() != is.GetPromotionId() || was.GetPriceRuleType() != is.GetPriceRuleType()) {
		why = append(why, fmt.Sprintf("main promo: %s -> %s", traceName(was), traceName(is)))
		if gone := find(now, was); gone != nil && !gone.GetKept() {
			why = append(why, fmt.Sprintf("%s is dropped now: %s", traceName(gone), drop(gone)))
		}
		if come := find(old, is); come != nil && !come.GetKept() {
			why = append(why, fmt.Sprintf("%s was dropped before: %s", traceName(come), drop(come)))
		}
	} else if was != nil && is != nil && was.GetPrice() != is.GetPrice() {
		why = append(why, fmt.Sprintf("%s shows another price: tax mode", traceName(is)))
	}
	names := voucherNames(before, after)
	why = append(why, lostVouchers(model, old, now, names, "now")...)
	why = append(why, lostVouchers(model, now, old, names, "before")...)
	if old.GetScenario() != now.GetScenario() {
		why = append(why, fmt.Sprintf("scenario: %s -> %s", old.GetScenario(), now.GetScenario()))
	}
	return why[:min(len(why), maxReasons)]
}

// lostVouchers says why vouchers that one trace applies to a model are not applied in the other, which is that of now or before.
func lostVouchers(model int64, applied, other *pricingv1.Trace, names func(id int64) string, when string) []string {
	var why, absent []string
	fate := map[string]string{"now": "no longer applies", "before": "did not apply"}[when]
	for _, v := range applied.GetVouchers() {
		if v.GetModelId() != model || !v.GetApplied() {
			continue
		}
		name := names(v.GetVoucherId())
		switch o := findVoucher(other, v); {
		case o == nil:
			absent = append(absent, name)
		case o.GetLostToVoucherId() != 0:
			why = append(why, fmt.Sprintf("voucher %s %s: %s saves more", name, fate, names(o.GetLostToVoucherId())))
		case !o.GetApplied():
			why = append(why, fmt.Sprintf("voucher %s %s: %s", name, fate, o.GetReason()))
		}
	}
	switch {
	case len(absent) == 0:
	case len(other.GetVouchers()) == 0:
		why = append(why, fmt.Sprintf("no vouchers %s: without %s", when, strings.Join(absent, " + ")))
	default:
		why = append(why, fmt.Sprintf("not among the vouchers to choose from %s: %s", when, strings.Join(absent, " + ")))
	}
	return why
}

func mainModel(resp *pricingv1.GetPromotionInfoResponse, item int64) int64 {
	for _, it := range resp.GetItems() {
		if it.GetItemId() == item {
			return it.GetMainModelId()
		}
	}
	return 0
}

func mainPromo(t *pricingv1.Trace, model int64) *pricingv1.TracePromo {
	for _, p := range t.GetPromos() {
		if p.GetModelId() == model && slices.Contains(p.GetRoles(), "main") {
			return p
		}
	}
	return nil
}

// find is what became of a promotion in another trace.
func find(t *pricingv1.Trace, p *pricingv1.TracePromo) *pricingv1.TracePromo {
	for _, other := range t.GetPromos() {
		if other.GetModelId() == p.GetModelId() && other.GetPromotionId() == p.GetPromotionId() && other.GetPriceRuleType() == p.GetPriceRuleType() {
			return other
		}
	}
	return nil
}

func findVoucher(t *pricingv1.Trace, v *pricingv1.TraceVoucher) *pricingv1.TraceVoucher {
	for _, other := range t.GetVouchers() {
		if other.GetModelId() == v.GetModelId() && other.GetVoucherId() == v.GetVoucherId() {
			return other
		}
	}
	return nil
}

func traceName(p *pricingv1.TracePromo) string {
	return promoName(&pricingv1.Promotion{PromotionId: p.GetPromotionId(), PriceRuleType: p.GetPriceRuleType()})
}

func drop(p *pricingv1.TracePromo) string {
	return strings.TrimSpace(p.GetStage() + " " + p.GetReason())
}

// voucherNames names vouchers by their codes, as far as an answer has them.
func voucherNames(answers ...*pricingv1.GetPromotionInfoResponse) func(id int64) string {
	codes := map[int64]string{}
	for _, resp := range answers {
		for _, item := range resp.GetItems() {
			for _, m := range item.GetModels() {
				for _, v := range m.GetVouchers().GetApplied() {
					codes[v.GetVoucherId()] = v.GetCode()
				}
			}
		}
	}
	return func(id int64) string {
		if c := codes[id]; c != "" {
			return c
		}
		return fmt.Sprint(id)
	}
}
