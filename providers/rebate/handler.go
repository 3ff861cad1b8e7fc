package rebate

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	"proscenium/engine"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
)

// NewHandler serves RebateProvider from a provider of this process. It returns the path to mount the handler on.
func NewHandler(host *remote.Host, rebates engine.RebateProvider, opts ...connect.HandlerOption) (string, http.Handler) {
	return providerv1connect.NewRebateProviderHandler(&handler{host: host, rebates: rebates}, opts...)
}

type handler struct {
	host    *remote.Host
	rebates engine.RebateProvider
}

// GetRebates is the method of the service.
func (h *handler) GetRebates(ctx context.Context, req *connect.Request[providerv1.GetRebatesRequest]) (*connect.Response[providerv1.GetRebatesResponse], error) {
	call, err := h.host.Call(req.Msg.GetContext())
	if err != nil {
		return nil, err
	}
	keys := make([]engine.RebateKey, len(req.Msg.GetKeys()))
	for i, k := range req.Msg.GetKeys() {
		keys[i] = engine.RebateKey{
			PromoKey: engine.PromoKey{ItemID: k.GetItemId(), ModelID: k.GetModelId(), PromotionID: k.GetPromotionId()},
			Price:    k.GetPromoPrice(),
		}
	}
	res := &providerv1.GetRebatesResponse{}
	err = remote.Answer(ctx, h.rebates, call, keys, id, func(k engine.RebateKey, v *int64) {
		if *v != 0 {
			res.Rebates = append(res.Rebates, &providerv1.ModelRebate{ModelId: k.ModelID, ProductPromoRebate: *v})
		}
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(res), nil
}
