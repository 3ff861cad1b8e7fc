// Package server answers Proscenium's services over Connect, gRPC, gRPC-Web and JSON, and the questions of those who operate it on a
// second port.
//
// A call passes, in this order: its size is looked at, its caller and its class of traffic are found, panics are caught, the trace begins, errors get their code and
// details, the message is validated; then the engine answers.
package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"connectrpc.com/connect"
	connectcors "connectrpc.com/cors"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
	"connectrpc.com/otelconnect"
	"github.com/rs/cors"
	"go.opentelemetry.io/otel/trace"

	"proscenium/codec"
	"proscenium/gen/proscenium/pricing/v1/pricingv1connect"
	"proscenium/recording"
	"proscenium/traffic"
)

const (
	// MaxRequestBytes bounds a request message, decompressed.
	MaxRequestBytes = 4 << 20
	// Answers below this many bytes are not compressed: gzip costs more than it saves.
	compressMinBytes = 8 << 10
)

// Observer counts, for metrics.
type Observer interface {
	// Refused is called once for each call that ended in an error, whatever refused it, with the name of its Connect code.
	// class is whose traffic the call was, live where it was refused before that was known.
	Refused(procedure, code string, class traffic.Class)
}

// Deps are what a server needs.
type Deps struct {
	Pricer   Pricer
	Access   Access
	Ready    *Readiness
	Log      *slog.Logger
	Observer Observer
	Now      func() time.Time
	// Room may refuse price requests before they are read; nil: none is.
	Room Room
	// Tracer makes a span of each call; nil: no tracing, at no cost.
	Tracer trace.TracerProvider
	// Recorder records price requests; nil: none is.
	Recorder *recording.Recorder
	// Origins are those of the web pages that may call; "*" is any. None: no page of another origin.
	Origins []string
}

// Server answers the calls of the main port.
type Server struct {
	handler http.Handler
	// stop ends the streams that would otherwise last as long as their callers wish.
	stop context.CancelFunc
}

// New builds the server. It fails where credentials contradict each other or constraints do not compile.
func New(deps Deps) (*Server, error) {
	auth, err := newAuthenticator(deps.Access, deps.Now, deps.Pricer.Snapshot)
	if err != nil {
		return nil, err
	}
	validator, err := newValidator()
	if err != nil {
		return nil, err
	}
	report := newReporter(deps, newErrorID)
	interceptors := []connect.Interceptor{recovered(report)}
	if deps.Tracer != nil {
		tracing, err := otelconnect.NewInterceptor(
			otelconnect.WithTracerProvider(deps.Tracer), otelconnect.WithPropagator(Propagator()),
			otelconnect.WithTrustRemote(), otelconnect.WithoutMetrics(),
		)
		if err != nil {
			return nil, fmt.Errorf("trace calls: %w", err)
		}
		interceptors = append(interceptors, tracing, traced())
	}
	interceptors = append(interceptors, reported(report), validated(validator))

	transport := connect.WithHandlerOptions(transportOf(report, ofPrices)...)
	services := []string{pricingv1connect.PricingServiceName}
	reflector := grpcreflect.NewStaticReflector(slices.Concat(services, []string{grpchealth.HealthV1ServiceName})...)
	streams, stop := context.WithCancel(context.Background())

	pricer := deps.Pricer
	if deps.Recorder != nil {
		pricer = recorded{deps.Pricer, deps.Recorder, deps.Now}
	}
	mux := http.NewServeMux()
	mux.Handle(pricingv1connect.NewPricingServiceHandler(pricing{pricer}, transport,
		connect.WithRequestGate(authenticated(auth, newAdmission(deps.Room), report)),
		connect.WithInterceptors(interceptors...),
		connect.WithCodec(lateCodec{codec.New()}),
		connect.WithCodec(lateCodec{codec.NewJSON("json")}),
		connect.WithCodec(lateCodec{codec.NewJSON("json; charset=utf-8")}),
		connect.WithReadMaxBytes(0), // sized and gzip bound what is read, and say so with a reason
	))
	for _, h := range []func() (string, http.Handler){
		func() (string, http.Handler) {
			return grpchealth.NewHandler(&health{ready: deps.Ready, services: services}, transport)
		},
		func() (string, http.Handler) { return grpcreflect.NewHandlerV1(reflector, transport) },
		func() (string, http.Handler) { return grpcreflect.NewHandlerV1Alpha(reflector, transport) },
	} {
		path, handler := h()
		mux.Handle(path, endingWith(streams, handler))
	}
	return &Server{handler: crossOrigin(deps.Origins, sized(report, ofPrices, mux)), stop: stop}, nil
}

// Handler answers HTTP/1.1 and HTTP/2.
func (s *Server) Handler() http.Handler { return s.handler }

// EndStreams ends the streams that are open, and those that open later; other calls go on.
func (s *Server) EndStreams() { s.stop() }

// crossOrigin lets web pages of these origins call.
func crossOrigin(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: connectcors.AllowedMethods(),
		AllowedHeaders: append(connectcors.AllowedHeaders(), "Authorization", ClientHeader, "Traceparent", "Tracestate", "Baggage", traffic.Header),
		ExposedHeaders: append(connectcors.ExposedHeaders(), rateLimitHeader, rateLimitPolicyHeader, retryAfterHeader),
		MaxAge:         int((2 * time.Hour).Seconds()),
	}).Handler(next)
}

func newErrorID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
