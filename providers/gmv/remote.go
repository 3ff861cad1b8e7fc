package gmv

import (
	"proscenium/engine"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
)

// NewRemote answers gmv.query by the GmvProvider that the client calls.
func NewRemote(c *remote.Client) engine.GMVProvider {
	service := providerv1connect.NewGmvProviderClient(c.HTTP(), c.URL(), c.Options()...)
	return remote.NewProvider(c, service.GetGmv,
		remote.Method[engine.PriceKey, int64, int64, providerv1.GetGmvRequest, providerv1.GetGmvResponse]{
			ID:     id,
			Encode: encode,
			Decode: decode,
		})
}

func id(k engine.PriceKey) int64 { return k.ModelID }

func encode(call *engine.Call, keys []engine.PriceKey) *providerv1.GetGmvRequest {
	req := &providerv1.GetGmvRequest{Context: remote.Context(call), Keys: remote.Block[providerv1.PriceKey](len(keys))}
	for i, k := range keys {
		to := req.Keys[i]
		to.ItemId, to.ModelId = k.ItemID, k.ModelID
	}
	return req
}

func decode(res *providerv1.GetGmvResponse, at *remote.Index[int64], out []int64) error {
	for _, m := range res.GetModels() {
		i, err := at.Take(m.GetModelId())
		if err != nil {
			return err
		}
		if m.GetGmv() < 0 {
			return remote.Malformed("model %d has sold for %d", m.GetModelId(), m.GetGmv())
		}
		out[i] = m.GetGmv()
	}
	return nil
}
