package eligibility

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
	"proscenium/scenes"
)

func key(snap *scenes.Snapshot, model, promotion int64) engine.EligibilityKey {
	return engine.EligibilityKey{
		PromoKey: engine.PromoKey{ItemID: 1, ModelID: model, PromotionID: promotion},
		Promo: &facts.Promo{
			ID: promotion, Type: 2, SoldOut: true, PreTax: 5, PostTax: facts.NoPrice, Start: 1, End: facts.Never, Stock: 9, PurchaseLimit: 1,
			Audience: "new_user", SessionID: 4, StreamerID: 6,
		},
		Type: snap.Types[2],
	}
}

type (
	mount = func(*remote.Host, engine.EligibilityProvider, ...connect.HandlerOption) (string, http.Handler)
	dial  = func(*remote.Client) engine.EligibilityProvider
)

func commands() map[string]struct {
	mount mount
	dial  dial
} {
	return map[string]struct {
		mount mount
		dial  dial
	}{
		"exclusive price": {func(h *remote.Host, p engine.EligibilityProvider, opts ...connect.HandlerOption) (string, http.Handler) {
			return NewHandler(h, p, nil, nil, opts...)
		}, NewRemoteExclusivePrice},
		"live stream": {func(h *remote.Host, p engine.EligibilityProvider, opts ...connect.HandlerOption) (string, http.Handler) {
			return NewHandler(h, nil, p, nil, opts...)
		}, NewRemoteLiveStream},
		"welcome package": {func(h *remote.Host, p engine.EligibilityProvider, opts ...connect.HandlerOption) (string, http.Handler) {
			return NewHandler(h, nil, nil, p, opts...)
		}, NewRemoteWelcomePackage},
	}
}

func TestVerdictsAreTheSameOverTheWire(t *testing.T) {
	odd := remotetest.Each(func(k engine.EligibilityKey) bool { return k.PromotionID%2 == 1 })
	for name, c := range commands() {
		t.Run(name, func(t *testing.T) {
			snap := remotetest.Snapshot()
			call := remotetest.Call(snap)
			call.EnableOngoingLiveStreams = name == "live stream"
			keys := []engine.EligibilityKey{key(snap, 11, 3), key(snap, 11, 4), key(snap, 12, 3)}
			remotetest.SameOverTheWire(t, odd, call, keys, c.mount, c.dial)
		})
	}
}

func TestACommandWithoutProviderIsUnimplemented(t *testing.T) {
	snap := remotetest.Snapshot()
	for name, c := range commands() {
		path, h := NewHandler(&remote.Host{Snap: remotetest.Snapshot}, nil, nil, nil)
		_, err := remotetest.Ask(t.Context(), c.dial(remotetest.Client(t, path, h)), remotetest.Call(snap), key(snap, 1, 2))
		if connect.CodeOf(err) != connect.CodeUnimplemented {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestQuestionsThatCannotBeAreRefused(t *testing.T) {
	snap := remotetest.Snapshot()
	path, h := NewHandler(&remote.Host{Snap: remotetest.Snapshot}, remotetest.Each(func(engine.EligibilityKey) bool { return true }), nil, nil)
	p := NewRemoteExclusivePrice(remotetest.Client(t, path, h))
	unknown := key(snap, 1, 2)
	unknown.Promo.Type = 55
	if _, err := remotetest.Ask(t.Context(), p, remotetest.Call(snap), unknown); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("an unknown type: %v", err)
	}
	unpriced := key(snap, 1, 2)
	unpriced.Promo.PreTax = facts.NoPrice
	if _, err := remotetest.Ask(t.Context(), p, remotetest.Call(snap), unpriced); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("no price: %v", err)
	}
	mux := http.NewServeMux()
	mux.Handle(path, h)
	service := providerv1connect.NewEligibilityProviderClient(http.DefaultClient, remotetest.Serve(t, mux))
	_, err := service.CheckExclusivePrice(t.Context(), connect.NewRequest(&providerv1.CheckExclusivePriceRequest{
		Context: remote.Context(remotetest.Call(snap)), Keys: []*providerv1.EligibilityKey{{ItemId: 1, ModelId: 1}},
	}))
	if connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("no record: %v", err)
	}
}

// answering is a service that gives one answer to every question.
type answering []*providerv1.Verdict

func (a answering) CheckExclusivePrice(
	context.Context, *connect.Request[providerv1.CheckExclusivePriceRequest],
) (*connect.Response[providerv1.CheckExclusivePriceResponse], error) {
	return connect.NewResponse(&providerv1.CheckExclusivePriceResponse{Verdicts: a}), nil
}

func (a answering) CheckLiveStream(
	context.Context, *connect.Request[providerv1.CheckLiveStreamRequest],
) (*connect.Response[providerv1.CheckLiveStreamResponse], error) {
	return connect.NewResponse(&providerv1.CheckLiveStreamResponse{Verdicts: a}), nil
}

func (a answering) CheckWelcomePackage(
	context.Context, *connect.Request[providerv1.CheckWelcomePackageRequest],
) (*connect.Response[providerv1.CheckWelcomePackageResponse], error) {
	return connect.NewResponse(&providerv1.CheckWelcomePackageResponse{Verdicts: a}), nil
}

func TestAnswersThatBreakTheProtocolAreMalformed(t *testing.T) {
	snap := remotetest.Snapshot()
	for _, tc := range []struct {
		name     string
		verdicts answering
	}{
		{"a model that was not asked for", answering{{ModelId: 12, PromotionId: 3, Eligible: true}}},
		{"a promotion that was not asked for", answering{{ModelId: 11, PromotionId: 4, Eligible: true}}},
		{"the same twice", answering{{ModelId: 11, PromotionId: 3}, {ModelId: 11, PromotionId: 3, Eligible: true}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, h := providerv1connect.NewEligibilityProviderHandler(tc.verdicts)
			client := remotetest.Client(t, path, h)
			for _, c := range commands() {
				_, err := remotetest.Ask(t.Context(), c.dial(client), remotetest.Call(snap), key(snap, 11, 3))
				remotetest.WantMalformed(t, err)
			}
		})
	}
}
