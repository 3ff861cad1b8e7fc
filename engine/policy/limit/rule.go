package limit

import "time"

// Counting is where and how a dimension is counted.
type Counting uint8

// The ways of counting.
const (
	// Each asks Redis for each request.
	Each Counting = iota
	// Reserved takes chunks ahead from Redis and gives them out. It never lets more through than the limit, and a little less: a chunk that a process
	// does not use up in a moment is lost.
	Reserved
	// Flushed asks Redis for the first request of a key; those that follow are counted in the process and added up in Redis each second, or ten times
	// in a window where that is shorter. It may let through too much: what the fleet takes in that time. Flows are not marked.
	Flushed
	// ByProcess counts in this process alone.
	ByProcess
)

// Rule is what one dimension of a limit allows.
type Rule struct {
	Dimension string
	// Window is at least a millisecond and at most 31 days.
	Window time.Duration
	// Limit is how many may happen in any window of that length, up to 1e9. 0 refuses everything.
	Limit int64
	// Soft is how many may happen before requests are marked; 0: they never are. With Burst it is a second rate, for which the same burst holds:
	// requests above it are marked.
	Soft int64
	// Burst, where it is not 0, makes the rule one of flow (GCRA): Burst requests at once, and Limit in each Window on top.
	Burst int64
	// Fixed windows begin with the first request in them and are empty again at their end: what comes before and after an end can be twice the limit.
	Fixed    bool
	Counting Counting
	// Chunk is how many are reserved at once, for Reserved. 0: a hundredth of the limit, at least 1.
	Chunk int64
}

// Algorithm is sliding, fixed or gcra.
func (r *Rule) Algorithm() string {
	switch {
	case r.Burst > 0:
		return "gcra"
	case r.Fixed:
		return "fixed"
	default:
		return "sliding"
	}
}

// Status is what a dimension has decided since the process started.
type Status struct {
	Rule Rule
	// Allowed requests, Marked of them; Refused by this dimension. In a dry run too they count as they were decided.
	Allowed, Marked, Refused int64
	// Fallback are the decisions, of either kind, that were made without Redis because it did not answer.
	Fallback int64
}
