package policy

import (
	"context"

	"proscenium/engine/policy/shed"
	"proscenium/rules"
	"proscenium/traffic"
)

// Inbound are the policies around the requests of a client to a scene, for one class of traffic. It is a handle: nothing is looked up when it is used. It
// is safe for concurrent use.
type Inbound struct {
	registry *Registry
	class    traffic.Class
	limits   []inboundLimit // in the order in which they are asked
	queue    *queueState    // nil: none
	scene    string         // scene:NAME
	shedder  Shedder        // nil: none
	priority shed.Priority
}

// inboundLimit is a limit with what it protects.
type inboundLimit struct {
	*limitHandle
	layer   Layer
	subject string
}

// Entry is leave for a request. The zero value is of nobody.
type Entry struct {
	shedder Shedder
	class   traffic.Class
}

// Leave ends the request, once.
func (e Entry) Leave() {
	if e.shedder != nil {
		e.shedder.Leave(e.class)
	}
}

// Enter asks all policies in their order: the client's quota, the limits of all requests, those of the scene, its queue, and whether there is room. What
// limits counted before another policy refused stays counted.
func (in *Inbound) Enter(ctx context.Context, input *rules.Input, listener Listener) (Entry, *Refusal) {
	return in.EnterDrawn(ctx, input, 0, listener)
}

// EnterDrawn is Enter for a request that drew its number already, from 1 to shed.Draws.
func (in *Inbound) EnterDrawn(ctx context.Context, input *rules.Input, draw uint8, listener Listener) (Entry, *Refusal) {
	if len(in.limits) > 0 {
		now := in.registry.nanos()
		for i := range in.limits {
			l := &in.limits[i]
			if v := l.take(ctx, now, input, 1, listener); v.Stops() {
				return Entry{}, refusal(l.layer, l.subject, &v)
			}
		}
	}
	if in.queue != nil {
		if after, ok := in.queue.take(1); !ok {
			return Entry{}, &Refusal{Layer: Queue, Key: in.queue.name, Subject: in.scene, RetryAfter: after}
		}
	}
	if in.shedder == nil {
		return Entry{}, nil
	}
	if draw == 0 {
		draw = uint8(in.registry.deps.Random() * shed.Draws)
	}
	if !in.shedder.Enter(in.class, in.priority, draw) {
		return Entry{}, &Refusal{Layer: Shedding, Key: in.priority.String(), Subject: "service"}
	}
	return Entry{in.shedder, in.class}, nil
}
