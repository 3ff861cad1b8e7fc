// Package fault holds the error that the domains return: a kind that maps to a status code, a stable reason, and what the caller can do about it.
package fault

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Kind is the class of an error; the server maps it to a Connect code of the same name.
type Kind uint8

// The kinds.
const (
	Internal Kind = iota // a bug or an unknown state; its message does not reach callers
	InvalidArgument
	NotFound
	AlreadyExists
	PermissionDenied
	Unauthenticated
	FailedPrecondition
	ResourceExhausted
	Aborted
	Unavailable
	DeadlineExceeded
	Canceled
)

// Error is an error with a stable reason. It is immutable.
type Error struct {
	Kind Kind
	// Reason is UPPER_SNAKE_CASE and stable: programs may depend on it.
	Reason string
	// Message says what is wrong and how to mend it; it reaches callers.
	Message string
	// Field is the path of the request's field that is wrong, or empty.
	Field string
	// Metadata is machine-readable context, such as the command that failed.
	Metadata map[string]string
	// RetryAfter is when another attempt may do better; 0: not known.
	RetryAfter time.Duration
	// Violations are the limits that the request went beyond.
	Violations []Violation
	// Cause stays inside: logs see it, callers do not.
	Cause error
}

// Violation is a limit that a request went beyond.
type Violation struct {
	// Subject names what was counted, such as client:cart or scene:pdp_main.
	Subject string
	// Description says what is allowed, for people.
	Description string
}

// New makes an error. The message is formatted as by fmt.Sprintf.
func New(kind Kind, reason, format string, args ...any) *Error {
	return &Error{Kind: kind, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Invalid is an INVALID_ARGUMENT about one field of the request.
func Invalid(field, reason, format string, args ...any) *Error {
	e := New(InvalidArgument, reason, format, args...)
	e.Field = field
	return e
}

// With returns a copy with one more entry of metadata.
func (e *Error) With(key, value string) *Error {
	c := *e
	c.Metadata = make(map[string]string, len(e.Metadata)+1)
	for k, v := range e.Metadata {
		c.Metadata[k] = v
	}
	c.Metadata[key] = value
	return &c
}

// RetryIn returns a copy that says when another attempt may do better.
func (e *Error) RetryIn(d time.Duration) *Error {
	c := *e
	c.RetryAfter = max(d, 0)
	return &c
}

// Beyond returns a copy with one more violation.
func (e *Error) Beyond(subject, description string) *Error {
	c := *e
	c.Violations = append(slices.Clip(e.Violations), Violation{Subject: subject, Description: description})
	return &c
}

// Because returns a copy with a cause.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Reason + ": " + e.Message + ": " + e.Cause.Error()
	}
	return e.Reason + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// Reason is the reason of the first Error in err's chain, or empty.
func Reason(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}
