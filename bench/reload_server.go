package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"

	"proscenium/assembly"
	"proscenium/metrics"
	"proscenium/scenes/reload"
	"proscenium/server"
)

// configVariable names the directory of configuration that a reloading server follows.
const configVariable = "PROSCENIUM_BENCH_CONFIG"

// load is one load of a configuration by a server, in Unix nanoseconds. Both processes have the same clock.
type load struct {
	// Begin is when the server began to read the directory, End when it had done with it: an applied snapshot serves from then on at the latest.
	Begin   int64          `json:"begin"`
	End     int64          `json:"end"`
	Outcome reload.Outcome `json:"outcome"`
	Version string         `json:"version"` // that serves
	Text    string         `json:"text"`    // of the first finding or the error
}

// journal keeps the loads of a server.
type journal struct {
	mu    sync.Mutex
	loads []load
	more  chan struct{} // closed when there is another
}

func newJournal() *journal { return &journal{more: make(chan struct{})} }

func (j *journal) add(status reload.Status) {
	l := load{Begin: status.LoadedAt.Add(-status.Took).UnixNano(), End: time.Now().UnixNano(), Outcome: status.Outcome, Version: status.Version}
	switch {
	case status.Err != nil:
		l.Text = status.Err.Error()
	case len(status.Diagnostics) > 0:
		d := status.Diagnostics[0]
		l.Text = fmt.Sprintf("%s:%d: %s", d.File, d.Line, d.Message)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.loads = append(j.loads, l)
	close(j.more)
	j.more = make(chan struct{})
}

// after waits until there are more than n loads, and returns those behind the first n.
func (j *journal) after(ctx context.Context, n int) ([]load, error) {
	for {
		j.mu.Lock()
		loads, more := j.loads, j.more
		j.mu.Unlock()
		if len(loads) > n {
			return loads[n:], nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// serveReloading is the server of the benchmarks' market, on the configuration of a directory that changes. It has the parts of the real
// one, and tells of each load.
func serveReloading(dir string) error {
	observed, ready := metrics.New(), &server.Readiness{}
	system, err := assembly.Open(assembly.Options{Catalog: usual.catalog(), Now: time.Now, Observer: observed})
	if err != nil {
		return err
	}
	defer system.Close()
	loads := newJournal()
	reloader := reload.New(reload.NewDirectory(dir), system.Apply, reload.Options{OnLoad: func(status reload.Status) {
		observed.Loaded(status)
		loads.add(status)
	}})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { reloader.Run(ctx) })
	first, err := loads.after(ctx, 0)
	if err != nil {
		return err
	}
	if first[0].Outcome != reload.Applied {
		return fmt.Errorf("the configuration does not load: %s", first[0].Text)
	}
	ready.Set(true)
	full, err := server.New(server.Deps{
		Pricer: system.Engine, Ready: ready, Log: slog.New(slog.DiscardHandler), Observer: observed, Now: time.Now, Origins: []string{"*"},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", full.Handler())
	mux.Handle("/loads", loads)
	mux.HandleFunc("/memory", serveMemory)
	return serveChild(mux)
}

// ServeHTTP answers with the loads behind the first n, once there are some.
func (j *journal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.Query().Get("after"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	loads, err := j.after(r.Context(), n)
	if err != nil {
		return // the caller is gone
	}
	_ = json.NewEncoder(w).Encode(loads)
}

// memory is what a process holds once it has collected its garbage.
type memory struct {
	Heap       uint64 `json:"heap"` // bytes
	Goroutines int    `json:"goroutines"`
}

func serveMemory(w http.ResponseWriter, _ *http.Request) {
	runtime.GC() // twice: what pools hold is let go in two steps
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	_ = json.NewEncoder(w).Encode(memory{Heap: stats.HeapAlloc, Goroutines: runtime.NumGoroutine()})
}
