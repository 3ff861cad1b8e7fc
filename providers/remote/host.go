package remote

import (
	"context"
	"errors"

	"connectrpc.com/connect"

	"proscenium/engine"
	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/scenes"
)

// Host lets providers of this process answer as services: it makes of a question's context what [engine.Provider] wants.
type Host struct {
	// Snap is the configuration in force: regions, price rule types, pools and rules are found in it by their names.
	Snap func() *scenes.Snapshot
}

// Call is the call that the questions of a context belong to. Errors are connect errors: a context or a region that cannot be is the caller's fault.
func (h *Host) Call(c *providerv1.CallContext) (*engine.Call, error) {
	if c == nil {
		return nil, Refuse("context is missing")
	}
	snap := h.Snap()
	if snap == nil {
		return nil, connect.NewError(connect.CodeUnavailable, errors.New("no configuration is loaded yet"))
	}
	region := snap.Regions[c.GetRegion()]
	if region == nil {
		return nil, Refuse("context.region: %q is not served", c.GetRegion())
	}
	if c.GetAtTime() == nil {
		return nil, Refuse("context.at_time is missing")
	}
	at, err := Instant(c.GetAtTime())
	if err != nil {
		return nil, Refuse("context.at_time: %w", err)
	}
	request := &facts.Request{
		Region:          region.Code,
		Scene:           c.GetScene(),
		Scenario:        c.GetScenario(),
		Client:          c.GetClient(),
		UserID:          c.GetUserId(),
		At:              at,
		OrderFlow:       c.GetOrderFlow(),
		Platform:        c.GetClientPlatform(),
		UserPath:        c.GetUserPath(),
		DeviceType:      c.GetDeviceType(),
		StreamerID:      c.GetLiveStreamStreamerId(),
		LiveStreamToken: c.GetLiveStreamDiscountToken(),
		VideoCreatorID:  c.GetVideoCreatorId(),
		AdsID:           c.GetAdsId(),
	}
	return &engine.Call{Request: request, Region: region, Snap: snap}, nil
}

// Answer puts the keys of a question to a provider and hands out the answers in their order, once for keys of one ID. No keys ask nothing.
// Errors are connect errors; a nil provider answers that the command is not served here.
func Answer[K, V any, ID comparable](
	ctx context.Context, p engine.Provider[K, V], call *engine.Call, keys []K, id func(K) ID, answer func(key K, value *V),
) error {
	if p == nil {
		return connect.NewError(connect.CodeUnimplemented, errors.New("this provider does not answer the command"))
	}
	if len(keys) == 0 {
		return nil
	}
	out := make([]V, len(keys))
	if err := p.Query(ctx, call, keys, out); err != nil {
		return coded(err)
	}
	seen := make(map[ID]struct{}, len(keys))
	for i, k := range keys {
		name := id(k)
		if _, twice := seen[name]; twice {
			continue
		}
		seen[name] = struct{}{}
		answer(k, &out[i])
	}
	return nil
}

func coded(err error) error {
	var has *connect.Error
	switch {
	case errors.As(err, &has):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return connect.NewError(connect.CodeDeadlineExceeded, err)
	case errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, err)
	}
	return connect.NewError(connect.CodeInternal, err)
}
