package psso

import (
	"context"
	"math"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"proscenium/engine"
	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
	"proscenium/providers/remote/remotetest"
	"proscenium/scenes"
)

func shelf() map[int64][]facts.Model {
	return map[int64][]facts.Model{
		1: {
			{ID: 11, ItemID: 1, ShopID: 5, Promos: []facts.Promo{
				{ID: 0, Type: 0, PreTax: 1000, PostTax: facts.NoPrice, Start: facts.Always, End: facts.Never},
				{
					ID: 77, Type: 2, SoldOut: true, PreTax: 0, PostTax: math.MaxInt64, Start: -1, End: 1_700_000_000_000_000_001,
					Stock: 3, PurchaseLimit: 2, Audience: "new_user", SessionID: 4, StreamerID: 6,
				},
			}},
			{ID: 12, ItemID: 1, ShopID: 5},
		},
		2: {{ID: 21, ItemID: 2, ShopID: 6, Promos: []facts.Promo{{Type: 0, PreTax: facts.NoPrice, PostTax: 990, Start: facts.Always, End: facts.Never}}}},
	}
}

func fromShelf(k engine.PriceKey) []facts.Model {
	models := shelf()[k.ItemID]
	if k.ModelID == 0 {
		return models
	}
	for i := range models {
		if models[i].ID == k.ModelID {
			return models[i : i+1]
		}
	}
	return nil
}

func TestPricesAreTheSameOverTheWire(t *testing.T) {
	call := remotetest.Call(remotetest.Snapshot())
	call.WithStock = true
	remotetest.SameOverTheWire(t, remotetest.Each(fromShelf), call,
		[]engine.PriceKey{{ItemID: 2, ModelID: 21}, {ItemID: 9}, {ItemID: 1}, {ItemID: 1, ModelID: 12}, {ItemID: 1, ModelID: 99}},
		NewHandler, NewRemote)
}

// answering is a service that gives one answer to every question.
type answering struct {
	res *providerv1.QueryPricesResponse
}

func (a answering) QueryPrices(context.Context, *connect.Request[providerv1.QueryPricesRequest]) (*connect.Response[providerv1.QueryPricesResponse], error) {
	return connect.NewResponse(a.res), nil
}

func TestAnswersThatBreakTheProtocolAreMalformed(t *testing.T) {
	record := func(change func(*providerv1.PriceRecord)) []*providerv1.ModelPrices {
		r := &providerv1.PriceRecord{PromotionId: 7, PreTaxPrice: proto.Int64(100)}
		change(r)
		return []*providerv1.ModelPrices{{ItemId: 1, ModelId: 11, Records: []*providerv1.PriceRecord{r}}}
	}
	for _, tc := range []struct {
		name   string
		models []*providerv1.ModelPrices
	}{
		{"a model of an item that was not asked for", []*providerv1.ModelPrices{{ItemId: 3, ModelId: 31}}},
		{"a model under another item", []*providerv1.ModelPrices{{ItemId: 2, ModelId: 11}}},
		{"another model of an item of which one was asked for", []*providerv1.ModelPrices{{ItemId: 2, ModelId: 22}}},
		{"a model twice", []*providerv1.ModelPrices{{ItemId: 1, ModelId: 11}, {ItemId: 1, ModelId: 11}}},
		{"a model without id", []*providerv1.ModelPrices{{ItemId: 1}}},
		{"a shop that cannot be", []*providerv1.ModelPrices{{ItemId: 1, ModelId: 11, ShopId: -1}}},
		{"a promotion twice in a model", []*providerv1.ModelPrices{{ItemId: 1, ModelId: 11, Records: []*providerv1.PriceRecord{
			{PromotionId: 7, PreTaxPrice: proto.Int64(1)}, {PromotionId: 8, PreTaxPrice: proto.Int64(1)}, {PromotionId: 7, PreTaxPrice: proto.Int64(2)},
		}}}},
		{"no price", record(func(r *providerv1.PriceRecord) { r.PreTaxPrice = nil })},
		{"a negative price before tax", record(func(r *providerv1.PriceRecord) { r.PreTaxPrice = proto.Int64(-1) })},
		{"a negative price after tax", record(func(r *providerv1.PriceRecord) { r.PostTaxPrice = proto.Int64(-1) })},
		{"a negative stock", record(func(r *providerv1.PriceRecord) { r.Stock = -1 })},
		{"a negative purchase limit", record(func(r *providerv1.PriceRecord) { r.PurchaseLimit = -1 })},
		{"a negative promotion id", record(func(r *providerv1.PriceRecord) { r.PromotionId = -1 })},
		{"an end at the start", record(func(r *providerv1.PriceRecord) {
			r.StartTime, r.EndTime = &timestamppb.Timestamp{Seconds: 5}, &timestamppb.Timestamp{Seconds: 5}
		})},
		{"an end before the start", record(func(r *providerv1.PriceRecord) {
			r.StartTime, r.EndTime = &timestamppb.Timestamp{Seconds: 5, Nanos: 1}, &timestamppb.Timestamp{Seconds: 5}
		})},
		{"a time that is none", record(func(r *providerv1.PriceRecord) { r.StartTime = &timestamppb.Timestamp{Nanos: -1} })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, h := providerv1connect.NewPriceStockProviderHandler(answering{&providerv1.QueryPricesResponse{Models: tc.models}})
			p := NewRemote(remotetest.Client(t, path, h))
			_, err := remotetest.Ask(t.Context(), p, remotetest.Call(remotetest.Snapshot()), engine.PriceKey{ItemID: 1}, engine.PriceKey{ItemID: 2, ModelID: 21})
			remotetest.WantMalformed(t, err)
		})
	}
}

func TestAModelAskedForTwiceOverIsAnsweredInBothPlaces(t *testing.T) {
	path, h := providerv1connect.NewPriceStockProviderHandler(answering{&providerv1.QueryPricesResponse{Models: []*providerv1.ModelPrices{
		{ItemId: 1, ModelId: 12}, {ItemId: 1, ModelId: 11},
	}}})
	p := NewRemote(remotetest.Client(t, path, h))
	got, err := remotetest.Ask(t.Context(), p, remotetest.Call(remotetest.Snapshot()), engine.PriceKey{ItemID: 1, ModelID: 11}, engine.PriceKey{ItemID: 1})
	if err != nil {
		t.Fatal(err)
	}
	one, two := facts.Model{ID: 11, ItemID: 1, Promos: []facts.Promo{}}, facts.Model{ID: 12, ItemID: 1, Promos: []facts.Promo{}}
	if diff := cmp.Diff([][]facts.Model{{one}, {two, one}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnyRecordsSurviveTheWire(t *testing.T) {
	var models []facts.Model
	path, h := NewHandler(&remote.Host{Snap: remotetest.Snapshot},
		remotetest.Each(func(engine.PriceKey) []facts.Model { return models }))
	p, call := NewRemote(remotetest.Client(t, path, h)), remotetest.Call(remotetest.Snapshot())
	text := rapid.StringMatching(`[a-zé🧀_]{0,8}`)
	positive := rapid.Int64Min(0)
	// Bounds of what a timestamp and 64 bits of nanoseconds both hold.
	instant := rapid.Int64Range(-9_000_000_000_000_000_000, 9_000_000_000_000_000_000)
	rapid.Check(t, func(t *rapid.T) {
		models = nil
		for m := range rapid.IntRange(0, 4).Draw(t, "models") {
			model := facts.Model{ID: int64(m) + 1, ItemID: 1, ShopID: positive.Draw(t, "shop"), Promos: []facts.Promo{}}
			for id := range rapid.IntRange(0, 4).Draw(t, "promos") {
				p := facts.Promo{
					ID: int64(id), Type: rapid.Int32Range(0, 1023).Draw(t, "type"), SoldOut: rapid.Bool().Draw(t, "sold out"),
					PreTax: rapid.Int64Min(facts.NoPrice).Draw(t, "pre tax"), PostTax: positive.Draw(t, "post tax"),
					Start: facts.Always, End: facts.Never, Stock: positive.Draw(t, "stock"), PurchaseLimit: positive.Draw(t, "limit"),
					Audience: text.Draw(t, "audience"), SessionID: positive.Draw(t, "session"), StreamerID: positive.Draw(t, "streamer"),
				}
				if rapid.Bool().Draw(t, "starts") {
					p.Start = instant.Draw(t, "start")
				}
				if end := instant.Draw(t, "end"); end > p.Start {
					p.End = end
				}
				model.Promos = append(model.Promos, p)
			}
			models = append(models, model)
		}
		got, err := remotetest.Ask(context.Background(), p, call, engine.PriceKey{ItemID: 1})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(models, got[0]); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestQuestionsThatCannotBeAreRefused(t *testing.T) {
	path, h := NewHandler(&remote.Host{Snap: remotetest.Snapshot}, remotetest.Each(fromShelf))
	mux := http.NewServeMux()
	mux.Handle(path, h)
	service := providerv1connect.NewPriceStockProviderClient(http.DefaultClient, remotetest.Serve(t, mux))
	at := &timestamppb.Timestamp{Seconds: 1}
	for name, context := range map[string]*providerv1.CallContext{
		"no context":                  nil,
		"no region":                   {AtTime: at},
		"a region that is not served": {Region: "FR", AtTime: at},
		"no time":                     {Region: "US"},
		"a time that is none":         {Region: "US", AtTime: &timestamppb.Timestamp{Nanos: 1e9}},
	} {
		_, err := service.QueryPrices(t.Context(), connect.NewRequest(&providerv1.QueryPricesRequest{Context: context, Keys: []*providerv1.PriceKey{{ItemId: 1}}}))
		if connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	res, err := service.QueryPrices(t.Context(), connect.NewRequest(&providerv1.QueryPricesRequest{
		Context: &providerv1.CallContext{Region: "US", AtTime: at}, Keys: []*providerv1.PriceKey{{ItemId: 1}, {ItemId: 1}, {ItemId: 1, ModelId: 11}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(res.Msg.GetModels()); n != 2 {
		t.Errorf("a repeated question got %d models, want each of 2 once", n)
	}
	empty, err := service.QueryPrices(t.Context(), connect.NewRequest(&providerv1.QueryPricesRequest{Context: &providerv1.CallContext{Region: "US", AtTime: at}}))
	if err != nil || len(empty.Msg.GetModels()) != 0 {
		t.Errorf("a question without keys: %v, %v", empty, err)
	}
}

func TestAProviderWithoutConfigurationIsNotAvailable(t *testing.T) {
	path, h := NewHandler(&remote.Host{Snap: func() *scenes.Snapshot { return nil }}, remotetest.Each(fromShelf))
	_, err := remotetest.Ask(t.Context(), NewRemote(remotetest.Client(t, path, h)), remotetest.Call(remotetest.Snapshot()), engine.PriceKey{ItemID: 1})
	if connect.CodeOf(err) != connect.CodeUnavailable {
		t.Error(err)
	}
}
