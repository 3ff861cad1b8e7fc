package policy

import (
	"context"

	"proscenium/engine/policy/breaker"
	"proscenium/engine/policy/limit"
	"proscenium/rules"
)

// Outbound are the policies around the calls of one command in one scene, for one class of traffic. It is a handle: nothing is looked up when it is used.
// It is safe for concurrent use.
type Outbound struct {
	registry       *Registry
	command        string
	subject        string
	breaker, scene *breakerState // nil: none
	limits         []*limitHandle
	queue          *queueState // nil: none
	bulkhead       *bulkhead   // nil: none
}

// Query is what policies are asked about: it may take several calls.
type Query struct {
	// Input is what keys of limits are evaluated over.
	Input *rules.Input
	// Calls is what the query costs, and AtOnce how many of them are under way together.
	Calls, AtOnce int
	// Held is leave by the scene's breaker that [Outbound.Hold] gave before; nil: it is asked now.
	Held     *breaker.Permit
	Listener Listener
}

// Pass is leave for a query. How it ended is reported once, by Done, and the room that it takes up is given back.
type Pass struct {
	registry *Registry
	permits  breaker.Permits
	held     breaker.Permit
	room     Room
	// Soft says that a limit marked the query.
	Soft bool
}

// Hold asks the breaker of the scene ahead of the call, so that the request goes on by what it says now whatever happens until then. A permit that is not
// used is to be given back as ignored. Where there is no such breaker it is the zero permit.
func (o *Outbound) Hold() (breaker.Permit, *Refusal) {
	if o.scene == nil {
		return breaker.Permit{}, nil
	}
	now := o.registry.nanos()
	b := o.scene.of()
	permit, ok := b.Allow(now)
	if !ok {
		return breaker.Permit{}, o.broken(o.scene, b, now)
	}
	return permit, nil
}

// GiveBack ends a permit that was not used. One that was used, and the zero one, stays as it is.
func (r *Registry) GiveBack(held breaker.Permit) { held.Done(r.nanos(), breaker.Ignored) }

// Enter asks all policies in their order. Where one refuses, those before are as if they had not been asked, but for limits that counted the query already.
// The query is the caller's own to end before ctx does.
func (o *Outbound) Enter(ctx context.Context, q *Query) (Pass, *Refusal) {
	now := o.registry.nanos()
	p := Pass{registry: o.registry}
	if refused := o.allow(now, q, &p); refused != nil {
		return Pass{}, refused
	}
	if len(o.limits) == 0 && o.queue == nil && o.bulkhead == nil {
		p.start(now)
		return p, nil
	}
	if refused := o.ration(ctx, now, q, &p); refused != nil {
		p.Done(breaker.Ignored)
		return Pass{}, refused
	}
	p.start(o.registry.nanos())
	return p, nil
}

// allow asks the breakers, together: a refusal of one leaves no trace on the other.
func (o *Outbound) allow(now int64, q *Query, p *Pass) *Refusal {
	command, scene := o.breaker.of(), o.scene.of()
	if q.Held != nil {
		scene, p.held = nil, *q.Held
	}
	if command == nil && scene == nil {
		return nil
	}
	permits, ok := breaker.AllowBoth(now, command, scene)
	if ok {
		p.permits = permits
		return nil
	}
	p.Done(breaker.Ignored) // what is held
	if command != nil && permits.Refuser() == command {
		return o.broken(o.breaker, command, now)
	}
	return o.broken(o.scene, scene, now)
}

func (o *Outbound) broken(s *breakerState, b *breaker.Breaker, now int64) *Refusal {
	s.refused.Add(1)
	return &Refusal{Layer: Breaker, Key: s.name, Subject: o.subject, RetryAfter: b.RetryAfter(now)}
}

// ration asks what bounds how many calls there are.
func (o *Outbound) ration(ctx context.Context, now int64, q *Query, p *Pass) *Refusal {
	for _, l := range o.limits {
		v := l.take(ctx, now, q.Input, int64(q.Calls), q.Listener)
		if v.Stops() {
			return refusal(Limit, o.subject, &v)
		}
		p.Soft = p.Soft || v.Outcome == limit.Soft
	}
	if o.queue != nil {
		if after, ok := o.queue.take(int64(q.Calls)); !ok {
			return &Refusal{Layer: Queue, Key: o.queue.name, Subject: o.subject, RetryAfter: after}
		}
	}
	if ctx.Err() != nil {
		// The time was over before the call: that says nothing about who would have been called.
		return &Refusal{Layer: Limit, Key: o.command, Subject: o.subject}
	}
	if o.bulkhead != nil {
		room, ok := o.bulkhead.enter(int64(max(q.AtOnce, 1)))
		if !ok {
			return &Refusal{Layer: Bulkhead, Key: o.command, Subject: o.subject}
		}
		p.room = room
	}
	return nil
}

func (p *Pass) start(now int64) {
	p.permits.Start(now)
	p.held.Start(now)
}

// Room is what the query takes up in the bulkhead. Whoever makes the calls gives it back, when they have really ended.
func (p *Pass) Room() Room { return p.room }

// Done tells the breakers how the query ended.
func (p *Pass) Done(outcome breaker.Outcome) {
	now := p.registry.nanos()
	p.permits.Done(now, outcome)
	p.held.Done(now, outcome)
}

// BreakerState is that of the breakers around the call for traces: the worse of the two, empty where there are none.
func (o *Outbound) BreakerState() string {
	var worst breaker.State
	if o.breaker == nil && o.scene == nil {
		return ""
	}
	now := o.registry.nanos()
	for _, s := range []*breakerState{o.breaker, o.scene} {
		if b := s.of(); b != nil {
			worst = worse(worst, b.State(now))
		}
	}
	return worst.String()
}

// worse orders closed, half-open and open.
func worse(a, b breaker.State) breaker.State {
	if a == breaker.Open || b == breaker.Closed {
		return a
	}
	return b
}

// Limited says whether anything bounds how many calls there are.
func (o *Outbound) Limited() bool { return len(o.limits) > 0 || o.queue != nil || o.bulkhead != nil }
