// Package engine prices requests: it compiles the scenes of a snapshot into plans and runs them over the providers.
package engine

import (
	"context"
	"time"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"

	"proscenium/scenes"
)

// Deps are what an engine needs.
type Deps struct {
	// Open gives the providers of a region of a snapshot. It is called when a snapshot is applied.
	Open func(*scenes.Snapshot, *scenes.Region) (*Providers, error)
	// Now is the clock; it is read once a request.
	Now func() time.Time
	// Observer may be nil.
	Observer Observer
}

// Engine prices requests under the snapshot that was applied last. It is safe for concurrent use.
type Engine struct{ deps Deps }

// New makes an engine that answers nothing before the first Apply.
func New(deps Deps) *Engine { return &Engine{deps: deps} }

// Apply compiles the snapshot and, if that succeeds, serves it from the next request on. Requests under way end on the one they began with.
func (e *Engine) Apply(snap *scenes.Snapshot) error { return nil }

// Snapshot is the one that serves, nil before the first Apply.
func (e *Engine) Snapshot() *scenes.Snapshot { return nil }

// Caller is who asks.
type Caller struct {
	// Client is the name of the authenticated client; empty where access control is off: every scene is allowed.
	Client string
}

// Price answers a request that was validated against its protovalidate constraints. Errors are *fault.Error.
func (e *Engine) Price(ctx context.Context, caller Caller, req *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
	return nil, nil
}

// DeleteCached drops cached price records of models, or whole items, and returns how many entries there were.
func (e *Engine) DeleteCached(cache CacheName, region string, keys []PriceKey) (int, error) {
	return 0, nil
}
