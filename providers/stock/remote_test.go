package stock

import (
	"context"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/engine"
	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote/remotetest"
)

func TestStockIsTheSameOverTheWire(t *testing.T) {
	call := remotetest.Call(remotetest.Snapshot())
	call.StockBreakdown, call.StockPurchased = true, true
	known := remotetest.Each(func(k engine.PromoKey) facts.Stock {
		switch k.ModelID {
		case 11:
			return facts.Stock{Known: true} // known to be empty
		case 12:
			return facts.Stock{
				Known: true, Available: 5, Purchased: k.PromotionID,
				Breakdown: []facts.LocationStock{{Location: "Århus", Available: 2}, {Location: "NYC"}},
				Timeslots: []facts.TimeslotStock{{Start: facts.Always, End: 10, Available: 1}, {Start: 10, End: facts.Never}},
			}
		}
		return facts.Stock{}
	})
	keys := []engine.PromoKey{
		{ItemID: 1, ModelID: 12, PromotionID: 3}, {ItemID: 9, ModelID: 91}, {ItemID: 1, ModelID: 11, PromotionID: 4}, {ItemID: 1, ModelID: 12, PromotionID: 4},
	}
	remotetest.SameOverTheWire(t, known, call, keys, NewHandler, NewRemote)
	call.StockBreakdown, call.StockTimeslots, call.StockPurchased = false, true, false
	remotetest.SameOverTheWire(t, known, call, keys, NewHandler, NewRemote)
}

// answering is a service that gives one answer to every question.
type answering struct {
	res *providerv1.QueryStockResponse
}

func (a answering) QueryStock(context.Context, *connect.Request[providerv1.QueryStockRequest]) (*connect.Response[providerv1.QueryStockResponse], error) {
	return connect.NewResponse(a.res), nil
}

func TestAnswersThatBreakTheProtocolAreMalformed(t *testing.T) {
	for _, tc := range []struct {
		name string
		res  *providerv1.QueryStockResponse
	}{
		{"a model that was not asked for", &providerv1.QueryStockResponse{Stocks: []*providerv1.ModelStock{{ModelId: 12, PromotionId: 3}}}},
		{"a promotion that was not asked for", &providerv1.QueryStockResponse{Stocks: []*providerv1.ModelStock{{ModelId: 11, PromotionId: 4}}}},
		{"the same twice", &providerv1.QueryStockResponse{Stocks: []*providerv1.ModelStock{{ModelId: 11, PromotionId: 3}, {ModelId: 11, PromotionId: 3}}}},
		{"a negative stock", &providerv1.QueryStockResponse{Stocks: []*providerv1.ModelStock{{ModelId: 11, PromotionId: 3, Available: -1}}}},
		{"a negative purchase", &providerv1.QueryStockResponse{Stocks: []*providerv1.ModelStock{{ModelId: 11, PromotionId: 3, Purchased: -1}}}},
		{"a negative stock at a place", &providerv1.QueryStockResponse{Stocks: []*providerv1.ModelStock{{ModelId: 11, PromotionId: 3, Breakdown: []*providerv1.LocationStock{{Available: -1}}}}}},
		{"a negative stock in a timeslot", &providerv1.QueryStockResponse{Stocks: []*providerv1.ModelStock{{ModelId: 11, PromotionId: 3, Timeslots: []*providerv1.TimeslotStock{{Available: -1}}}}}},
		{"a timeslot that ends at its start", &providerv1.QueryStockResponse{Stocks: []*providerv1.ModelStock{{ModelId: 11, PromotionId: 3, Timeslots: []*providerv1.TimeslotStock{{StartTime: &timestamppb.Timestamp{}, EndTime: &timestamppb.Timestamp{}}}}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, h := providerv1connect.NewStockProviderHandler(answering{tc.res})
			_, err := remotetest.Ask(t.Context(), NewRemote(remotetest.Client(t, path, h)), remotetest.Call(remotetest.Snapshot()), engine.PromoKey{ItemID: 1, ModelID: 11, PromotionID: 3})
			remotetest.WantMalformed(t, err)
		})
	}
}
