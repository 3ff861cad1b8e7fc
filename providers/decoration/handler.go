package decoration

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

// NewHandler serves DecorationProvider from a provider of this process. It returns the path to mount the handler on.
func NewHandler(host *remote.Host, decorations engine.DecorationProvider, opts ...connect.HandlerOption) (string, http.Handler) {
	return providerv1connect.NewDecorationProviderHandler(&handler{host: host, decorations: decorations}, opts...)
}

type handler struct {
	host        *remote.Host
	decorations engine.DecorationProvider
}

// GetDecorations is the method of the service.
func (h *handler) GetDecorations(
	ctx context.Context, req *connect.Request[providerv1.GetDecorationsRequest],
) (*connect.Response[providerv1.GetDecorationsResponse], error) {
	call, err := h.host.Call(req.Msg.GetContext())
	if err != nil {
		return nil, err
	}
	keys := make([]engine.DecorationKey, len(req.Msg.GetKeys()))
	for i, k := range req.Msg.GetKeys() {
		keys[i] = engine.DecorationKey{
			PromoKey: engine.PromoKey{ItemID: k.GetItemId(), ModelID: k.GetModelId(), PromotionID: k.GetPromotionId()},
			Type:     k.GetPriceRuleTypeId(),
			Teaser:   k.GetTeaser(),
		}
	}
	res := &providerv1.GetDecorationsResponse{}
	err = remote.Answer(ctx, h.decorations, call, keys, id, func(k engine.DecorationKey, d *facts.Decoration) {
		if *d != (facts.Decoration{}) {
			res.Decorations = append(res.Decorations, &providerv1.PromoDecoration{
				ModelId: k.ModelID, PromotionId: k.PromotionID, Teaser: k.Teaser, Label: d.Label, Color: d.Color, ImageUrl: d.ImageURL,
			})
		}
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(res), nil
}
