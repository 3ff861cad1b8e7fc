package kv

import (
	"sync"
	"time"
)

// gate keeps calls from a store that is silent. After a call without an answer it is closed; whenever it has been closed for rest, one call is let
// through, and its answer opens it.
type gate struct {
	rest time.Duration

	mu      sync.Mutex
	shut    bool
	retryAt time.Time
}

// How a call ended, for the gate.
type ending uint8

const (
	answer ending = iota
	silence
	abandoned
)

func (g *gate) closed(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut && now.Before(g.retryAt)
}

func (g *gate) enter(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.shut {
		return true
	}
	if now.Before(g.retryAt) {
		return false
	}
	g.retryAt = now.Add(g.rest) // this call finds out, the others wait for it
	return true
}

func (g *gate) leave(now time.Time, how ending) {
	if how == abandoned {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = how == silence
	if g.shut {
		g.retryAt = now.Add(g.rest)
	}
}
