package assembly_test

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/assembly"
	"proscenium/configs"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/gen/proscenium/pricing/v1/pricingv1connect"
	"proscenium/metrics"
	"proscenium/scenes"
	"proscenium/server"
)

// marketplace is a server of the reference marketplace on a port of its own.
type marketplace struct {
	url      string
	observed *metrics.Metrics
}

func open(t *testing.T, access server.Access) *marketplace {
	t.Helper()
	catalog, err := fs.Sub(configs.FS, configs.CatalogDir)
	if err != nil {
		t.Fatal(err)
	}
	m := &marketplace{observed: metrics.New()}
	system, err := assembly.Open(assembly.Options{Catalog: catalog, Now: time.Now, Observer: m.observed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(system.Close)
	read := scenes.Load(configs.FS, time.Now())
	if read.Snapshot == nil {
		t.Fatal(read.Diagnostics)
	}
	if err := system.Apply(read.Snapshot); err != nil {
		t.Fatal(err)
	}
	ready := &server.Readiness{}
	ready.Set(true)
	built, err := server.New(server.Deps{
		Pricer: system.Engine, Access: access, Ready: ready, Log: slog.New(slog.DiscardHandler), Observer: m.observed, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	test := httptest.NewUnstartedServer(built.Handler())
	test.Config.Protocols = new(http.Protocols)
	test.Config.Protocols.SetHTTP1(true)
	test.Config.Protocols.SetUnencryptedHTTP2(true)
	test.Start()
	t.Cleanup(test.Close)
	m.url = test.URL
	return m
}

// clients call in the ways that callers have.
func (m *marketplace) clients(t *testing.T) map[string]pricingv1connect.PricingServiceClient {
	t.Helper()
	var h2 http.Protocols
	h2.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &h2}
	t.Cleanup(transport.CloseIdleConnections)
	http2 := &http.Client{Transport: transport}
	return map[string]pricingv1connect.PricingServiceClient{
		"Connect with JSON":     pricingv1connect.NewPricingServiceClient(http.DefaultClient, m.url, connect.WithProtoJSON()),
		"Connect with protobuf": pricingv1connect.NewPricingServiceClient(http.DefaultClient, m.url),
		"gRPC":                  pricingv1connect.NewPricingServiceClient(http2, m.url, connect.WithGRPC()),
		"gRPC-Web":              pricingv1connect.NewPricingServiceClient(http.DefaultClient, m.url, connect.WithGRPCWeb()),
	}
}

func request(scene string) *pricingv1.GetPromotionInfoRequest {
	return &pricingv1.GetPromotionInfoRequest{
		Scene:  &pricingv1.GetPromotionInfoRequest_SceneName{SceneName: scene},
		Region: "US",
		UserId: proto.Int64(1),
		Items:  []*pricingv1.RequestItem{{ItemId: 1637, Models: []*pricingv1.RequestModel{{ModelId: 6546065}}}},
	}
}

type refusal struct {
	Code   connect.Code
	Reason string
	Fields []string
}

func refusalOf(t *testing.T, err error) refusal {
	t.Helper()
	var answer *connect.Error
	if !errors.As(err, &answer) {
		t.Fatalf("%v is no error of the protocol", err)
	}
	got := refusal{Code: answer.Code()}
	for _, detail := range answer.Details() {
		value, err := detail.Value()
		if err != nil {
			t.Fatal(err)
		}
		switch d := value.(type) {
		case *errdetails.ErrorInfo:
			got.Reason = d.GetReason()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				got.Fields = append(got.Fields, v.GetField())
			}
		}
	}
	return got
}

func TestRequestsThatCannotBeAnsweredSayWhyInEveryWay(t *testing.T) {
	m := open(t, server.Access{Credentials: []server.Credential{{ID: "cart", SHA256: sha256.Sum256([]byte("sesame"))}}})
	for _, c := range []struct {
		name   string
		header http.Header
		change func(*pricingv1.GetPromotionInfoRequest)
		want   refusal
	}{
		{"101 items", nil, func(r *pricingv1.GetPromotionInfoRequest) {
			r.Items = nil
			for i := range 101 {
				r.Items = append(r.Items, &pricingv1.RequestItem{ItemId: int64(i + 1)})
			}
		}, refusal{connect.CodeInvalidArgument, "INVALID_REQUEST", []string{"items"}}},
		{
			"an unknown region", nil, func(r *pricingv1.GetPromotionInfoRequest) { r.Region = "FR" },
			refusal{connect.CodeInvalidArgument, "REGION_NOT_SERVED", []string{"region"}},
		},
		{"an unknown scene", nil, func(r *pricingv1.GetPromotionInfoRequest) {
			r.Scene = &pricingv1.GetPromotionInfoRequest_SceneName{SceneName: "moon"}
		}, refusal{connect.CodeNotFound, "SCENE_NOT_FOUND", []string{"scene_name"}}},
		{
			"a scene of another client, by key",
			http.Header{"Authorization": {"Bearer sesame"}},
			nil,
			refusal{Code: connect.CodePermissionDenied, Reason: "SCENE_NOT_ALLOWED"},
		},
		{
			"a scene of another client, by name",
			http.Header{server.ClientHeader: {"cart"}},
			nil,
			refusal{Code: connect.CodePermissionDenied, Reason: "SCENE_NOT_ALLOWED"},
		},
		{
			"a wrong key",
			http.Header{"Authorization": {"Bearer sesam"}},
			nil,
			refusal{Code: connect.CodeUnauthenticated, Reason: "CREDENTIAL_UNKNOWN"},
		},
		{
			"no user in login mode", nil, func(r *pricingv1.GetPromotionInfoRequest) { r.UserId = nil },
			refusal{connect.CodeInvalidArgument, "USER_REQUIRED", []string{"user_id"}},
		},
		{
			"a negative quantity", nil, func(r *pricingv1.GetPromotionInfoRequest) { r.Items[0].Models[0].Quantity = proto.Int64(-1) },
			refusal{connect.CodeInvalidArgument, "INVALID_REQUEST", []string{"items[0].models[0].quantity"}},
		},
		{
			"a time in a scene of real time", nil, func(r *pricingv1.GetPromotionInfoRequest) { r.AtTime = timestamppb.New(time.Unix(1_500_000_000, 0)) },
			refusal{connect.CodeInvalidArgument, "AT_TIME_NOT_ALLOWED", []string{"at_time"}},
		},
		{
			"a trace where it is not given", nil, func(r *pricingv1.GetPromotionInfoRequest) { r.Explain = true },
			refusal{connect.CodeInvalidArgument, "EXPLAIN_NOT_ALLOWED", []string{"explain"}},
		},
	} {
		for name, client := range m.clients(t) {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				msg := request("shop_chat")
				if c.change != nil {
					c.change(msg)
				}
				req := connect.NewRequest(msg)
				for key, values := range c.header {
					req.Header().Set(key, values[0])
				}
				_, err := client.GetPromotionInfo(t.Context(), req)
				if diff := cmp.Diff(c.want, refusalOf(t, err)); diff != "" {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
			})
		}
	}
}

func TestAnswersAreEqualInEveryWay(t *testing.T) {
	m := open(t, server.Access{})
	var first *pricingv1.GetPromotionInfoResponse
	for name, client := range m.clients(t) {
		res, err := client.GetPromotionInfo(t.Context(), connect.NewRequest(request("pdp_main")))
		if err != nil {
			t.Fatal(name, err)
		}
		res.Msg.PricedAt = nil
		if model := res.Msg.GetItems()[0].GetModels()[0]; model.GetFinalPrice() <= 0 || model.GetShopVoucherDiscount() <= 0 {
			t.Errorf("%s: %v", name, model)
		}
		if first == nil {
			first = res.Msg
		}
		if !proto.Equal(first, res.Msg) {
			t.Errorf("%s: %v\nis not %v", name, res.Msg, first)
		}
	}
}

func TestAHundredItemsOfThirtyModelsAreAnswered(t *testing.T) {
	m := open(t, server.Access{})
	req := request("shop_chat")
	req.Items = nil
	for i := range 100 {
		item := &pricingv1.RequestItem{ItemId: int64(1000 + i)}
		for j := range 30 {
			item.Models = append(item.Models, &pricingv1.RequestModel{ModelId: int64(1 + i*30 + j)})
		}
		req.Items = append(req.Items, item)
	}
	res, err := m.clients(t)["gRPC"].GetPromotionInfo(t.Context(), connect.NewRequest(req))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(res.Msg.GetItems()); n != 100 {
		t.Errorf("%d items, want 100", n)
	}
	for _, item := range res.Msg.GetItems() {
		if len(item.GetModels()) != 30 {
			t.Fatalf("item %d has %d models, want 30", item.GetItemId(), len(item.GetModels()))
		}
	}
}

func TestRequestsShowInTheMetrics(t *testing.T) {
	m := open(t, server.Access{})
	client := m.clients(t)["Connect with protobuf"]
	good, bad := request("shop_chat"), request("shop_chat")
	bad.UserId = nil
	for range 3 {
		if _, err := client.GetPromotionInfo(t.Context(), connect.NewRequest(good)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.GetPromotionInfo(t.Context(), connect.NewRequest(bad)); err == nil {
		t.Fatal("answered without user")
	}
	recorder := httptest.NewRecorder()
	m.observed.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	exposed := recorder.Body.String()
	for _, want := range []string{
		`proscenium_requests_total{client="shop_chat",code="OK",need_stock="true",scenario="buyer_default",scene="shop_chat",traffic="live"} 3`,
		`proscenium_requests_total{client="shop_chat",code="USER_REQUIRED",need_stock="true",scenario="buyer_default",scene="shop_chat",traffic="live"} 1`,
		`proscenium_rpc_errors_total{code="invalid_argument",procedure="/proscenium.pricing.v1.PricingService/GetPromotionInfo",traffic="live"} 1`,
		`proscenium_cache_requests_total{cache="price_stock",level="memory",result="hit",traffic="live"} 2`,
		`proscenium_stage_duration_seconds_count{stage="price_stock_query",traffic="live"} 3`,
		`proscenium_dependency_calls_total{command="tax.rates",outcome="ok",traffic="live"} 3`,
		`proscenium_config_info{version="`,
	} {
		if !strings.Contains(exposed, want) {
			t.Errorf("the metrics do not have %s", want)
		}
	}
}
