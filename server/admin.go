package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/history"
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
	// Origin is how it came to serve: source, last_good or rollback.
	Origin history.Origin `json:"origin"`
	// Rollback is the one that serves.
	Rollback *history.Rollback `json:"rollback,omitempty"`
	// Differs says that what is there now is not what serves: Findings, Error or Rollback say why.
	Differs bool `json:"differs"`
	// Outcome is that of the last load of something new: applied, same, invalid, refused, unreadable or held (by a rollback).
	Outcome  string    `json:"outcome"`
	LoadedAt time.Time `json:"loaded_at"`
	Findings []Finding `json:"findings"`
	Error    string    `json:"error,omitempty"`
	// Watch is why the source is polled instead of watched; empty while it is watched.
	Watch string `json:"watch,omitempty"`
	// History is what served, the last first.
	History []history.Version `json:"history"`
	// HistoryError is why not all of it is on disk.
	HistoryError string `json:"history_error,omitempty"`
}

// Finding is a finding with its place as people read it.
type Finding struct {
	// Place is file:line:column, the file alone where the finding is about the whole file, or says that it is about the configuration as a whole.
	Place string `json:"place"`
	diag.Diagnostic
}

// StatusOf is the status of a reloader, for people and programs. serving may be nil.
func StatusOf(source string, serving *scenes.Snapshot, status reload.Status) ConfigStatus {
	s := ConfigStatus{
		Version: status.Version, AppliedAt: status.AppliedAt, Source: source, Origin: status.Origin, Rollback: status.Rollback,
		Differs: status.Stale, Outcome: string(status.Outcome), LoadedAt: status.LoadedAt, Findings: make([]Finding, len(status.Diagnostics)),
		Error: errorText(status.Err), Watch: errorText(status.WatchErr), History: status.History.Versions(), HistoryError: errorText(status.HistoryErr),
	}
	for i, d := range status.Diagnostics {
		s.Findings[i] = Finding{place(d), d}
	}
	if serving != nil {
		s.Files = serving.Sources
	}
	return s
}

// AdminDeps are what the admin port tells of.
type AdminDeps struct {
	Ready   *Readiness
	Metrics http.Handler
	Config  func() ConfigStatus
	// Services are mounted beside the pages; nil: none are.
	Services *AdminServices
	// Policies are shown by a page; nil: there is none.
	Policies Policies
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
		pages := "/metrics\n/healthz\n/readyz\n/configz\n"
		if deps.Policies != nil {
			pages += "/policyz\n"
		}
		pages += "/debug/pprof/"
		if deps.Services != nil {
			pages += "\nby POST: " + strings.Join(deps.Services.names, ", ")
		}
		plain(w, http.StatusOK, pages)
	})
	if deps.Policies != nil {
		mux.HandleFunc("GET /policyz", policyz(deps.Policies))
	}
	if deps.Services != nil {
		mux.Handle("POST /", deps.Services)
	}
	return mux
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}
