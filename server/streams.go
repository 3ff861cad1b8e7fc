package server

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
)

// streams is for calls that answer with a stream what recovered, reported and validated are for others.
type streams struct {
	report    *reporter
	validator protovalidate.Validator
}

// WrapUnary leaves other calls alone.
func (streams) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc { return next }

// WrapStreamingClient is not called: the server calls nobody.
func (streams) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler turns panics and errors into answers, and checks requests.
func (s streams) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) (err error) {
		call := failedCall{procedure: conn.Spec().Procedure, header: conn.RequestHeader()}
		defer func() {
			switch r := recover(); r {
			case nil:
			case http.ErrAbortHandler:
				panic(r) // net/http's own way to drop a connection
			default:
				call.stack = debug.Stack()
				err = s.report.fail(ctx, call, fmt.Errorf("panic: %v", r))
			}
		}()
		if err := next(ctx, checking{conn, s.validator}); err != nil {
			return s.report.fail(ctx, call, err)
		}
		return nil
	}
}

// checking is a stream whose requests are valid.
type checking struct {
	connect.StreamingHandlerConn
	validator protovalidate.Validator
}

// Receive reads a request.
func (c checking) Receive(msg any) error {
	if err := c.StreamingHandlerConn.Receive(msg); err != nil {
		return err
	}
	if err := decoded(msg); err != nil {
		return err
	}
	return validate(c.validator, msg)
}
