package server

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"proscenium/engine"
	"proscenium/fault"
	"proscenium/traffic"
)

// mark is what a request says of its own class.
type mark uint8

const (
	unmarked mark = iota
	markedLive
	markedShadow
)

// classOf is the class that the headers of a request say, by [traffic.Header] or a member of the W3C baggage. Live is only what says nothing, or says so: a
// mark that cannot be understood is an error, for the request of a stress test that became live would spend real budgets. Members of others are not looked
// at: what is wrong with them is no reason to refuse a request.
func classOf(header http.Header) (traffic.Class, error) {
	own, err := headerMark(header[traffic.Header])
	if err != nil {
		return traffic.Live, err
	}
	carried, err := baggageMark(header["Baggage"])
	if err != nil {
		return traffic.Live, err
	}
	if own != unmarked && carried != unmarked && own != carried {
		return traffic.Live, badMark("the header %s and the member %s of the baggage contradict each other: send one of them, or the same in both",
			traffic.Header, traffic.BaggageKey)
	}
	if own == markedShadow || carried == markedShadow {
		return traffic.Shadow, nil
	}
	return traffic.Live, nil
}

func badMark(format string, args ...any) error {
	return fault.New(fault.InvalidArgument, "SHADOW_MARK_INVALID", format, args...)
}

func headerMark(values []string) (mark, error) {
	switch len(values) {
	case 0:
		return unmarked, nil
	case 1:
		if m, ok := markOf(values[0]); ok {
			return m, nil
		}
		return unmarked, badMark("the header %s must be 1 for shadow traffic or 0 for live", traffic.Header)
	default:
		return unmarked, badMark("the header %s stands %d times: send it once", traffic.Header, len(values))
	}
}

func markOf(value string) (mark, bool) {
	switch value {
	case "1":
		return markedShadow, true
	case "0":
		return markedLive, true
	default:
		return unmarked, false
	}
}

// baggageMark looks for our member among those of others. The header may stand several times, and its members may have any order.
func baggageMark(values []string) (mark, error) {
	found := unmarked
	for _, value := range values {
		for member := range strings.SplitSeq(value, ",") {
			if !isOurs(member) {
				continue
			}
			m, err := memberMark(member)
			if err != nil {
				return unmarked, err
			}
			if found != unmarked {
				return unmarked, badMark("the baggage has the member %s twice: send it once", traffic.BaggageKey)
			}
			found = m
		}
	}
	return found, nil
}

// isOurs says whether a member is meant as ours. Keys are exact, but who writes it in capitals or escapes hardly means another.
func isOurs(member string) bool {
	key, _, _ := strings.Cut(member, ";")
	key, _, _ = strings.Cut(key, "=")
	key = strings.TrimSpace(key)
	if plain, err := url.PathUnescape(key); err == nil {
		key = plain
	}
	return strings.EqualFold(key, traffic.BaggageKey)
}

func memberMark(member string) (mark, error) {
	parsed, err := baggage.Parse(strings.TrimSpace(member))
	if err == nil {
		if m, ok := markOf(parsed.Member(traffic.BaggageKey).Value()); ok {
			return m, nil
		}
	}
	return unmarked, badMark("the member of the baggage must be %s=1 for shadow traffic or %s=0 for live", traffic.BaggageKey, traffic.BaggageKey)
}

// classed gives the caller the class that the headers say, if it may send such requests. Where access is open, who does not act as a client may do everything,
// this too.
func (a *authenticator) classed(caller engine.Caller, header http.Header) (engine.Caller, error) {
	class, err := classOf(header)
	if err != nil || class == traffic.Live {
		return caller, err
	}
	if caller.Client != "" {
		snap := a.snapshot()
		if snap == nil || snap.Clients[caller.Client] == nil || !snap.Clients[caller.Client].AllowShadow {
			return caller, fault.New(fault.PermissionDenied, "SHADOW_NOT_ALLOWED",
				"client %s may not send shadow traffic: set allow_shadow at the client, or leave %s and %s out", caller.Client, traffic.Header, traffic.BaggageKey)
		}
	}
	caller.Class = class
	return caller, nil
}

// traced tells the span of a shadow request what it is. It stands within the trace.
func traced() connect.UnaryInterceptorFunc {
	shadow := attribute.String("proscenium.traffic", traffic.Shadow.String())
	return func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			if traffic.From(ctx) == traffic.Shadow {
				trace.SpanFromContext(ctx).SetAttributes(shadow)
			}
			return next(ctx, req)
		}
	}
}
