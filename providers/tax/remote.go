package tax

import (
	"proscenium/engine"
	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
)

// maxRate is the highest rate that the protocol knows: 1,000%.
const maxRate = 10 * facts.RateOne

// NewRemote answers tax.rates by the TaxProvider that the client calls.
func NewRemote(c *remote.Client) engine.TaxProvider {
	service := providerv1connect.NewTaxProviderClient(c.HTTP(), c.URL(), c.Options()...)
	return remote.NewProvider(c, service.GetRates,
		remote.Method[engine.PriceKey, facts.TaxRate, int64, providerv1.GetRatesRequest, providerv1.GetRatesResponse]{
			ID:     id,
			Encode: encode,
			Decode: decode,
		})
}

func id(k engine.PriceKey) int64 { return k.ModelID }

func encode(call *engine.Call, keys []engine.PriceKey) *providerv1.GetRatesRequest {
	req := &providerv1.GetRatesRequest{Context: remote.Context(call), Keys: remote.Block[providerv1.PriceKey](len(keys))}
	for i, k := range keys {
		to := req.Keys[i]
		to.ItemId, to.ModelId = k.ItemID, k.ModelID
	}
	return req
}

func decode(res *providerv1.GetRatesResponse, at *remote.Index[int64], out []facts.TaxRate) error {
	for _, m := range res.GetRates() {
		i, err := at.Take(m.GetModelId())
		if err != nil {
			return err
		}
		if m.GetRate() < 0 || m.GetRate() > maxRate {
			return remote.Malformed("model %d is taxed at a rate of %d", m.GetModelId(), m.GetRate())
		}
		out[i] = facts.TaxRate{Known: true, Rate: m.GetRate()}
	}
	return nil
}
