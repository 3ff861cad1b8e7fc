// Package pace keeps long work from standing in the way of short work.
//
// Go's scheduler lets a goroutine run for ten milliseconds before it takes the processor away, and requests that are queued behind it on that
// processor wait as long: on a busy machine of few cores, a reload of 25 milliseconds tripled the slowest latencies. Work that gives way
// often costs them its share of the processor, and nothing more.
package pace

import (
	"runtime"
	"time"
)

// Turn is how long work goes on before it gives way: some requests' worth.
const Turn = 200 * time.Microsecond

// Pace is that of one piece of work in one goroutine. The zero value is ready.
type Pace struct{ since time.Time }

// Step is called between small steps of the work. Where a turn is over, it lets other goroutines go first.
func (p *Pace) Step() {
	now := time.Now()
	if now.Sub(p.since) < Turn {
		return
	}
	if !p.since.IsZero() {
		runtime.Gosched()
		now = time.Now()
	}
	p.since = now
}
