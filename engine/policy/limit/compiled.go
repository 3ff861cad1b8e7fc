package limit

import (
	"fmt"
	"math"
	"net/url"
	"time"
)

// Bounds of what is counted.
const (
	maxLimit  = 1_000_000_000
	maxWindow = 31 * 24 * time.Hour
	// A sliding window whose limit is larger is counted in slices of the window, this many: what is in a slice counts until its last request no
	// longer does. Never more than the limit is let through; what leaves, leaves up to a slice late.
	slices = 1000
	// The same where a process has a count for each key.
	slicesOfKey = 64
)

type kind uint8

const (
	sliding kind = iota
	fixed
	flow
)

// rule is a Rule made ready.
type rule struct {
	Rule
	kind    kind
	escaped string // Dimension, as it stands in names
	// capacity is how many may be let through at once.
	capacity int64
	window   int64 // nanoseconds
	slice    int64 // nanoseconds, at least 1
	// burst is Burst, less what the reserves that are out may add to it.
	burst int64
	// lease is how long a chunk that was reserved may be used; what it counts longer than others is what held covers.
	lease, held int64
	args        [6]any // what state.lua reads of it
}

// compile makes a rule ready, for so many slices. Rules come checked: one that makes no sense is a programmer's error.
func compile(r Rule, slicesOf int64) rule {
	if r.Window < time.Millisecond || r.Window > maxWindow || r.Limit < 0 || r.Limit > maxLimit || r.Burst < 0 || r.Burst > maxLimit ||
		r.Soft < 0 || r.Soft > maxLimit || r.Chunk < 0 || r.Counting > ByProcess {
		panic(fmt.Sprintf("limit: a rule that makes no sense: %+v", r))
	}
	c := rule{Rule: r, kind: sliding, escaped: url.QueryEscape(r.Dimension), capacity: r.Limit, window: int64(r.Window), slice: 1, burst: r.Burst}
	switch {
	case r.Burst > 0:
		c.kind = flow
		if r.Limit > 0 {
			c.capacity = r.Burst
		}
	case r.Fixed:
		c.kind = fixed
	case r.Limit > slicesOf:
		c.slice = max(c.window/slicesOf, 1)
	}
	if c.Counting == Reserved {
		c.reserve()
	}
	micros := (c.window + c.held + int64(time.Microsecond) - 1) / int64(time.Microsecond)
	slice := max(c.slice/int64(time.Microsecond), 1)
	c.args = [6]any{[...]string{"s", "f", "g"}[c.kind], micros, c.Limit, c.Soft, c.burst, slice}
	return c
}

// reserve finds the chunk and how long it may be used. A request of a chunk happens up to lease after it was counted, so that
//   - in a sliding window a chunk counts that much longer: every window in which one of its requests falls then lies in that in which it counts;
//   - a flow has that much less burst: between two instants comes what was counted between them or up to lease before;
//   - a fixed window is left by a chunk at its end.
//
// Where chunks are of one, or leave no burst, requests are counted each.
func (r *rule) reserve() {
	if r.Chunk == 0 {
		r.Chunk = max(r.Limit/100, 1)
	}
	r.Chunk = min(r.Chunk, r.capacity)
	lease := min(r.window/20, int64(10*time.Second))
	if r.kind == flow && r.Limit > 0 {
		aside := r.Burst / 4
		lease = min(lease, int64(float64(aside)*float64(r.window)/float64(r.Limit)))
		r.burst -= aside
		r.Chunk = min(r.Chunk, r.burst)
	}
	if r.Chunk <= 1 || lease <= 0 {
		r.Counting, r.burst = Each, r.Burst
		return
	}
	// Clocks do not run equally fast: a chunk is not used in the last part of its lease.
	r.lease = lease - lease/64
	switch r.kind {
	case sliding:
		r.held = lease
	case flow:
		r.capacity = r.burst
	case fixed:
	}
}

// share is a rule for one process of so many, for as long as they can't count together: its part of the limit or, where there is less than one for each,
// one in a longer window: what they let through together is the limit over time, though as many as there are processes may come at once.
func share(r Rule, instances int) Rule {
	n := int64(max(instances, 1))
	if r.Limit == 0 {
		return r
	}
	if r.Limit < n {
		stretched := float64(r.Window) * float64(n) / float64(r.Limit)
		r.Window, r.Limit = time.Duration(math.Min(math.Ceil(stretched), float64(maxWindow))), 1
	} else {
		r.Limit /= n
	}
	if r.Burst > 0 {
		r.Burst = max(r.Burst/n, 1)
	}
	if r.Soft > 0 {
		r.Soft = max(r.Soft/n, 1)
	}
	r.Counting, r.Chunk = ByProcess, 0
	return r
}

// keyOf names what a dimension counts for a key, so that no two keys share a name and all of a limit are in one slot of a cluster.
func keyOf(tag, dimension string, k kind, key string) string {
	return tag + ":" + dimension + ":" + [...]string{"s", "f", "g"}[k] + key
}

// first is how long the only request that counts goes on to.
func (r *rule) first() time.Duration {
	if r.kind == flow {
		return time.Duration(r.flows(grain))
	}
	return r.Window
}
