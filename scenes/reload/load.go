package reload

import (
	"context"
	"encoding/hex"
	"time"

	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/history"
	"proscenium/scenes/source"
)

// load reads the source, and puts what it holds to work if that is new and good.
func (r *Reloader) load(ctx context.Context) {
	begin := time.Now()
	files, unread := r.source.Read(ctx)
	if ctx.Err() != nil {
		return
	}
	read := digest(files, unread)
	before := r.Status()
	if read == r.seen && before.Outcome != None && before.Outcome != Refused {
		return
	}
	if len(unread) == 0 {
		r.holds = read
	}
	status := r.outcome(files, unread)
	status.LoadedAt, status.Took = r.options.Now(), time.Since(begin)
	if read == r.seen && status.Outcome == Refused && before.Outcome == Refused {
		return // tried again, and refused again
	}
	r.seen = read
	r.publish(status)
	if r.options.OnLoad != nil {
		r.options.OnLoad(r.Status())
	}
	r.save()
}

// outcome does what a load is for. What serves changes here, or not at all.
func (r *Reloader) outcome(files []source.File, unread []diag.Diagnostic) Status {
	status := r.Status()
	status.Stale, status.Diagnostics, status.Err, status.Passed = true, unread, nil, nil
	r.good = ""
	if len(unread) > 0 {
		status.Outcome = Unreadable
		return r.resumed(status)
	}
	result := r.loader.Load(files, r.options.Now())
	status.Diagnostics = result.Diagnostics
	if result.Snapshot == nil {
		status.Outcome = Invalid
		return r.resumed(status)
	}
	r.good = result.Snapshot.Version
	if r.good == status.Version {
		status.Outcome = Same
		r.history.Confirm(files)
		return r.inStep(status)
	}
	if r.rolledBackFrom(r.holds) {
		status.Outcome = Held
		if status = r.resumed(status); status.Version != "" {
			return status
		}
	}
	if err := r.serve(&status, result.Snapshot, files, history.FromSource); err != nil {
		status.Outcome, status.Err = Refused, err
		return r.resumed(status)
	}
	status.Outcome = Applied
	return r.inStep(status)
}

// rolledBackFrom says whether a rollback to something else keeps this content from serving.
func (r *Reloader) rolledBackFrom(held content) bool {
	rollback := r.history.Rollback()
	return rollback != nil && rollback.Version != r.good && rollback.From == hex.EncodeToString(held[:])
}

// inStep is the status once the source holds what serves: no rollback stands any more.
func (r *Reloader) inStep(status Status) Status {
	r.history.SetRollback(nil)
	status.Rollback, status.Stale, status.Origin = nil, false, history.FromSource
	return status
}

// serve puts a snapshot to work.
func (r *Reloader) serve(status *Status, snap *scenes.Snapshot, files []source.File, origin history.Origin) error {
	if err := r.apply(snap); err != nil {
		return err
	}
	now := r.options.Now()
	r.snapshot.Store(snap)
	r.history.Serve(history.Version{Version: snap.Version, Served: now, Origin: origin, Scenes: len(snap.Scenes)}, files)
	status.Version, status.AppliedAt, status.Origin = snap.Version, now, origin
	return nil
}

// resumed is the status once something serves although the source did not give it: what serves goes on; at start it is the version that was
// rolled back to or, failing that, the last that is good. What is good but held back by a rollback gives way to that rollback only.
func (r *Reloader) resumed(status Status) Status {
	if status.Version != "" || r.Status().Outcome != None {
		return status
	}
	view := r.history.View()
	if rollback := r.history.Rollback(); rollback != nil {
		if r.resume(&status, view, rollback.Version, history.FromRollback) {
			status.Rollback = rollback
			return status
		}
		r.history.SetRollback(nil)
	}
	if status.Outcome == Held {
		return status
	}
	for _, v := range view.Versions() {
		if r.resume(&status, view, v.Version, history.FromLastGood) {
			break
		}
	}
	return status
}

// resume serves a version of an earlier run, or notes why it can't.
func (r *Reloader) resume(status *Status, view history.View, version string, origin history.Origin) bool {
	for _, p := range status.Passed {
		if p.Version == version {
			return false
		}
	}
	passed := Passed{Version: version}
	files, err := view.Files(version)
	if err == nil {
		result := r.loader.Load(files, r.options.Now())
		if result.Snapshot == nil {
			passed.Diagnostics = result.Diagnostics
			status.Passed = append(status.Passed, passed)
			return false
		}
		if err = r.serve(status, result.Snapshot, files, origin); err == nil {
			return true
		}
	}
	passed.Err = err
	status.Passed = append(status.Passed, passed)
	return false
}
