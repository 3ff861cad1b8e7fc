// Package policy puts limits, breakers, queues and load shedding around requests and around calls to dependencies.
//
// Its parts are in packages of their own, which know nothing of configuration: breaker, limit, hierarchy, shed. This package resolves the policies of
// a configuration to handles, keeps their state over reloads, and gives each class of traffic a state of its own.
package policy

import (
	"fmt"
	"time"
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
type Refusal struct {
	Layer Layer
	// Key is the name of the policy: limit/dimension, resource/queue, command, or command@scene.
	Key string
	// RetryAfter is when another attempt may do better; 0: not known.
	RetryAfter time.Duration
}

func (r *Refusal) Error() string { return fmt.Sprintf("refused by the %s %s", r.Layer, r.Key) }
