package tax

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	"proscenium/engine"
	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
)

// NewHandler serves TaxProvider from a provider of this process. It returns the path to mount the handler on.
func NewHandler(host *remote.Host, rates engine.TaxProvider, opts ...connect.HandlerOption) (string, http.Handler) {
	return providerv1connect.NewTaxProviderHandler(&handler{host: host, rates: rates}, opts...)
}

type handler struct {
	host  *remote.Host
	rates engine.TaxProvider
}

// GetRates is the method of the service.
func (h *handler) GetRates(ctx context.Context, req *connect.Request[providerv1.GetRatesRequest]) (*connect.Response[providerv1.GetRatesResponse], error) {
	call, err := h.host.Call(req.Msg.GetContext())
	if err != nil {
		return nil, err
	}
	keys := make([]engine.PriceKey, len(req.Msg.GetKeys()))
	for i, k := range req.Msg.GetKeys() {
		keys[i] = engine.PriceKey{ItemID: k.GetItemId(), ModelID: k.GetModelId()}
	}
	res := &providerv1.GetRatesResponse{}
	err = remote.Answer(ctx, h.rates, call, keys, id, func(k engine.PriceKey, v *facts.TaxRate) {
		if v.Known {
			res.Rates = append(res.Rates, &providerv1.TaxRate{ModelId: k.ModelID, Rate: v.Rate})
		}
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(res), nil
}
