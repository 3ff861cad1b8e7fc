package policy

import (
	"time"

	"proscenium/traffic"
)

// BreakerStatus is a breaker of this process, for operators.
type BreakerStatus struct {
	Command string
	// Scene is empty for the breaker of all scenes together.
	Scene string
	Class traffic.Class
	// Downgraded is of the calls to a scene's downgraded voucher pools, which have a breaker of their own.
	Downgraded bool
	State      string // closed, open or half_open
	Since      time.Time
	// Calls completed in the window; Errors and Slow of them.
	Calls, Errors, Slow int64
	OpenUntil           time.Time // zero: not open
	// Opened counts since the process started, as does Refused.
	Opened, Refused int64
}

// LimitStatus is a dimension of a limit, or a queue of a hierarchical limit, for one class of traffic.
type LimitStatus struct {
	// Name of the limit or resource, Dimension or queue.
	Name, Dimension string
	Class           traffic.Class
	Algorithm       string // sliding, fixed, gcra or hierarchy
	Precision       string // PRECISE, APPROXIMATE or LOCAL
	Window          time.Duration
	Limit           int64 // a queue: its guarantee in requests a second
	Soft, Burst     int64
	DryRun          bool
	// Inherited says that the values are the live ones: there is no twin.
	Inherited bool
	// Decisions of this process since it started; Fallback are those without Redis.
	Allowed, Marked, Refused, Fallback int64
	// Of a queue, in thousandths of a request a second.
	Granted, Wanted, Used int64
	State                 string // of a queue: granted, safe_mode or new
	// UsedBy lists who asks it: inbound, client:NAME, scene:NAME, command:NAME.
	UsedBy []string
}
