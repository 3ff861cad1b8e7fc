package listing

import (
	"context"
	"net/http"
	"testing"

	"connectrpc.com/connect"

	"proscenium/engine"
	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
	"proscenium/providers/remote/remotetest"
)

func TestItemsAreTheSameOverTheWire(t *testing.T) {
	items := remotetest.Each(func(id int64) *facts.Item {
		if id == 9 {
			return nil
		}
		return &facts.Item{ID: id, ShopID: 5, Name: "Käse", Brand: "Private", Categories: []string{"grocery", "cheese"}, SellerType: "official"}
	})
	remotetest.SameOverTheWire(t, items, remotetest.Call(remotetest.Snapshot()), []int64{3, 9, 1},
		func(h *remote.Host, p engine.ItemProvider, opts ...connect.HandlerOption) (string, http.Handler) {
			return NewHandler(h, p, nil, opts...)
		},
		NewRemoteItems)
}

func TestLabelsAreTheSameOverTheWire(t *testing.T) {
	labels := remotetest.Each(func(id int64) []string { return map[int64][]string{3: {"organic", "new"}, 1: {""}}[id] })
	remotetest.SameOverTheWire(t, labels, remotetest.Call(remotetest.Snapshot()), []int64{3, 9, 1},
		func(h *remote.Host, p engine.LabelProvider, opts ...connect.HandlerOption) (string, http.Handler) {
			return NewHandler(h, nil, p, opts...)
		},
		NewRemoteLabels)
}

func TestACommandWithoutProviderIsUnimplemented(t *testing.T) {
	path, h := NewHandler(&remote.Host{Snap: remotetest.Snapshot}, nil, nil)
	c, call := remotetest.Client(t, path, h), remotetest.Call(remotetest.Snapshot())
	if _, err := remotetest.Ask(t.Context(), NewRemoteItems(c), call, 1); connect.CodeOf(err) != connect.CodeUnimplemented {
		t.Errorf("items: %v", err)
	}
	if _, err := remotetest.Ask(t.Context(), NewRemoteLabels(c), call, 1); connect.CodeOf(err) != connect.CodeUnimplemented {
		t.Errorf("labels: %v", err)
	}
}

// answering is a service that gives one answer to every question.
type answering struct {
	items  []*providerv1.ItemFacts
	labels []*providerv1.ItemLabels
}

func (a answering) GetItems(context.Context, *connect.Request[providerv1.GetItemsRequest]) (*connect.Response[providerv1.GetItemsResponse], error) {
	return connect.NewResponse(&providerv1.GetItemsResponse{Items: a.items}), nil
}

func (a answering) GetLabels(context.Context, *connect.Request[providerv1.GetLabelsRequest]) (*connect.Response[providerv1.GetLabelsResponse], error) {
	return connect.NewResponse(&providerv1.GetLabelsResponse{Items: a.labels}), nil
}

func TestAnswersThatBreakTheProtocolAreMalformed(t *testing.T) {
	for _, tc := range []struct {
		name string
		answering
	}{
		{"an item that was not asked for", answering{
			[]*providerv1.ItemFacts{{ItemId: 2}}, []*providerv1.ItemLabels{{ItemId: 2}},
		}},
		{"an item twice", answering{
			[]*providerv1.ItemFacts{{ItemId: 1}, {ItemId: 1}}, []*providerv1.ItemLabels{{ItemId: 1}, {ItemId: 1}},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := remotetest.Client(t, "/", mux(tc.answering))
			call := remotetest.Call(remotetest.Snapshot())
			_, err := remotetest.Ask(t.Context(), NewRemoteItems(c), call, 1)
			remotetest.WantMalformed(t, err)
			_, err = remotetest.Ask(t.Context(), NewRemoteLabels(c), call, 1)
			remotetest.WantMalformed(t, err)
		})
	}
	c := remotetest.Client(t, "/", mux(answering{items: []*providerv1.ItemFacts{{ItemId: 1, ShopId: -1}}}))
	_, err := remotetest.Ask(t.Context(), NewRemoteItems(c), remotetest.Call(remotetest.Snapshot()), 1)
	remotetest.WantMalformed(t, err)
}

func mux(a answering) http.Handler {
	_, h := providerv1connect.NewListingProviderHandler(a)
	return h
}
