package server

import (
	"context"
	"strconv"

	"connectrpc.com/connect"

	"proscenium/engine"
	"proscenium/engine/policy/limit"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/scenes"
)

// Pricer answers the calls of PricingService; it is an [engine.Engine]. Its errors are *fault.Error.
type Pricer interface {
	Price(ctx context.Context, caller engine.Caller, req *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error)
	DeleteCached(ctx context.Context, cache engine.CacheName, region string, keys []engine.PriceKey) (int, error)
	// Snapshot is the one that serves, nil before the first.
	Snapshot() *scenes.Snapshot
}

// pricing is PricingService.
type pricing struct{ pricer Pricer }

// GetPromotionInfo prices items.
func (p pricing) GetPromotionInfo(
	ctx context.Context, req *connect.Request[pricingv1.GetPromotionInfoRequest],
) (*connect.Response[pricingv1.GetPromotionInfoResponse], error) {
	var verdicts []limit.Verdict
	caller := callerOf(ctx)
	caller.Verdicts = &verdicts
	answer, err := p.pricer.Price(ctx, caller, req.Msg)
	switch {
	case err == nil:
	case len(verdicts) > 0:
		return nil, judged{err, verdicts}
	default:
		return nil, err
	}
	res := connect.NewResponse(answer)
	if len(verdicts) > 0 {
		tellVerdicts(res.Header(), verdicts)
	}
	return res, nil
}

// DeletePriceStockCache drops cached price + stock records.
func (p pricing) DeletePriceStockCache(
	ctx context.Context, req *connect.Request[pricingv1.DeletePriceStockCacheRequest],
) (*connect.Response[pricingv1.DeletePriceStockCacheResponse], error) {
	n, err := p.pricer.DeleteCached(ctx, engine.PriceStockCache, req.Msg.GetRegion(), priceKeys(req.Msg.GetModels()))
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&pricingv1.DeletePriceStockCacheResponse{Deleted: int64(n)}), nil
}

// DeletePriceSoldOutCache drops cached price + sold-out records.
func (p pricing) DeletePriceSoldOutCache(
	ctx context.Context, req *connect.Request[pricingv1.DeletePriceSoldOutCacheRequest],
) (*connect.Response[pricingv1.DeletePriceSoldOutCacheResponse], error) {
	n, err := p.pricer.DeleteCached(ctx, engine.PriceSoldOutCache, req.Msg.GetRegion(), priceKeys(req.Msg.GetModels()))
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&pricingv1.DeletePriceSoldOutCacheResponse{Deleted: int64(n)}), nil
}

func priceKeys(refs []*pricingv1.ModelRef) []engine.PriceKey {
	keys := make([]engine.PriceKey, len(refs))
	for i, ref := range refs {
		keys[i] = engine.PriceKey{ItemID: ref.GetItemId(), ModelID: ref.GetModelId()}
	}
	return keys
}

// sceneOf is the name of the scene that a request asks for, for the log. A scene that snap, which may be nil, does not have is named as
// the request does.
func sceneOf(snap *scenes.Snapshot, msg any) string {
	req, ok := msg.(*pricingv1.GetPromotionInfoRequest)
	if !ok {
		return ""
	}
	byID, ok := req.GetScene().(*pricingv1.GetPromotionInfoRequest_SceneId)
	if !ok {
		return req.GetSceneName()
	}
	if snap != nil {
		if scene := snap.ScenesByID[byID.SceneId]; scene != nil {
			return scene.Name
		}
	}
	return strconv.FormatInt(byID.SceneId, 10)
}
