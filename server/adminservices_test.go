package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
	"go.uber.org/goleak"

	adminv1 "proscenium/gen/proscenium/admin/v1"
	"proscenium/gen/proscenium/admin/v1/adminv1connect"
	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/history"
	"proscenium/scenes/reload"
)

// The admin port asks nobody who they are: what a browser does for the page of another must not count.
func TestPagesOfOtherOriginsCannotCallTheAdminPort(t *testing.T) {
	o := operate(t, market(t, "a"), nil)
	first := o.reloader.Status().Version
	o.edit(market(t, "b"))
	host := strings.TrimPrefix(o.url, "http://")
	_, port, _ := strings.Cut(host, ":")
	for _, c := range []struct {
		name    string
		headers map[string]string
		refused bool
	}{
		{"a program", nil, false},
		{"its own page", map[string]string{"Origin": o.url, "Sec-Fetch-Site": "same-origin"}, false},
		{"its own page, of an old browser", map[string]string{"Origin": o.url}, false},
		{"its own page, by name", map[string]string{"Origin": "http://localhost:" + port, "Host": "localhost:" + port}, false},
		{"its own page, on the port that need not be named", map[string]string{"Origin": "http://[::1]", "Host": "[::1]"}, false},
		{"a page of another", map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, true},
		{"a page of another, of an old browser", map[string]string{"Origin": "https://evil.example"}, true},
		{"a page of another port", map[string]string{"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"}, true},
		{"a page without origin", map[string]string{"Origin": "null"}, true},
		{"a page whose name was led here", map[string]string{"Origin": "http://evil.example:" + port, "Host": "evil.example:" + port}, true},
	} {
		for _, contentType := range []string{"application/json", "application/grpc-web+proto", "text/plain"} {
			t.Run(c.name+", "+contentType, func(t *testing.T) {
				body := `{"version": "` + first + `", "reason": "x"}`
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.url+adminv1connect.ConfigServiceRollbackProcedure, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", contentType)
				for key, value := range c.headers {
					req.Header.Set(key, value)
				}
				if h := c.headers["Host"]; h != "" {
					req.Host = h
				}
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = res.Body.Close() }()
				answer, _ := io.ReadAll(res.Body)
				text := string(answer) + res.Header.Get("Grpc-Message")
				if refused := strings.Contains(text, "another origin"); refused != c.refused {
					t.Errorf("%d %s", res.StatusCode, text)
				}
				if res.Header.Get("Access-Control-Allow-Origin") != "" {
					t.Error("a page may read it")
				}
				serves := o.reloader.Status().Version == first
				if want := !c.refused && contentType == "application/json"; serves != want {
					t.Errorf("rolled back: %v", serves)
				}
				if serves {
					if _, err := o.reloader.Rollback(t.Context(), scenes.LoadFiles(market(t, "b"), time.Now()).Snapshot.Version, "x"); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodOptions, http.MethodPut} {
		req, err := http.NewRequestWithContext(t.Context(), method, o.url+adminv1connect.ConfigServiceGetSnapshotProcedure+"?encoding=json&message=%7B%7D&connect=v1", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode < 400 {
			t.Errorf("%s is answered with %d", method, res.StatusCode)
		}
	}
}

// failing is a configuration with a bug.
type failing struct{}

func (failing) Watch() (reload.Status, <-chan struct{}) { panic("a bug") }

func (failing) Rollback(context.Context, string, string) (reload.Status, error) {
	return reload.Status{}, errors.New("secret cause")
}

func TestBugsOfTheAdminServicesFailOneCallAndKeepTheirCause(t *testing.T) {
	o := &operated{edits: &edits{}}
	o.serve(t, failing{})
	for name, client := range configClients(t, o.url) {
		stream, err := client.Watch(t.Context(), connect.NewRequest(&adminv1.WatchRequest{}))
		if err != nil {
			t.Fatal(err)
		}
		if stream.Receive() || refusalOf(t, stream.Err()).Reason != "INTERNAL" || strings.Contains(stream.Err().Error(), "bug") {
			t.Errorf("%s, Watch: %v", name, stream.Err())
		}
		_ = stream.Close()
		_, err = client.GetSnapshot(t.Context(), connect.NewRequest(&adminv1.GetSnapshotRequest{}))
		if refusalOf(t, err).Reason != "INTERNAL" {
			t.Errorf("%s, GetSnapshot: %v", name, err)
		}
		_, err = client.Rollback(t.Context(), connect.NewRequest(&adminv1.RollbackRequest{Version: "v", Reason: "x"}))
		if refusalOf(t, err).Reason != "INTERNAL" || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s, Rollback: %v", name, err)
		}
	}
	for _, want := range []string{"panic: a bug", "secret cause", "adminservices_test.go", "ConfigService/Watch"} {
		if !strings.Contains(o.log.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	o.counts.mu.Lock()
	defer o.counts.mu.Unlock()
	if n := o.counts.calls[adminv1connect.ConfigServiceWatchProcedure+" internal"]; n != 6 {
		t.Errorf("%d are counted: %v", n, o.counts.calls)
	}
}

func TestStreamsAreValidatedToo(t *testing.T) {
	o := operate(t, market(t, "a"), nil)
	for name, client := range configClients(t, o.url) {
		stream, err := client.Watch(t.Context(), connect.NewRequest(&adminv1.WatchRequest{Node: strings.Repeat("x", 201), Refusal: strings.Repeat("x", 4001)}))
		if err != nil {
			t.Fatal(err)
		}
		if stream.Receive() {
			t.Fatal("answered")
		}
		if got := refusalOf(t, stream.Err()); got.Code != connect.CodeInvalidArgument || !slices.Equal(got.Fields, []string{"node", "refusal"}) {
			t.Errorf("%s: %v", name, stream.Err())
		}
		_ = stream.Close()
	}
	res, err := http.Post(o.url+adminv1connect.ConfigServiceWatchProcedure, "application/connect+json", strings.NewReader("\x00\x00\x00\x00\x01{"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if body, _ := io.ReadAll(res.Body); !strings.Contains(string(body), "MALFORMED_REQUEST") {
		t.Errorf("what cannot be decoded: %q", body)
	}
}

func TestTheAdminPortHasHealthAndReflection(t *testing.T) {
	o := operate(t, market(t, "a"), nil)
	client := http2Client(t)
	health := grpchealth.NewClient(client, o.url, connect.WithGRPC())
	for _, ready := range []bool{true, false} {
		o.ready.Set(ready)
		res, err := health.Check(t.Context(), &grpchealth.CheckRequest{Service: adminv1connect.ConfigServiceName})
		if err != nil || (res.Status == grpchealth.StatusServing) != ready {
			t.Errorf("%v, %v", res, err)
		}
	}
	stream := grpcreflect.NewClient(client, o.url, connect.WithGRPC()).NewStream(t.Context())
	names, err := stream.ListServices()
	if err != nil || !slices.Contains(names, "proscenium.admin.v1.ConfigService") {
		t.Errorf("%v, %v", names, err)
	}
	if _, err := stream.Close(); err != nil {
		t.Error(err)
	}
}

func TestAShutdownEndsTheStreamsOfTheAdminPort(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	o := &operated{edits: &edits{}}
	status, never := reload.Status{}, make(chan struct{})
	services, err := NewAdminServices(AdminServicesDeps{
		Configuration: fixed{status, never}, Ready: &o.ready, Observer: &o.counts, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	main, err := New(Deps{Pricer: &pricer{snap: shopSnapshot()}, Ready: &o.ready, Log: slog.New(slog.DiscardHandler), Observer: &o.counts, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	listeners := Listeners{Main: local(t), Admin: local(t)}
	o.url = "http://" + listeners.Admin.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, listeners, RunOptions{
			Server: main, Ready: &o.ready, Grace: time.Minute, Log: slog.New(slog.DiscardHandler), EndAdminStreams: services.EndStreams,
			Admin: Admin(AdminDeps{Ready: &o.ready, Metrics: http.NotFoundHandler(), Config: func() ConfigStatus { return ConfigStatus{} }, Services: services}),
		})
	}()
	transport := &http.Transport{}
	stream, err := adminv1connect.NewConfigServiceClient(&http.Client{Transport: transport}, o.url).Watch(context.Background(), connect.NewRequest(&adminv1.WatchRequest{}))
	if err != nil || !stream.Receive() {
		t.Fatal(err, stream.Err())
	}
	stop()
	if stream.Receive() || stream.Err() != nil {
		t.Errorf("the stream did not end in order: %v", stream.Err())
	}
	_ = stream.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	transport.CloseIdleConnections()
}

// fixed is a configuration that never changes.
type fixed struct {
	status reload.Status
	never  chan struct{}
}

func (f fixed) Watch() (reload.Status, <-chan struct{}) { return f.status, f.never }

func (f fixed) Rollback(context.Context, string, string) (reload.Status, error) { return f.status, nil }

func TestConfigzTellsWhereAndWhatAndWhatServedBefore(t *testing.T) {
	kept := history.New(0, nil)
	kept.Serve(history.Version{Version: "v1", Served: time.Unix(1, 0)}, nil)
	kept.Serve(history.Version{Version: "v2", Served: time.Unix(2, 0), Origin: history.FromRollback}, nil)
	status := reload.Status{
		Version: "v2", Origin: history.FromRollback, Stale: true, Outcome: reload.Held, History: kept.View(), HistoryErr: errors.New("disk is full"),
		Rollback: &history.Rollback{Version: "v2", Reason: "prices"},
		Diagnostics: []diag.Diagnostic{
			{Code: diag.NoRegion, Severity: diag.Error, Message: "there is no region"},
			{Code: diag.Unreadable, Severity: diag.Error, File: "."},
			{Code: diag.FileTooLarge, Severity: diag.Error, File: "a.yaml"},
			{Code: diag.UnknownField, Severity: diag.Error, File: "a.yaml", Line: 3, Column: 9},
		},
	}
	admin := Admin(AdminDeps{Ready: &Readiness{}, Metrics: http.NotFoundHandler(), Config: func() ConfigStatus { return StatusOf("/etc/market", nil, status) }})
	_, body := get(t, admin, "/configz")
	for _, want := range []string{
		`"origin": "rollback"`, `"reason": "prices"`, `"outcome": "held"`, `"history_error": "disk is full"`, `"served_at": "1970-01-01T00:00:01Z"`,
		`"place": "the configuration as a whole",
      "code": "NO_REGION",
      "severity": "error",
      "message": "there is no region"
    }`, `"place": "a.yaml"`, `"place": "a.yaml:3:9"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
}
