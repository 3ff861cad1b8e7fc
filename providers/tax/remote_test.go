package tax

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

func TestTaxRatesAreTheSameOverTheWire(t *testing.T) {
	rates := remotetest.Each(func(k engine.PriceKey) facts.TaxRate {
		return map[int64]facts.TaxRate{11: {Known: true}, 12: {Known: true, Rate: 8_250}, 13: {Known: true, Rate: maxRate}}[k.ModelID]
	})
	keys := []engine.PriceKey{{ItemID: 1, ModelID: 13}, {ItemID: 1, ModelID: 99}, {ItemID: 1, ModelID: 11}, {ItemID: 1, ModelID: 12}}
	remotetest.SameOverTheWire(t, rates, remotetest.Call(remotetest.Snapshot()), keys, NewHandler, NewRemote)
}

// answering is a service that gives one answer to every question.
type answering struct{ res *providerv1.GetRatesResponse }

func (a answering) GetRates(context.Context, *connect.Request[providerv1.GetRatesRequest]) (*connect.Response[providerv1.GetRatesResponse], error) {
	return connect.NewResponse(a.res), nil
}

func TestAnswersThatBreakTheProtocolAreMalformed(t *testing.T) {
	for _, tc := range []struct {
		name string
		res  *providerv1.GetRatesResponse
	}{
		{"a model that was not asked for", &providerv1.GetRatesResponse{Rates: []*providerv1.TaxRate{{ModelId: 12}}}},
		{"a model twice", &providerv1.GetRatesResponse{Rates: []*providerv1.TaxRate{{ModelId: 11, Rate: 5}, {ModelId: 11, Rate: 5}}}},
		{"a negative rate", &providerv1.GetRatesResponse{Rates: []*providerv1.TaxRate{{ModelId: 11, Rate: -1}}}},
		{"a rate above 1,000%", &providerv1.GetRatesResponse{Rates: []*providerv1.TaxRate{{ModelId: 11, Rate: 1_000_001}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, h := providerv1connect.NewTaxProviderHandler(answering{tc.res})
			_, err := remotetest.Ask(t.Context(), NewRemote(remotetest.Client(t, path, h)), remotetest.Call(remotetest.Snapshot()), engine.PriceKey{ItemID: 1, ModelID: 11})
			remotetest.WantMalformed(t, err)
		})
	}
}
