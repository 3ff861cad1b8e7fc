// Package engine prices requests: it compiles the scenes of a snapshot into plans and runs them over the providers.
//
// A plan runs its stages in one direction over one request state: query, rules, eligibility, tax selection, model display, then rebate,
// vouchers and stock, then the final price, the item display and the result.
package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"

	"proscenium/engine/policy"
	"proscenium/engine/policy/limit"
	"proscenium/engine/pricecache"
	"proscenium/fault"
	"proscenium/kv"
	"proscenium/scenes"
	"proscenium/traffic"
)

// Deps are what an engine needs.
type Deps struct {
	// Open gives the providers of a region of a snapshot, for each class of traffic. It is called when a snapshot is applied.
	Open func(*scenes.Snapshot, *scenes.Region, traffic.Class) (*Providers, error)
	// Now is the clock; it is read once a request.
	Now func() time.Time
	// Observer may be nil.
	Observer Observer
	// Failed is told of every query that a dependency did not answer, for logs. It is called on the request path and does not block. It may be nil.
	Failed func(Failure)
	// Policies keep the state of limits, breakers and queues. nil: there are none, whatever the configuration says, as is right where nobody is served.
	Policies *policy.Registry
	// Stores are for the second level of the caches, and tell the other processes of purges. nil: caches are in memory, and each process is alone.
	Stores *kv.KV
}

// Failure is a query that a dependency did not answer.
type Failure struct {
	Scene   string
	Class   traffic.Class
	Command Command
	Outcome Outcome
	Err     error
}

// Engine prices requests under the snapshot that was applied last. It is safe for concurrent use.
type Engine struct {
	deps    Deps
	obs     [traffic.Count]TrafficObserver // nil: nobody listens
	program atomic.Pointer[program]

	applying sync.Mutex
	caches   *pricecache.Caches // survive Apply, which is guarded by applying
	switches []Switch           // likewise
}

// New makes an engine that answers nothing before the first Apply.
func New(deps Deps) *Engine {
	e := &Engine{deps: deps}
	if deps.Observer != nil {
		for _, class := range traffic.All() {
			e.obs[class] = deps.Observer.Traffic(class)
		}
	}
	e.caches = newCaches(&deps, e.obs)
	return e
}

// Apply compiles the snapshot and, if that succeeds, serves it from the next request on. Requests under way end on the one they began with.
// On an error nothing has changed.
func (e *Engine) Apply(snap *scenes.Snapshot) error {
	e.applying.Lock()
	defer e.applying.Unlock()
	p, err := compileProgram(snap, &e.deps, e.obs, e.caches)
	if err != nil {
		return err
	}
	p.throw(e.switches)
	e.program.Store(p)
	e.caches.Applied()
	if e.deps.Policies != nil {
		e.deps.Policies.Retain(p.policies)
	}
	if e.deps.Observer != nil {
		e.deps.Observer.Applied(snap.Version, snap.LoadedAt)
	}
	return nil
}

// Close ends what the engine runs in the background. Requests are answered still; a configuration that is applied later has no caches.
func (e *Engine) Close() {
	e.applying.Lock()
	defer e.applying.Unlock()
	e.caches.Close()
}

// Snapshot is the one that serves, nil before the first Apply.
func (e *Engine) Snapshot() *scenes.Snapshot {
	if p := e.program.Load(); p != nil {
		return p.snap
	}
	return nil
}

// Caller is who asks.
type Caller struct {
	// Client is the name of the authenticated client; empty where access control is off: every scene is allowed.
	Client string
	// At is the instant at which the request arrives, instead of the clock's: for tests and for requests that were recorded. Caches, which
	// hold records of other instants, are bypassed. Zero: now.
	At time.Time
	// Class is whose traffic the request is. A context that is marked as shadow makes a request shadow, too: none becomes live by mistake.
	Class traffic.Class
	// Verdicts, unless nil, is filled with what the limits around the request said, in the order in which they were asked, whether or not one refused.
	Verdicts *[]limit.Verdict
	// Draw, from 1 to shed.Draws, is the number that the request drew: by it a part of a priority is refused under load. 0: it is drawn when it is needed.
	Draw uint8
	// Trace returns the trace, also where the request does not ask for it or the scene keeps it from its callers: for those who have the
	// configuration's files anyway.
	Trace bool
}

// Price answers a request that was validated against its protovalidate constraints. Errors are *fault.Error.
func (e *Engine) Price(ctx context.Context, caller Caller, req *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
	p := e.program.Load()
	if p == nil {
		return nil, fault.New(fault.Unavailable, "NOT_READY", "no configuration has been loaded yet: try again")
	}
	now := caller.At
	if now.IsZero() {
		now = e.deps.Now()
	}
	st := states.Get().(*state)
	defer st.release()
	st.class = classOf(ctx, caller.Class)
	st.ctx, st.program, st.req, st.obs, st.onFailure = traffic.With(ctx, st.class), p, req, e.obs[st.class], e.deps.Failed
	st.started = time.Now()
	st.lapped = st.started

	resp, err := st.price(caller, now)
	if st.scene != nil && st.scene.obs[st.class] != nil {
		st.report(err)
	}
	return resp, err
}

// classOf is shadow where the caller or the context says so, or says something that is no class.
func classOf(ctx context.Context, said traffic.Class) traffic.Class {
	if said != traffic.Live || traffic.From(ctx) != traffic.Live {
		return traffic.Shadow
	}
	return traffic.Live
}

func (st *state) price(caller Caller, now time.Time) (*pricingv1.GetPromotionInfoResponse, error) {
	client, err := st.begin(caller, now)
	if err != nil {
		return nil, err
	}
	if err := st.admit(client, caller.Draw, caller.Verdicts); err != nil {
		return nil, err
	}
	st.holdVouchers()
	if err := st.run(); err != nil {
		return nil, err
	}
	return st.result()
}

// run takes the stages of the plan in order. What a plan does not need is not in it; what is downgraded was taken out by the stage itself.
func (st *state) run() error {
	p := st.plan
	if err := st.query(); err != nil {
		return err
	}
	if p.rulesNeedItems || p.rulesNeedLabels {
		if err := st.loadItemFacts(p.rulesNeedItems, p.rulesNeedLabels); err != nil {
			return err
		}
		st.lap(StageFacts)
	}
	if p.hasRules() {
		st.applyRules()
		st.lap(StageRules)
	}
	if p.login {
		if err := st.checkEligibility(); err != nil {
			return err
		}
		st.lap(StageEligibility)
	}
	if err := st.selectPrices(); err != nil {
		return err
	}
	st.lap(StageTax)
	st.displayModels()
	st.lap(StageModelDisplay)
	if err := st.dependents(); err != nil {
		return err
	}
	if err := st.finalPrices(); err != nil {
		return err
	}
	st.lap(StageFinalPrice)
	if p.itemDisplay || p.packages {
		st.displayItems()
		st.lap(StageItemDisplay)
	}
	if p.has(StageDecoration) {
		if err := st.decorate(); err != nil {
			return err
		}
		st.lap(StageDecoration)
	}
	return nil
}

// failed decides what a dependency's failure does. Failures that the final price rests on make the answer inaccurate, or fail the request
// where the scene says so; the others only leave their feature out. It returns an error if the request ends here.
func (st *state) failed(command Command, feature string, priceRelated bool, err error) error {
	if ctxErr := st.ctx.Err(); ctxErr != nil {
		return ended(ctxErr)
	}
	st.tellFailure(command, err)
	if priceRelated && st.plan.propagate {
		return unavailable("DEPENDENCY_FAILED", "DEPENDENCY_REFUSED", command, err)
	}
	if priceRelated {
		st.inaccurate = true
	}
	st.degrade(feature, command.String(), causeOf(err))
	return nil
}

// tellFailure tells of a query that the dependency did not answer. One that a policy refused is none of its failures.
func (st *state) tellFailure(command Command, err error) {
	if st.onFailure != nil && !refused(err) {
		st.onFailure(Failure{Scene: st.request.Scene, Class: st.class, Command: command, Outcome: outcomeOf(err), Err: err})
	}
}

// unavailable is the error of a request that ends because a dependency failed or, for the other reason, because a policy kept it from being asked.
func unavailable(failed, refused string, command Command, err error) error {
	var refusal *policy.Refusal
	if errors.As(err, &refusal) {
		return refusedCall(refused, command, refusal)
	}
	return fault.New(fault.Unavailable, failed, "%s did not answer (%s): try again", command, outcomeOf(err)).
		With("command", command.String()).With("outcome", outcomeOf(err).String()).Because(err)
}

// ended is the error of a request whose own context is over.
func ended(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.New(fault.DeadlineExceeded, "DEADLINE_EXCEEDED", "the request's deadline passed before the answer was complete").Because(err)
	}
	return fault.New(fault.Canceled, "CANCELED", "the caller cancelled the request").Because(err)
}

// report tells the scene's observer how the request ended.
func (st *state) report(err error) {
	d, obs := time.Since(st.started), st.scene.obs[st.class]
	if err != nil {
		reason := fault.Reason(err)
		obs.Failed(reason, d)
		return
	}
	obs.Priced(st.group, !st.inaccurate, len(st.models), d)
	for _, g := range st.degraded {
		obs.Degraded(g.feature, causeNames[g.cause])
	}
}

// causeNames are the names of causes in metrics and traces.
var causeNames = [...]string{
	pricingv1.DegradationCause_DEGRADATION_CAUSE_UNSPECIFIED:      "",
	pricingv1.DegradationCause_DEGRADATION_CAUSE_OPERATOR:         "operator",
	pricingv1.DegradationCause_DEGRADATION_CAUSE_BREAKER_OPEN:     "breaker_open",
	pricingv1.DegradationCause_DEGRADATION_CAUSE_LIMITED:          "limited",
	pricingv1.DegradationCause_DEGRADATION_CAUSE_DEPENDENCY_ERROR: "dependency_error",
	pricingv1.DegradationCause_DEGRADATION_CAUSE_TIMEOUT:          "timeout",
}
