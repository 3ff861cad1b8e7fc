package listing

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

// NewHandler serves ListingProvider from providers of this process, one for each command; a nil one is answered with unimplemented.
// It returns the path to mount the handler on.
func NewHandler(host *remote.Host, items engine.ItemProvider, labels engine.LabelProvider, opts ...connect.HandlerOption) (string, http.Handler) {
	return providerv1connect.NewListingProviderHandler(&handler{host: host, items: items, labels: labels}, opts...)
}

type handler struct {
	host   *remote.Host
	items  engine.ItemProvider
	labels engine.LabelProvider
}

// GetItems is a method of the service.
func (h *handler) GetItems(ctx context.Context, req *connect.Request[providerv1.GetItemsRequest]) (*connect.Response[providerv1.GetItemsResponse], error) {
	call, err := h.host.Call(req.Msg.GetContext())
	if err != nil {
		return nil, err
	}
	res := &providerv1.GetItemsResponse{}
	err = remote.Answer(ctx, h.items, call, req.Msg.GetItemIds(), self, func(id int64, item **facts.Item) {
		if it := *item; it != nil {
			res.Items = append(res.Items, &providerv1.ItemFacts{
				ItemId: id, ShopId: it.ShopID, Name: it.Name, Brand: it.Brand, Categories: it.Categories, SellerType: it.SellerType,
			})
		}
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(res), nil
}

// GetLabels is a method of the service.
func (h *handler) GetLabels(ctx context.Context, req *connect.Request[providerv1.GetLabelsRequest]) (*connect.Response[providerv1.GetLabelsResponse], error) {
	call, err := h.host.Call(req.Msg.GetContext())
	if err != nil {
		return nil, err
	}
	res := &providerv1.GetLabelsResponse{}
	err = remote.Answer(ctx, h.labels, call, req.Msg.GetItemIds(), self, func(id int64, labels *[]string) {
		if len(*labels) > 0 {
			res.Items = append(res.Items, &providerv1.ItemLabels{ItemId: id, Labels: *labels})
		}
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(res), nil
}
