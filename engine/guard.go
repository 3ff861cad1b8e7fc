package engine

import (
	"context"
	"errors"

	configv1 "proscenium/gen/proscenium/config/v1"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"

	"proscenium/engine/policy"
	"proscenium/engine/policy/breaker"
	"proscenium/engine/policy/limit"
	"proscenium/scenes"
	"proscenium/traffic"
)

// guards are the policies of a scene for one class of traffic, resolved when its configuration was compiled.
type guards struct {
	// calls are around the calls of each command; nil: none.
	calls [commandCount]*policy.Outbound
	// downgraded is around calls to the downgraded voucher pools.
	downgraded *policy.Outbound
	// requests are around the requests of each client; nil of the scene's own, for requests without a client.
	requests map[*scenes.Client]*policy.Inbound
}

func compileGuards(set *policy.Set, class traffic.Class, s *scenes.Scene, snap *scenes.Snapshot) guards {
	var g guards
	if set == nil {
		return g
	}
	for c := range commandCount {
		g.calls[c] = set.Outbound(class, c.String(), s)
	}
	g.downgraded = set.Downgraded(class, s)
	add := func(key, client *scenes.Client) {
		if in := set.Inbound(class, client, s); in != nil {
			if g.requests == nil {
				g.requests = map[*scenes.Client]*policy.Inbound{}
			}
			g.requests[key] = in
		}
	}
	add(nil, s.Client)
	for _, client := range snap.Clients {
		if client.Allowed[s] {
			add(client, client)
		}
	}
	return g
}

// guard is what stands around the calls of a command; nil: nothing.
func (st *state) guard(c Command) *policy.Outbound {
	g := &st.scene.guards[st.class]
	if c == BestVouchers && st.off.has(configv1.DowngradeFeature_DOWNGRADE_FEATURE_PRICE_AFTER_VOUCHER) {
		return g.downgraded
	}
	return g.calls[c]
}

// admit asks the policies around the request. client is that of the caller, nil where there is none.
func (st *state) admit(client *scenes.Client, draw uint8, verdicts *[]limit.Verdict) error {
	requests := st.scene.guards[st.class].requests
	if requests == nil {
		return nil
	}
	in := requests[client]
	if in == nil {
		return nil
	}
	entry, refused := in.EnterDrawn(st.ctx, &st.input, draw, inbound{st})
	if verdicts != nil {
		*verdicts = append(*verdicts, st.limits...)
	}
	if refused == nil {
		st.entry = entry
		return nil
	}
	if err := st.ctx.Err(); err != nil {
		return ended(err)
	}
	st.observeRefusal(refused.Layer, refused.Key, false)
	return refusedRequest(refused)
}

// holdVouchers asks the breaker of the scene's vouchers, for the whole request: what it says now holds to the end. Where it is open the scene goes on with
// its downgraded pools.
func (st *state) holdVouchers() {
	const feature = configv1.DowngradeFeature_DOWNGRADE_FEATURE_PRICE_AFTER_VOUCHER
	guard := st.scene.guards[st.class].calls[BestVouchers]
	if guard == nil || !st.plan.vouchers || st.off.has(feature) {
		return
	}
	permit, refused := guard.Hold()
	if refused == nil {
		st.held, st.holds = permit, true
		return
	}
	st.observeRefusal(refused.Layer, refused.Key, false)
	st.off.add(feature)
	scope := "scene:" + st.scene.scene.Name
	st.degrade(featureNames[feature], scope, pricingv1.DegradationCause_DEGRADATION_CAUSE_BREAKER_OPEN)
	if st.trace != nil {
		st.trace.downgrade(featureNames[feature], scope, causeNames[pricingv1.DegradationCause_DEGRADATION_CAUSE_BREAKER_OPEN])
	}
}

// heldPermit is what holdVouchers got; nil: the scene's breaker was not asked.
func (st *state) heldPermit() *breaker.Permit {
	if !st.holds {
		return nil
	}
	return &st.held
}

// leave gives back what the request still has of policies.
func (st *state) leave() {
	if st.holds {
		st.program.policies.Registry().GiveBack(st.held)
	}
	st.entry.Leave()
}

// judged is what a query tells breakers of the dependency. caller is the context that does not end with the dependency's own time.
func judged(caller context.Context, err error) breaker.Outcome {
	switch {
	case err == nil, errors.Is(err, ErrRejected):
		return breaker.Success
	case errors.Is(caller.Err(), context.Canceled):
		return breaker.Ignored
	}
	return breaker.Failure
}

// callRefused tells of a query that a policy kept from being made: it is no call.
func (st *state) callRefused(caller context.Context, command Command, r *policy.Refusal, how called) {
	if caller.Err() == nil {
		st.observeRefusal(r.Layer, r.Key, false)
	}
	if st.trace == nil {
		return
	}
	switch r.Layer {
	case policy.Bulkhead:
		how.limiter = "bulkhead_full"
	case policy.Limit, policy.Queue:
		how.limiter = "limited"
	}
	st.trace.refused(command, r, how)
}

// limiterOf is what traces say of the limits around a call that was made.
func limiterOf(soft bool) string {
	if soft {
		return limit.Soft.String()
	}
	return limit.OK.String()
}

func (st *state) observeRefusal(layer policy.Layer, key string, dryRun bool) {
	if st.obs != nil {
		st.obs.Refused(layer, key, dryRun)
	}
}

// decided counts what a limit would have refused.
func (st *state) decided(v *limit.Verdict) {
	if v.DryRun && v.Outcome == limit.Refused {
		st.observeRefusal(policy.Limit, v.Name+"/"+v.Dimension, true)
	}
}

// inbound listens to the policies around a request, outbound to those around its calls.
type (
	inbound  struct{ *state }
	outbound struct{ *state }
)

// Decided keeps the verdict for the answer.
func (l inbound) Decided(v limit.Verdict) {
	l.limits = append(l.limits, v)
	l.decided(&v)
}

// RuleFailed counts and traces the failure.
func (l inbound) RuleFailed(rule string, err error) { l.ruleError(rule, err) }

// Decided counts.
func (l outbound) Decided(v limit.Verdict) { l.decided(&v) }

// RuleFailed counts and traces the failure.
func (l outbound) RuleFailed(rule string, err error) { l.ruleError(rule, err) }
