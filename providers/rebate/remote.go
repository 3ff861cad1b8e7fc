package rebate

import (
	"proscenium/engine"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
)

// NewRemote answers rebate.query by the RebateProvider that the client calls.
func NewRemote(c *remote.Client) engine.RebateProvider {
	service := providerv1connect.NewRebateProviderClient(c.HTTP(), c.URL(), c.Options()...)
	return remote.NewProvider(c, service.GetRebates,
		remote.Method[engine.RebateKey, int64, int64, providerv1.GetRebatesRequest, providerv1.GetRebatesResponse]{
			ID:     id,
			Encode: encode,
			Decode: decode,
		})
}

func id(k engine.RebateKey) int64 { return k.ModelID }

func encode(call *engine.Call, keys []engine.RebateKey) *providerv1.GetRebatesRequest {
	req := &providerv1.GetRebatesRequest{Context: remote.Context(call), Keys: remote.Block[providerv1.RebateKey](len(keys))}
	for i, k := range keys {
		to := req.Keys[i]
		to.ItemId, to.ModelId, to.PromotionId, to.PromoPrice = k.ItemID, k.ModelID, k.PromotionID, k.Price
	}
	return req
}

func decode(res *providerv1.GetRebatesResponse, at *remote.Index[int64], out []int64) error {
	for _, m := range res.GetRebates() {
		i, err := at.Take(m.GetModelId())
		if err != nil {
			return err
		}
		if m.GetProductPromoRebate() < 0 {
			return remote.Malformed("model %d has a rebate of %d", m.GetModelId(), m.GetProductPromoRebate())
		}
		out[i] = m.GetProductPromoRebate()
	}
	return nil
}
