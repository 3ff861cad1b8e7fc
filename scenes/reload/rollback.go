package reload

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"proscenium/fault"
	"proscenium/scenes/diag"
	"proscenium/scenes/history"
)

// Rollback tells of one that was asked for.
type Rollback struct {
	// From is what served, To what was asked for, Reason why.
	From, To, Reason string
	// Err is why From serves on; nil where To serves.
	Err error
	// Status is that after it.
	Status Status
}

// InvalidError says that a version of before does not validate any more, such as after an upgrade.
type InvalidError struct {
	Version     string
	Diagnostics []diag.Diagnostic
}

func (e *InvalidError) Error() string {
	errs, _ := diag.Count(e.Diagnostics)
	return fmt.Sprintf("version %s does not validate any more: it has %d errors", e.Version, errs)
}

// request asks the goroutine of Run for a rollback.
type request struct {
	version, reason string
	answer          chan answer // has room for one
}

type answer struct {
	status Status
	err    error
}

// Rollback serves a version of the history, until the source holds something good that is not what it holds now; also after a restart,
// where the history is on disk. Of the version that serves already it changes nothing. A rollback to what the source holds ends the one that
// stands.
//
// The error is an *InvalidError, a *fault.Error, or that of ctx; then the rollback may be under way.
func (r *Reloader) Rollback(ctx context.Context, version, reason string) (Status, error) {
	q := request{version: version, reason: reason, answer: make(chan answer, 1)}
	select {
	case r.asked <- q:
	case <-ctx.Done():
		return Status{}, ctx.Err()
	case <-r.ended:
		return Status{}, fault.New(fault.Unavailable, "SHUTTING_DOWN", "the process shuts down")
	}
	select {
	case a := <-q.answer:
		return a.status, a.err
	case <-ctx.Done():
		return Status{}, ctx.Err()
	}
}

func (r *Reloader) rollBack(q request) answer {
	from := r.Status().Version
	err := r.goBack(q)
	if r.options.OnRollback != nil {
		r.options.OnRollback(Rollback{From: from, To: q.version, Reason: q.reason, Err: err, Status: r.Status()})
	}
	return answer{status: r.Status(), err: err}
}

func (r *Reloader) goBack(q request) error {
	status := r.Status()
	if q.version == status.Version {
		return nil
	}
	files, err := status.History.Files(q.version)
	switch {
	case errors.Is(err, history.ErrUnknown):
		return UnknownVersion(q.version, status.History)
	case err != nil:
		return fault.New(fault.FailedPrecondition, "VERSION_DAMAGED", "the files of version %s cannot be read; the server's log says why", q.version).Because(err)
	}
	result := r.loader.Load(files, r.options.Now())
	if result.Snapshot == nil {
		return &InvalidError{Version: q.version, Diagnostics: result.Diagnostics}
	}
	origin := history.FromRollback
	if result.Snapshot.Version == r.good {
		origin = history.FromSource
	}
	from := r.rolledFrom(status)
	if err := r.serve(&status, result.Snapshot, files, origin); err != nil {
		return fault.New(fault.FailedPrecondition, "VERSION_REFUSED", "version %s cannot be put to work: %v", q.version, err).Because(err)
	}
	if origin == history.FromSource {
		status.Outcome = Applied
		status = r.inStep(status)
	} else {
		status.Stale = true
		status.Rollback = &history.Rollback{Version: status.Version, From: from, Reason: q.reason, At: status.AppliedAt}
		r.history.SetRollback(status.Rollback)
	}
	r.publish(status)
	r.save()
	return nil
}

// rolledFrom is the digest of what the source holds. Where it could not be read since the start, that is taken to be what it held before: what
// the rollback that serves was from or, failing that, the last good version.
func (r *Reloader) rolledFrom(status Status) string {
	holds := r.holds
	if holds == (content{}) {
		if status.Rollback != nil {
			return status.Rollback.From
		}
		if files, err := status.History.Files(status.Version); err == nil {
			holds = digest(files, nil)
		}
	}
	return hex.EncodeToString(holds[:])
}

// UnknownVersion says that a version is not kept, and which are.
func UnknownVersion(version string, have history.View) error {
	const named = 10
	var known []string
	for i, v := range have.Versions() {
		if i == named {
			known = append(known, fmt.Sprintf("and %d more", have.Len()-named))
			break
		}
		known = append(known, v.Version)
	}
	list := strings.Join(known, ", ")
	if list == "" {
		list = "none"
	}
	return fault.New(fault.NotFound, "UNKNOWN_VERSION", "version %q is not kept; these are: %s", version, list)
}
