package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"proscenium/fault"
	"proscenium/scenes"
	"proscenium/scenes/reload"
	"proscenium/traffic"
)

const (
	domain = "proscenium"
	// An error's details travel in one header or trailer: more violations than this would break clients, and let a small request
	// cause a large answer.
	maxViolations = 100
	// The message names this many violations; the details have the others.
	maxNamedViolations = 5
)

// connectCodes is indexed by fault.Kind.
var connectCodes = [...]connect.Code{
	fault.Internal:           connect.CodeInternal,
	fault.InvalidArgument:    connect.CodeInvalidArgument,
	fault.NotFound:           connect.CodeNotFound,
	fault.AlreadyExists:      connect.CodeAlreadyExists,
	fault.PermissionDenied:   connect.CodePermissionDenied,
	fault.Unauthenticated:    connect.CodeUnauthenticated,
	fault.FailedPrecondition: connect.CodeFailedPrecondition,
	fault.ResourceExhausted:  connect.CodeResourceExhausted,
	fault.Aborted:            connect.CodeAborted,
	fault.Unavailable:        connect.CodeUnavailable,
	fault.DeadlineExceeded:   connect.CodeDeadlineExceeded,
	fault.Canceled:           connect.CodeCanceled,
}

// failure is an error on its way to the caller.
type failure struct {
	code    connect.Code
	reason  string
	message string
	// metadata goes into the ErrorInfo.
	metadata   map[string]string
	violations []*errdetails.BadRequest_FieldViolation
	// unmet are what is in the way of a failed precondition.
	unmet []*errdetails.PreconditionFailure_Violation
	// quotas are the limits that were exceeded.
	quotas []*errdetails.QuotaFailure_Violation
	// retryAfter is when another attempt may do better; 0: not known.
	retryAfter time.Duration
}

// classify decides what a caller learns of err. An error that is not known to be safe to show becomes an opaque INTERNAL.
func classify(err error) failure {
	var (
		domainErr  *fault.Error
		invalid    *protovalidate.ValidationError
		connectErr *connect.Error
		unfit      *reload.InvalidError
	)
	switch {
	case errors.As(err, &domainErr):
		if domainErr.Kind == fault.Internal || int(domainErr.Kind) >= len(connectCodes) {
			break
		}
		f := failure{
			code: connectCodes[domainErr.Kind], reason: domainErr.Reason,
			message: domainErr.Message, metadata: domainErr.Metadata,
		}
		if domainErr.Field != "" {
			f.violations = []*errdetails.BadRequest_FieldViolation{{
				Field: domainErr.Field, Description: domainErr.Message, Reason: domainErr.Reason,
			}}
		}
		exceeded(&f, domainErr)
		return f
	case errors.As(err, &invalid):
		return violated(invalid)
	case errors.As(err, &unfit):
		return unfitFor(unfit)
	case errors.As(err, &connectErr):
		return failure{code: connectErr.Code(), reason: strings.ToUpper(connectErr.Code().String()), message: connectErr.Message()}
	case errors.Is(err, context.Canceled):
		return failure{code: connect.CodeCanceled, reason: "CANCELED", message: "the caller ended the request"}
	case errors.Is(err, context.DeadlineExceeded):
		return failure{code: connect.CodeDeadlineExceeded, reason: "DEADLINE_EXCEEDED", message: "the request's deadline passed"}
	}
	return failure{code: connect.CodeInternal, reason: "INTERNAL"}
}

// violated lists what is wrong with a request, each with the path of its field.
func violated(invalid *protovalidate.ValidationError) failure {
	f := failure{code: connect.CodeInvalidArgument, reason: "INVALID_REQUEST"}
	var named []string
	for i, v := range invalid.Violations {
		if i == maxViolations {
			break
		}
		field := protovalidate.FieldPathString(v.Proto.GetField())
		description := explained(field, v.Proto.GetMessage())
		f.violations = append(f.violations, &errdetails.BadRequest_FieldViolation{
			Field:       field,
			Description: description,
			Reason:      strings.ToUpper(strings.ReplaceAll(v.Proto.GetRuleId(), ".", "_")),
		})
		if i < maxNamedViolations {
			named = append(named, strings.TrimPrefix(field+": "+description, ": "))
		}
	}
	f.message = strings.Join(named, "; ")
	if more := len(invalid.Violations) - len(named); more > 0 {
		f.message += fmt.Sprintf("; and %d more", more)
	}
	return f
}

// explained is what to tell of a violation: where the schema's words name a pattern or a oneof, what to send instead.
func explained(field, message string) string {
	switch field {
	case "region":
		return "must be an ISO 3166-1 alpha-2 code in upper case, such as US"
	case "scene":
		return "name the scene by scene_id or scene_name"
	default:
		return message
	}
}

// answer is the failure as the protocols carry it.
func (f *failure) answer() *connect.Error {
	answer := connect.NewError(f.code, errors.New(f.message))
	details := []proto.Message{&errdetails.ErrorInfo{Reason: f.reason, Domain: domain, Metadata: f.metadata}}
	if len(f.violations) > 0 {
		details = append(details, &errdetails.BadRequest{FieldViolations: f.violations})
	}
	if len(f.unmet) > 0 {
		details = append(details, &errdetails.PreconditionFailure{Violations: f.unmet})
	}
	if len(f.quotas) > 0 {
		details = append(details, &errdetails.QuotaFailure{Violations: f.quotas})
	}
	if f.retryAfter > 0 {
		details = append(details, retryInfo(f.retryAfter))
		answer.Meta()[retryAfterHeader] = []string{field(wholeSeconds(f.retryAfter))}
	}
	for _, d := range details {
		// Packing a well-formed message does not fail; an error without one detail is still an answer.
		if detail, err := connect.NewErrorDetail(d); err == nil {
			answer.AddDetail(detail)
		}
	}
	return answer
}

// serverFault tells the server's own faults from those of callers.
func (f *failure) serverFault() bool {
	switch f.code {
	case connect.CodeInternal, connect.CodeUnknown, connect.CodeUnavailable, connect.CodeDataLoss, connect.CodeUnimplemented:
		return true
	default:
		return false
	}
}

// failedCall is what a log line says of a request that ended in an error.
type failedCall struct {
	procedure string
	header    http.Header
	client    string
	scene     string
	stack     []byte // of a panic
}

// reporter turns errors into answers, and tells the log and the metrics.
type reporter struct {
	log     *slog.Logger
	observe Observer
	newID   func() string
	// snapshot is the one that serves, nil before the first.
	snapshot func() *scenes.Snapshot
	faults   sampler
	callers  sampler
}

// Lines a second that errors may write: an outage at full load must not become an outage of the disk.
const (
	faultLines  = 100
	callerLines = 10
)

func newReporter(deps Deps, newID func() string) *reporter {
	return &reporter{
		log: deps.Log, observe: deps.Observer, newID: newID, snapshot: deps.Pricer.Snapshot,
		faults:  sampler{now: deps.Now, perSecond: faultLines},
		callers: sampler{now: deps.Now, perSecond: callerLines},
	}
}

// fail logs and counts err and returns what the caller gets. The cause of an INTERNAL error stays in the log, under the id that the answer names.
func (r *reporter) fail(ctx context.Context, call failedCall, err error) *connect.Error {
	f := classify(err)
	id := ""
	if f.code == connect.CodeInternal {
		id = r.newID()
		f.message = "internal error; the server's log has it as error_id=" + id
		f.metadata = map[string]string{"error_id": id}
	}
	r.observe.Refused(call.procedure, f.code.String(), traffic.From(ctx))

	level, lines := slog.LevelDebug, &r.callers
	if f.serverFault() {
		level, lines = slog.LevelError, &r.faults
	}
	if r.log.Enabled(ctx, level) {
		if suppressed, ok := lines.take(); ok {
			r.log.LogAttrs(ctx, level, "request failed", line(ctx, call, f, id, suppressed, err)...)
		}
	}
	answer := f.answer()
	var told judged
	if errors.As(err, &told) {
		tellVerdicts(answer.Meta(), told.verdicts)
	}
	return answer
}

func line(ctx context.Context, call failedCall, f failure, id string, suppressed int64, err error) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("procedure", call.procedure),
		slog.String("code", f.code.String()),
		slog.String("reason", f.reason),
	}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	add("error_id", id)
	add("trace_id", traceID(ctx, call.header))
	add("client", call.client)
	add("scene", call.scene)
	if class := traffic.From(ctx); class != traffic.Live {
		add("traffic", class.String())
	}
	add("error", err.Error())
	add("stack", string(call.stack))
	if suppressed > 0 {
		attrs = append(attrs, slog.Int64("suppressed", suppressed))
	}
	return attrs
}

// traceID is that of the current span or, where tracing is off, the one that the caller sent.
func traceID(ctx context.Context, header http.Header) string {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() && header != nil {
		span = trace.SpanContextFromContext(propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(header)))
	}
	if !span.IsValid() {
		return ""
	}
	return span.TraceID().String()
}
