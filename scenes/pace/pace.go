// Package pace makes long work in the background rest now and then, so that requests go first on a busy machine of few cores.
//
// Giving way alone is not enough there: with runtime.Gosched the work takes a core all the same, and no difference could be measured. Work
// that rests twice as long as it works takes a third of a core, for three times as long; see docs/decisions/0008-reload-under-load.md.
package pace

import "time"

const (
	// turn is how long work goes on before it rests: some requests' worth.
	turn = 200 * time.Microsecond
	rest = 500 * time.Microsecond
	// most is how long one piece of work rests in all: beyond it, to be done counts for more.
	most = time.Second
)

// Pace is that of one piece of work in one goroutine. The nil Pace never rests.
type Pace struct {
	since  time.Time
	rested time.Duration
}

// Step is called between small steps of the work. Where a turn is over, it rests.
func (p *Pace) Step() {
	if p == nil || p.rested >= most {
		return
	}
	now := time.Now()
	if p.since.IsZero() {
		p.since = now
	}
	if now.Sub(p.since) < turn {
		return
	}
	<-time.After(rest)
	p.since = time.Now()
	p.rested += p.since.Sub(now)
}
