package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"connectrpc.com/connect"

	"proscenium/fault"
	adminv1 "proscenium/gen/proscenium/admin/v1"
	"proscenium/scenes"
	"proscenium/scenes/history"
	"proscenium/scenes/reload"
	"proscenium/scenes/source"
)

// Configuration is what serves and served, and its changes; it is a [reload.Reloader].
type Configuration interface {
	// Watch returns the status, and a channel that is closed once there is a later one.
	Watch() (reload.Status, <-chan struct{})
	// Rollback serves a version that served before. Its error is an *InvalidError, a *fault.Error, or that of ctx.
	Rollback(ctx context.Context, version, reason string) (reload.Status, error)
}

// Bounds of a candidate: those of a directory that is read.
const (
	maxCandidateBytes = 64 << 20
	defaultPage       = 50
)

// configService is ConfigService.
type configService struct {
	configuration Configuration
	source        string
	now           func() time.Time
	watchers      *watchers
	audit         AuditLog // nil: there is none
	// validating has room for as many candidates as are checked at once.
	validating chan struct{}
}

func (c *configService) status() reload.Status {
	status, _ := c.configuration.Watch()
	return status
}

// GetSnapshot tells what serves, or served.
func (c *configService) GetSnapshot(
	_ context.Context, req *connect.Request[adminv1.GetSnapshotRequest],
) (*connect.Response[adminv1.GetSnapshotResponse], error) {
	status := c.status()
	answer := &adminv1.GetSnapshotResponse{State: stateOf(c.source, status), Watchers: c.watchers.list()}
	version := req.Msg.GetVersion()
	if version == "" {
		version = status.Version
	}
	if version == "" {
		return nil, fault.New(fault.FailedPrecondition, "NOTHING_SERVES", "no configuration serves yet")
	}
	v, ok := status.History.Find(version)
	if !ok {
		return nil, reload.UnknownVersion(version, status.History)
	}
	answer.Version = versionOf(v, status.Version)
	if req.Msg.GetFiles() {
		files, err := status.History.Files(version)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fault.New(fault.NotFound, "UNKNOWN_VERSION", "version %q is not kept any more: a process that shares the directory dropped it", version)
		}
		if err != nil {
			return nil, fmt.Errorf("read the kept version %s: %w", version, err)
		}
		answer.Files = filesOf(files)
	}
	return connect.NewResponse(answer), nil
}

// Validate checks a candidate. It is work for a processor: one at a time, and who does not wait any more is not in the way.
func (c *configService) Validate(
	ctx context.Context, req *connect.Request[adminv1.ValidateRequest],
) (*connect.Response[adminv1.ValidateResponse], error) {
	files, err := candidate(req.Msg.GetFiles())
	if err != nil {
		return nil, err
	}
	select {
	case c.validating <- struct{}{}:
		defer func() { <-c.validating }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	result := scenes.LoadFiles(files, c.now())
	answer := &adminv1.ValidateResponse{Good: result.Snapshot != nil, Findings: findingsOf(result.Diagnostics)}
	if result.Snapshot != nil {
		answer.Version = result.Snapshot.Version
	}
	return connect.NewResponse(answer), nil
}

// candidate are the parts of a configuration among the files, as a directory with them would be read.
func candidate(sent []*adminv1.File) ([]source.File, error) {
	names := make(map[string]bool, len(sent))
	files := make([]source.File, 0, len(sent))
	total := 0
	for _, f := range sent {
		name := f.GetName()
		switch {
		case !fs.ValidPath(name) || name == ".":
			return nil, fault.Invalid("files", "BAD_FILE_NAME", "%q is no path below a directory; write it as in scenes/cart.yaml", name)
		case names[name]:
			return nil, fault.Invalid("files", "DUPLICATE_FILE", "the file %q stands twice; send each once", name)
		}
		names[name] = true
		if !source.IsPart(name) {
			continue
		}
		if total += len(f.GetContent()); total > maxCandidateBytes {
			return nil, fault.Invalid("files", "CANDIDATE_TOO_LARGE", "the files hold more than %d bytes of configuration; are they the right ones?", maxCandidateBytes)
		}
		files = append(files, source.File{Name: name, Data: f.GetContent()})
	}
	source.Sort(files)
	return files, nil
}

// ListVersions lists what served.
func (c *configService) ListVersions(
	_ context.Context, req *connect.Request[adminv1.ListVersionsRequest],
) (*connect.Response[adminv1.ListVersionsResponse], error) {
	size := int(req.Msg.GetPageSize())
	if size == 0 {
		size = defaultPage
	}
	status := c.status()
	page, next, err := status.History.Page(size, req.Msg.GetPageToken())
	if errors.Is(err, history.ErrPageToken) {
		return nil, fault.Invalid("page_token", "INVALID_PAGE_TOKEN", "it is no token of this list; send next_page_token of the page before, or none for the first")
	}
	if err != nil {
		return nil, err
	}
	answer := &adminv1.ListVersionsResponse{NextPageToken: next}
	for _, v := range page {
		answer.Versions = append(answer.Versions, versionOf(v, status.Version))
	}
	return connect.NewResponse(answer), nil
}

// Watch sends the state, and what it changes to. Who reads slowly misses states, and gets the latest: nobody waits for a watcher.
func (c *configService) Watch(
	ctx context.Context, req *connect.Request[adminv1.WatchRequest], stream *connect.ServerStream[adminv1.WatchResponse],
) error {
	leave, err := c.watchers.join(req.Msg)
	if err != nil {
		return err
	}
	defer leave()
	has := req.Msg.GetRunningVersion()
	for {
		status, superseded := c.configuration.Watch()
		answer := &adminv1.WatchResponse{State: stateOf(c.source, status)}
		if req.Msg.GetFiles() && status.Version != "" && status.Version != has {
			files, err := status.History.Files(status.Version)
			if err != nil {
				return err
			}
			answer.Files, has = filesOf(files), status.Version
		}
		if err := stream.Send(answer); err != nil {
			return err
		}
		select {
		case <-superseded:
		case <-ctx.Done():
			return nil
		}
	}
}

// Rollback goes back to a version.
func (c *configService) Rollback(
	ctx context.Context, req *connect.Request[adminv1.RollbackRequest],
) (*connect.Response[adminv1.RollbackResponse], error) {
	status, err := c.configuration.Rollback(ctx, req.Msg.GetVersion(), req.Msg.GetReason())
	c.audited(req.Msg.GetVersion(), req.Msg.GetReason(), req.Peer().Addr, err)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&adminv1.RollbackResponse{State: stateOf(c.source, status)}), nil
}
