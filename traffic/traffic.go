// Package traffic tells live traffic from that of stress tests: the class of a request, which goes with it to every dependency and into the name of
// every state that it touches.
package traffic

import "context"

// Class is whose a request is. The zero value is live.
type Class uint8

// The classes.
const (
	Live Class = iota
	// Shadow traffic takes the same code path as live traffic and touches no live state, other than configuration and catalog.
	Shadow
	// Count is how many classes there are, for arrays with an entry for each.
	Count
)

// Names are those of the classes in metrics, traces, keys and logs.
var Names = [Count]string{"live", "shadow"}

func (c Class) String() string {
	if c >= Count {
		return "unknown"
	}
	return Names[c]
}

// All are the classes, in order.
func All() [Count]Class { return [Count]Class{Live, Shadow} }

// How a request says its class.
const (
	// Header is "1" on shadow requests.
	Header = "X-Proscenium-Shadow"
	// BaggageKey is the member of the W3C baggage that is "1" on shadow requests.
	BaggageKey = "proscenium.shadow"
)

type key struct{}

// With returns a context of the class: calls that are made in it carry the mark on.
func With(ctx context.Context, class Class) context.Context {
	if From(ctx) == class {
		return ctx
	}
	return context.WithValue(ctx, key{}, class)
}

// From is the class of a context, live where none was set.
func From(ctx context.Context) Class {
	class, _ := ctx.Value(key{}).(Class)
	return class
}
