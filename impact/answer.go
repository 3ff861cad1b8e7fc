// Package impact prices recorded requests twice, under two configurations or on two servers, and tells how the answers differ: the blast radius of
// an edit before it ships.
package impact

import (
	"context"
	"errors"
	"fmt"
	"time"

	"proscenium/fault"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// Request is a request of a recording.
type Request struct {
	// Client is the name of the client that sent it; empty: access was open.
	Client string
	// At is when it arrived; zero: the recording does not say.
	At  time.Time
	Msg *pricingv1.GetPromotionInfoRequest
}

// Answer is what became of a request: exactly one field is set.
type Answer struct {
	Response *pricingv1.GetPromotionInfoResponse
	// Refused is an answer too: the request may not be asked, or cannot be.
	Refused *Refusal
	// Err says why there is no answer. Another try may have one, so it is compared with nothing.
	Err error
}

// Refusal is why a request was refused.
type Refusal struct {
	// Reason is stable, such as SCENE_NOT_ALLOWED.
	Reason string
	// Message is for people.
	Message string
}

// Pricer answers requests. It is safe for concurrent use. A response is the caller's own.
type Pricer interface {
	Price(ctx context.Context, req *Request) Answer
}

// answerOf sorts the errors of an engine.
func answerOf(resp *pricingv1.GetPromotionInfoResponse, err error) Answer {
	var f *fault.Error
	switch {
	case err == nil:
		return Answer{Response: resp}
	case errors.As(err, &f) && refuses(f.Kind):
		return Answer{Refused: &Refusal{Reason: f.Reason, Message: f.Message}}
	case f != nil:
		return Answer{Err: fmt.Errorf("%s: %s", f.Reason, f.Message)}
	default:
		return Answer{Err: err}
	}
}

// refuses says whether an error of this kind is about the request itself, so that it is the same at every try.
func refuses(k fault.Kind) bool {
	switch k {
	case fault.InvalidArgument, fault.NotFound, fault.AlreadyExists, fault.PermissionDenied, fault.Unauthenticated, fault.FailedPrecondition:
		return true
	default:
		return false
	}
}
