package reload

import (
	"time"

	"proscenium/scenes/diag"
	"proscenium/scenes/history"
)

// Outcome is how a load ended.
type Outcome string

// The outcomes.
const (
	None       Outcome = ""           // nothing was loaded yet
	Applied    Outcome = "applied"    // it serves
	Same       Outcome = "same"       // it says what serves already
	Invalid    Outcome = "invalid"    // it has errors, see the diagnostics
	Refused    Outcome = "refused"    // it could not be put to work, see the error
	Unreadable Outcome = "unreadable" // files could not be read, see the diagnostics
	Held       Outcome = "held"       // it is good, and a rollback from it stands
)

// Status tells what serves, and how the last load went. It is a value of its own: nobody changes it any more.
type Status struct {
	// Version, AppliedAt and Origin belong to the snapshot that serves; zero before the first good load.
	Version   string
	AppliedAt time.Time
	Origin    history.Origin
	// Outcome, LoadedAt and Took belong to the last load of content that was new.
	Outcome  Outcome
	LoadedAt time.Time
	Took     time.Duration
	// Stale says that the source holds something else than what serves: something that is broken, or cannot be read, or was rolled back from.
	Stale bool
	// Diagnostics are the findings of the last load, warnings included.
	Diagnostics []diag.Diagnostic
	// Err is why a snapshot was refused.
	Err error
	// WatchErr is why the source is not watched, only polled; nil while it is watched.
	WatchErr error
	// Rollback is the one that serves, or nil.
	Rollback *history.Rollback
	// History is what served, and serves.
	History history.View
	// HistoryErr is why not all of it is on disk; nil while it is, or is to be in memory only.
	HistoryErr error
	// Passed are the versions of earlier runs that were to serve at start, for the source held nothing good, and could not. Later loads have none.
	Passed []Passed
}

// Passed is a version that did not come to serve, and why.
type Passed struct {
	Version string
	// Diagnostics are its findings, where it has errors; else Err says what went wrong.
	Diagnostics []diag.Diagnostic
	Err         error
}

// published is a status, and the sign that there is a later one.
type published struct {
	Status
	superseded chan struct{}
}

// Status tells what serves, and how the last load went.
func (r *Reloader) Status() Status { return r.status.Load().Status }

// Watch is Status, with a channel that is closed once there is a later one. Who comes back late finds the latest.
func (r *Reloader) Watch() (Status, <-chan struct{}) {
	p := r.status.Load()
	return p.Status, p.superseded
}

func (r *Reloader) publish(status Status) {
	status.History = r.history.View()
	before := r.status.Swap(&published{Status: status, superseded: make(chan struct{})})
	close(before.superseded)
	if r.options.OnChange != nil {
		r.options.OnChange(status)
	}
}
