package packages

import (
	"context"
	"testing"

	"connectrpc.com/connect"

	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote/remotetest"
)

func TestPackagesAreTheSameOverTheWire(t *testing.T) {
	packages := remotetest.Each(func(item int64) []facts.Package {
		if item == 9 {
			return nil
		}
		return []facts.Package{{ID: item * 10, Name: "Frühstück", ModelIDs: []int64{item, 5}, Price: 900, OriginalPrice: 1_000}, {ID: 1, ModelIDs: []int64{3}}}
	})
	remotetest.SameOverTheWire(t, packages, remotetest.Call(remotetest.Snapshot()), []int64{3, 9, 1}, NewHandler, NewRemote)
}

// answering is a service that gives one answer to every question.
type answering struct {
	res *providerv1.GetPackagesResponse
}

func (a answering) GetPackages(context.Context, *connect.Request[providerv1.GetPackagesRequest]) (*connect.Response[providerv1.GetPackagesResponse], error) {
	return connect.NewResponse(a.res), nil
}

func TestAnswersThatBreakTheProtocolAreMalformed(t *testing.T) {
	for _, tc := range []struct {
		name string
		res  *providerv1.GetPackagesResponse
	}{
		{"an item that was not asked for", &providerv1.GetPackagesResponse{Items: []*providerv1.ItemPackages{{ItemId: 2}}}},
		{"an item twice", &providerv1.GetPackagesResponse{Items: []*providerv1.ItemPackages{{ItemId: 1}, {ItemId: 1}}}},
		{"a negative price", &providerv1.GetPackagesResponse{Items: []*providerv1.ItemPackages{{ItemId: 1, Packages: []*providerv1.PackagePromotion{{PackageId: 1, PackagePrice: -1}}}}}},
		{"a negative original price", &providerv1.GetPackagesResponse{Items: []*providerv1.ItemPackages{{ItemId: 1, Packages: []*providerv1.PackagePromotion{{PackageId: 1, OriginalPrice: -1}}}}}},
		{"a package twice", &providerv1.GetPackagesResponse{Items: []*providerv1.ItemPackages{{ItemId: 1, Packages: []*providerv1.PackagePromotion{{PackageId: 1}, {PackageId: 1}}}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, h := providerv1connect.NewPackageProviderHandler(answering{tc.res})
			_, err := remotetest.Ask(t.Context(), NewRemote(remotetest.Client(t, path, h)), remotetest.Call(remotetest.Snapshot()), int64(1))
			remotetest.WantMalformed(t, err)
		})
	}
}
