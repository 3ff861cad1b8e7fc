package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
)

// Readiness says whether the process wants calls: not before the first configuration serves, nor once it shuts down. The zero value is
// not ready. It is safe for concurrent use.
type Readiness struct {
	mu       sync.Mutex
	ready    bool
	next     int
	watchers map[int]func()
}

// Set changes the state and tells those who watch it.
func (r *Readiness) Set(ready bool) {
	r.mu.Lock()
	changed := r.ready != ready
	r.ready = ready
	var tell []func()
	if changed {
		for _, f := range r.watchers {
			tell = append(tell, f)
		}
	}
	r.mu.Unlock()
	for _, f := range tell {
		f()
	}
}

// Ready is the state now.
func (r *Readiness) Ready() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready
}

// watch calls changed after each change, until stop.
func (r *Readiness) watch(changed func()) (stop func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watchers == nil {
		r.watchers = make(map[int]func())
	}
	id := r.next
	r.next++
	r.watchers[id] = changed
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watchers, id)
	}
}

// health answers the gRPC health protocol: the server as a whole (the empty name) and each service are as ready as the process.
type health struct {
	ready    *Readiness
	services []string
}

func (h *health) known(service string) error {
	if service == "" {
		return nil
	}
	if slices.Contains(h.services, service) {
		return nil
	}
	return connect.NewError(connect.CodeNotFound, fmt.Errorf("there is no service %q here", service))
}

// Check tells the state now.
func (h *health) Check(_ context.Context, req *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	if err := h.known(req.Service); err != nil {
		return nil, err
	}
	if !h.ready.Ready() {
		return &grpchealth.CheckResponse{Status: grpchealth.StatusNotServing}, nil
	}
	return &grpchealth.CheckResponse{Status: grpchealth.StatusServing}, nil
}

// Watch tells each change.
func (h *health) Watch(_ context.Context, req *grpchealth.CheckRequest, onChange func()) (func(), error) {
	if err := h.known(req.Service); err != nil {
		return nil, err
	}
	return h.ready.watch(onChange), nil
}

// endingWith ends the streams of a handler when stopping ends, so that who watches does not hold up a shutdown.
func endingWith(stopping context.Context, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(stopping, cancel)()
		h.ServeHTTP(w, r.WithContext(ctx)) //nolint:contextcheck // ctx is the request's, with one more way to end
	})
}
