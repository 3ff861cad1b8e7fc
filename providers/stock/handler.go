package stock

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

// NewHandler serves StockProvider from a provider of this process. It returns the path to mount the handler on.
func NewHandler(host *remote.Host, stocks engine.StockProvider, opts ...connect.HandlerOption) (string, http.Handler) {
	return providerv1connect.NewStockProviderHandler(&handler{host: host, stocks: stocks}, opts...)
}

type handler struct {
	host   *remote.Host
	stocks engine.StockProvider
}

// QueryStock is the method of the service.
func (h *handler) QueryStock(
	ctx context.Context, req *connect.Request[providerv1.QueryStockRequest],
) (*connect.Response[providerv1.QueryStockResponse], error) {
	call, err := h.host.Call(req.Msg.GetContext())
	if err != nil {
		return nil, err
	}
	call.StockBreakdown = req.Msg.GetWithBreakdown()
	call.StockTimeslots = req.Msg.GetWithTimeslots()
	call.StockPurchased = req.Msg.GetWithPurchased()
	keys := make([]engine.PromoKey, len(req.Msg.GetKeys()))
	for i, k := range req.Msg.GetKeys() {
		keys[i] = engine.PromoKey{ItemID: k.GetItemId(), ModelID: k.GetModelId(), PromotionID: k.GetPromotionId()}
	}
	res := &providerv1.QueryStockResponse{}
	err = remote.Answer(ctx, h.stocks, call, keys, id, func(k engine.PromoKey, s *facts.Stock) {
		if s.Known {
			res.Stocks = append(res.Stocks, encodeStock(k, s))
		}
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(res), nil
}

func encodeStock(k engine.PromoKey, s *facts.Stock) *providerv1.ModelStock {
	to := &providerv1.ModelStock{ModelId: k.ModelID, PromotionId: k.PromotionID, Available: s.Available, Purchased: s.Purchased}
	for _, l := range s.Breakdown {
		to.Breakdown = append(to.Breakdown, &providerv1.LocationStock{Location: l.Location, Available: l.Available})
	}
	for _, t := range s.Timeslots {
		to.Timeslots = append(to.Timeslots, &providerv1.TimeslotStock{
			StartTime: remote.Start(t.Start), EndTime: remote.End(t.End), Available: t.Available,
		})
	}
	return to
}
