package listing

import (
	"slices"

	"proscenium/engine"
	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
)

// NewRemoteItems answers listing.items by the ListingProvider that the client calls.
func NewRemoteItems(c *remote.Client) engine.ItemProvider {
	return remote.NewProvider(c, service(c).GetItems,
		remote.Method[int64, *facts.Item, int64, providerv1.GetItemsRequest, providerv1.GetItemsResponse]{
			ID: self,
			Encode: func(call *engine.Call, keys []int64) *providerv1.GetItemsRequest {
				return &providerv1.GetItemsRequest{Context: remote.Context(call), ItemIds: slices.Clone(keys)}
			},
			Decode: decodeItems,
		})
}

// NewRemoteLabels answers listing.labels by the ListingProvider that the client calls.
func NewRemoteLabels(c *remote.Client) engine.LabelProvider {
	return remote.NewProvider(c, service(c).GetLabels,
		remote.Method[int64, []string, int64, providerv1.GetLabelsRequest, providerv1.GetLabelsResponse]{
			ID: self,
			Encode: func(call *engine.Call, keys []int64) *providerv1.GetLabelsRequest {
				return &providerv1.GetLabelsRequest{Context: remote.Context(call), ItemIds: slices.Clone(keys)}
			},
			Decode: decodeLabels,
		})
}

func service(c *remote.Client) providerv1connect.ListingProviderClient {
	return providerv1connect.NewListingProviderClient(c.HTTP(), c.URL(), c.Options()...)
}

func self(item int64) int64 { return item }

func decodeItems(res *providerv1.GetItemsResponse, at *remote.Index[int64], out []*facts.Item) error {
	items := make([]facts.Item, len(res.GetItems()))
	for n, from := range res.GetItems() {
		i, err := at.Take(from.GetItemId())
		if err != nil {
			return err
		}
		if from.GetShopId() < 0 {
			return remote.Malformed("item %d is of shop %d", from.GetItemId(), from.GetShopId())
		}
		items[n] = facts.Item{
			ID: from.GetItemId(), ShopID: from.GetShopId(), Name: from.GetName(), Brand: from.GetBrand(),
			Categories: from.GetCategories(), SellerType: from.GetSellerType(),
		}
		out[i] = &items[n]
	}
	return nil
}

func decodeLabels(res *providerv1.GetLabelsResponse, at *remote.Index[int64], out [][]string) error {
	for _, from := range res.GetItems() {
		i, err := at.Take(from.GetItemId())
		if err != nil {
			return err
		}
		out[i] = from.GetLabels()
	}
	return nil
}
