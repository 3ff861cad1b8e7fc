package packages

import (
	"slices"

	"proscenium/engine"
	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
)

// NewRemote answers package.query by the PackageProvider that the client calls.
func NewRemote(c *remote.Client) engine.PackageProvider {
	service := providerv1connect.NewPackageProviderClient(c.HTTP(), c.URL(), c.Options()...)
	return remote.NewProvider(c, service.GetPackages,
		remote.Method[int64, []facts.Package, int64, providerv1.GetPackagesRequest, providerv1.GetPackagesResponse]{
			ID: self,
			Encode: func(call *engine.Call, keys []int64) *providerv1.GetPackagesRequest {
				return &providerv1.GetPackagesRequest{Context: remote.Context(call), ItemIds: slices.Clone(keys)}
			},
			Decode: decode,
		})
}

func self(item int64) int64 { return item }

func decode(res *providerv1.GetPackagesResponse, at *remote.Index[int64], out [][]facts.Package) error {
	for _, item := range res.GetItems() {
		i, err := at.Take(item.GetItemId())
		if err != nil {
			return err
		}
		all := make([]facts.Package, len(item.GetPackages()))
		for n, p := range item.GetPackages() {
			if p.GetPackagePrice() < 0 || p.GetOriginalPrice() < 0 {
				return remote.Malformed("package %d costs %d instead of %d", p.GetPackageId(), p.GetPackagePrice(), p.GetOriginalPrice())
			}
			if slices.ContainsFunc(all[:n], func(before facts.Package) bool { return before.ID == p.GetPackageId() }) {
				return remote.Malformed("item %d has package %d twice", item.GetItemId(), p.GetPackageId())
			}
			all[n] = facts.Package{
				ID: p.GetPackageId(), Name: p.GetName(), ModelIDs: p.GetModelIds(), Price: p.GetPackagePrice(), OriginalPrice: p.GetOriginalPrice(),
			}
		}
		out[i] = all
	}
	return nil
}
