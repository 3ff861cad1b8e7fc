package reference_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"

	"proscenium/engine"
	"proscenium/facts"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers"
	"proscenium/providers/reference"
	"proscenium/providers/remote/remotetest"
	"proscenium/scenes"
	"proscenium/traffic"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(serveEnv); address != "" {
		panic(child(address)) // it ends by being killed
	}
	goleak.VerifyTestMain(m)
}

// known are providers that know something of every key.
func known() engine.Providers {
	eligible := remotetest.Each(func(engine.EligibilityKey) bool { return true })
	return engine.Providers{
		Price: remotetest.Each(func(k engine.PriceKey) []facts.Model {
			return []facts.Model{{ID: max(k.ModelID, 11), ItemID: k.ItemID, ShopID: 5, Promos: []facts.Promo{
				{ID: 3, Type: 2, PreTax: 100, PostTax: 110, Start: facts.Always, End: facts.Never, Audience: "new_user"},
			}}}
		}),
		Stock: remotetest.Each(func(engine.PromoKey) facts.Stock {
			return facts.Stock{Known: true, Available: 4, Breakdown: []facts.LocationStock{{Location: "NYC", Available: 4}}}
		}),
		ExclusivePrice: eligible,
		LiveStream:     eligible,
		WelcomePackage: eligible,
		Items: remotetest.Each(func(id int64) *facts.Item {
			return &facts.Item{ID: id, ShopID: 5, Name: "Käse", Categories: []string{"cheese"}}
		}),
		Labels: remotetest.Each(func(int64) []string { return []string{"new"} }),
		Tax:    remotetest.Each(func(engine.PriceKey) facts.TaxRate { return facts.TaxRate{Known: true, Rate: 8_000} }),
		Rebate: remotetest.Each(func(k engine.RebateKey) int64 { return k.Price / 10 }),
		Voucher: remotetest.Each(func(k engine.VoucherKey) facts.VoucherChoice {
			return facts.VoucherChoice{Shop: facts.VoucherUse{
				Voucher: &facts.Voucher{ID: 7, Code: "C", Name: "N", Layer: facts.LayerShop, Start: facts.Always, End: facts.Never}, Discount: k.Price / 20,
			}}
		}),
		GMV:        remotetest.Each(func(k engine.PriceKey) int64 { return k.ModelID }),
		Decoration: remotetest.Each(func(engine.DecorationKey) facts.Decoration { return facts.Decoration{Label: "Flash"} }),
		Package: remotetest.Each(func(item int64) []facts.Package {
			return []facts.Package{{ID: 8, Name: "Set", ModelIDs: []int64{11, 12}, Price: 150, OriginalPrice: item}}
		}),
	}
}

// question asks one command of a set of providers, and returns the answers for comparison.
type question func(ctx context.Context, p *engine.Providers) (any, error)

func questions(snap *scenes.Snapshot) map[engine.Command]question {
	call := remotetest.Call(snap)
	item := &facts.Item{ID: 1, ShopID: 5, Brand: "b", Categories: []string{"cheese"}, Labels: []string{"new"}, SellerType: "mall"}
	model := &facts.Model{ID: 11, ItemID: 1, ShopID: 5}
	promo := engine.PromoKey{ItemID: 1, ModelID: 11, PromotionID: 3}
	eligibility := engine.EligibilityKey{PromoKey: promo, Promo: &facts.Promo{ID: 3, Type: 2, PreTax: 1, PostTax: facts.NoPrice, Start: facts.Always, End: facts.Never}, Type: snap.Types[2]}
	voucherCall := *call
	voucherCall.Vouchers = engine.VoucherScope{ShopPool: snap.VoucherPools["SHOP_POOL"], PlatformPool: snap.VoucherPools["PLATFORM_POOL"], NeedBest: true}
	return map[engine.Command]question{
		engine.PriceQuery:          of(func(p *engine.Providers) engine.PriceProvider { return p.Price }, call, engine.PriceKey{ItemID: 1, ModelID: 11}, engine.PriceKey{ItemID: 2, ModelID: 21}),
		engine.StockQuery:          of(func(p *engine.Providers) engine.StockProvider { return p.Stock }, call, promo, engine.PromoKey{ItemID: 1, ModelID: 12, PromotionID: 3}),
		engine.CheckExclusivePrice: of(func(p *engine.Providers) engine.EligibilityProvider { return p.ExclusivePrice }, call, eligibility),
		engine.CheckLiveStream:     of(func(p *engine.Providers) engine.EligibilityProvider { return p.LiveStream }, call, eligibility),
		engine.CheckWelcomePackage: of(func(p *engine.Providers) engine.EligibilityProvider { return p.WelcomePackage }, call, eligibility),
		engine.ListingItems:        of(func(p *engine.Providers) engine.ItemProvider { return p.Items }, call, 1, 2),
		engine.ListingLabels:       of(func(p *engine.Providers) engine.LabelProvider { return p.Labels }, call, 1, 2),
		engine.TaxRates:            of(func(p *engine.Providers) engine.TaxProvider { return p.Tax }, call, engine.PriceKey{ItemID: 1, ModelID: 11}),
		engine.RebateQuery:         of(func(p *engine.Providers) engine.RebateProvider { return p.Rebate }, call, engine.RebateKey{PromoKey: promo, Price: 500}),
		engine.BestVouchers:        of(func(p *engine.Providers) engine.VoucherProvider { return p.Voucher }, &voucherCall, engine.VoucherKey{Item: item, Model: model, Price: 500}),
		engine.GMVQuery:            of(func(p *engine.Providers) engine.GMVProvider { return p.GMV }, call, engine.PriceKey{ItemID: 1, ModelID: 11}),
		engine.DecorationQuery:     of(func(p *engine.Providers) engine.DecorationProvider { return p.Decoration }, call, engine.DecorationKey{PromoKey: promo, Type: 2}),
		engine.PackageQuery:        of(func(p *engine.Providers) engine.PackageProvider { return p.Package }, call, 1, 2),
	}
}

func of[K, V any](provider func(*engine.Providers) engine.Provider[K, V], call *engine.Call, keys ...K) question {
	return func(ctx context.Context, p *engine.Providers) (any, error) {
		out, err := remotetest.Ask(ctx, provider(p), call, keys...)
		return out, err
	}
}

// faulty serves known providers with the fault that the test sets, and opens them as the engine does.
type faulty struct {
	*engine.Providers
	fault atomic.Pointer[reference.Fault]
	calls atomic.Int64
}

func open(t *testing.T, conf *configv1.ConnectProvider) *faulty {
	t.Helper()
	f := &faulty{}
	f.fault.Store(&reference.Fault{})
	snap := remotetest.Snapshot()
	conf.Url = remotetest.Serve(t, reference.Handler(known(), remotetest.Snapshot, reference.WithFaults(func(string) reference.Fault {
		f.calls.Add(1)
		return *f.fault.Load()
	})))
	snap.Dependencies = map[string]*configv1.Dependency{}
	for _, command := range engine.CommandNames {
		snap.Dependencies[command] = &configv1.Dependency{Command: command, Provider: &configv1.Provider{Kind: &configv1.Provider_Connect{Connect: conf}}}
	}
	registry := providers.New(engine.Providers{}, remotetest.Deps())
	t.Cleanup(registry.Close)
	var err error
	if f.Providers, err = registry.Open(snap, snap.Regions["US"], traffic.Live); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEveryCommandIsAnsweredAsByItsProvider(t *testing.T) {
	direct := known()
	for name, protocol := range remotetest.Protocols() {
		f := open(t, &configv1.ConnectProvider{Protocol: protocol})
		for command, ask := range questions(remotetest.Snapshot()) {
			want, err := ask(t.Context(), &direct)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ask(t.Context(), f.Providers)
			if err != nil {
				t.Errorf("%s over %s: %v", command, name, err)
				continue
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s over %s (-direct +remote):\n%s", command, name, diff)
			}
		}
	}
}

func TestFaultsOfEveryCommand(t *testing.T) {
	anyCommand := func(engine.Command) bool { return true }
	none := func(engine.Command) bool { return false }
	without := func(commands ...engine.Command) func(engine.Command) bool {
		return func(c engine.Command) bool {
			for _, out := range commands {
				if c == out {
					return false
				}
			}
			return true
		}
	}
	noNumbers := without(engine.CheckExclusivePrice, engine.CheckLiveStream, engine.CheckWelcomePackage, engine.ListingLabels, engine.DecorationQuery)
	noText := func(c engine.Command) bool {
		return c == engine.PriceQuery || c == engine.StockQuery || c == engine.ListingItems || c == engine.DecorationQuery || c == engine.PackageQuery || c == engine.BestVouchers
	}
	for _, tc := range []struct {
		name      string
		fault     reference.Fault
		malformed func(engine.Command) bool
		code      connect.Code // of the error where it is not malformed; 0: none
	}{
		{"fails", reference.Fault{Code: connect.CodeInternal}, none, connect.CodeInternal},
		{"is not available", reference.Fault{Code: connect.CodeUnavailable}, none, connect.CodeUnavailable},
		{"breaks the connection", reference.Fault{Cut: true}, none, connect.CodeUnavailable},
		{"hangs", reference.Fault{Hang: true}, none, connect.CodeDeadlineExceeded},
		{"is too slow", reference.Fault{Delay: time.Hour}, none, connect.CodeDeadlineExceeded},
		{"is slow, but not too slow", reference.Fault{Delay: time.Millisecond}, none, 0},
		{"answers for others", reference.Fault{Garbage: reference.OtherModels}, anyCommand, 0},
		{"answers twice", reference.Fault{Garbage: reference.Twice}, anyCommand, 0},
		{"answers with a negative number", reference.Fault{Garbage: reference.Negative}, noNumbers, 0},
		{"answers under another item", reference.Fault{Garbage: reference.WrongItem}, anyCommand, 0},
		{"knows nothing", reference.Fault{Garbage: reference.Empty}, none, 0},
		{"answers text that is none", reference.Fault{Garbage: reference.NotText}, noText, 0},
		{"answers too much", reference.Fault{Padding: 200_000}, anyCommand, 0},
		{"answers with fields that nobody knows", reference.Fault{Padding: 90_000}, none, 0},
		{"answers no message", reference.Fault{Garbage: reference.NoMessage}, anyCommand, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for name, protocol := range remotetest.Protocols() {
				f := open(t, &configv1.ConnectProvider{Protocol: protocol, MaxResponseBytes: 100_000})
				f.fault.Store(&tc.fault)
				for command, ask := range questions(remotetest.Snapshot()) {
					within := 10 * time.Second
					if tc.code == connect.CodeDeadlineExceeded {
						within = 20 * time.Millisecond
					}
					ctx, cancel := context.WithTimeout(t.Context(), within)
					_, err := ask(ctx, f.Providers)
					cancel()
					if malformed := tc.malformed(command); errors.Is(err, engine.ErrMalformed) != malformed {
						t.Errorf("%s over %s: %v, want malformed %v", command, name, err, malformed)
					} else if malformed {
						continue
					}
					if timeout := tc.code == connect.CodeDeadlineExceeded; errors.Is(err, context.DeadlineExceeded) != timeout {
						t.Errorf("%s over %s: %v, want a timeout %v", command, name, err, timeout)
					} else if timeout {
						continue
					}
					if (err == nil) != (tc.code == 0) || err != nil && tc.code != connect.CodeUnavailable && connect.CodeOf(err) != tc.code {
						t.Errorf("%s over %s: %v, want code %v", command, name, err, tc.code)
					}
				}
			}
		})
	}
}

func TestRetriesReachTheService(t *testing.T) {
	for name, protocol := range remotetest.Protocols() {
		f := open(t, &configv1.ConnectProvider{Protocol: protocol, Retries: &configv1.Retries{MaxAttempts: 3, Backoff: durationpb.New(0)}})
		f.fault.Store(&reference.Fault{Code: connect.CodeUnavailable})
		ask := questions(remotetest.Snapshot())[engine.TaxRates]
		if _, err := ask(t.Context(), f.Providers); connect.CodeOf(err) != connect.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
		if n := f.calls.Load(); n != 3 {
			t.Errorf("%s: %d attempts arrived, want 3", name, n)
		}
	}
}

func TestAnAnswerOfNothingIsTheZeroValue(t *testing.T) {
	f := open(t, &configv1.ConnectProvider{})
	f.fault.Store(&reference.Fault{Garbage: reference.Empty})
	got, err := questions(remotetest.Snapshot())[engine.TaxRates](t.Context(), f.Providers)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]facts.TaxRate{{}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestQuestionsAreValidated(t *testing.T) {
	f := open(t, &configv1.ConnectProvider{})
	_, err := remotetest.Ask(t.Context(), f.Price, remotetest.Call(remotetest.Snapshot()), engine.PriceKey{ItemID: -5})
	if connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Error(err)
	}
}

func TestHealthAndReflection(t *testing.T) {
	url := remotetest.Serve(t, reference.Handler(engine.Providers{}, remotetest.Snapshot))
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	health := grpchealth.NewClient(client, url, connect.WithGRPC())
	res, err := health.Check(t.Context(), &grpchealth.CheckRequest{Service: providerv1connect.VoucherProviderName})
	if err != nil || res.Status != grpchealth.StatusServing {
		t.Errorf("health: %v, %v", res, err)
	}
	stream := grpcreflect.NewClient(client, url, connect.WithGRPC()).NewStream(t.Context())
	defer func() { _, _ = stream.Close() }()
	names, err := stream.ListServices()
	if err != nil || len(names) != 10 {
		t.Errorf("reflection: %v, %v", names, err)
	}
}
