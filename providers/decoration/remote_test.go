package decoration

import (
	"context"
	"testing"

	"connectrpc.com/connect"

	"proscenium/engine"
	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote/remotetest"
)

func TestDecorationsAreTheSameOverTheWire(t *testing.T) {
	decorations := remotetest.Each(func(k engine.DecorationKey) facts.Decoration {
		switch {
		case k.Type == 2:
			return facts.Decoration{}
		case k.Teaser:
			return facts.Decoration{Label: "Soon – bientôt"}
		}
		return facts.Decoration{Label: "Flash", Color: "#f00", ImageURL: "https://img.example/flash.png"}
	})
	keys := []engine.DecorationKey{key(3, 1, true), key(3, 1, false), key(4, 2, false), key(0, 0, false)}
	remotetest.SameOverTheWire(t, decorations, remotetest.Call(remotetest.Snapshot()), keys, NewHandler, NewRemote)
}

func key(promotion int64, typ int32, teaser bool) engine.DecorationKey {
	return engine.DecorationKey{PromoKey: engine.PromoKey{ItemID: 1, ModelID: 11, PromotionID: promotion}, Type: typ, Teaser: teaser}
}

// answering is a service that gives one answer to every question.
type answering struct {
	res *providerv1.GetDecorationsResponse
}

func (a answering) GetDecorations(context.Context, *connect.Request[providerv1.GetDecorationsRequest]) (*connect.Response[providerv1.GetDecorationsResponse], error) {
	return connect.NewResponse(a.res), nil
}

func TestAnswersThatBreakTheProtocolAreMalformed(t *testing.T) {
	for _, tc := range []struct {
		name string
		res  *providerv1.GetDecorationsResponse
	}{
		{"a model that was not asked for", &providerv1.GetDecorationsResponse{Decorations: []*providerv1.PromoDecoration{{ModelId: 12, PromotionId: 3, Teaser: true}}}},
		{"a promotion that was not asked for", &providerv1.GetDecorationsResponse{Decorations: []*providerv1.PromoDecoration{{ModelId: 11, PromotionId: 4, Teaser: true}}}},
		{"a place that was not asked for", &providerv1.GetDecorationsResponse{Decorations: []*providerv1.PromoDecoration{{ModelId: 11, PromotionId: 3}}}},
		{"the same twice", &providerv1.GetDecorationsResponse{Decorations: []*providerv1.PromoDecoration{{ModelId: 11, PromotionId: 3, Teaser: true}, {ModelId: 11, PromotionId: 3, Teaser: true}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, h := providerv1connect.NewDecorationProviderHandler(answering{tc.res})
			_, err := remotetest.Ask(t.Context(), NewRemote(remotetest.Client(t, path, h)), remotetest.Call(remotetest.Snapshot()), key(3, 1, true))
			remotetest.WantMalformed(t, err)
		})
	}
}
