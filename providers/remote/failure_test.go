package remote

import (
	"errors"
	"testing"

	"connectrpc.com/connect"

	"proscenium/engine"
)

func TestWhatAProviderRejectsIsNoFailureOfIt(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		want bool
	}{
		{"a question that is wrong", connect.NewWireError(connect.CodeInvalidArgument, errors.New("no")), true},
		{"something that is not there", connect.NewWireError(connect.CodeNotFound, nil), true},
		{"something that is there already", connect.NewWireError(connect.CodeAlreadyExists, nil), true},
		{"a state that does not allow it", connect.NewWireError(connect.CodeFailedPrecondition, nil), true},
		{"a number beyond the last", connect.NewWireError(connect.CodeOutOfRange, nil), true},
		{"a provider that knows nobody any more", connect.NewWireError(connect.CodeUnauthenticated, nil), false},
		{"a provider without the method", connect.NewWireError(connect.CodeUnimplemented, nil), false},
		{"a provider that is full", connect.NewWireError(connect.CodeResourceExhausted, nil), false},
		{"a bug of the provider", connect.NewWireError(connect.CodeInternal, nil), false},
		{"an error of our own", connect.NewError(connect.CodeInvalidArgument, errors.New("cannot be encoded")), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := new(Client).failure(t.Context(), tc.err)
			if got := errors.Is(err, engine.ErrRejected); got != tc.want {
				t.Errorf("rejected is %v: %v", got, err)
			}
		})
	}
}
