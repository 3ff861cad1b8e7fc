package shed

import (
	"context"
	"time"
)

const (
	// Period is the time between two looks at the process.
	Period = 20 * time.Millisecond
	// The counts of a period that saw fewer requests than this go on, up to patience.
	fewest   = 40
	patience = 250 * time.Millisecond
	// While requests wait too long, this share of what came out goes in, in percent: the backlog shrinks.
	ease = 92
	// While nobody waits, this much more goes in each period, in percent.
	growth = 104
	// The cutoff is at most this: a part of the most important requests always goes in.
	highest = levels - Draws/4
)

// Tick looks at what happened since the last one and moves the cutoff. wait is how long goroutines waited for a processor since then, now the instant on a
// monotonic clock.
func (s *Shedder) Tick(now int64, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.began {
		s.began, s.since = true, now
		return
	}
	var total int64
	for l := range s.offered {
		if n := s.offered[l].Swap(0); n > 0 {
			s.pending[l] += int64(n)
		}
		total += s.pending[l]
	}
	if s.off.Load() {
		wait = 0
	}
	waits := wait > time.Duration(s.target.Load())
	if total < fewest && time.Duration(now-s.since) < patience {
		return
	}
	cutoff := int(s.cutoff.Load())
	var admitted int64
	for _, n := range s.pending[cutoff:] {
		admitted += n
	}
	done := s.done.Swap(0)
	switch {
	case waits:
		// What came out is what the process can do. Where less than that was let in, the backlog of before is being worked off.
		if goal := done * ease / 100; goal < admitted {
			s.cutoff.Store(int32(s.cutoffFor(goal, cutoff+1, highest)))
		}
	case cutoff > 0 && wait < time.Duration(s.target.Load())/2:
		goal := admitted*growth/100 + 1
		s.cutoff.Store(int32(min(s.cutoffFor(goal, 0, cutoff), cutoff-1)))
	}
	clear(s.pending[:])
	s.since = now
}

// cutoffFor is the lowest cutoff between low and high above which at most goal requests were offered.
func (s *Shedder) cutoffFor(goal int64, low, high int) int {
	var above int64
	for _, n := range s.pending[high:] {
		above += n
	}
	cutoff := high
	for cutoff > low && above+s.pending[cutoff-1] <= goal {
		cutoff--
		above += s.pending[cutoff]
	}
	return cutoff
}

// Run looks at the process every Period until ctx ends. now is a monotonic clock.
func (s *Shedder) Run(ctx context.Context, now func() int64) {
	ticker := time.NewTicker(Period)
	defer ticker.Stop()
	waits := newWaits()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.Tick(now(), waits.mean())
		}
	}
}
