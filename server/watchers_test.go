package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	adminv1 "proscenium/gen/proscenium/admin/v1"
	"proscenium/gen/proscenium/admin/v1/adminv1connect"
	"proscenium/scenes/history"
	"proscenium/scenes/reload"
	"proscenium/scenes/source"
)

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
