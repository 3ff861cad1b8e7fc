package psso

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

// NewHandler serves PriceStockProvider from a provider of this process. It returns the path to mount the handler on.
func NewHandler(host *remote.Host, prices engine.PriceProvider, opts ...connect.HandlerOption) (string, http.Handler) {
	return providerv1connect.NewPriceStockProviderHandler(&handler{host: host, prices: prices}, opts...)
}

type handler struct {
	host   *remote.Host
	prices engine.PriceProvider
}

// QueryPrices is the method of the service.
func (h *handler) QueryPrices(
	ctx context.Context, req *connect.Request[providerv1.QueryPricesRequest],
) (*connect.Response[providerv1.QueryPricesResponse], error) {
	call, err := h.host.Call(req.Msg.GetContext())
	if err != nil {
		return nil, err
	}
	call.WithStock = req.Msg.GetWithStock()
	keys := make([]engine.PriceKey, len(req.Msg.GetKeys()))
	for i, k := range req.Msg.GetKeys() {
		keys[i] = engine.PriceKey{ItemID: k.GetItemId(), ModelID: k.GetModelId()}
	}
	res := &providerv1.QueryPricesResponse{}
	// A model that is asked for by name and with its item is answered once.
	seen := make(map[engine.PriceKey]struct{}, len(keys))
	err = remote.Answer(ctx, h.prices, call, keys, self, func(_ engine.PriceKey, models *[]facts.Model) {
		for i := range *models {
			m := &(*models)[i]
			id := engine.PriceKey{ItemID: m.ItemID, ModelID: m.ID}
			if _, twice := seen[id]; twice {
				continue
			}
			seen[id] = struct{}{}
			res.Models = append(res.Models, encodeModel(m))
		}
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(res), nil
}

func encodeModel(m *facts.Model) *providerv1.ModelPrices {
	to := &providerv1.ModelPrices{
		ItemId: m.ItemID, ModelId: m.ID, ShopId: m.ShopID,
		Records: remote.Block[providerv1.PriceRecord](len(m.Promos)),
	}
	for i := range m.Promos {
		remote.Record(&m.Promos[i], to.Records[i])
	}
	return to
}
