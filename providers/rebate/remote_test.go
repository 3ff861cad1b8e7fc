package rebate

import (
	"context"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"proscenium/engine"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
	"proscenium/providers/remote/remotetest"
)

func TestRebatesAreTheSameOverTheWire(t *testing.T) {
	rebates := remotetest.Each(func(k engine.RebateKey) int64 { return k.Price / 10 * k.PromotionID })
	remotetest.SameOverTheWire(t, rebates, remotetest.Call(remotetest.Snapshot()), []engine.RebateKey{key(11, 3), key(12, 0), key(13, 7)}, NewHandler, NewRemote)
}

func key(model, promotion int64) engine.RebateKey {
	return engine.RebateKey{PromoKey: engine.PromoKey{ItemID: 1, ModelID: model, PromotionID: promotion}, Price: 9_000}
}

func TestPromotionsThatTheProtocolCannotTellApartAreAskedForOneByOne(t *testing.T) {
	calls := 0
	rebates := remotetest.Provider[engine.RebateKey, int64](func(_ context.Context, _ *engine.Call, keys []engine.RebateKey, out []int64) error {
		calls++
		for i, k := range keys {
			out[i] = k.PromotionID
		}
		return nil
	})
	path, h := NewHandler(&remote.Host{Snap: remotetest.Snapshot}, rebates)
	got, err := remotetest.Ask(t.Context(), NewRemote(remotetest.Client(t, path, h)), remotetest.Call(remotetest.Snapshot()),
		key(11, 3), key(12, 4), key(11, 5), key(11, 6), key(12, 7), key(13, 8))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{3, 4, 5, 6, 7, 8}, got); diff != "" {
		t.Error(diff)
	}
	if calls != 3 {
		t.Errorf("%d calls, want 3", calls)
	}
}

// answering is a service that gives one answer to every question.
type answering struct {
	res *providerv1.GetRebatesResponse
}

func (a answering) GetRebates(context.Context, *connect.Request[providerv1.GetRebatesRequest]) (*connect.Response[providerv1.GetRebatesResponse], error) {
	return connect.NewResponse(a.res), nil
}

func TestAnswersThatBreakTheProtocolAreMalformed(t *testing.T) {
	for _, tc := range []struct {
		name string
		res  *providerv1.GetRebatesResponse
	}{
		{"a model that was not asked for", &providerv1.GetRebatesResponse{Rebates: []*providerv1.ModelRebate{{ModelId: 12}}}},
		{"a model twice", &providerv1.GetRebatesResponse{Rebates: []*providerv1.ModelRebate{{ModelId: 11, ProductPromoRebate: 5}, {ModelId: 11, ProductPromoRebate: 5}}}},
		{"a negative rebate", &providerv1.GetRebatesResponse{Rebates: []*providerv1.ModelRebate{{ModelId: 11, ProductPromoRebate: -1}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, h := providerv1connect.NewRebateProviderHandler(answering{tc.res})
			_, err := remotetest.Ask(t.Context(), NewRemote(remotetest.Client(t, path, h)), remotetest.Call(remotetest.Snapshot()), key(11, 3))
			remotetest.WantMalformed(t, err)
		})
	}
}
