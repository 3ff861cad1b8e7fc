package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"proscenium/fault"
	adminv1 "proscenium/gen/proscenium/admin/v1"
	"proscenium/gen/proscenium/admin/v1/adminv1connect"
	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/history"
	"proscenium/scenes/reload"
	"proscenium/scenes/source"
)

// market is a configuration whose only client has the description given.
func market(t *testing.T, description string) []source.File {
	t.Helper()
	files, unread := source.Read(os.DirFS("../scenes/testdata/base"))
	if len(unread) > 0 {
		t.Fatal(unread)
	}
	for i, f := range files {
		if f.Name == "clients.yaml" {
			files[i].Data = append(slices.Clone(f.Data), "    description: "+description+"\n"...)
		}
	}
	return files
}

func brokenMarket() []source.File {
	return []source.File{{Name: "a.yaml", Data: []byte("sceens: []\n")}}
}

// edits is a source that holds what the test puts there.
type edits struct {
	mu      sync.Mutex
	files   []source.File
	changed chan<- struct{}
}

func (e *edits) Read(context.Context) ([]source.File, []diag.Diagnostic) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.files, nil
}

func (e *edits) Watch(ctx context.Context, changed chan<- struct{}) error {
	e.mu.Lock()
	e.changed = changed
	e.mu.Unlock()
	<-ctx.Done()
	return nil
}

// operated is a reloader and the services of its admin port, on a port of their own.
type operated struct {
	*edits
	reloader *reload.Reloader
	services *AdminServices
	url      string
	log      buffer
	counts   counts
	ready    Readiness
	refuse   func(*scenes.Snapshot) error
	loaded   chan reload.Status
}

func operate(t *testing.T, first []source.File, kept *history.History) *operated {
	t.Helper()
	o := &operated{edits: &edits{files: first}, loaded: make(chan reload.Status, 100)}
	o.refuse = func(*scenes.Snapshot) error { return nil }
	o.reloader = reload.New(o.edits, func(s *scenes.Snapshot) error { return o.refuse(s) }, reload.Options{
		Settle: time.Millisecond, Poll: 5 * time.Millisecond, History: kept, OnLoad: func(s reload.Status) { o.loaded <- s },
	})
	o.serve(t, o.reloader)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { o.reloader.Run(ctx) })
	t.Cleanup(running.Wait)
	t.Cleanup(cancel)
	<-o.loaded
	return o
}

func (o *operated) serve(t *testing.T, configuration Configuration) {
	t.Helper()
	o.serveWith(t, configuration, func(*AdminServicesDeps) {})
}

func (o *operated) serveWith(t *testing.T, configuration Configuration, change func(*AdminServicesDeps)) {
	t.Helper()
	deps := AdminServicesDeps{
		Configuration: configuration, Source: "/etc/market", Ready: &o.ready, Observer: &o.counts, Now: time.Now,
		Log: slog.New(slog.NewJSONHandler(&o.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	change(&deps)
	services, err := NewAdminServices(deps)
	if err != nil {
		t.Fatal(err)
	}
	o.services = services
	test := httptest.NewUnstartedServer(Admin(AdminDeps{
		Ready: &o.ready, Metrics: http.NotFoundHandler(), Config: func() ConfigStatus { return ConfigStatus{} }, Services: services, Policies: policiesOf(deps),
	}))
	test.Config.Protocols = bothProtocols()
	test.Start()
	t.Cleanup(test.Close)
	t.Cleanup(services.EndStreams)
	o.url = test.URL
}

func policiesOf(deps AdminServicesDeps) Policies {
	if deps.Operations == nil {
		return nil
	}
	return deps.Operations.Policies
}

// edit puts files and returns how their load ended.
func (o *operated) edit(files []source.File) reload.Status {
	o.mu.Lock()
	o.files = files
	o.mu.Unlock()
	return <-o.loaded
}

func (o *operated) client(*testing.T) adminv1connect.ConfigServiceClient {
	return adminv1connect.NewConfigServiceClient(http.DefaultClient, o.url)
}

// configClients call in every way but GET, which the admin port does not answer.
func configClients(t *testing.T, url string) map[string]adminv1connect.ConfigServiceClient {
	t.Helper()
	all := make(map[string]adminv1connect.ConfigServiceClient)
	for name, way := range transports(t) {
		if name != "Connect by GET" {
			all[name] = adminv1connect.NewConfigServiceClient(way.client, url, way.options...)
		}
	}
	return all
}

func TestTheSnapshotIsToldOnEveryTransport(t *testing.T) {
	o := operate(t, market(t, "a"), nil)
	first := o.reloader.Status().Version
	o.edit(market(t, "b"))
	o.edit(brokenMarket())
	for name, client := range configClients(t, o.url) {
		t.Run(name, func(t *testing.T) {
			res, err := client.GetSnapshot(t.Context(), connect.NewRequest(&adminv1.GetSnapshotRequest{}))
			if err != nil {
				t.Fatal(err)
			}
			v, s := res.Msg.GetVersion(), res.Msg.GetState()
			if v.GetVersion() != o.reloader.Status().Version || !v.GetServing() || v.GetOrigin() != adminv1.Origin_ORIGIN_SOURCE || v.GetFiles() != 9 || v.GetScenes() == 0 ||
				v.GetServedAt() == nil || v.GetFirstServedAt() == nil || res.Msg.GetFiles() != nil {
				t.Errorf("version %v", v)
			}
			if s.GetServing().GetVersion() != v.GetVersion() || s.GetSource() != "/etc/market" || !s.GetOutOfSync() || s.GetOutcome() != adminv1.Outcome_OUTCOME_INVALID || s.GetLoadedAt() == nil {
				t.Errorf("state %v", s)
			}
			if i := slices.IndexFunc(s.GetFindings(), func(f *adminv1.Finding) bool { return f.GetCode() == "UNKNOWN_FIELD" }); i < 0 || s.GetFindings()[i].GetLine() != 1 ||
				s.GetFindings()[i].GetFile() != "a.yaml" || s.GetFindings()[i].GetHint() == "" || s.GetFindings()[i].GetSeverity() != adminv1.Severity_SEVERITY_ERROR {
				t.Errorf("findings %v", s.GetFindings())
			}
			res, err = client.GetSnapshot(t.Context(), connect.NewRequest(&adminv1.GetSnapshotRequest{Version: first, Files: true}))
			if err != nil {
				t.Fatal(err)
			}
			if res.Msg.GetVersion().GetServing() || !slices.EqualFunc(res.Msg.GetFiles(), market(t, "a"), func(f *adminv1.File, want source.File) bool {
				return f.GetName() == want.Name && bytes.Equal(f.GetContent(), want.Data)
			}) {
				t.Errorf("the version before: %v", res.Msg)
			}
			_, err = client.GetSnapshot(t.Context(), connect.NewRequest(&adminv1.GetSnapshotRequest{Version: "moon"}))
			if got := refusalOf(t, err); got.Code != connect.CodeNotFound || got.Reason != "UNKNOWN_VERSION" || !strings.Contains(err.Error(), first) {
				t.Errorf("an unknown version: %v", err)
			}
		})
	}
}

func TestBeforeTheFirstConfigurationThereIsNoSnapshotAndAStateToWatch(t *testing.T) {
	o := operate(t, brokenMarket(), nil)
	_, err := o.client(t).GetSnapshot(t.Context(), connect.NewRequest(&adminv1.GetSnapshotRequest{}))
	if got := refusalOf(t, err); got.Code != connect.CodeFailedPrecondition || got.Reason != "NOTHING_SERVES" {
		t.Errorf("%v", err)
	}
	w := o.watch(t, &adminv1.WatchRequest{Files: true})
	if got := w.next(t); got.GetState().GetServing() != nil || got.GetState().GetOutcome() != adminv1.Outcome_OUTCOME_INVALID || len(got.GetFiles()) > 0 {
		t.Errorf("state %v", got)
	}
	o.edit(market(t, "a"))
	if got := w.next(t); got.GetState().GetServing() == nil || len(got.GetFiles()) != 9 {
		t.Errorf("state %v", got.GetState())
	}
}

// unchanging is a configuration to which nothing happens.
type unchanging struct{ reload.Status }

func (u unchanging) Watch() (reload.Status, <-chan struct{}) { return u.Status, nil }

func (u unchanging) Rollback(context.Context, string, string) (reload.Status, error) {
	return u.Status, nil
}

func TestAVersionThatAnotherProcessDroppedIsNotNamedAmongThoseThatAreKept(t *testing.T) {
	store := history.NewStore(t.TempDir(), "market")
	kept := history.New(0, store)
	kept.Serve(history.Version{Version: "v1"}, market(t, "a"))
	if err := kept.Save(); err != nil {
		t.Fatal(err)
	}
	kept = history.New(0, store)
	if err := errors.Join(kept.Open(), os.RemoveAll(store.Dir())); err != nil {
		t.Fatal(err)
	}
	c := &configService{configuration: unchanging{reload.Status{History: kept.View()}}, watchers: &watchers{now: time.Now}}
	_, err := c.GetSnapshot(t.Context(), connect.NewRequest(&adminv1.GetSnapshotRequest{Version: "v1", Files: true}))
	if fault.Reason(err) != "UNKNOWN_VERSION" || strings.Contains(err.Error(), "these are") {
		t.Error(err)
	}
}

func TestVersionsAreListedInPages(t *testing.T) {
	o := operate(t, market(t, "v0"), nil)
	for i := 1; i < 5; i++ {
		o.edit(market(t, fmt.Sprintf("v%d", i)))
	}
	client := o.client(t)
	var got []string
	token := ""
	for page := 0; ; page++ {
		res, err := client.ListVersions(t.Context(), connect.NewRequest(&adminv1.ListVersionsRequest{PageSize: 2, PageToken: token}))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range res.Msg.GetVersions() {
			got = append(got, v.GetVersion())
			if v.GetServing() != (v.GetVersion() == o.reloader.Status().Version) {
				t.Errorf("version %v", v)
			}
		}
		if token = res.Msg.GetNextPageToken(); token == "" {
			break
		}
		o.edit(market(t, fmt.Sprintf("w%d", page))) // new ones do not move the pages
	}
	var want []string
	for i := 4; i >= 0; i-- {
		want = append(want, scenes.LoadFiles(market(t, fmt.Sprintf("v%d", i)), time.Now()).Snapshot.Version)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	res, err := client.ListVersions(t.Context(), connect.NewRequest(&adminv1.ListVersionsRequest{}))
	if err != nil || len(res.Msg.GetVersions()) != 7 {
		t.Errorf("all of them: %v, %v", res, err)
	}
	for field, req := range map[string]*adminv1.ListVersionsRequest{
		"page_token": {PageToken: "moon"}, "page_size": {PageSize: -1}, "page_size ": {PageSize: 501}, "page_token ": {PageToken: strings.Repeat("x", 201)},
	} {
		_, err := client.ListVersions(t.Context(), connect.NewRequest(req))
		if got := refusalOf(t, err); got.Code != connect.CodeInvalidArgument || !slices.Equal(got.Fields, []string{strings.TrimSpace(field)}) {
			t.Errorf("%v: %v", req, err)
		}
	}
}

func TestARollbackIsDoneOverTheAdminPort(t *testing.T) {
	o := operate(t, market(t, "a"), nil)
	first := o.reloader.Status().Version
	o.edit(market(t, "b"))
	client := o.client(t)
	for range 2 { // it can be repeated
		res, err := client.Rollback(t.Context(), connect.NewRequest(&adminv1.RollbackRequest{Version: first, Reason: "prices are wrong"}))
		if err != nil {
			t.Fatal(err)
		}
		s := res.Msg.GetState()
		if s.GetServing().GetVersion() != first || s.GetServing().GetOrigin() != adminv1.Origin_ORIGIN_ROLLBACK || !s.GetOutOfSync() || s.GetRollbackReason() != "prices are wrong" {
			t.Errorf("state %v", s)
		}
	}
	for _, c := range []struct {
		name string
		req  *adminv1.RollbackRequest
		want refusal
	}{
		{"an unknown version", &adminv1.RollbackRequest{Version: "moon", Reason: "x"}, refusal{Code: connect.CodeNotFound, Reason: "UNKNOWN_VERSION"}},
		{"no version", &adminv1.RollbackRequest{Reason: "x"}, refusal{connect.CodeInvalidArgument, "INVALID_REQUEST", []string{"version"}}},
		{"no reason", &adminv1.RollbackRequest{Version: first}, refusal{connect.CodeInvalidArgument, "INVALID_REQUEST", []string{"reason"}}},
	} {
		for name, client := range configClients(t, o.url) {
			_, err := client.Rollback(t.Context(), connect.NewRequest(c.req))
			if err == nil {
				t.Fatal("rolled back")
			}
			if diff := cmp.Diff(c.want, refusalOf(t, err)); diff != "" {
				t.Errorf("%s over %s: %v (-want +got):\n%s", c.name, name, err, diff)
			}
		}
	}
}

// What an earlier release served can have errors for this one.
func TestARollbackToAVersionWithErrorsNamesThem(t *testing.T) {
	kept := history.New(0, nil)
	kept.Serve(history.Version{Version: "0000000000000001"}, brokenMarket())
	o := operate(t, market(t, "a"), kept)
	before := o.reloader.Status().Version
	_, err := o.client(t).Rollback(t.Context(), connect.NewRequest(&adminv1.RollbackRequest{Version: "0000000000000001", Reason: "x"}))
	var answer *connect.Error
	if !errors.As(err, &answer) || answer.Code() != connect.CodeFailedPrecondition || !strings.Contains(answer.Message(), "a.yaml:1:1: unknown field sceens") {
		t.Fatalf("refused with %v", err)
	}
	var reasons []string
	for _, detail := range answer.Details() {
		value, err := detail.Value()
		if err != nil {
			t.Fatal(err)
		}
		switch d := value.(type) {
		case *errdetails.ErrorInfo:
			reasons = append(reasons, d.GetReason())
		case *errdetails.PreconditionFailure:
			for _, v := range d.GetViolations() {
				reasons = append(reasons, v.GetType()+" "+v.GetSubject())
			}
		}
	}
	want := []string{"VERSION_INVALID", "NO_REGION the configuration as a whole", "ORIGINAL_PRICE_MISSING the configuration as a whole", "UNKNOWN_FIELD a.yaml:1:1"}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if o.reloader.Status().Version != before {
		t.Error("something else serves")
	}
}
