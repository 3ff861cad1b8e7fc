package psso

import (
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	"proscenium/engine"
	"proscenium/facts"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
	"proscenium/providers/remote/remotetest"
)

// BenchmarkRemote asks a service on loopback for the prices of 10 items with 3 models of 3 records each; both ends are in this process. The
// baseline is the generated client, which neither checks nor retries.
func BenchmarkRemote(b *testing.B) {
	path, h := NewHandler(&remote.Host{Snap: remotetest.Snapshot}, remotetest.Each(func(k engine.PriceKey) []facts.Model {
		models := make([]facts.Model, 3)
		for m := range models {
			promos := make([]facts.Promo, 3)
			for p := range promos {
				promos[p] = facts.Promo{
					ID: int64(p), Type: int32(p), PreTax: 1999, PostTax: 2199, Start: 1_700_000_000_000_000_000, End: 1_800_000_000_000_000_000,
					Stock: 120, PurchaseLimit: 3, Audience: "new_user",
				}
			}
			models[m] = facts.Model{ID: k.ItemID*10 + int64(m), ItemID: k.ItemID, ShopID: 12, Promos: promos}
		}
		return models
	}))
	keys := make([]engine.PriceKey, 10)
	for i := range keys {
		keys[i].ItemID = int64(1000 + i)
	}
	call := remotetest.Call(remotetest.Snapshot())
	client := remotetest.Client(b, path, h)

	b.Run("baseline", func(b *testing.B) {
		service := providerv1connect.NewPriceStockProviderClient(client.HTTP(), client.URL(), client.Options()...)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := service.QueryPrices(b.Context(), connect.NewRequest(encode(call, keys))); err != nil {
				b.Fatal(err)
			}
		}
	})
	run := func(b *testing.B, p engine.PriceProvider) {
		b.Helper()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := remotetest.Ask(b.Context(), p, call, keys...); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("provider", func(b *testing.B) { run(b, NewRemote(client)) })
	b.Run("provider that hedges", func(b *testing.B) {
		run(b, NewRemote(remotetest.Dial(b, &configv1.ConnectProvider{Url: client.URL(), HedgingDelay: durationpb.New(time.Second)})))
	})
}
