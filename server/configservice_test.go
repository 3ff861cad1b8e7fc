package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

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
	services, err := NewAdminServices(AdminServicesDeps{
		Configuration: configuration, Source: "/etc/market", Ready: &o.ready, Observer: &o.counts, Now: time.Now,
		Log: slog.New(slog.NewJSONHandler(&o.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	o.services = services
	test := httptest.NewUnstartedServer(Admin(AdminDeps{
		Ready: &o.ready, Metrics: http.NotFoundHandler(), Config: func() ConfigStatus { return ConfigStatus{} }, Services: services,
	}))
	test.Config.Protocols = bothProtocols()
	test.Start()
	t.Cleanup(test.Close)
	t.Cleanup(services.EndStreams)
	o.url = test.URL
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

func sent(files []source.File) *adminv1.ValidateRequest {
	return &adminv1.ValidateRequest{Files: filesOf(files)}
}

func TestACandidateIsCheckedAndNotApplied(t *testing.T) {
	o := operate(t, market(t, "a"), nil)
	before := o.reloader.Status()
	for name, client := range configClients(t, o.url) {
		t.Run(name, func(t *testing.T) {
			b := market(t, "b")
			slices.Reverse(b)
			b = append(b, source.File{Name: "catalog/items.csv", Data: []byte("no YAML")}, source.File{Name: "tests/x.yaml", Data: []byte("[")})
			res, err := client.Validate(t.Context(), connect.NewRequest(sent(b)))
			want := scenes.LoadFiles(market(t, "b"), time.Now()).Snapshot.Version
			if err != nil || !res.Msg.GetGood() || res.Msg.GetVersion() != want {
				t.Fatalf("%v, %v", res, err)
			}
			res, err = client.Validate(t.Context(), connect.NewRequest(sent(brokenMarket())))
			if err != nil || res.Msg.GetGood() || res.Msg.GetVersion() != "" || len(res.Msg.GetFindings()) < 2 {
				t.Fatalf("%v, %v", res, err)
			}
		})
	}
	if after := o.reloader.Status(); after.Version != before.Version || after.LoadedAt != before.LoadedAt || after.History.Len() != 1 {
		t.Errorf("a candidate changed something: %+v", after)
	}
}

func TestCandidatesThatAreNoneAreRefused(t *testing.T) {
	o := operate(t, market(t, "a"), nil)
	many := make([]*adminv1.File, 20_001)
	for i := range many {
		many[i] = &adminv1.File{Name: fmt.Sprintf("%d.yaml", i)}
	}
	var heavy []*adminv1.File
	for i := range 5 {
		heavy = append(heavy, &adminv1.File{Name: fmt.Sprintf("%d.yaml", i), Content: make([]byte, 15<<20)})
	}
	for _, c := range []struct {
		name  string
		files []*adminv1.File
		want  refusal
	}{
		{"none", nil, refusal{connect.CodeInvalidArgument, "INVALID_REQUEST", []string{"files"}}},
		{"too many", many, refusal{connect.CodeInvalidArgument, "INVALID_REQUEST", []string{"files"}}},
		{"without a name", []*adminv1.File{{}}, refusal{connect.CodeInvalidArgument, "INVALID_REQUEST", []string{"files[0].name"}}},
		{"twice the same", []*adminv1.File{{Name: "a.yaml"}, {Name: "a.yaml"}}, refusal{connect.CodeInvalidArgument, "DUPLICATE_FILE", []string{"files"}}},
		{"outside", []*adminv1.File{{Name: "../a.yaml"}}, refusal{connect.CodeInvalidArgument, "BAD_FILE_NAME", []string{"files"}}},
		{"absolute", []*adminv1.File{{Name: "/a.yaml"}}, refusal{connect.CodeInvalidArgument, "BAD_FILE_NAME", []string{"files"}}},
		{"more than is read", heavy, refusal{connect.CodeInvalidArgument, "CANDIDATE_TOO_LARGE", []string{"files"}}},
		{
			"far more than is read", append(slices.Clone(heavy), &adminv1.File{Name: "x.csv", Content: make([]byte, 16<<20)}, &adminv1.File{Name: "y.csv", Content: make([]byte, 16<<20)}),
			refusal{connect.CodeResourceExhausted, "REQUEST_TOO_LARGE", nil},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := o.client(t).Validate(t.Context(), connect.NewRequest(&adminv1.ValidateRequest{Files: c.files}))
			if err == nil {
				t.Fatal("checked")
			}
			if diff := cmp.Diff(c.want, refusalOf(t, err)); diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestOneCandidateIsCheckedAtATimeAndWhoHasGoneIsNotInTheWay(t *testing.T) {
	service := &configService{validating: make(chan struct{}, 1), now: time.Now}
	service.validating <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	refused := make(chan error)
	go func() {
		_, err := service.Validate(ctx, connect.NewRequest(sent(brokenMarket())))
		refused <- err
	}()
	select {
	case err := <-refused:
		t.Fatalf("two at a time: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	cancel()
	if err := <-refused; !errors.Is(err, context.Canceled) {
		t.Errorf("refused with %v", err)
	}
	<-service.validating
	if _, err := service.Validate(t.Context(), connect.NewRequest(sent(brokenMarket()))); err != nil {
		t.Error(err)
	}
	if len(service.validating) != 0 {
		t.Error("the slot is not free again")
	}
}

func TestCandidatesBeyondThoseThatMayWaitAreRefusedUnread(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	report := &reporter{log: slog.New(slog.DiscardHandler), observe: &counts{}, newID: newErrorID, callers: sampler{now: time.Now, perSecond: 1}, faults: sampler{now: time.Now, perSecond: 1}}
	test := httptest.NewServer(few(report, 2, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})))
	defer test.Close()
	post := func() string {
		res, err := http.Post(test.URL+adminv1connect.ConfigServiceValidateProcedure, "application/json", strings.NewReader("{}"))
		if err != nil {
			return err.Error()
		}
		defer func() { _ = res.Body.Close() }()
		body, _ := io.ReadAll(res.Body)
		return string(body)
	}
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { post() })
		<-arrived
	}
	if body := post(); !strings.Contains(body, "TOO_MANY_VALIDATIONS") || !strings.Contains(body, "resource_exhausted") {
		t.Errorf("the third: %s", body)
	}
	close(release)
	all.Wait()
	all.Go(func() { post() })
	<-arrived
	all.Wait()
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

func TestACandidateOfOneWhoHasGoneIsNotChecked(t *testing.T) {
	c := &configService{now: time.Now, validating: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 { // there is room, and nobody there: either could come first
		req := connect.NewRequest(&adminv1.ValidateRequest{Files: []*adminv1.File{{Name: "a.yaml"}}})
		if res, err := c.Validate(ctx, req); !errors.Is(err, context.Canceled) {
			t.Fatalf("%v, %v", res, err)
		}
	}
}

// deadlined notes the deadlines that a handler sets.
type deadlined struct {
	httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlined) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

func TestACandidateThatIsSentTooSlowlyDoesNotKeepItsPlace(t *testing.T) {
	d, before := &deadlined{}, time.Now()
	few(nil, 1, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if len(d.set) != 1 || !d.set[0].After(before) {
			t.Errorf("while it is read: %v", d.set)
		}
	})).ServeHTTP(d, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	if len(d.set) != 2 || !d.set[1].IsZero() {
		t.Errorf("for the next request: %v", d.set)
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

// watching is a stream of Watch.
type watching struct {
	*connect.ServerStreamForClient[adminv1.WatchResponse]
	end context.CancelFunc
}

func (o *operated) watch(t *testing.T, req *adminv1.WatchRequest) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := o.client(t).Watch(ctx, connect.NewRequest(req))
	if err != nil {
		t.Fatal(err)
	}
	w := &watching{stream, cancel}
	t.Cleanup(w.close)
	return w
}

func (w *watching) close() {
	w.end()
	_ = w.Close()
}

func (w *watching) next(t *testing.T) *adminv1.WatchResponse {
	t.Helper()
	if !w.Receive() {
		t.Fatalf("the stream has ended: %v", w.Err())
	}
	return w.Msg()
}

func TestWatchersAreSentTheStateAndItsChangesOnEveryTransport(t *testing.T) {
	for name := range configClients(t, "http://none") {
		t.Run(name, func(t *testing.T) {
			o := operate(t, market(t, "a"), nil)
			running := o.reloader.Status().Version
			stream, err := configClients(t, o.url)[name].Watch(t.Context(), connect.NewRequest(&adminv1.WatchRequest{RunningVersion: running, Files: true}))
			if err != nil {
				t.Fatal(err)
			}
			w := &watching{stream, func() {}}
			if got := w.next(t); got.GetState().GetServing().GetVersion() != running || len(got.GetFiles()) > 0 {
				t.Errorf("the state at once: %v", got)
			}
			status := o.edit(market(t, "b"))
			got := w.next(t)
			if got.GetState().GetServing().GetVersion() != status.Version || len(got.GetFiles()) != 9 {
				t.Errorf("after an edit: %v", got.GetState())
			}
			o.edit(brokenMarket())
			if got := w.next(t); got.GetState().GetServing().GetVersion() != status.Version || !got.GetState().GetOutOfSync() || len(got.GetFiles()) > 0 {
				t.Errorf("after a broken edit: %v", got)
			}
			if _, err := o.client(t).Rollback(t.Context(), connect.NewRequest(&adminv1.RollbackRequest{Version: running, Reason: "x"})); err != nil {
				t.Fatal(err)
			}
			if got := w.next(t); got.GetState().GetServing().GetVersion() != running || got.GetState().GetRollbackReason() != "x" || len(got.GetFiles()) != 9 {
				t.Errorf("after a rollback: %v", got.GetState())
			}
			o.services.EndStreams()
			if w.Receive() || w.Err() != nil {
				t.Errorf("at the end: %v, %v", w.Msg(), w.Err())
			}
		})
	}
}

// byHand is a configuration whose status the test sets.
type byHand struct {
	mu         sync.Mutex
	status     reload.Status
	superseded chan struct{}
}

func (h *byHand) set(status reload.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.superseded != nil {
		close(h.superseded)
	}
	h.status, h.superseded = status, make(chan struct{})
}

func (h *byHand) Watch() (reload.Status, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status, h.superseded
}

func (h *byHand) Rollback(context.Context, string, string) (reload.Status, error) {
	return reload.Status{}, errors.New("not here")
}

func TestAWatcherThatReadsNothingMissesStatesAndGetsTheLatest(t *testing.T) {
	// Each version is larger than what HTTP/2 and the sockets hold on the way, whatever compresses it: the stream is stuck from the first on.
	noise := make([]byte, 6<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	kept, configuration := history.New(0, nil), &byHand{}
	next := func(i int) string {
		v := history.Version{Version: fmt.Sprintf("v%d", i)}
		kept.Serve(v, []source.File{{Name: "a.yaml", Data: noise}})
		configuration.set(reload.Status{Version: v.Version, History: kept.View()})
		return v.Version
	}
	next(0)
	o := &operated{edits: &edits{}}
	o.serve(t, configuration)
	client := adminv1connect.NewConfigServiceClient(http2Client(t), o.url, connect.WithGRPC())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := client.Watch(ctx, connect.NewRequest(&adminv1.WatchRequest{Files: true}))
	if err != nil {
		t.Fatal(err)
	}
	if !stream.Receive() {
		t.Fatal(stream.Err())
	}
	last := ""
	for i := range 8 {
		last = next(i + 1)
	}
	received := 0
	for stream.Msg().GetState().GetServing().GetVersion() != last {
		if !stream.Receive() {
			t.Fatal(stream.Err())
		}
		received++
	}
	if received > 3 {
		t.Errorf("%d states were sent, want the one that was stuck, perhaps one behind it, and the latest", received)
	}
	cancel()
	_ = stream.Close()
}

func (o *operated) watchers(t *testing.T) []*adminv1.Watcher {
	t.Helper()
	res, err := o.client(t).GetSnapshot(t.Context(), connect.NewRequest(&adminv1.GetSnapshotRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	return res.Msg.GetWatchers()
}

func TestWatchersAreListedAsTheyToldOfThemselves(t *testing.T) {
	o := operate(t, market(t, "a"), nil)
	o.watch(t, &adminv1.WatchRequest{}).next(t) // tells nothing, and is not listed
	first := o.watch(t, &adminv1.WatchRequest{Node: "b", RunningVersion: "v1"})
	first.next(t)
	o.watch(t, &adminv1.WatchRequest{Node: "a", RunningVersion: "v1"}).next(t)
	second := o.watch(t, &adminv1.WatchRequest{Node: "b", RunningVersion: "v1", RefusedVersion: "v2", Refusal: "no provider"})
	second.next(t)
	first.close()
	got := o.watchers(t)
	if len(got) != 2 || got[0].GetNode() != "a" || got[0].GetRefusedVersion() != "" ||
		got[1].GetNode() != "b" || got[1].GetRefusedVersion() != "v2" || got[1].GetRefusal() != "no provider" || !got[1].GetConnected() || got[1].GetSince() == nil {
		t.Errorf("watchers %v", got)
	}
	second.close()
	waitFor(t, "the second to be told as gone", func() bool { return !o.watchers(t)[1].GetConnected() })
	if got := o.watchers(t)[1]; got.GetRefusal() != "no provider" {
		t.Errorf("what it told is forgotten: %v", got)
	}
}

func TestWatchersAreBounded(t *testing.T) {
	now := time.Unix(0, 0)
	w := &watchers{now: func() time.Time { return now }}
	var leave []func()
	join := func(node string) {
		t.Helper()
		end, err := w.join(&adminv1.WatchRequest{Node: node})
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, end)
	}
	for i := range maxWatchers {
		join(fmt.Sprintf("%04d", i))
	}
	if _, err := w.join(&adminv1.WatchRequest{Node: "x"}); err == nil || !strings.Contains(err.Error(), "TOO_MANY_WATCHERS") {
		t.Errorf("one too many: %v", err)
	}
	for _, i := range []int{3, 0} {
		now = now.Add(time.Second)
		leave[i]()
	}
	join("x")
	if got := w.list(); len(got) != maxWatchers || got[0].GetNode() != "0000" || got[3].GetNode() != "0004" {
		t.Errorf("%d are listed; want all but the one that left first", len(got))
	}
	now = now.Add(watcherMemory + time.Second)
	if got := w.list(); len(got) != maxWatchers-1 || got[0].GetNode() != "0001" {
		t.Errorf("%d are listed, want those that watch", len(got))
	}
}

func TestAWatcherIsRememberedByWhatIsListedAndNoMore(t *testing.T) {
	w := &watchers{now: time.Now}
	told := &adminv1.WatchRequest{Node: "a", RunningVersion: "v1"}
	told.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 99, protowire.BytesType), make([]byte, 1<<20)))
	if _, err := w.join(told); err != nil {
		t.Fatal(err)
	}
	if n := proto.Size(w.byNode["a"].told); n > 100 {
		t.Errorf("%d bytes are kept of a watcher", n)
	}
	if got := w.list(); len(got) != 1 || got[0].GetRunningVersion() != "v1" {
		t.Errorf("listed: %v", got)
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
	for _, want := range []string{"panic: a bug", "secret cause", "configservice_test.go", "ConfigService/Watch"} {
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
