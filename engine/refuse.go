package engine

import (
	"fmt"

	"proscenium/engine/policy"
	"proscenium/fault"
)

// refusedRequest is the error of a request that a policy refused. Limits are the caller's to heed; a process without room is no fault of anybody, and
// another one may have some.
func refusedRequest(r *policy.Refusal) error {
	kind, reason, what := fault.ResourceExhausted, "LIMIT_EXCEEDED", "the limit "+r.Key+" is exceeded"
	switch r.Layer {
	case policy.Quota:
		reason, what = "QUOTA_EXCEEDED", "the client's quota "+r.Key+" is used up"
	case policy.Queue:
		reason, what = "QUEUE_FULL", "the queue "+r.Key+" has no share left"
	case policy.Shedding:
		kind, reason, what = fault.Unavailable, "OVERLOADED", "the process has more to do than it can, and refuses requests of "+r.Key+" priority"
	}
	e := fault.New(kind, reason, "%s%s: try again %s", what, allowance(r), when(r)).With("layer", r.Layer.String()).With("policy", r.Key).RetryIn(r.RetryAfter)
	if kind == fault.ResourceExhausted {
		e = e.Beyond(r.Subject, what+allowance(r))
	}
	return e.Because(r)
}

// allowance says how much a limit allows.
func allowance(r *policy.Refusal) string {
	if r.Verdict.Name == "" {
		return ""
	}
	return fmt.Sprintf(" (%d in %v)", r.Verdict.Limit, r.Verdict.Window)
}

func when(r *policy.Refusal) string {
	if r.RetryAfter <= 0 {
		return "later"
	}
	return "in " + r.RetryAfter.String()
}

// refusedCall is the error of a request that ends because a policy kept one of its calls from being made.
func refusedCall(reason string, command Command, r *policy.Refusal) error {
	return fault.New(fault.Unavailable, reason, "%s was not asked, for the %s %s refused it: try again %s", command, r.Layer, r.Key, when(r)).
		With("command", command.String()).With("outcome", "refused").With("layer", r.Layer.String()).With("policy", r.Key).
		With("cause", causeNames[causeOf(r)]).RetryIn(r.RetryAfter).Because(r)
}
