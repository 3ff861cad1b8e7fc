package limit

import (
	"hash/maphash"
	"sync/atomic"
	"time"
)

const (
	denials = 4096 // a power of two
	// A refusal is not remembered for longer, so that what an operator does in Redis, or a step of its clock, is seen.
	longestDenial = 5 * time.Second
)

// denyCache remembers until when Redis refuses keys. What Redis counts only leaves with time: until then it would refuse again, for the same cost or
// more. It forgets at will: of keys in the same place the latest stays.
type denyCache struct {
	seed  maphash.Seed
	slots [denials]atomic.Pointer[denial]
}

type denial struct {
	dimension int
	key       string
	cost      int64
	used      int64
	until     int64 // no longer sure of it from here on
	reset     int64 // when it may be allowed
}

func (c *denyCache) slot(dimension int, key string) *atomic.Pointer[denial] {
	return &c.slots[(maphash.String(c.seed, key)+uint64(dimension)*0x9e3779b97f4a7c15)%denials]
}

// find is nil where Redis must be asked.
func (c *denyCache) find(dimension int, key string, cost, now int64) *denial {
	d := c.slot(dimension, key).Load()
	if d == nil || now >= d.until || d.dimension != dimension || cost < d.cost || d.key != key {
		return nil
	}
	return d
}

// remember notes a refusal of Redis, with the time until it is over. asked is from before the call: by that clock it is over no later. Clocks do not run
// equally fast, which the last part of the time is left out for.
func (c *denyCache) remember(dimension int, key string, cost, used, asked, reset int64) {
	sure := min(reset-max(reset/512, int64(time.Microsecond)), int64(longestDenial))
	if sure <= 0 {
		return
	}
	c.slot(dimension, key).Store(&denial{dimension: dimension, key: key, cost: cost, used: used, until: asked + sure, reset: asked + reset})
}
