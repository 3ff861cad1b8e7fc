package packages

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

// NewHandler serves PackageProvider from a provider of this process. It returns the path to mount the handler on.
func NewHandler(host *remote.Host, packages engine.PackageProvider, opts ...connect.HandlerOption) (string, http.Handler) {
	return providerv1connect.NewPackageProviderHandler(&handler{host: host, packages: packages}, opts...)
}

type handler struct {
	host     *remote.Host
	packages engine.PackageProvider
}

// GetPackages is the method of the service.
func (h *handler) GetPackages(
	ctx context.Context, req *connect.Request[providerv1.GetPackagesRequest],
) (*connect.Response[providerv1.GetPackagesResponse], error) {
	call, err := h.host.Call(req.Msg.GetContext())
	if err != nil {
		return nil, err
	}
	res := &providerv1.GetPackagesResponse{}
	err = remote.Answer(ctx, h.packages, call, req.Msg.GetItemIds(), self, func(id int64, packages *[]facts.Package) {
		if len(*packages) == 0 {
			return
		}
		item := &providerv1.ItemPackages{ItemId: id}
		for _, p := range *packages {
			item.Packages = append(item.Packages, &providerv1.PackagePromotion{
				PackageId: p.ID, Name: p.Name, ModelIds: p.ModelIDs, PackagePrice: p.Price, OriginalPrice: p.OriginalPrice,
			})
		}
		res.Items = append(res.Items, item)
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(res), nil
}
