// Package limit bounds how often something may happen: keyed limits that a fleet counts together in Redis, and limits of one process.
package limit

import "time"

// Outcome is what a limit says of a request.
type Outcome uint8

// The outcomes.
const (
	OK Outcome = iota
	// Soft is beyond the soft limit: the request goes on, and is marked.
	Soft
	// Refused is beyond the limit. Nothing was consumed.
	Refused
	outcomeCount
)

// OutcomeNames are the names of the outcomes in traces and metrics.
var OutcomeNames = [outcomeCount]string{"ok", "soft", "refused"}

func (o Outcome) String() string { return OutcomeNames[o] }

// Source is who decided.
type Source uint8

// The sources.
const (
	// FromRedis counted in Redis.
	FromRedis Source = iota
	// FromReserve took from a chunk that was reserved in Redis.
	FromReserve
	// FromFlushed counted in the process, which adds up with the others each second.
	FromFlushed
	// FromShare took from the process's share of a capacity of the fleet.
	FromShare
	// FromLocal is a limit of this process alone.
	FromLocal
	// FromFallback counted in the process, by its part of the limit, for Redis did not answer.
	FromFallback
	// FromDenyCache refused without asking: Redis said a moment ago when the key has room again.
	FromDenyCache
	sourceCount
)

// SourceNames are the names of the sources in traces and metrics.
var SourceNames = [sourceCount]string{"redis", "reserved", "flushed", "share", "local", "local_fallback", "deny_cache"}

func (s Source) String() string { return SourceNames[s] }

// Verdict is the decision of a limit: that of the dimension that refused or, where none did, of one that marked or, where none did that, of the one with
// the least left.
type Verdict struct {
	// Name of the limit, and Dimension of it.
	Name, Dimension string
	Outcome         Outcome
	Source          Source
	// DryRun says that the outcome is not enforced.
	DryRun bool
	// Limit requests in Window is what the dimension allows.
	Limit  int64
	Window time.Duration
	// Remaining is how many more would be allowed now, never negative.
	Remaining int64
	// Reset is the time until something that counts now no longer does: for a refused request, until one of its cost may be allowed.
	Reset time.Duration
}

// Stops says that the request may not go on.
func (v *Verdict) Stops() bool { return v.Outcome == Refused && !v.DryRun }
