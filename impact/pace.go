package impact

import (
	"context"
	"sync"
	"time"
)

// pace spreads requests evenly. It is safe for concurrent use.
type pace struct {
	pause time.Duration // 0: none
	mu    *sync.Mutex
	next  *time.Time
}

func newPace(rate float64) pace {
	p := pace{mu: new(sync.Mutex), next: new(time.Time)}
	if rate > 0 {
		p.pause = time.Duration(float64(time.Second) / rate)
	}
	return p
}

// wait returns when it is the caller's turn; false if ctx ended before.
func (p pace) wait(ctx context.Context) bool {
	if p.pause == 0 {
		return ctx.Err() == nil
	}
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now) {
		*p.next = now
	}
	turn := p.next.Sub(now)
	*p.next = p.next.Add(p.pause)
	p.mu.Unlock()
	select {
	case <-time.After(turn):
		return true
	case <-ctx.Done():
		return false
	}
}
