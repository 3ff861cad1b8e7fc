package gmv

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	"proscenium/engine"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
)

// NewHandler serves GmvProvider from a provider of this process. It returns the path to mount the handler on.
func NewHandler(host *remote.Host, values engine.GMVProvider, opts ...connect.HandlerOption) (string, http.Handler) {
	return providerv1connect.NewGmvProviderHandler(&handler{host: host, values: values}, opts...)
}

type handler struct {
	host   *remote.Host
	values engine.GMVProvider
}

// GetGmv is the method of the service.
func (h *handler) GetGmv(ctx context.Context, req *connect.Request[providerv1.GetGmvRequest]) (*connect.Response[providerv1.GetGmvResponse], error) {
	call, err := h.host.Call(req.Msg.GetContext())
	if err != nil {
		return nil, err
	}
	keys := make([]engine.PriceKey, len(req.Msg.GetKeys()))
	for i, k := range req.Msg.GetKeys() {
		keys[i] = engine.PriceKey{ItemID: k.GetItemId(), ModelID: k.GetModelId()}
	}
	res := &providerv1.GetGmvResponse{}
	err = remote.Answer(ctx, h.values, call, keys, id, func(k engine.PriceKey, v *int64) {
		if *v != 0 {
			res.Models = append(res.Models, &providerv1.ModelGmv{ModelId: k.ModelID, Gmv: *v})
		}
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(res), nil
}
