package reference

import (
	"context"
	"errors"
	"net/http"
	"time"

	"connectrpc.com/connect"
)

// Fault is what goes wrong with one call; the zero value is nothing. Where there are several, they happen in the order of the fields.
type Fault struct {
	// Delay is waited before anything else.
	Delay time.Duration
	// Hang never answers; it ends when the caller gives up.
	Hang bool
	// Cut breaks the connection.
	Cut bool
	// Code fails the call; 0 does not.
	Code connect.Code
	// Garbage spoils the right answer.
	Garbage Garbage
	// Padding is so many bytes more in a right answer.
	Padding int
}

// Garbage is a way to spoil an answer.
type Garbage uint8

// The ways.
const (
	// Clean spoils nothing.
	Clean Garbage = iota
	// OtherModels answers for models, or items, that were not asked for.
	OtherModels
	// Twice answers for one of them twice.
	Twice
	// Negative turns a price, a stock, a rate or another number below zero, where the answer has one.
	Negative
	// WrongItem puts a model under another item, where the answer names items; it is OtherModels elsewhere.
	WrongItem
	// Empty knows nothing, which is no error.
	Empty
	// NotText puts bytes into a text that are no UTF-8, where the answer has a text.
	NotText
	// NoMessage answers with bytes that are no message.
	NoMessage
)

type faultKey struct{}

// choosing draws a call's fault.
func choosing(faults func(string) Fault, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := faults(r.URL.Path)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), faultKey{}, f)))
	})
}

func misbehave(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		f, _ := ctx.Value(faultKey{}).(Fault)
		if f.Delay > 0 {
			timer := time.NewTimer(f.Delay)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		switch {
		case f.Hang:
			<-ctx.Done()
			return nil, ctx.Err()
		case f.Cut:
			panic(http.ErrAbortHandler)
		case f.Code != 0:
			return nil, connect.NewError(f.Code, errors.New("a fault on request"))
		}
		res, err := next(ctx, req)
		switch {
		case err != nil:
			return nil, err
		case f.Garbage == NoMessage:
			return connect.NewResponse(&noMessage{}), nil
		}
		spoil(res.Any(), f.Garbage)
		pad(res.Any(), f.Padding)
		return res, nil
	}
}
