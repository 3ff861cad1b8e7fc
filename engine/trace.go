package engine

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"proscenium/engine/policy"
	"proscenium/engine/policy/limit"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// tracer collects how an answer comes about. Branches that run together write to it at once.
type tracer struct {
	mu     sync.Mutex
	done   bool // the answer has been given
	out    *pricingv1.Trace
	state  *state
	promos []*pricingv1.TracePromo
	// refs finds the entry of a promotion that takes part in the pricing.
	refs map[*promoState]*pricingv1.TracePromo
}

func newTracer(st *state) *tracer {
	t := &tracer{state: st, refs: make(map[*promoState]*pricingv1.TracePromo)}
	t.out = &pricingv1.Trace{ConfigVersion: st.program.snap.Version, Scene: st.scene.scene.Name, Scenario: st.plan.scenario.Name, Group: st.group, Traffic: st.class.String()}
	if st.group != "" {
		t.out.Experiment = st.scene.scene.Experiment.Name
	}
	return t
}

func (t *tracer) stage(s Stage, d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.out.Stages = append(t.out.Stages, &pricingv1.TraceStage{Name: s.String(), Duration: durationpb.New(d)})
}

func (t *tracer) call(command Command, c called) {
	call := &pricingv1.TraceCall{
		Command: command.String(), Outcome: c.outcome.String(), Duration: durationpb.New(c.took),
		Keys: int32(c.keys), Batches: int32(c.batches), Attempts: int32(c.attempts), Breaker: c.breaker, Limiter: c.limiter,
	}
	if c.failure != nil {
		call.Error = c.failure.Error()
	}
	t.called(call)
}

func (t *tracer) called(call *pricingv1.TraceCall) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		return // of a load that goes on for others
	}
	t.out.Calls = append(t.out.Calls, call)
}

// refused notes a query that a policy kept from being made.
func (t *tracer) refused(command Command, r *policy.Refusal, c called) {
	call := &pricingv1.TraceCall{
		Command: command.String(), Outcome: "refused", Keys: int32(c.keys), Batches: int32(c.batches), Breaker: c.breaker, Limiter: c.limiter, Error: r.Error(),
	}
	t.called(call)
}

// limits notes what the limits around the request said.
func (t *tracer) limits(verdicts []limit.Verdict) {
	for i := range verdicts {
		v := &verdicts[i]
		said := v.Outcome.String()
		if v.DryRun {
			said = "dry_run_" + said
		}
		t.out.Limits = append(t.out.Limits, &pricingv1.TraceLimit{
			Limit: v.Name, Dimension: v.Dimension, Verdict: said, Source: v.Source.String(), Remaining: v.Remaining,
		})
	}
}

// cached notes a query that a cache answered in part or wholly.
func (t *tracer) cached(c Command, outcome string, keys int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.out.Calls = append(t.out.Calls, &pricingv1.TraceCall{Command: c.String(), Outcome: outcome, Keys: int32(keys)})
}

func (t *tracer) downgrade(feature, scope, cause string) {
	t.out.Downgrades = append(t.out.Downgrades, &pricingv1.TraceDowngrade{Feature: feature, Scope: scope, Cause: cause})
}

func (t *tracer) ruleError(rule string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		return // of a provider that is too late
	}
	for _, e := range t.out.RuleErrors {
		if e.Rule == rule && e.Error == err.Error() {
			return
		}
	}
	t.out.RuleErrors = append(t.out.RuleErrors, &pricingv1.TraceRuleError{Rule: rule, Error: err.Error()})
}

// promo is the entry of a promotion, made at the first question.
func (t *tracer) promo(key PromoKey, p *promoState) *pricingv1.TracePromo {
	e := t.refs[p]
	if e == nil {
		e = &pricingv1.TracePromo{
			ItemId: key.ItemID, ModelId: key.ModelID, PromotionId: key.PromotionID, PriceRuleType: p.typ.Name,
			Price: listedPrice(p.rec, t.state.market.region), Kept: true,
		}
		t.refs[p] = e
		t.promos = append(t.promos, e)
	}
	return e
}

func (t *tracer) dropped(m *modelState, p *promoState, stage, reason string) {
	t.droppedKey(keyOf(m, p), p, stage, reason)
}

func (t *tracer) droppedKey(key PromoKey, p *promoState, stage, reason string) {
	e := t.promo(key, p)
	e.Kept, e.Stage, e.Reason = false, stage, reason
}

func keyOf(m *modelState, p *promoState) PromoKey { return PromoKey{m.rec.ItemID, m.id, p.rec.ID} }

// lost notes what the model display made of each promotion of a model.
func (t *tracer) lost(m *modelState, promos []promoState) {
	for i := range promos {
		p := &promos[i]
		e := t.promo(keyOf(m, p), p)
		if p == m.original && t.state.plan.modelOriginal {
			e.Roles = append(e.Roles, "original")
		}
		if p.dropped {
			continue
		}
		e.Price = p.price
		switch {
		case p == m.main:
			e.Roles = append(e.Roles, "main")
		case p == m.teaser:
			e.Roles = append(e.Roles, "teaser")
		case !p.upcoming:
			e.Stage, e.Reason = StageModelDisplay.String(), lostTo(m.main)
			if p.rec.SoldOut && !m.main.rec.SoldOut {
				e.Reason = "SOLD_OUT"
			}
		}
		if p == m.soldOutLive {
			e.Roles = append(e.Roles, "sold_out_flexible_live_stream")
		}
	}
}

func (t *tracer) itemRoles(it *itemState) {
	if it.main != nil {
		e := t.promo(keyOf(it.mainModel, it.main), it.main)
		e.Roles = append(e.Roles, "item_main")
	}
	if m := it.mainModel; t.state.plan.itemOriginal && m != nil && m.original != nil {
		e := t.promo(keyOf(m, m.original), m.original)
		e.Roles = append(e.Roles, "item_original")
	}
	if it.teaser != nil {
		e := t.promo(keyOf(it.teaserModel, it.teaser), it.teaser)
		e.Roles = append(e.Roles, "item_teaser")
	}
}

func (t *tracer) vouchersOf(m *modelState) {
	for _, v := range m.choice.Considered {
		t.out.Vouchers = append(t.out.Vouchers, &pricingv1.TraceVoucher{
			ModelId: m.id, VoucherId: v.VoucherID, Applied: v.Applied, Reason: v.Reason, Discount: v.Discount, Missing: v.Missing, LostToVoucherId: v.LostToVoucherID,
		})
	}
}

func (t *tracer) price(m *modelState) {
	p := &m.price
	formula := fmt.Sprintf("max(0, %d - %d - %d) = %d", p.Promo, p.ShopDiscount, p.PlatformDiscount, p.Final)
	if p.AddBackRebate {
		formula = fmt.Sprintf("max(0, %d - %d - %d) + (%d + %d + %d) = %d",
			p.Promo, p.ShopDiscount, p.PlatformDiscount, p.ProductRebate, p.ShopRebate, p.PlatformRebate, p.Final)
	}
	t.out.Prices = append(t.out.Prices, &pricingv1.TracePrice{ModelId: m.id, Formula: formula})
}

// finish completes the trace: promotions in the order of items and models, the plan by the names of its stages.
func (t *tracer) finish() *pricingv1.Trace {
	t.mu.Lock()
	t.done = true
	t.mu.Unlock()
	order := make(map[int64]int)
	for i := range t.state.models {
		order[t.state.models[i].id] = i
	}
	t.out.Promos = t.promos
	slices.SortStableFunc(t.out.Promos, func(a, b *pricingv1.TracePromo) int {
		return cmp.Compare(order[a.ModelId], order[b.ModelId])
	})
	t.limits(t.state.limits)
	for _, s := range t.state.plan.stages {
		t.out.Plan = append(t.out.Plan, s.String())
	}
	return t.out
}
