package server

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"

	"connectrpc.com/connect"

	"proscenium/gen/proscenium/pricing/v1/pricingv1connect"
	"proscenium/traffic"
)

// recovered turns a panic into an INTERNAL error: one request fails, the process lives, and the log has the stack.
func recovered(report *reporter) connect.UnaryInterceptorFunc {
	return func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (_ connect.AnyResponse, err error) {
			defer func() {
				switch r := recover(); r {
				case nil:
				case http.ErrAbortHandler:
					panic(r) // net/http's own way to drop a connection
				default:
					call := report.callOf(ctx, req)
					call.stack = debug.Stack()
					err = report.fail(ctx, call, fmt.Errorf("panic: %v", r))
				}
			}()
			return next(ctx, req)
		}
	}
}

// reported turns the errors of what is inside of it into answers. It stands within the trace, which records the code.
func reported(report *reporter) connect.UnaryInterceptorFunc {
	return func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			res, err := next(ctx, req)
			if err != nil {
				return nil, report.fail(ctx, report.callOf(ctx, req), err)
			}
			return res, nil
		}
	}
}

// authenticated finds the caller, and whether the request is of shadow traffic, before the body is read: who has no key costs next to nothing.
// Price requests that the process has no room for end here, too: reading them would cost what others need.
func authenticated(auth *authenticator, admission *admission, report *reporter) connect.RequestGateFunc {
	return func(ctx context.Context, spec connect.Spec, _ connect.Peer, header http.Header) (context.Context, error) {
		caller, err := auth.caller(header)
		if err == nil {
			caller, err = auth.classed(caller, header)
		}
		if err == nil && spec.Procedure == pricingv1connect.PricingServiceGetPromotionInfoProcedure {
			err = admission.enter(ctx, &caller, auth.priority(caller.Client))
		}
		if err != nil {
			return nil, report.fail(ctx, failedCall{procedure: spec.Procedure, header: header, client: caller.Client}, err)
		}
		return withCaller(traffic.With(ctx, caller.Class), caller), nil
	}
}

func (r *reporter) callOf(ctx context.Context, req connect.AnyRequest) failedCall {
	return failedCall{
		procedure: req.Spec().Procedure,
		header:    req.Header(),
		client:    callerOf(ctx).Client,
		scene:     sceneOf(r.snapshot(), req.Any()),
	}
}
