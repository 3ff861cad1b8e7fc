package scenes

import (
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/rules"
	"proscenium/traffic"
)

// Policies are limits, breakers and queues as both classes of traffic have them: shadow traffic by its twin or, where there is none, by the live values.
// Whatever the values, each class counts for itself.
type Policies struct {
	// Breakers of commands, all scenes together; those of single scenes are in [Scene.Breakers].
	Breakers [traffic.Count]map[string]BreakerRule
	Limits   map[string]*Limit
	// Resources are the hierarchical limits.
	Resources map[string]*Resource
	// Inbound are the limits that each request is counted by.
	Inbound []*Limit
	// Shedding is nil where load shedding is off. Its durations are filled in.
	Shedding *configv1.LoadShedding
}

// BreakerRule is when a breaker opens. Spec has no defaults filled in: those of the breaker apply.
type BreakerRule struct {
	Spec *configv1.Breaker
	// Inherited says that the values of shadow traffic are the live ones.
	Inherited bool
}

// Limit is a limit by its live name.
type Limit struct {
	Name string
	Of   [traffic.Count]LimitRule
}

// LimitRule is a limit of one class.
type LimitRule struct {
	Inherited  bool
	DryRun     bool
	Dimensions []LimitDimension // in the order of their names
}

// LimitDimension counts by one key. The enums and the chunk of Spec are filled in.
type LimitDimension struct {
	Name   string
	Spec   *configv1.LimitDimension
	Window time.Duration
	Key    *rules.Rule // nil: one count for all
}

// Resource is a capacity that the fleet shares, by its live name. A resource of shadow traffic alone has no queues for live traffic.
type Resource struct {
	Name string
	Of   [traffic.Count]ResourceRule
}

// ResourceRule is a resource of one class. Rates are thousandths of a request a second, scaled by the multiplier.
type ResourceRule struct {
	Inherited bool
	Max       int64
	// Suppressed says that growth is bounded: above Activation by Step a second.
	Suppressed       bool
	Activation, Step int64
	SafeMode         configv1.SafeMode // never UNSPECIFIED
	Queues           []Queue           // in the order of their names
}

// Queue is a part of a resource. In the shadow twin of a resource the queue of live queue q is shadow_q or, where there is none, q: its Name is the live one.
type Queue struct {
	Name            string
	Guaranteed      int64 // thousandths of a request a second, scaled
	Priority        int32
	Burst           int64 // requests; filled in
	StarvingTimeout time.Duration
}

// QueueRef is a queue that something takes its share from.
type QueueRef struct {
	Resource *Resource
	Queue    string
}
