package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"connectrpc.com/connect"

	"proscenium/codec"
	"proscenium/engine"
)

// Malformed is the error of an answer that breaks the protocol; it wraps [engine.ErrMalformed].
func Malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", engine.ErrMalformed, fmt.Sprintf(format, args...))
}

// failure says what an attempt's error means to the caller, and whether another attempt may do better. ctx is the one of the whole call.
func (c *Client) failure(ctx context.Context, err error) (again bool, classified error) {
	if end := ctx.Err(); end != nil {
		if errors.Is(err, end) {
			return false, err
		}
		return false, fmt.Errorf("%w: %w", end, err)
	}
	code, wire := connect.CodeOf(err), connect.IsWireError(err)
	switch {
	case errors.Is(err, engine.ErrMalformed):
		return false, err
	case code == connect.CodeResourceExhausted && !wire:
		return false, Malformed("larger than max_response_bytes (%d)", c.maxBytes)
	case errors.Is(err, codec.ErrInvalid):
		return false, fmt.Errorf("%w: %w", engine.ErrMalformed, err)
	case code == connect.CodeDeadlineExceeded:
		// The provider's own clock may run out a moment before this one.
		return true, fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	case !wire && disconnected(code, err):
		return true, fmt.Errorf("connection lost: %w", err)
	case code == connect.CodeUnavailable, code == connect.CodeAborted, code == connect.CodeResourceExhausted:
		return true, err
	case wire && rejection(code):
		return false, fmt.Errorf("%w: %w", engine.ErrRejected, err)
	}
	return false, err
}

// rejection says that the provider did its work and said no: the question is what is wrong, or the state of what it is about.
func rejection(code connect.Code) bool {
	switch code {
	case connect.CodeInvalidArgument, connect.CodeNotFound, connect.CodeAlreadyExists, connect.CodeFailedPrecondition, connect.CodeOutOfRange:
		return true
	}
	return false
}

// disconnected recognises a connection that broke in the middle of a call: connect passes it on as unknown or internal, and a reset, which on a
// server means that the client went away, as canceled.
func disconnected(code connect.Code, err error) bool {
	switch code {
	case connect.CodeCanceled:
		return true // and ctx is not
	case connect.CodeUnknown, connect.CodeInternal:
	default:
		return false
	}
	var network net.Error
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.As(err, &network) ||
		strings.Contains(err.Error(), "http2: ") // net/http keeps the types of these to itself
}

// Refuse is the error of a question that breaks the protocol, for those who answer.
func Refuse(format string, args ...any) error {
	return connect.NewError(connect.CodeInvalidArgument, fmt.Errorf(format, args...))
}
