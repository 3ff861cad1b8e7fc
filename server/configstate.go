package server

import (
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "proscenium/gen/proscenium/admin/v1"
	"proscenium/scenes/diag"
	"proscenium/scenes/history"
	"proscenium/scenes/reload"
	"proscenium/scenes/source"
)

// The enums of the API, by what they stand for.
var (
	outcomes = map[reload.Outcome]adminv1.Outcome{
		reload.None:       adminv1.Outcome_OUTCOME_UNSPECIFIED,
		reload.Applied:    adminv1.Outcome_OUTCOME_APPLIED,
		reload.Same:       adminv1.Outcome_OUTCOME_SAME,
		reload.Invalid:    adminv1.Outcome_OUTCOME_INVALID,
		reload.Refused:    adminv1.Outcome_OUTCOME_REFUSED,
		reload.Unreadable: adminv1.Outcome_OUTCOME_UNREADABLE,
		reload.Held:       adminv1.Outcome_OUTCOME_HELD,
	}
	origins = map[history.Origin]adminv1.Origin{
		history.FromSource:   adminv1.Origin_ORIGIN_SOURCE,
		history.FromLastGood: adminv1.Origin_ORIGIN_LAST_GOOD,
		history.FromRollback: adminv1.Origin_ORIGIN_ROLLBACK,
	}
)

// stateOf is a status as the API tells it.
func stateOf(sourceName string, s reload.Status) *adminv1.State {
	state := &adminv1.State{
		Source: sourceName, OutOfSync: s.Stale, Outcome: outcomes[s.Outcome], LoadedAt: timestampOf(s.LoadedAt),
		Findings: findingsOf(s.Diagnostics), Error: errorText(s.Err), WatchError: errorText(s.WatchErr), HistoryError: errorText(s.HistoryErr),
	}
	if v, ok := s.History.Find(s.Version); ok {
		state.Serving = versionOf(v, s.Version)
	}
	if s.Rollback != nil {
		state.RollbackReason = s.Rollback.Reason
	}
	return state
}

func versionOf(v history.Version, serving string) *adminv1.Version {
	return &adminv1.Version{
		Version: v.Version, FirstServedAt: timestampOf(v.FirstServed), ServedAt: timestampOf(v.Served), Serving: v.Version == serving,
		Scenes: int32(v.Scenes), Files: int32(v.Files), Origin: origins[v.Origin],
	}
}

func filesOf(files []source.File) []*adminv1.File {
	all := make([]*adminv1.File, len(files))
	for i, f := range files {
		all[i] = &adminv1.File{Name: f.Name, Content: f.Data}
	}
	return all
}

func findingsOf(findings []diag.Diagnostic) []*adminv1.Finding {
	all := make([]*adminv1.Finding, len(findings))
	for i, d := range findings {
		severity := adminv1.Severity_SEVERITY_ERROR
		if d.Severity == diag.Warning {
			severity = adminv1.Severity_SEVERITY_WARNING
		}
		all[i] = &adminv1.Finding{
			Code: string(d.Code), Severity: severity, Message: d.Message, File: d.File, Line: int32(d.Line), Column: int32(d.Column),
			EndColumn: int32(d.EndColumn), Path: d.Path, Excerpt: d.Excerpt, Hint: d.Hint,
		}
	}
	return all
}

// timestampOf is absent for a time that has not come.
func timestampOf(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// place is where a finding is, for people.
func place(d diag.Diagnostic) string {
	switch {
	case d.File == "" || d.File == ".":
		return "the configuration as a whole"
	case d.Line == 0:
		return d.File
	default:
		return fmt.Sprintf("%s:%d:%d", d.File, d.Line, d.Column)
	}
}

// unfitFor is the refusal of a version that does not validate any more.
func unfitFor(e *reload.InvalidError) failure {
	f := failure{code: connect.CodeFailedPrecondition, reason: "VERSION_INVALID", message: e.Error()}
	for _, d := range e.Diagnostics {
		if d.Severity != diag.Error || len(f.unmet) == maxViolations {
			continue
		}
		if len(f.unmet) < maxNamedViolations {
			f.message += fmt.Sprintf("; %s: %s", place(d), d.Message)
		}
		f.unmet = append(f.unmet, &errdetails.PreconditionFailure_Violation{Type: string(d.Code), Subject: place(d), Description: d.Message})
	}
	return f
}
