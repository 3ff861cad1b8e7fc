package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/engine"
	"proscenium/engine/policy"
	"proscenium/fault"
	adminv1 "proscenium/gen/proscenium/admin/v1"
	"proscenium/operations"
	"proscenium/scenes"
	"proscenium/scenes/diag"
)

// OperationsDeps are what OperationsService shows and changes.
type OperationsDeps struct {
	Policies Policies
	Engine   Downgrader
	Switches Switchboard
	Audit    AuditLog
	// PurgeShadow removes all state of shadow traffic, and returns how many keys of Redis that were.
	PurgeShadow func(context.Context) (int, error)
}

// Policies are the limits and breakers of the process; they are a [policy.Registry].
type Policies interface {
	Limits() []policy.LimitStatus
	Breakers() []policy.BreakerStatus
}

// Downgrader is what features are turned off in; it is an [engine.Engine].
type Downgrader interface {
	Downgrades() []engine.Downgraded
	// Snapshot is the one that serves, nil before the first.
	Snapshot() *scenes.Snapshot
}

// Switchboard throws switches in the whole fleet; it is [operations.Switches].
type Switchboard interface {
	Set(context.Context, operations.Change) (set operations.Switch, apart, err error)
	Thrown() []operations.Switch
}

// AuditLog keeps what operators did; it is an [operations.Audit].
type AuditLog interface {
	Add(operations.Entry)
	List(context.Context, operations.Query) (entries []operations.Entry, apart error)
}

// operationsService is OperationsService.
type operationsService struct {
	OperationsDeps
	now func() time.Time
}

// latestUntil is behind the end of every switch, as of every configuration: 2200-01-01.
var latestUntil = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

// SetDowngrade throws a switch, or takes it back. What is refused is in the audit log too, but for requests that are no valid ones.
func (o *operationsService) SetDowngrade(
	ctx context.Context, req *connect.Request[adminv1.SetDowngradeRequest],
) (*connect.Response[adminv1.SetDowngradeResponse], error) {
	m := req.Msg
	change := operations.Change{
		Feature: m.GetFeature(), Regions: m.GetWhere().GetRegions(), Scenes: m.GetWhere().GetScenes(), Restore: m.GetRestore(),
		Operator: m.GetOperator(), Reason: m.GetReason(),
	}
	if m.GetUntil() != nil {
		change.Until = m.GetUntil().AsTime()
	}
	entry := operations.Entry{
		Operator: m.GetOperator(), Reason: m.GetReason(), Action: operations.SetDowngrade, Subject: subjectOf(&change), Peer: req.Peer().Addr,
	}
	if change.Restore {
		entry.Action = operations.RestoreDowngrade
	}
	set, apart, err := o.set(ctx, m, change)
	entry.Outcome = outcomeOf(err)
	o.Audit.Add(entry)
	if err != nil {
		return nil, err
	}
	answer := &adminv1.SetDowngradeResponse{Downgrade: ofSwitch(&set)}
	if apart != nil {
		answer.FleetError = apart.Error()
	}
	return connect.NewResponse(answer), nil
}

func (o *operationsService) set(ctx context.Context, m *adminv1.SetDowngradeRequest, change operations.Change) (operations.Switch, error, error) {
	if err := o.possible(m, &change); err != nil {
		return operations.Switch{}, nil, err
	}
	return o.Switches.Set(ctx, change)
}

// possible refuses switches that would do something else than what was meant. One whose scene is gone can be taken back.
func (o *operationsService) possible(m *adminv1.SetDowngradeRequest, change *operations.Change) error {
	if until := m.GetUntil(); until != nil {
		switch {
		case change.Restore:
			return fault.Invalid("until", "UNTIL_WITH_RESTORE", "a switch that is taken back has no end: leave until or restore out")
		case until.CheckValid() != nil || !change.Until.Before(latestUntil):
			return fault.Invalid("until", "UNTIL_TOO_LATE", "until must be before %s; leave it out for a switch that holds until it is taken back", latestUntil.Format(time.RFC3339))
		case !change.Until.After(o.now()):
			return fault.Invalid("until", "UNTIL_PAST", "until has passed: it is %s now", o.now().UTC().Format(time.RFC3339))
		}
	}
	if change.Restore {
		return nil
	}
	snap := o.Engine.Snapshot()
	if snap == nil {
		return fault.New(fault.FailedPrecondition, "NOTHING_SERVES", "no configuration serves yet, so there is nothing to turn off")
	}
	for i, name := range change.Regions {
		if snap.Regions[name] == nil {
			return fault.Invalid(fmt.Sprintf("where.regions[%d]", i), "UNKNOWN_REGION", "there is no region %q; %s", name,
				diag.Suggest(name, "regions", slices.Sorted(maps.Keys(snap.Regions))))
		}
	}
	for i, name := range change.Scenes {
		if snap.ScenesByName[name] == nil {
			return fault.Invalid(fmt.Sprintf("where.scenes[%d]", i), "UNKNOWN_SCENE", "there is no scene %q; %s", name,
				diag.Suggest(name, "scenes", slices.Sorted(maps.Keys(snap.ScenesByName))))
		}
	}
	return nil
}

func subjectOf(c *operations.Change) string {
	s := operations.Switch{Feature: c.Feature, Regions: slices.Sorted(slices.Values(c.Regions)), Scenes: slices.Sorted(slices.Values(c.Scenes))}
	if c.Until.IsZero() {
		return s.Name()
	}
	return s.Name() + " until " + c.Until.UTC().Format(time.RFC3339)
}

// outcomeOf is what the audit log says of an error: what its caller is told, and of failures inside that they were.
func outcomeOf(err error) string {
	if err == nil {
		return operations.Done
	}
	f := classify(err)
	if f.message == "" {
		return f.reason
	}
	return f.reason + ": " + f.message
}

// PurgeShadowData removes the state of shadow traffic.
func (o *operationsService) PurgeShadowData(
	ctx context.Context, req *connect.Request[adminv1.PurgeShadowDataRequest],
) (*connect.Response[adminv1.PurgeShadowDataResponse], error) {
	removed, err := o.PurgeShadow(ctx)
	if err != nil && ctx.Err() == nil {
		err = fault.New(fault.Unavailable, "PURGE_INCOMPLETE", "Redis did not answer; %d keys are removed, and what is in the memory of this process: try again", removed).Because(err)
	}
	o.Audit.Add(operations.Entry{
		Operator: req.Msg.GetOperator(), Reason: req.Msg.GetReason(), Action: operations.PurgeShadowData, Peer: req.Peer().Addr,
		Subject: fmt.Sprintf("%d keys", removed), Outcome: outcomeOf(err),
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&adminv1.PurgeShadowDataResponse{RemovedKeys: int64(removed)}), nil
}

// IncompleteHeader is in the answer of a list that lacks what other processes know, and says why.
const IncompleteHeader = "X-Proscenium-Incomplete"

// QueryAuditLog lists what operators did.
func (o *operationsService) QueryAuditLog(
	ctx context.Context, req *connect.Request[adminv1.QueryAuditLogRequest],
) (*connect.Response[adminv1.QueryAuditLogResponse], error) {
	m := req.Msg
	query := operations.Query{Operator: m.GetOperator()}
	for _, bound := range []struct {
		name string
		sent *timestamppb.Timestamp
		into *time.Time
	}{{"from", m.GetFrom(), &query.From}, {"to", m.GetTo(), &query.To}} {
		if bound.sent == nil {
			continue
		}
		if err := bound.sent.CheckValid(); err != nil {
			return nil, fault.Invalid(bound.name, "INVALID_TIME", "it is no time: write it as 2030-01-31T06:00:00Z")
		}
		*bound.into = bound.sent.AsTime()
	}
	if !query.From.IsZero() && !query.To.IsZero() && !query.From.Before(query.To) {
		return nil, fault.Invalid("to", "EMPTY_PERIOD", "to must be after from")
	}
	entries, apart := o.Audit.List(ctx, query)
	if apart != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	page, next, err := pageOf(entries, auditKey, "audit", []string{query.Operator, query.From.String(), query.To.String()}, m.GetPageSize(), m.GetPageToken())
	if err != nil {
		return nil, err
	}
	answer := connect.NewResponse(&adminv1.QueryAuditLogResponse{NextPageToken: next})
	for i := range page {
		answer.Msg.Entries = append(answer.Msg.Entries, ofEntry(&page[i]))
	}
	if apart != nil {
		answer.Header().Set(IncompleteHeader, "Redis did not answer: these are the entries of this process only")
	}
	return answer, nil
}

// auditKey puts the last first.
func auditKey(e operations.Entry) string {
	return fmt.Sprintf("%020d", uint64(1<<63-1)-uint64(max(0, e.At.UnixNano()))) + "\x01" + e.ID
}

// audited is a configuration whose rollbacks are in the audit log.
func (c *configService) audited(version, reason, peer string, err error) {
	if c.audit == nil {
		return
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the caller did not wait for the end: %w", err)
	}
	c.audit.Add(operations.Entry{Action: operations.Rollback, Reason: reason, Subject: "version " + version, Peer: peer, Outcome: outcomeOf(err)})
}
