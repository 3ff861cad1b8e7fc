package server

import (
	"context"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"proscenium/assembly"
	"proscenium/catalog"
	"proscenium/configs"
	"proscenium/engine"
	adminv1 "proscenium/gen/proscenium/admin/v1"
	"proscenium/gen/proscenium/admin/v1/adminv1connect"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/scenes"
	"proscenium/scenes/source"
)

// runner prices in its own process with the configuration of a server: it follows Watch, applies what it is sent, and tells what became of it.
type runner struct {
	node   string
	system *assembly.System
	client adminv1connect.ConfigServiceClient
}

func newRunner(t *testing.T, node, url string, cat *catalog.Catalog) *runner {
	t.Helper()
	system, err := assembly.Over(cat, assembly.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(system.Close)
	return &runner{node: node, system: system, client: adminv1connect.NewConfigServiceClient(http.DefaultClient, url)}
}

// follow runs until ctx ends. Each stream begins with what the runner runs and refused; it opens another to tell something new.
func (r *runner) follow(ctx context.Context) {
	report := &adminv1.WatchRequest{Node: r.node, Files: true}
	for ctx.Err() == nil {
		r.session(ctx, report)
	}
}

// session ends when there is something new to report.
func (r *runner) session(ctx context.Context, report *adminv1.WatchRequest) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	stream, err := r.client.Watch(ctx, connect.NewRequest(report))
	if err != nil {
		return
	}
	defer func() { _ = stream.Close() }()
	for stream.Receive() {
		version, files := stream.Msg().GetState().GetServing().GetVersion(), stream.Msg().GetFiles()
		if len(files) == 0 || version == report.GetRefusedVersion() {
			continue
		}
		report.RefusedVersion, report.Refusal = "", ""
		if err := r.apply(files); err != nil {
			report.RefusedVersion, report.Refusal = version, err.Error()
		} else {
			report.RunningVersion = version
		}
		return
	}
}

func (r *runner) apply(sent []*adminv1.File) error {
	var files []source.File
	for _, f := range sent {
		files = append(files, source.File{Name: f.GetName(), Data: f.GetContent()})
	}
	return r.system.Apply(scenes.LoadFiles(files, time.Now()).Snapshot)
}

func TestAFleetOfClientsRunsWhatTheServerServesAndTellsWhatItRefuses(t *testing.T) {
	fsys, err := fs.Sub(configs.FS, configs.CatalogDir)
	if err != nil {
		t.Fatal(err)
	}
	cat, err := assembly.LoadCatalog(fsys)
	if err != nil {
		t.Fatal(err)
	}
	first, unread := source.Read(configs.FS)
	if len(unread) > 0 {
		t.Fatal(unread)
	}
	o := operate(t, first, nil)
	a := o.reloader.Status().Version

	runners := []*runner{newRunner(t, "east", o.url, cat), newRunner(t, "west", o.url, cat)}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, r := range runners {
		all.Go(func() { r.follow(ctx) })
	}
	t.Cleanup(all.Wait)
	t.Cleanup(stop)
	watchers := func(is func(w *adminv1.Watcher) bool) func() bool {
		return func() bool {
			got := o.watchers(t)
			return len(got) == 2 && is(got[0]) && is(got[1])
		}
	}
	waitFor(t, "both to run the first version", watchers(func(w *adminv1.Watcher) bool { return w.GetRunningVersion() == a && w.GetConnected() }))
	for _, r := range runners {
		answer, err := r.system.Engine.Price(t.Context(), engine.Caller{}, &pricingv1.GetPromotionInfoRequest{
			Scene: &pricingv1.GetPromotionInfoRequest_SceneName{SceneName: "cart_guest"}, Region: "US", Items: []*pricingv1.RequestItem{{ItemId: 1000}},
		})
		if err != nil || answer.GetConfigVersion() != a {
			t.Errorf("%s answers %v, %v", r.node, answer.GetConfigVersion(), err)
		}
	}

	// The server of this test opens no providers, so it takes what they cannot run.
	edited := func(old, changed string) []source.File {
		files := make([]source.File, len(first))
		for i, f := range first {
			files[i] = source.File{Name: f.Name, Data: []byte(strings.Replace(string(f.Data), old, changed, 1))}
		}
		return files
	}
	b := o.edit(edited("provider: {embedded: {}}", `provider: {connect: {url: "https://127.0.0.1:1", tls: {ca_file: /none/ca.pem}}}`)).Version
	if b == a {
		t.Fatal("the edit changed nothing")
	}
	waitFor(t, "both to refuse the second version, and run the first", watchers(func(w *adminv1.Watcher) bool {
		return w.GetRunningVersion() == a && w.GetRefusedVersion() == b && strings.Contains(w.GetRefusal(), "/none/ca.pem") && w.GetConnected()
	}))

	if _, err := o.client(t).Rollback(t.Context(), connect.NewRequest(&adminv1.RollbackRequest{Version: a, Reason: "the fleet refuses it"})); err != nil {
		t.Fatal(err)
	}
	c := o.edit(edited("max_parallel: 8", "max_parallel: 9")).Version
	waitFor(t, "both to run the third version", watchers(func(w *adminv1.Watcher) bool {
		return w.GetRunningVersion() == c && w.GetRefusedVersion() == ""
	}))
	stop()
	all.Wait()
	waitFor(t, "both to be told as gone", watchers(func(w *adminv1.Watcher) bool { return !w.GetConnected() && w.GetRunningVersion() == c }))
}
