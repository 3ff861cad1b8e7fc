package gmv

import (
	"context"
	"math"
	"testing"

	"connectrpc.com/connect"

	"proscenium/engine"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote/remotetest"
)

func TestGMVIsTheSameOverTheWire(t *testing.T) {
	values := remotetest.Each(func(k engine.PriceKey) int64 { return map[int64]int64{12: 1, 13: math.MaxInt64}[k.ModelID] })
	keys := []engine.PriceKey{{ItemID: 1, ModelID: 13}, {ItemID: 1, ModelID: 99}, {ItemID: 1, ModelID: 12}}
	remotetest.SameOverTheWire(t, values, remotetest.Call(remotetest.Snapshot()), keys, NewHandler, NewRemote)
}

// answering is a service that gives one answer to every question.
type answering struct{ res *providerv1.GetGmvResponse }

func (a answering) GetGmv(context.Context, *connect.Request[providerv1.GetGmvRequest]) (*connect.Response[providerv1.GetGmvResponse], error) {
	return connect.NewResponse(a.res), nil
}

func TestAnswersThatBreakTheProtocolAreMalformed(t *testing.T) {
	for _, tc := range []struct {
		name string
		res  *providerv1.GetGmvResponse
	}{
		{"a model that was not asked for", &providerv1.GetGmvResponse{Models: []*providerv1.ModelGmv{{ModelId: 12}}}},
		{"a model twice", &providerv1.GetGmvResponse{Models: []*providerv1.ModelGmv{{ModelId: 11, Gmv: 5}, {ModelId: 11, Gmv: 5}}}},
		{"a negative value", &providerv1.GetGmvResponse{Models: []*providerv1.ModelGmv{{ModelId: 11, Gmv: -1}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, h := providerv1connect.NewGmvProviderHandler(answering{tc.res})
			_, err := remotetest.Ask(t.Context(), NewRemote(remotetest.Client(t, path, h)), remotetest.Call(remotetest.Snapshot()), engine.PriceKey{ItemID: 1, ModelID: 11})
			remotetest.WantMalformed(t, err)
		})
	}
}
