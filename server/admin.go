package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"time"

	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/reload"
)

// ConfigStatus tells which configuration serves and what became of the last one read.
type ConfigStatus struct {
	// Version is the hash of the configuration that serves; empty before the first.
	Version   string    `json:"version"`
	AppliedAt time.Time `json:"applied_at"`
	// Source is where it comes from, and Files what it was read from.
	Source string   `json:"source"`
	Files  []string `json:"files"`
	// Differs says that what is there now is not what serves: Findings or Error say why.
	Differs bool `json:"differs"`
	// Outcome is that of the last load of something new: applied, same, invalid, refused or unreadable.
	Outcome  string            `json:"outcome"`
	LoadedAt time.Time         `json:"loaded_at"`
	Findings []diag.Diagnostic `json:"findings"`
	Error    string            `json:"error,omitempty"`
	// Watch is why the source is polled instead of watched; empty while it is watched.
	Watch string `json:"watch,omitempty"`
}

// StatusOf is the status of a reloader, for people and programs. serving may be nil.
func StatusOf(source string, serving *scenes.Snapshot, status reload.Status) ConfigStatus {
	s := ConfigStatus{
		Version: status.Version, AppliedAt: status.AppliedAt, Source: source,
		Differs: status.Stale, Outcome: string(status.Outcome), LoadedAt: status.LoadedAt, Findings: status.Diagnostics,
	}
	if serving != nil {
		s.Files = serving.Sources
	}
	if status.Err != nil {
		s.Error = status.Err.Error()
	}
	if status.WatchErr != nil {
		s.Watch = status.WatchErr.Error()
	}
	return s
}

// AdminDeps are what the admin port tells of.
type AdminDeps struct {
	Ready   *Readiness
	Metrics http.Handler
	Config  func() ConfigStatus
}

// Admin is the handler of the admin port. It has no access control: keep the port to those who operate the process.
func Admin(deps AdminDeps) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", deps.Metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !deps.Ready.Ready() {
			plain(w, http.StatusServiceUnavailable, "not ready: no configuration serves yet, or the process shuts down")
			return
		}
		plain(w, http.StatusOK, "ready")
	})
	mux.HandleFunc("GET /configz", func(w http.ResponseWriter, _ *http.Request) {
		status := deps.Config()
		if status.Findings == nil {
			status.Findings = []diag.Diagnostic{}
		}
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		// The reader may be gone; there is nobody else to tell.
		_ = encoder.Encode(status)
	})
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		plain(w, http.StatusOK, "/metrics\n/healthz\n/readyz\n/configz\n/debug/pprof/")
	})
	return mux
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}
