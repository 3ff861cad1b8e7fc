package server

import (
	"context"
	"math/rand/v2"
	"time"

	"proscenium/engine"
	"proscenium/engine/policy/shed"
	"proscenium/fault"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/scenes"
	"proscenium/traffic"
)

// Room says whether the process has room for a request, before anything of it is read; it is a [shed.Shedder].
type Room interface {
	Early(class traffic.Class, p shed.Priority, draw uint8) bool
}

const (
	// Who is refused for want of room waits this long for the refusal, so that a caller with so many connections cannot have more refusals than that
	// leaves: each costs the process a fifth of an answer.
	refusalPause = 25 * time.Millisecond
	// At most this many wait at a time; others are refused at once.
	mostPausing = 10_000
)

// admission refuses requests that would be refused for want of room once they were read.
type admission struct {
	room    Room
	pausing chan struct{}
	after   func(time.Duration) <-chan time.Time
}

func newAdmission(room Room) *admission {
	if room == nil {
		return nil
	}
	return &admission{room: room, pausing: make(chan struct{}, mostPausing), after: time.After}
}

// enter draws the caller's number and says whether the request is looked at. p is the highest priority that it can turn out to have.
func (a *admission) enter(ctx context.Context, caller *engine.Caller, p shed.Priority) error {
	if a == nil {
		return nil
	}
	caller.Draw = uint8(1 + rand.IntN(shed.Draws))
	if a.room.Early(caller.Class, p, caller.Draw) {
		return nil
	}
	select {
	case a.pausing <- struct{}{}:
		select {
		case <-a.after(refusalPause):
		case <-ctx.Done():
		}
		<-a.pausing
	default:
	}
	return fault.New(fault.Unavailable, "OVERLOADED", "the process has more to do than it can, and refuses requests of %s priority: try again later", p)
}

// highestPriority is the highest that a request of a client can have: that of the client, or of a scene that it may use.
func highestPriority(client *scenes.Client) shed.Priority {
	highest := client.Priority
	for s := range client.Allowed {
		highest = max(highest, s.Priority)
	}
	switch highest {
	case configv1.Priority_PRIORITY_LOW:
		return shed.Low
	case configv1.Priority_PRIORITY_HIGH:
		return shed.High
	case configv1.Priority_PRIORITY_CRITICAL:
		return shed.Critical
	default:
		return shed.Normal
	}
}
