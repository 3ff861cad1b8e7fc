package decoration

import (
	"proscenium/engine"
	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
)

// NewRemote answers decoration.query by the DecorationProvider that the client calls.
func NewRemote(c *remote.Client) engine.DecorationProvider {
	service := providerv1connect.NewDecorationProviderClient(c.HTTP(), c.URL(), c.Options()...)
	return remote.NewProvider(c, service.GetDecorations,
		remote.Method[engine.DecorationKey, facts.Decoration, promoID, providerv1.GetDecorationsRequest, providerv1.GetDecorationsResponse]{
			ID:     id,
			Encode: encode,
			Decode: decode,
		})
}

// promoID is what an answer names a promotion by.
type promoID struct {
	ModelID, PromotionID int64
	Teaser               bool
}

func id(k engine.DecorationKey) promoID { return promoID{k.ModelID, k.PromotionID, k.Teaser} }

func encode(call *engine.Call, keys []engine.DecorationKey) *providerv1.GetDecorationsRequest {
	req := &providerv1.GetDecorationsRequest{Context: remote.Context(call), Keys: remote.Block[providerv1.DecorationKey](len(keys))}
	for i, k := range keys {
		to := req.Keys[i]
		to.ItemId, to.ModelId, to.PromotionId = k.ItemID, k.ModelID, k.PromotionID
		to.PriceRuleTypeId, to.Teaser = k.Type, k.Teaser
	}
	return req
}

func decode(res *providerv1.GetDecorationsResponse, at *remote.Index[promoID], out []facts.Decoration) error {
	for _, d := range res.GetDecorations() {
		i, err := at.Take(promoID{d.GetModelId(), d.GetPromotionId(), d.GetTeaser()})
		if err != nil {
			return err
		}
		out[i] = facts.Decoration{Label: d.GetLabel(), Color: d.GetColor(), ImageURL: d.GetImageUrl()}
	}
	return nil
}
