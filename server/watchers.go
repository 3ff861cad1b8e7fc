package server

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/fault"
	adminv1 "proscenium/gen/proscenium/admin/v1"
)

const (
	// maxWatchers bounds the streams that are open, and the watchers that are listed.
	maxWatchers = 1_000
	// watcherMemory is how long a watcher is listed once its last stream has ended.
	watcherMemory = time.Hour
)

// watchers are the clients of Watch, as they told of themselves. It is safe for concurrent use.
type watchers struct {
	now func() time.Time

	mu     sync.Mutex
	open   int
	byNode map[string]*watcher
}

type watcher struct {
	told    *adminv1.WatchRequest
	since   time.Time
	streams int
	left    time.Time // when the last stream ended
}

// join notes a stream and what its watcher tells of itself, until leave.
func (w *watchers) join(told *adminv1.WatchRequest) (leave func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open >= maxWatchers {
		return nil, fault.New(fault.ResourceExhausted, "TOO_MANY_WATCHERS", "%d clients watch already, as many as may; close some, or watch less often", w.open)
	}
	w.open++
	node := told.GetNode()
	if node == "" {
		return w.leaving(&watcher{streams: 1}), nil
	}
	this := w.byNode[node]
	if this == nil {
		w.forget()
		this = &watcher{}
		if w.byNode == nil {
			w.byNode = make(map[string]*watcher)
		}
		w.byNode[node] = this
	}
	// Not the request itself: unknown fields in it are as large as a request may be.
	this.told = &adminv1.WatchRequest{RunningVersion: told.GetRunningVersion(), RefusedVersion: told.GetRefusedVersion(), Refusal: told.GetRefusal()}
	this.since = w.now()
	this.streams++
	return w.leaving(this), nil
}

func (w *watchers) leaving(this *watcher) func() {
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.open--
		this.streams--
		this.left = w.now()
	}
}

// forget makes room for one more: without those that left long ago and, where there are too many, the one that left first. Those that watch
// are fewer than may be listed.
func (w *watchers) forget() {
	first := ""
	for node, o := range w.byNode {
		switch {
		case o.streams > 0:
		case w.now().Sub(o.left) > watcherMemory:
			delete(w.byNode, node)
		case first == "" || o.left.Before(w.byNode[first].left):
			first = node
		}
	}
	if len(w.byNode) >= maxWatchers {
		delete(w.byNode, first)
	}
}

// list are the watchers that told who they are, in the order of their names.
func (w *watchers) list() []*adminv1.Watcher {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*adminv1.Watcher
	for node, o := range w.byNode {
		if o.streams == 0 && w.now().Sub(o.left) > watcherMemory {
			continue
		}
		all = append(all, &adminv1.Watcher{
			Node: node, RunningVersion: o.told.GetRunningVersion(), RefusedVersion: o.told.GetRefusedVersion(), Refusal: o.told.GetRefusal(),
			Since: timestamppb.New(o.since), Connected: o.streams > 0,
		})
	}
	slices.SortFunc(all, func(a, b *adminv1.Watcher) int {
		return cmp.Compare(strings.ToLower(a.GetNode()), strings.ToLower(b.GetNode()))
	})
	return all
}
