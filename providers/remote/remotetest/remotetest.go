// Package remotetest holds what tests of providers over the wire share: services on loopback, clients of them, and a small configuration.
package remotetest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"proscenium/engine"
	"proscenium/facts"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/providers/remote"
	"proscenium/scenes"
)

// Provider is a function as a provider.
type Provider[K, V any] func(ctx context.Context, call *engine.Call, keys []K, out []V) error

// Query calls the function.
func (f Provider[K, V]) Query(ctx context.Context, call *engine.Call, keys []K, out []V) error {
	return f(ctx, call, keys, out)
}

// Each is a provider that answers each key by itself.
func Each[K, V any](answer func(K) V) Provider[K, V] {
	return func(_ context.Context, _ *engine.Call, keys []K, out []V) error {
		for i, k := range keys {
			out[i] = answer(k)
		}
		return nil
	}
}

// Protocols are all that clients speak, by their names in configuration.
func Protocols() map[string]configv1.Protocol {
	return map[string]configv1.Protocol{
		"connect": configv1.Protocol_PROTOCOL_CONNECT, "grpc": configv1.Protocol_PROTOCOL_GRPC, "grpc_web": configv1.Protocol_PROTOCOL_GRPC_WEB,
	}
}

// Deps are those of a real process.
func Deps() remote.Deps {
	return remote.Deps{ReadFile: os.ReadFile, Now: time.Now, After: time.After, Random: func() float64 { return 0.5 }}
}

// Serve runs a handler on loopback, over HTTP/1.1 and HTTP/2 without TLS, until the test ends. It returns the URL.
func Serve(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// Dial makes a client that is closed when the test ends.
func Dial(t testing.TB, conf *configv1.ConnectProvider) *remote.Client {
	t.Helper()
	c, err := remote.New(conf, Deps())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Client is one of a handler on loopback that speaks Connect and never retries.
func Client(t testing.TB, path string, h http.Handler) *remote.Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(path, h)
	return Dial(t, &configv1.ConnectProvider{Url: Serve(t, mux)})
}

// Snapshot is a configuration of one region, four price rule types with the ids 0 to 3, a scene, two pools and a bypass rule.
func Snapshot() *scenes.Snapshot {
	scene := &scenes.Scene{Name: "shop_chat", Client: &scenes.Client{Name: "chat"}, Scenario: &scenes.Scenario{Name: "buyer_default"}}
	snap := &scenes.Snapshot{
		Version: "1",
		Regions: map[string]*scenes.Region{
			"US": {Code: "US", Currency: "USD", Zone: time.UTC, Rounding: configv1.Rounding_ROUNDING_HALF_UP, TaxMode: configv1.TaxMode_TAX_MODE_PRE_TAX},
		},
		ScenesByName: map[string]*scenes.Scene{scene.Name: scene},
		VoucherPools: map[string]*scenes.VoucherPool{"SHOP_POOL": {Name: "SHOP_POOL"}, "PLATFORM_POOL": {Name: "PLATFORM_POOL"}},
		BypassRules:  map[string]*scenes.BypassRule{"VIDEO": {Name: "VIDEO"}},
	}
	for id, name := range []string{"original_price", "flash_sale", "exclusive_price", "live_stream"} {
		snap.Types = append(snap.Types, &facts.PriceRuleType{ID: int32(id), Name: name, Original: id == 0})
	}
	snap.OriginalType = snap.Types[0]
	snap.ReducesPrice[configv1.RewardType_REWARD_TYPE_DISCOUNT] = true
	return snap
}

// Call is a call under [Snapshot], with every field of the request filled in.
func Call(snap *scenes.Snapshot) *engine.Call {
	return &engine.Call{
		Request: &facts.Request{
			Region: "US", Scene: "shop_chat", Scenario: "buyer_default", Client: "chat", UserID: 42, At: 1_700_000_000_123_456_789, OrderFlow: true,
			Platform: "app_ios", UserPath: "search", DeviceType: "phone", StreamerID: 7, LiveStreamToken: "token", VideoCreatorID: 8, AdsID: 9,
		},
		Region: snap.Regions["US"],
		Snap:   snap,
	}
}

// Ask puts keys to a provider.
func Ask[K, V any](ctx context.Context, p engine.Provider[K, V], call *engine.Call, keys ...K) ([]V, error) {
	out := make([]V, len(keys))
	err := p.Query(ctx, call, keys, out)
	return out, err
}

// SameOverTheWire checks, in every protocol, that a provider asked through a service sees the question that was put, and that its answers
// arrive as it gave them.
func SameOverTheWire[K, V any](
	t *testing.T, p engine.Provider[K, V], call *engine.Call, keys []K,
	mount func(*remote.Host, engine.Provider[K, V], ...connect.HandlerOption) (string, http.Handler),
	dial func(*remote.Client) engine.Provider[K, V],
) {
	t.Helper()
	want, err := Ask(t.Context(), p, call, keys...)
	if err != nil {
		t.Fatal(err)
	}
	for name, protocol := range Protocols() {
		t.Run(name, func(t *testing.T) {
			var seenCall *engine.Call
			var seenKeys []K
			host := &remote.Host{Snap: func() *scenes.Snapshot { return call.Snap }}
			mux := http.NewServeMux()
			mux.Handle(mount(host, Provider[K, V](func(ctx context.Context, call *engine.Call, keys []K, out []V) error {
				seenCall, seenKeys = call, append([]K(nil), keys...)
				return p.Query(ctx, call, keys, out)
			})))
			got, err := Ask(t.Context(), dial(Dial(t, &configv1.ConnectProvider{Url: Serve(t, mux), Protocol: protocol})), call, keys...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("answers changed on the way (-direct +over the wire):\n%s", diff)
			}
			if diff := cmp.Diff(keys, seenKeys); diff != "" {
				t.Errorf("keys changed on the way (-sent +seen):\n%s", diff)
			}
			same := cmp.Comparer(func(a, b *scenes.Snapshot) bool { return a == b })
			region := cmp.Comparer(func(a, b *scenes.Region) bool { return a == b })
			named := cmp.Comparer(func(a, b *scenes.VoucherPool) bool { return a == b })
			rule := cmp.Comparer(func(a, b *scenes.BypassRule) bool { return a == b })
			if diff := cmp.Diff(call, seenCall, same, region, named, rule); diff != "" {
				t.Errorf("the call changed on the way (-sent +seen):\n%s", diff)
			}
		})
	}
}

// WantMalformed checks that an error says that the answer was.
func WantMalformed(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, engine.ErrMalformed) {
		t.Errorf("error is %v, want a malformed answer", err)
	}
}
