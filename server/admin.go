package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"time"
)

// ConfigStatus tells which configuration serves and what became of the last one read.
type ConfigStatus struct {
	// Version is the hash of the configuration that serves; empty before the first.
	Version  string    `json:"version"`
	LoadedAt time.Time `json:"loaded_at"`
	// Source is where it comes from.
	Source string   `json:"source"`
	Files  []string `json:"files"`
	// Differs says that what is there now is not what serves: it has errors, which Findings lists.
	Differs    bool      `json:"differs"`
	LastLoadAt time.Time `json:"last_load_at"`
	// LastOutcome is applied, rejected or unchanged.
	LastOutcome string    `json:"last_outcome"`
	Findings    []Finding `json:"findings"`
}

// Finding is one thing that is wrong, or doubtful, in the configuration read last.
type Finding struct {
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Hint     string `json:"hint,omitempty"`
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
			status.Findings = []Finding{}
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
