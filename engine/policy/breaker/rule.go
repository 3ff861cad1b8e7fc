package breaker

import "time"

// The defaults of a rule.
const (
	DefaultMinimumCalls  = 100
	DefaultWindow        = 10 * time.Second
	DefaultOpen          = 5 * time.Second
	DefaultHalfOpenCalls = 5
	// DefaultHalfOpenMaxWait holds where SlowAfter is not longer.
	DefaultHalfOpenMaxWait = 10 * time.Second
)

// Rule is when a breaker opens, and how it closes again. The zero value never opens. Zero and negative fields mean their defaults.
type Rule struct {
	// ErrorPercent opens the breaker at this share of calls that failed, 1 to 100; 0: not for errors.
	ErrorPercent int
	// SlowPercent opens it at this share of slow calls, 1 to 100; 0, or without SlowAfter: not for slowness.
	SlowPercent int
	// SlowAfter: a call that takes longer is slow, successful or not. 0: no call is.
	SlowAfter time.Duration
	// MinimumCalls have to complete within the window before a closed breaker opens. Default 100.
	MinimumCalls int
	// Window is how long a completed call counts, less up to a tenth: it has ten buckets. Default 10s.
	Window time.Duration
	// Open is how long an open breaker refuses everything, give or take a tenth. Default 5s.
	Open time.Duration
	// HalfOpenCalls are the probes that decide whether it closes. Default 5.
	HalfOpenCalls int
	// HalfOpenMaxWait is how long a probe may take from Allow on. Default 10s, or SlowAfter where that is more.
	HalfOpenMaxWait time.Duration
}

// WithDefaults is the rule as a breaker follows it. Percentages above 100 become 100.
func (r Rule) WithDefaults() Rule {
	r.SlowAfter = max(r.SlowAfter, 0)
	r.ErrorPercent = min(max(r.ErrorPercent, 0), 100)
	r.SlowPercent = min(max(r.SlowPercent, 0), 100)
	if r.SlowAfter == 0 {
		r.SlowPercent = 0
	}
	r.MinimumCalls = positive(r.MinimumCalls, DefaultMinimumCalls)
	r.Window = positive(r.Window, DefaultWindow)
	r.Open = positive(r.Open, DefaultOpen)
	r.HalfOpenCalls = positive(r.HalfOpenCalls, DefaultHalfOpenCalls)
	r.HalfOpenMaxWait = positive(r.HalfOpenMaxWait, max(r.SlowAfter, DefaultHalfOpenMaxWait))
	return r
}

func positive[T int | time.Duration](value, otherwise T) T {
	if value > 0 {
		return value
	}
	return otherwise
}

// off says that nothing opens the breaker.
func (r *Rule) off() bool { return r.ErrorPercent == 0 && r.SlowPercent == 0 }

// trips says whether so many errors or slow calls among total calls open the breaker.
func (r *Rule) trips(c counts, total int64) bool {
	return r.ErrorPercent > 0 && c.errors*100 >= int64(r.ErrorPercent)*total ||
		r.SlowPercent > 0 && c.slow*100 >= int64(r.SlowPercent)*total
}

// slow says whether a call from start to end is slow. A clock that went back makes no call slow.
func (r *Rule) slow(start, end int64) bool {
	return r.SlowAfter > 0 && end > start && uint64(end)-uint64(start) > uint64(r.SlowAfter)
}

// lost is what a probe counts as that nobody reported: a failure, and slow where calls can be. Of a dependency that hangs there may be no other sign.
func (r *Rule) lost() counts {
	c := counts{total: 1, errors: 1}
	if r.SlowAfter > 0 {
		c.slow = 1
	}
	return c
}
