package server

import (
	"context"
	"time"

	"proscenium/engine"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/recording"
	"proscenium/traffic"
)

// recorded is a pricer whose requests are recorded, as many as the recorder samples.
type recorded struct {
	Pricer
	recorder *recording.Recorder
	now      func() time.Time
}

// Price prices a request, and records it whatever became of it: it was valid. Shadow requests are not recorded: a recording is what users asked.
func (p recorded) Price(ctx context.Context, caller engine.Caller, req *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
	if caller.Class != traffic.Live || !p.recorder.Sample() {
		return p.Pricer.Price(ctx, caller, req)
	}
	at := p.now()
	answer, err := p.Pricer.Price(ctx, caller, req)
	if answer.GetPricedAt() != nil && req.GetAtTime() == nil {
		at = answer.GetPricedAt().AsTime() // the engine's own reading of the clock, so that no window ends in between
	}
	p.recorder.Record(at, caller.Client, req)
	return answer, err
}
