package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/engine"
	"proscenium/fault"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/gen/proscenium/pricing/v1/pricingv1connect"
	"proscenium/scenes"
	"proscenium/traffic"
)

// pricer answers by price, under a snapshot with the client shop, which has the credential shop_key.
type pricer struct {
	price  func(context.Context, engine.Caller, *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error)
	delete func(engine.CacheName, string, []engine.PriceKey) (int, error)
	snap   *scenes.Snapshot
}

func (p *pricer) Price(ctx context.Context, c engine.Caller, req *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
	return p.price(ctx, c, req)
}

func (p *pricer) DeleteCached(_ context.Context, cache engine.CacheName, region string, keys []engine.PriceKey) (int, error) {
	return p.delete(cache, region, keys)
}

func (p *pricer) Snapshot() *scenes.Snapshot { return p.snap }

func shopSnapshot() *scenes.Snapshot {
	return &scenes.Snapshot{Version: "v1", Clients: map[string]*scenes.Client{
		"shop": {ID: 1, Name: "shop", CredentialIDs: []string{"shop_key", "old_key"}},
	}}
}

// echo answers with what it was asked.
func echo(_ context.Context, caller engine.Caller, req *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
	res := &pricingv1.GetPromotionInfoResponse{ConfigVersion: "v1", Accurate: new(true), Currency: caller.Client}
	for _, item := range req.GetItems() {
		res.Items = append(res.Items, &pricingv1.Item{ItemId: item.GetItemId(), FinalPrice: new(int64(199))})
	}
	return res, nil
}

type counts struct {
	mu    sync.Mutex
	calls map[string]int
}

func (c *counts) Refused(procedure, code string, class traffic.Class) {
	if class != traffic.Live {
		code += " " + class.String()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[string]int{}
	}
	c.calls[procedure+" "+code]++
}

// buffer is a log that a test reads while others write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// fixture is a server on a port of its own, with what it tells the log and the metrics.
type fixture struct {
	url    string
	log    buffer
	counts counts
	ready  Readiness
	server *Server
	now    time.Time
}

func start(t *testing.T, p *pricer, change func(*Deps)) *fixture {
	t.Helper()
	f := &fixture{now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	f.ready.Set(true)
	if p.snap == nil {
		p.snap = shopSnapshot()
	}
	deps := Deps{
		Pricer: p, Ready: &f.ready, Observer: &f.counts, Now: func() time.Time { return f.now },
		Log: slog.New(slog.NewJSONHandler(&f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&deps)
	}
	server, err := New(deps)
	if err != nil {
		t.Fatal(err)
	}
	f.server = server
	test := httptest.NewUnstartedServer(server.Handler())
	test.Config.Protocols = bothProtocols()
	test.Start()
	t.Cleanup(test.Close)
	f.url = test.URL
	return f
}

// transports are the ways to call, each with its options and an HTTP client.
func transports(t *testing.T) map[string]struct {
	client  *http.Client
	options []connect.ClientOption
} {
	t.Helper()
	var h2 http.Protocols
	h2.SetUnencryptedHTTP2(true)
	http1, http2 := &http.Transport{}, &http.Transport{Protocols: &h2}
	t.Cleanup(http1.CloseIdleConnections)
	t.Cleanup(http2.CloseIdleConnections)
	type way = struct {
		client  *http.Client
		options []connect.ClientOption
	}
	return map[string]way{
		"Connect with JSON":            {&http.Client{Transport: http1}, []connect.ClientOption{connect.WithProtoJSON()}},
		"Connect with protobuf":        {&http.Client{Transport: http1}, nil},
		"Connect over HTTP/2":          {&http.Client{Transport: http2}, nil},
		"Connect by GET":               {&http.Client{Transport: http1}, []connect.ClientOption{connect.WithHTTPGet()}},
		"Connect with compressed body": {&http.Client{Transport: http1}, []connect.ClientOption{connect.WithSendGzip()}},
		"gRPC":                         {&http.Client{Transport: http2}, []connect.ClientOption{connect.WithGRPC()}},
		"gRPC-Web":                     {&http.Client{Transport: http1}, []connect.ClientOption{connect.WithGRPCWeb()}},
	}
}

// clients call in every way, by the name of the way.
func clients(t *testing.T, url string) map[string]pricingv1connect.PricingServiceClient {
	t.Helper()
	all := make(map[string]pricingv1connect.PricingServiceClient)
	for name, way := range transports(t) {
		all[name] = pricingv1connect.NewPricingServiceClient(way.client, url, way.options...)
	}
	return all
}

func request(change func(*pricingv1.GetPromotionInfoRequest)) *pricingv1.GetPromotionInfoRequest {
	req := &pricingv1.GetPromotionInfoRequest{
		Scene:  &pricingv1.GetPromotionInfoRequest_SceneName{SceneName: "shop_chat"},
		Region: "US",
		Items:  []*pricingv1.RequestItem{{ItemId: 7, Models: []*pricingv1.RequestModel{{ModelId: 70, Quantity: proto.Int64(2)}}}},
	}
	if change != nil {
		change(req)
	}
	return req
}

// refusal is what a program reads of an error.
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
			if d.GetDomain() != "proscenium" {
				t.Errorf("domain %q", d.GetDomain())
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				got.Fields = append(got.Fields, v.GetField())
			}
		}
	}
	return got
}

func TestAPriceIsAnsweredOnEveryTransport(t *testing.T) {
	f := start(t, &pricer{price: echo}, nil)
	for name, client := range clients(t, f.url) {
		t.Run(name, func(t *testing.T) {
			res, err := client.GetPromotionInfo(t.Context(), connect.NewRequest(request(nil)))
			if err != nil {
				t.Fatal(err)
			}
			if got := res.Msg.GetItems()[0]; got.GetItemId() != 7 || got.GetFinalPrice() != 199 {
				t.Errorf("answer %v", res.Msg)
			}
		})
	}
}

func TestBadRequestsAreRefusedWithReasonAndFieldOnEveryTransport(t *testing.T) {
	invalid := func(fields ...string) refusal {
		return refusal{connect.CodeInvalidArgument, "INVALID_REQUEST", fields}
	}
	f := start(t, &pricer{price: echo}, nil)
	for _, c := range []struct {
		name   string
		change func(*pricingv1.GetPromotionInfoRequest)
		want   refusal
	}{
		{"no scene", func(r *pricingv1.GetPromotionInfoRequest) { r.Scene = nil }, invalid("scene")},
		{"an empty scene name", func(r *pricingv1.GetPromotionInfoRequest) {
			r.Scene = &pricingv1.GetPromotionInfoRequest_SceneName{}
		}, invalid("scene_name")},
		{"no items", func(r *pricingv1.GetPromotionInfoRequest) { r.Items = nil }, invalid("items")},
		{"101 items", func(r *pricingv1.GetPromotionInfoRequest) {
			r.Items = nil
			for i := range 101 {
				r.Items = append(r.Items, &pricingv1.RequestItem{ItemId: int64(i + 1)})
			}
		}, invalid("items")},
		{"a region that is no code", func(r *pricingv1.GetPromotionInfoRequest) { r.Region = "usa" }, invalid("region")},
		{"a negative quantity", func(r *pricingv1.GetPromotionInfoRequest) {
			r.Items[0].Models[0].Quantity = proto.Int64(-1)
		}, invalid("items[0].models[0].quantity")},
		{"a user of id 0", func(r *pricingv1.GetPromotionInfoRequest) { r.UserId = proto.Int64(0) }, invalid("user_id")},
		{"a time before 1970", func(r *pricingv1.GetPromotionInfoRequest) {
			r.AtTime = timestamppb.New(time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC))
		}, invalid("at_time")},
		{"everything wrong at once", func(r *pricingv1.GetPromotionInfoRequest) {
			r.Region = ""
			r.Items = append(r.Items, &pricingv1.RequestItem{ItemId: -4, ShopId: -1})
			r.Context = &pricingv1.RequestContext{UserPath: strings.Repeat("é", 101)}
		}, invalid("region", "items[1].item_id", "items[1].shop_id", "context.user_path")},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, client := range clients(t, f.url) {
				t.Run(name, func(t *testing.T) {
					_, err := client.GetPromotionInfo(t.Context(), connect.NewRequest(request(c.change)))
					if diff := cmp.Diff(c.want, refusalOf(t, err)); diff != "" {
						t.Errorf("%v (-want +got):\n%s", err, diff)
					}
				})
			}
		})
	}
}

func TestViolationsSayWhatToSendInstead(t *testing.T) {
	f := start(t, &pricer{price: echo, delete: func(engine.CacheName, string, []engine.PriceKey) (int, error) { return 0, nil }}, nil)
	const region = "region: must be an ISO 3166-1 alpha-2 code in upper case, such as US"
	client := pricingv1connect.NewPricingServiceClient(http.DefaultClient, f.url)
	_, err := client.GetPromotionInfo(t.Context(), connect.NewRequest(request(func(r *pricingv1.GetPromotionInfoRequest) {
		r.Scene, r.Region, r.UserId = nil, "usa", proto.Int64(0)
	})))
	if err == nil {
		t.Fatal("answered")
	}
	for _, want := range []string{region, "scene: name the scene by scene_id or scene_name", "user_id: must be greater than 0"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %q", want, err)
		}
	}
	_, err = client.DeletePriceStockCache(t.Context(), connect.NewRequest(&pricingv1.DeletePriceStockCacheRequest{
		Region: "us", Models: []*pricingv1.ModelRef{{ItemId: 1}},
	}))
	if err == nil || !strings.Contains(err.Error(), region) {
		t.Errorf("%v does not say %q", err, region)
	}
}

func TestFaultsKeepTheirReasonOnEveryTransport(t *testing.T) {
	kinds := map[fault.Kind]connect.Code{
		fault.InvalidArgument: connect.CodeInvalidArgument, fault.NotFound: connect.CodeNotFound, fault.AlreadyExists: connect.CodeAlreadyExists,
		fault.PermissionDenied: connect.CodePermissionDenied, fault.Unauthenticated: connect.CodeUnauthenticated,
		fault.FailedPrecondition: connect.CodeFailedPrecondition, fault.ResourceExhausted: connect.CodeResourceExhausted,
		fault.Aborted: connect.CodeAborted, fault.Unavailable: connect.CodeUnavailable,
		fault.DeadlineExceeded: connect.CodeDeadlineExceeded, fault.Canceled: connect.CodeCanceled,
	}
	var fails *fault.Error
	f := start(t, &pricer{price: func(context.Context, engine.Caller, *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
		return nil, fails
	}}, nil)
	for kind, code := range kinds {
		fails = fault.New(kind, "SOME_REASON", "it is so").With("command", "price.query").Because(errors.New("dial 10.0.0.1: refused"))
		fails.Field = "user_id"
		for name, client := range clients(t, f.url) {
			t.Run(name, func(t *testing.T) {
				_, err := client.GetPromotionInfo(t.Context(), connect.NewRequest(request(nil)))
				if diff := cmp.Diff(refusal{code, "SOME_REASON", []string{"user_id"}}, refusalOf(t, err)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				if !strings.Contains(err.Error(), "it is so") || strings.Contains(err.Error(), "10.0.0.1") {
					t.Errorf("message %q; want the fault's, without its cause", err)
				}
			})
		}
	}
	if !strings.Contains(f.log.String(), "10.0.0.1") {
		t.Error("the log does not have the cause")
	}
}

func TestWhatIsNotKnownToBeSafeToShowIsNotShown(t *testing.T) {
	for name, err := range map[string]error{
		"a plain error":     errors.New("password=hunter2"),
		"an internal fault": fault.New(fault.Internal, "BROKEN", "password=hunter2"),
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, &pricer{price: func(context.Context, engine.Caller, *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
				return nil, err
			}}, nil)
			client := pricingv1connect.NewPricingServiceClient(http.DefaultClient, f.url)
			_, got := client.GetPromotionInfo(t.Context(), connect.NewRequest(request(nil)))
			if r := refusalOf(t, got); r.Code != connect.CodeInternal || r.Reason != "INTERNAL" {
				t.Errorf("refusal %v", r)
			}
			if strings.Contains(got.Error(), "hunter2") {
				t.Errorf("message %q shows the inside", got)
			}
			_, id, ok := strings.Cut(got.Error(), "error_id=")
			if !ok || !strings.Contains(f.log.String(), `"error_id":"`+id+`"`) || !strings.Contains(f.log.String(), "hunter2") {
				t.Errorf("the log does not have error %q:\n%s", id, f.log.String())
			}
		})
	}
}

func TestAPanicFailsOneRequestAndIsLoggedWithItsStack(t *testing.T) {
	f := start(t, &pricer{price: func(ctx context.Context, c engine.Caller, req *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
		if req.GetRegion() == "XX" {
			panic("boom")
		}
		return echo(ctx, c, req)
	}}, nil)
	for name, client := range clients(t, f.url) {
		t.Run(name, func(t *testing.T) {
			_, err := client.GetPromotionInfo(t.Context(), connect.NewRequest(request(func(r *pricingv1.GetPromotionInfoRequest) { r.Region = "XX" })))
			if got := refusalOf(t, err); got.Code != connect.CodeInternal || strings.Contains(err.Error(), "boom") {
				t.Errorf("answer %v", err)
			}
			if _, err := client.GetPromotionInfo(t.Context(), connect.NewRequest(request(nil))); err != nil {
				t.Errorf("the request after: %v", err)
			}
		})
	}
	if log := f.log.String(); !strings.Contains(log, "panic: boom") || !strings.Contains(log, "server_test.go") {
		t.Errorf("log without panic and stack:\n%s", log)
	}
}

func TestTheDeadlineOfACallReachesTheEngine(t *testing.T) {
	f := start(t, &pricer{price: func(ctx context.Context, _ engine.Caller, _ *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}, nil)
	for name, client := range clients(t, f.url) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancel()
			_, err := client.GetPromotionInfo(ctx, connect.NewRequest(request(nil)))
			if code := connect.CodeOf(err); code != connect.CodeDeadlineExceeded {
				t.Errorf("code %v of %v", code, err)
			}
		})
	}
}

func TestCachesArePurgedOnEveryTransport(t *testing.T) {
	type purge struct {
		Cache  engine.CacheName
		Region string
		Keys   []engine.PriceKey
	}
	var got purge
	f := start(t, &pricer{delete: func(cache engine.CacheName, region string, keys []engine.PriceKey) (int, error) {
		got = purge{cache, region, keys}
		return 5, nil
	}}, nil)
	for name, client := range clients(t, f.url) {
		t.Run(name, func(t *testing.T) {
			refs := []*pricingv1.ModelRef{{ItemId: 1}, {ItemId: 2, ModelId: 3}}
			keys := []engine.PriceKey{{ItemID: 1}, {ItemID: 2, ModelID: 3}}
			stock, err := client.DeletePriceStockCache(t.Context(), connect.NewRequest(&pricingv1.DeletePriceStockCacheRequest{Region: "US", Models: refs}))
			if err != nil || stock.Msg.GetDeleted() != 5 {
				t.Fatalf("%v, %v", stock, err)
			}
			if diff := cmp.Diff(purge{engine.PriceStockCache, "US", keys}, got); diff != "" {
				t.Error(diff)
			}
			soldOut, err := client.DeletePriceSoldOutCache(t.Context(), connect.NewRequest(&pricingv1.DeletePriceSoldOutCacheRequest{Region: "US", Models: refs}))
			if err != nil || soldOut.Msg.GetDeleted() != 5 {
				t.Fatalf("%v, %v", soldOut, err)
			}
			if diff := cmp.Diff(purge{engine.PriceSoldOutCache, "US", keys}, got); diff != "" {
				t.Error(diff)
			}
			_, err = client.DeletePriceStockCache(t.Context(), connect.NewRequest(&pricingv1.DeletePriceStockCacheRequest{Region: "US"}))
			if diff := cmp.Diff(refusal{connect.CodeInvalidArgument, "INVALID_REQUEST", []string{"models"}}, refusalOf(t, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestErrorsAreCountedByProcedureAndCode(t *testing.T) {
	f := start(t, &pricer{price: echo}, func(d *Deps) { d.Access.Required = true })
	client := pricingv1connect.NewPricingServiceClient(http.DefaultClient, f.url)
	for range 3 {
		_, _ = client.GetPromotionInfo(t.Context(), connect.NewRequest(request(nil)))
	}
	want := map[string]int{pricingv1connect.PricingServiceGetPromotionInfoProcedure + " unauthenticated": 3}
	if diff := cmp.Diff(want, f.counts.calls); diff != "" {
		t.Error(diff)
	}
}

func TestTheLogIsNotFlooded(t *testing.T) {
	f := start(t, &pricer{price: func(context.Context, engine.Caller, *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
		return nil, fault.New(fault.NotFound, "SCENE_NOT_FOUND", "no such scene")
	}}, nil)
	client := pricingv1connect.NewPricingServiceClient(http.DefaultClient, f.url)
	for range 3 * callerLines {
		_, _ = client.GetPromotionInfo(t.Context(), connect.NewRequest(request(nil)))
	}
	if n := strings.Count(f.log.String(), "SCENE_NOT_FOUND\""); n != callerLines {
		t.Errorf("%d lines in a second, want %d", n, callerLines)
	}
	f.now = f.now.Add(time.Second)
	_, _ = client.GetPromotionInfo(t.Context(), connect.NewRequest(request(nil)))
	if !strings.Contains(f.log.String(), `"suppressed":20`) {
		t.Error("the next line does not say how many there were")
	}
}

func TestALogLineNamesTraceClientAndScene(t *testing.T) {
	f := start(t, &pricer{price: func(context.Context, engine.Caller, *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
		return nil, fault.New(fault.Unavailable, "PRICE_STOCK_UNAVAILABLE", "price.query did not answer")
	}}, nil)
	client := pricingv1connect.NewPricingServiceClient(http.DefaultClient, f.url)
	req := connect.NewRequest(request(nil))
	req.Header().Set(ClientHeader, "shop")
	req.Header().Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	_, _ = client.GetPromotionInfo(t.Context(), req)
	for _, want := range []string{`"level":"ERROR"`, `"trace_id":"0af7651916cd43dd8448eb211c80319c"`, `"client":"shop"`, `"scene":"shop_chat"`, `"code":"unavailable"`} {
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("no %s in %s", want, f.log.String())
		}
	}
}

func TestALogLineNamesTheSceneByItsNameWhereThereIsOne(t *testing.T) {
	id := func(id int64) func(*pricingv1.GetPromotionInfoRequest) {
		return func(r *pricingv1.GetPromotionInfoRequest) {
			r.Scene = &pricingv1.GetPromotionInfoRequest_SceneId{SceneId: id}
		}
	}
	for _, c := range []struct {
		name   string
		change func(*pricingv1.GetPromotionInfoRequest)
		want   string
	}{
		{"by name", nil, `"scene":"shop_chat"`},
		{"by the id of a scene", id(5), `"scene":"chat"`},
		{"by an id that no scene has", id(6), `"scene":"6"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			snap := shopSnapshot()
			snap.ScenesByID = map[int64]*scenes.Scene{5: {ID: 5, Name: "chat"}}
			f := start(t, &pricer{snap: snap, price: func(context.Context, engine.Caller, *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
				return nil, fault.New(fault.Unavailable, "PRICE_STOCK_UNAVAILABLE", "price.query did not answer")
			}}, nil)
			client := pricingv1connect.NewPricingServiceClient(http.DefaultClient, f.url)
			if _, err := client.GetPromotionInfo(t.Context(), connect.NewRequest(request(c.change))); err == nil {
				t.Fatal("answered")
			}
			if !strings.Contains(f.log.String(), c.want) {
				t.Errorf("no %s in %s", c.want, f.log.String())
			}
		})
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

func local(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
