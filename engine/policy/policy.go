// Package policy puts limits, breakers, queues and load shedding around requests and around calls to dependencies.
//
// Its parts are in packages of their own, which know nothing of configuration: breaker, limit, hierarchy, shed. This package resolves the policies of
// a configuration to handles, keeps their state over reloads, and gives each class of traffic a state of its own.
//
// Around a call to a dependency they are asked from the outside to the inside: the breakers of the command and of the command in its scene, the limits, the
// queue, the bulkhead. What was granted before is given back where one that comes later refuses: to a breaker that is as if nobody had asked.
package policy

import (
	"fmt"
	"time"

	"proscenium/engine/policy/limit"
)

// Layer is the policy that refused.
type Layer uint8

// The layers, in the order in which they are asked.
const (
	Quota Layer = iota
	Limit
	Queue
	Shedding
	Breaker
	Bulkhead
	layerCount
)

// LayerNames are the names of the layers in errors, traces and metrics.
var LayerNames = [layerCount]string{"quota", "limit", "queue", "load_shedding", "breaker", "bulkhead"}

func (l Layer) String() string { return LayerNames[l] }

// Refusal is the error of what a policy kept from happening. It is never a dependency's failure.
type Refusal struct { //nolint:errname // it is what a policy gives, an error by the way
	Layer Layer
	// Key is the name of the policy: limit/dimension, resource/queue, command, or command@scene.
	Key string
	// Subject is what the policy protects: client:NAME, scene:NAME, command:NAME, or service.
	Subject string
	// RetryAfter is when another attempt may do better; 0: not known.
	RetryAfter time.Duration
	// Verdict is that of the limit that refused; its Name is empty where it was something else.
	Verdict limit.Verdict
}

func (r *Refusal) Error() string { return fmt.Sprintf("refused by the %s %s", r.Layer, r.Key) }

// Listener is told, on the way, what does not end a request or a call. Its methods are called by the goroutine that asks.
type Listener interface {
	// Decided is told of the verdict of each limit that was asked.
	Decided(v limit.Verdict)
	// RuleFailed is told of a key that could not be evaluated: the limit then refuses.
	RuleFailed(rule string, err error)
}
