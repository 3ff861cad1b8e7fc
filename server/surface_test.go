package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"proscenium/engine"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/gen/proscenium/pricing/v1/pricingv1connect"
	"proscenium/scenes/diag"
)

func http2Client(t *testing.T) *http.Client {
	t.Helper()
	return transports(t)["gRPC"].client
}

func TestHealthFollowsReadiness(t *testing.T) {
	f := start(t, &pricer{price: echo}, nil)
	client := grpchealth.NewClient(http2Client(t), f.url, connect.WithGRPC())
	for _, ready := range []bool{true, false} {
		f.ready.Set(ready)
		want := grpchealth.StatusNotServing
		if ready {
			want = grpchealth.StatusServing
		}
		for _, service := range []string{"", pricingv1connect.PricingServiceName} {
			res, err := client.Check(t.Context(), &grpchealth.CheckRequest{Service: service})
			if err != nil || res.Status != want {
				t.Errorf("service %q: %v, %v; want %v", service, res, err, want)
			}
		}
	}
	if _, err := client.Check(t.Context(), &grpchealth.CheckRequest{Service: "none"}); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("an unknown service: %v", err)
	}
}

func TestReadinessTellsThoseWhoWatchUntilTheyStop(t *testing.T) {
	var r Readiness
	told := 0
	stop := r.watch(func() { told++ })
	r.Set(true)
	r.Set(true)
	r.Set(false)
	stop()
	r.Set(true)
	if told != 2 {
		t.Errorf("told %d times, want 2", told)
	}
}

func TestReflectionListsTheServices(t *testing.T) {
	f := start(t, &pricer{price: echo}, func(d *Deps) { d.Access.Required = true })
	stream := grpcreflect.NewClient(http2Client(t), f.url, connect.WithGRPC()).NewStream(t.Context())
	services, err := stream.ListServices()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(services, "proscenium.pricing.v1.PricingService") || !slices.Contains(services, "grpc.health.v1.Health") {
		t.Errorf("services %v", services)
	}
	files, err := stream.FileContainingSymbol("proscenium.pricing.v1.PricingService")
	if err != nil || len(files) == 0 {
		t.Errorf("%v, %v", files, err)
	}
	if _, err := stream.Close(); err != nil {
		t.Error(err)
	}
}

func preflight(t *testing.T, url, origin string) http.Header {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, url+pricingv1connect.PricingServiceGetPromotionInfoProcedure, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", origin)
	req.Header.Set("Access-Control-Request-Method", "POST")
	req.Header.Set("Access-Control-Request-Headers", "authorization,connect-protocol-version,content-type,x-grpc-web,x-proscenium-client")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.Header
}

func TestOnlyPagesOfTheOriginsNamedMayCall(t *testing.T) {
	f := start(t, &pricer{price: echo}, func(d *Deps) { d.Origins = []string{"https://shop.example"} })
	allowed := preflight(t, f.url, "https://shop.example")
	if got := allowed.Get("Access-Control-Allow-Origin"); got != "https://shop.example" {
		t.Errorf("origin %q is allowed", got)
	}
	if got := strings.ToLower(allowed.Get("Access-Control-Allow-Headers")); !strings.Contains(got, "x-proscenium-client") || !strings.Contains(got, "x-grpc-web") {
		t.Errorf("headers %q are allowed", got)
	}
	if got := preflight(t, f.url, "https://evil.example").Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("a page of another origin may call: %q", got)
	}
	none := start(t, &pricer{price: echo}, nil)
	if got := preflight(t, none.url, "https://shop.example").Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("without origins a page may call: %q", got)
	}
}

func TestASpanOfACallJoinsTheCallersTrace(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	f := start(t, &pricer{price: echo}, func(d *Deps) { d.Tracer = tracer })
	client := pricingv1connect.NewPricingServiceClient(http.DefaultClient, f.url)
	for _, r := range []*pricingv1.GetPromotionInfoRequest{request(nil), {}} {
		req := connect.NewRequest(r)
		req.Header().Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		_, _ = client.GetPromotionInfo(t.Context(), req)
	}
	got := spans.GetSpans()
	if len(got) != 2 {
		t.Fatalf("%d spans, want 2", len(got))
	}
	for _, span := range got {
		if id := span.SpanContext.TraceID().String(); id != "0af7651916cd43dd8448eb211c80319c" {
			t.Errorf("trace %s", id)
		}
	}
	refused := false
	for _, attr := range got[1].Attributes {
		refused = refused || strings.Contains(attr.Value.String(), "INVALID_ARGUMENT")
	}
	if !refused {
		t.Errorf("the span of a refused call does not have its code: %v", got[1].Attributes)
	}
}

func get(t *testing.T, handler http.Handler, path string) (int, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	return recorder.Code, recorder.Body.String()
}

func TestTheAdminPortTellsTheState(t *testing.T) {
	var ready Readiness
	status := ConfigStatus{}
	admin := Admin(AdminDeps{
		Ready:   &ready,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "some_metric 1\n") }),
		Config:  func() ConfigStatus { return status },
	})
	if code, _ := get(t, admin, "/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("ready with %d before the first configuration", code)
	}
	if code, _ := get(t, admin, "/healthz"); code != http.StatusOK {
		t.Errorf("not healthy: %d", code)
	}
	ready.Set(true)
	if code, _ := get(t, admin, "/readyz"); code != http.StatusOK {
		t.Errorf("not ready: %d", code)
	}
	if _, body := get(t, admin, "/metrics"); !strings.Contains(body, "some_metric 1") {
		t.Errorf("metrics %q", body)
	}
	if code, _ := get(t, admin, "/debug/pprof/"); code != http.StatusOK {
		t.Errorf("no profiles: %d", code)
	}
	if code, _ := get(t, admin, "/unknown"); code != http.StatusNotFound {
		t.Errorf("an unknown page: %d", code)
	}
	status = ConfigStatus{Version: "v7", Differs: true, Outcome: "invalid", Findings: []Finding{{"a.yaml:3:9", diag.Diagnostic{Severity: diag.Error, Code: diag.CELSyntax, File: "a.yaml", Line: 3, Column: 9}}}}
	_, body := get(t, admin, "/configz")
	var got struct {
		Version  string `json:"version"`
		Differs  bool   `json:"differs"`
		Findings []struct {
			Severity string `json:"severity"`
			Line     int    `json:"line"`
		} `json:"findings"`
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != "v7" || !got.Differs || len(got.Findings) != 1 || got.Findings[0].Line != 3 || got.Findings[0].Severity != "error" {
		t.Errorf("configz %s", body)
	}
}

// process is a server under Run.
type process struct {
	*fixture
	admin string
	stop  func()
	ended chan error
}

func run(t *testing.T, p *pricer, grace time.Duration) *process {
	t.Helper()
	f := &fixture{}
	p.snap = shopSnapshot()
	log := slog.New(slog.NewJSONHandler(&f.log, nil))
	server, err := New(Deps{Pricer: p, Ready: &f.ready, Log: log, Observer: &f.counts, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	f.ready.Set(true)
	listeners := Listeners{Main: local(t), Admin: local(t)}
	f.url = "http://" + listeners.Main.Addr().String()
	ctx, end := context.WithCancelCause(t.Context())
	stop := func() { end(errors.New("told to end")) }
	t.Cleanup(stop)
	ended := make(chan error, 1)
	admin := Admin(AdminDeps{Ready: &f.ready, Metrics: http.NotFoundHandler(), Config: func() ConfigStatus { return ConfigStatus{} }})
	go func() {
		ended <- Run(ctx, listeners, RunOptions{Server: server, Admin: admin, Ready: &f.ready, Grace: grace, Log: log})
	}()
	return &process{fixture: f, admin: "http://" + listeners.Admin.Addr().String(), stop: stop, ended: ended}
}

func TestAShutdownWaitsForTheRequestsUnderWay(t *testing.T) {
	for _, transport := range []string{"Connect with protobuf", "gRPC", "gRPC-Web"} {
		t.Run(transport, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			way := transports(t)[transport]
			defer way.client.CloseIdleConnections()
			arrived, release := make(chan struct{}), make(chan struct{})
			p := run(t, &pricer{price: func(ctx context.Context, c engine.Caller, req *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
				close(arrived)
				<-release
				return echo(ctx, c, req)
			}}, time.Minute)
			answered := make(chan error, 1)
			go func() {
				_, err := pricingv1connect.NewPricingServiceClient(way.client, p.url, way.options...).GetPromotionInfo(context.Background(), connect.NewRequest(request(nil)))
				answered <- err
			}()
			<-arrived
			p.stop()
			waitFor(t, "the process to be not ready", func() bool { return !p.ready.Ready() })
			select {
			case err := <-p.ended:
				t.Fatalf("ended with a request under way: %v", err)
			case <-time.After(50 * time.Millisecond):
			}
			close(release)
			if err := <-answered; err != nil {
				t.Errorf("the request under way: %v", err)
			}
			if err := <-p.ended; err != nil {
				t.Errorf("the end: %v", err)
			}
			if _, err := http.Get(p.url); err == nil {
				t.Error("still listening")
			}
		})
	}
}

func TestAShutdownGivesUpAfterTheGrace(t *testing.T) {
	arrived := make(chan struct{})
	p := run(t, &pricer{price: func(ctx context.Context, _ engine.Caller, _ *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
		close(arrived)
		<-ctx.Done()
		return nil, ctx.Err()
	}}, time.Millisecond)
	answered := make(chan error, 1)
	go func() {
		_, err := pricingv1connect.NewPricingServiceClient(http.DefaultClient, p.url).GetPromotionInfo(context.Background(), connect.NewRequest(request(nil)))
		answered <- err
	}()
	<-arrived
	p.stop()
	if err := <-p.ended; err != nil {
		t.Errorf("the end: %v", err)
	}
	if err := <-answered; err == nil {
		t.Error("answered")
	}
	for _, want := range []string{`"msg":"shutting down","cause":"told to end"`, "still under way", `"msg":"stopped","duration":`} {
		if !strings.Contains(p.log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, p.log.String())
		}
	}
}

func TestAShutdownEndsTheStreamsOfThoseWhoWatch(t *testing.T) {
	p := run(t, &pricer{price: echo}, time.Minute)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/grpc.health.v1.Health/Watch", strings.NewReader("\x00\x00\x00\x00\x02{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/connect+json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	first := make([]byte, 64)
	n, err := res.Body.Read(first)
	if err != nil || !strings.Contains(string(first[:n]), "SERVING") {
		t.Fatalf("%q, %v", first[:n], err)
	}
	p.stop()
	if err := <-p.ended; err != nil {
		t.Errorf("the end: %v", err)
	}
	// The grace of a minute is not over: without the end of the stream Run would not have returned.
	if _, err := io.ReadAll(res.Body); err != nil {
		t.Errorf("the stream did not end in order: %v", err)
	}
}

func TestAPortThatIsTakenIsNamedWithTheSettingsThatChangeIt(t *testing.T) {
	taken := local(t)
	defer func() { _ = taken.Close() }()
	if _, err := Listen(t.Context(), taken.Addr().String(), "127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "--listen or PROSCENIUM_LISTEN") {
		t.Errorf("main: %v", err)
	}
	if _, err := Listen(t.Context(), "127.0.0.1:0", taken.Addr().String()); err == nil || !strings.Contains(err.Error(), "--admin-listen or PROSCENIUM_ADMIN_LISTEN") {
		t.Errorf("admin: %v", err)
	}
}

func TestAFailingPortEndsTheProcess(t *testing.T) {
	var ready Readiness
	server, err := New(Deps{Pricer: &pricer{}, Ready: &ready, Log: slog.New(slog.DiscardHandler), Observer: &counts{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	listeners := Listeners{Main: local(t), Admin: local(t)}
	_ = listeners.Main.Close()
	var log buffer
	err = Run(t.Context(), listeners, RunOptions{
		Server: server, Admin: http.NotFoundHandler(), Ready: &ready, Grace: time.Second, Log: slog.New(slog.NewJSONHandler(&log, nil)),
	})
	if err == nil || errors.Is(err, http.ErrServerClosed) {
		t.Errorf("ended with %v", err)
	}
	if want := `"level":"ERROR","msg":"shutting down","cause":"serve on 127.0.0.1:`; !strings.Contains(log.String(), want) {
		t.Errorf("the log does not say %s:\n%s", want, log.String())
	}
}
