package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"

	"proscenium/codec"
	"proscenium/fault"
	adminv1 "proscenium/gen/proscenium/admin/v1"
	"proscenium/gen/proscenium/admin/v1/adminv1connect"
	"proscenium/scenes"
)

// ofCandidates bounds the requests of Validate: the largest configuration, in JSON.
var ofCandidates = bound{maxCandidateBytes/3*4 + 8<<20, "is it the right directory?"}

// ofOperators bounds the other requests of the admin port.
var ofOperators = bound{MaxRequestBytes, "send less"}

const (
	// validationsAtOnce are checked at a time: checking takes a processor, and those of a small machine are for prices.
	validationsAtOnce = 1
	// validationsWaiting may be in memory, read or being read.
	validationsWaiting = 4
	// candidateTimeout is how long sending a candidate may take.
	candidateTimeout = time.Minute
)

// AdminServicesDeps are what the services of the admin port need.
type AdminServicesDeps struct {
	Configuration Configuration
	// Source is where configuration comes from, for people.
	Source   string
	Ready    *Readiness
	Log      *slog.Logger
	Observer Observer
	Now      func() time.Time
	// Operations are what OperationsService answers from; nil: it is not served.
	Operations *OperationsDeps
}

// AdminServices answer ConfigService, OperationsService, health and reflection on the admin port, over Connect, gRPC, gRPC-Web and JSON.
type AdminServices struct {
	handler http.Handler
	stop    context.CancelFunc
	names   []string
}

// NewAdminServices makes the services. It fails where constraints do not compile.
func NewAdminServices(deps AdminServicesDeps) (*AdminServices, error) {
	validator, err := protovalidate.New(protovalidate.WithDisableLazy(), protovalidate.WithMessages(
		&adminv1.GetSnapshotRequest{}, &adminv1.ValidateRequest{}, &adminv1.ListVersionsRequest{}, &adminv1.WatchRequest{}, &adminv1.RollbackRequest{},
		&adminv1.SetDowngradeRequest{}, &adminv1.ListDowngradesRequest{}, &adminv1.ListLimitsRequest{}, &adminv1.ListBreakersRequest{}, &adminv1.ListClientsRequest{},
		&adminv1.PurgeShadowDataRequest{}, &adminv1.QueryAuditLogRequest{},
	))
	if err != nil {
		return nil, fmt.Errorf("compile the constraints of requests: %w", err)
	}
	report := &reporter{
		log: deps.Log, observe: deps.Observer, newID: newErrorID, snapshot: func() *scenes.Snapshot { return nil },
		faults: sampler{now: deps.Now, perSecond: faultLines}, callers: sampler{now: deps.Now, perSecond: callerLines},
	}
	service := &configService{
		configuration: deps.Configuration, source: deps.Source, now: deps.Now,
		watchers: &watchers{now: deps.Now}, validating: make(chan struct{}, validationsAtOnce),
	}
	if deps.Operations != nil {
		service.audit = deps.Operations.Audit
	}
	options := func(most bound) []connect.HandlerOption {
		return append(transportOf(report, most),
			connect.WithInterceptors(recovered(report), reported(report), validated(validator), streams{report, validator}),
			connect.WithCodec(lateCodec{codec.New()}),
			connect.WithCodec(lateCodec{codec.NewJSON("json")}),
			connect.WithCodec(lateCodec{codec.NewJSON("json; charset=utf-8")}),
			connect.WithReadMaxBytes(0), // sized and gzip bound what is read, and say so with a reason
		)
	}
	configs := func(most bound) http.Handler {
		_, h := adminv1connect.NewConfigServiceHandler(service, options(most)...)
		return sized(report, most, h)
	}
	names := []string{adminv1connect.ConfigServiceName}
	if deps.Operations != nil {
		names = append(names, adminv1connect.OperationsServiceName)
	}
	reflector := grpcreflect.NewStaticReflector(slices.Concat(names, []string{grpchealth.HealthV1ServiceName})...)
	ending, stop := context.WithCancel(context.Background())

	mux := http.NewServeMux()
	mux.Handle("POST /"+adminv1connect.ConfigServiceName+"/", configs(ofOperators))
	mux.Handle("POST "+adminv1connect.ConfigServiceValidateProcedure, few(report, validationsWaiting, configs(ofCandidates)))
	if deps.Operations != nil {
		path, h := adminv1connect.NewOperationsServiceHandler(&operationsService{*deps.Operations, deps.Now}, options(ofOperators)...)
		mux.Handle("POST "+path, sized(report, ofOperators, h))
	}
	for _, h := range []func() (string, http.Handler){
		func() (string, http.Handler) {
			return grpchealth.NewHandler(&health{ready: deps.Ready, services: names}, transportOf(report, ofOperators)...)
		},
		func() (string, http.Handler) {
			return grpcreflect.NewHandlerV1(reflector, transportOf(report, ofOperators)...)
		},
		func() (string, http.Handler) {
			return grpcreflect.NewHandlerV1Alpha(reflector, transportOf(report, ofOperators)...)
		},
	} {
		path, handler := h()
		mux.Handle("POST "+path, sized(report, ofOperators, handler))
	}
	return &AdminServices{handler: sameOrigin(report, endingWith(ending, mux)), stop: stop, names: names}, nil
}

// EndStreams ends the streams that are open, and those that open later; other calls are ended, too.
func (a *AdminServices) EndStreams() { a.stop() }

// ServeHTTP answers HTTP/1.1 and HTTP/2.
func (a *AdminServices) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// transportOf is how messages are read and written.
func transportOf(report *reporter, most bound) []connect.HandlerOption {
	return []connect.HandlerOption{
		connect.WithCodec(codec.New()),
		connect.WithCodec(codec.NewJSON("json")),
		connect.WithCodec(codec.NewJSON("json; charset=utf-8")),
		connect.WithReadMaxBytes(int(most.bytes)),
		connect.WithCompressMinBytes(compressMinBytes),
		withBoundedGzip(most.bytes, func() error {
			return report.fail(context.Background(), failedCall{procedure: otherProcedure}, most.tooLarge())
		}),
	}
}

// few answers at most so many calls at once, and refuses the others before anything of them is read.
func few(report *reporter, most int, next http.Handler) http.Handler {
	room, writer := make(chan struct{}, most), connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case room <- struct{}{}:
			defer func() { <-room }()
		default:
			err := report.fail(r.Context(), failedCall{procedure: procedureOf(r.URL.Path), header: r.Header}, fault.New(fault.ResourceExhausted,
				"TOO_MANY_VALIDATIONS", "%d candidates are being checked, as many as may; try again when one is done", most))
			// The caller may be gone; there is nobody else to tell.
			_ = writer.Write(w, r, err)
			return
		}
		// Who sends too slowly takes the room of others. Where there is no deadline to set, there is nothing to wait for either.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(candidateTimeout))
		next.ServeHTTP(w, r)
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	})
}

// sameOrigin keeps the web pages of others from calling: the port asks nobody who they are, and a browser can reach what its user can. Pages
// of other origins are told apart by what browsers say of them; and a page whose own name was made to lead to this machine, by its name: on
// loopback a browser may only use an address or localhost.
func sameOrigin(report *reporter, next http.Handler) http.Handler {
	var check http.CrossOriginProtection
	writer := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if check.Check(r) != nil || r.Header.Get("Origin") != "" && rebound(r) {
			err := report.fail(r.Context(), failedCall{procedure: procedureOf(r.URL.Path), header: r.Header},
				fault.New(fault.PermissionDenied, "CROSS_ORIGIN", "a web page of another origin may not call the admin port"))
			if !writer.IsSupported(r) {
				plain(w, http.StatusForbidden, err.Message())
				return
			}
			// The caller may be gone; there is nobody else to tell.
			_ = writer.Write(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// rebound says whether a request reached loopback under a name that anyone can give to it.
func rebound(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || !local.IP.IsLoopback() {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" {
		return false
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]")) // IPv6 without a port is in brackets
	return err != nil
}
