package reference_test

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"connectrpc.com/connect"

	"proscenium/catalog"
	"proscenium/configs"
	"proscenium/engine"
	configv1 "proscenium/gen/proscenium/config/v1"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/providers"
	"proscenium/providers/embedded"
	"proscenium/providers/reference"
	"proscenium/providers/remote"
	"proscenium/providers/remote/remotetest"
	"proscenium/providers/voucher"
	"proscenium/scenes"
)

// market is the reference marketplace, priced in process and by way of services.
type market struct {
	here, there *engine.Engine
	snap        *scenes.Snapshot
	fault       atomic.Pointer[func(procedure string) reference.Fault]
}

func openMarket(t *testing.T, now time.Time, conf *configv1.ConnectProvider) *market {
	t.Helper()
	files, err := fs.Sub(configs.FS, configs.CatalogDir)
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	all := embedded.Providers(cat)
	all.Voucher = voucher.NewEmbedded(cat)
	m := &market{snap: loadConfigs(t, now)}
	fine := func(string) reference.Fault { return reference.Fault{} }
	m.fault.Store(&fine)
	conf.Url = remotetest.Serve(t, reference.Handler(all, func() *scenes.Snapshot { return m.snap },
		reference.WithFaults(func(procedure string) reference.Fault { return (*m.fault.Load())(procedure) })))

	start := func(snap *scenes.Snapshot) *engine.Engine {
		registry := providers.New(all, remote.Deps{ReadFile: os.ReadFile, Now: time.Now, After: time.After, Random: rand.Float64})
		e := engine.New(engine.Deps{Open: registry.Open, Now: func() time.Time { return now }})
		if err := e.Apply(snap); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			e.Close()
			registry.Close()
		})
		return e
	}
	m.here = start(m.snap)
	remotely := loadConfigs(t, now)
	remotely.Dependencies = map[string]*configv1.Dependency{}
	for _, command := range engine.CommandNames {
		remotely.Dependencies[command] = &configv1.Dependency{
			Command: command, Provider: &configv1.Provider{Kind: &configv1.Provider_Connect{Connect: conf}}, Timeout: durationpb.New(10 * time.Second),
		}
	}
	m.there = start(remotely)
	return m
}

func loadConfigs(t *testing.T, now time.Time) *scenes.Snapshot {
	t.Helper()
	loaded := scenes.Load(configs.FS, now)
	if loaded.Snapshot == nil {
		t.Fatal(loaded.Diagnostics)
	}
	return loaded.Snapshot
}

func basket(scene *scenes.Scene, items ...int64) *pricingv1.GetPromotionInfoRequest {
	req := &pricingv1.GetPromotionInfoRequest{
		Scene: &pricingv1.GetPromotionInfoRequest_SceneId{SceneId: scene.ID}, Region: "US", UserId: proto.Int64(1), Explain: scene.Spec.GetAllowExplain(),
		Context: &pricingv1.RequestContext{LiveStreamStreamerId: 501, ClientPlatform: "app_ios", UserPath: "live_stream"},
	}
	for _, item := range items {
		req.Items = append(req.Items, &pricingv1.RequestItem{ItemId: item})
	}
	return req
}

func TestEverySceneAnswersTheSameOverServices(t *testing.T) {
	now := time.Date(2026, time.March, 4, 15, 0, 0, 0, time.UTC)
	m := openMarket(t, now, &configv1.ConnectProvider{Protocol: configv1.Protocol_PROTOCOL_GRPC})
	var items []int64
	for item := int64(1000); item < 1004; item++ {
		items = append(items, item)
	}
	for _, scene := range m.snap.Scenes {
		t.Run(scene.Name, func(t *testing.T) {
			req := basket(scene, items...)
			want, err := m.here.Price(t.Context(), engine.Caller{}, req)
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.there.Price(t.Context(), engine.Caller{}, req)
			if err != nil {
				t.Fatal(err)
			}
			for _, res := range []*pricingv1.GetPromotionInfoResponse{want, got} {
				if trace := res.GetTrace(); trace != nil {
					trace.Stages, trace.Calls = nil, nil // how long it took, and how
				}
			}
			if !proto.Equal(want, got) {
				for i, item := range want.GetItems() {
					if diff := cmp.Diff(item, got.GetItems()[i], protocmp.Transform()); diff != "" {
						t.Fatalf("item %d (-in process +over services):\n%s", item.GetItemId(), diff)
					}
				}
				t.Errorf("in process:\n%v\nover services:\n%v", want, got)
			}
		})
	}
}

func TestTheTraceCountsAttempts(t *testing.T) {
	m := openMarket(t, time.Date(2026, time.March, 4, 15, 0, 0, 0, time.UTC),
		&configv1.ConnectProvider{Retries: &configv1.Retries{MaxAttempts: 3}})
	var calls atomic.Int64
	flaky := func(procedure string) reference.Fault {
		if procedure == "/proscenium.provider.v1.PriceStockProvider/QueryPrices" && calls.Add(1) < 3 {
			return reference.Fault{Code: connect.CodeUnavailable}
		}
		return reference.Fault{}
	}
	m.fault.Store(&flaky)
	res, err := m.there.Price(t.Context(), engine.Caller{}, basket(m.snap.ScenesByName["sls_future_price"], 1000))
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range res.GetTrace().GetCalls() {
		want := int32(1)
		if call.GetCommand() == "price.query" {
			want = 3
		}
		if call.GetAttempts() != want || call.GetOutcome() != "ok" {
			t.Errorf("%v, want %d attempts", call, want)
		}
	}
	if !res.GetAccurate() {
		t.Error("a call that was retried makes the answer inaccurate")
	}
}
