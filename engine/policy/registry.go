package policy

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"proscenium/engine/policy/breaker"
	"proscenium/engine/policy/hierarchy"
	"proscenium/engine/policy/hierarchy/share"
	"proscenium/engine/policy/shed"
	"proscenium/kv"
	"proscenium/traffic"
)

// Deps are what a Registry needs.
type Deps struct {
	// Now is a clock with a monotonic reading, as time.Now.
	Now func() time.Time
	// Random is uniform in [0, 1), for the jitter of pauses and for who is refused first under load. It is called by many goroutines.
	Random func() float64
	// KV counts for the whole fleet. nil: limits go on as if Redis were down.
	KV *kv.KV
	// Fleets share capacities among processes, for each class; their clocks are their own. nil: queues and limits that are counted by shares let
	// everything through.
	Fleets [traffic.Count]*hierarchy.Fleet
	// Shedder refuses what the process has no room for, where the configuration says so. nil: it has room for everything.
	Shedder Shedder
	// Process names this process in the fleet; empty: a random name.
	Process string
	// Failed is told of calls of Redis that failed. It may be nil.
	Failed func(error)
	// Transition is told when a breaker changes its state, one after the other for each breaker. It may be nil.
	Transition func(Transition)
}

// Shedder says whether the process has room for one more request; it is a [shed.Shedder].
type Shedder interface {
	Enter(class traffic.Class, p shed.Priority, draw uint8) bool
	Leave(class traffic.Class)
	Reconfigure(shed.Rule)
}

// Transition is a change of a breaker.
type Transition struct {
	// Breaker is its name, as in refusals.
	Breaker  string
	Class    traffic.Class
	From, To string
	At       time.Time
}

// Registry keeps the state of all policies, from one configuration to the next. State is named by class of traffic, kind and name: the classes have none in
// common, also where the values of one are those of the other. It is safe for concurrent use.
type Registry struct {
	deps  Deps
	began time.Time
	// joined gives all classes the state of live traffic. It is there to show that the tests of their separation can fail.
	joined bool

	mu        sync.Mutex
	breakers  map[breakerKey]*breakerState
	limits    map[limitKey]*limitHandle
	queues    map[queueKey]*queueState
	bulkheads map[bulkheadKey]*bulkhead
	serving   *Set
	applied   *Set // the latest, not serving yet; nil: there is none
}

type bulkheadKey struct {
	class   traffic.Class
	command string
}

// New makes a registry without policies.
func New(deps Deps) *Registry {
	return &Registry{
		deps: deps, began: deps.Now(), breakers: map[breakerKey]*breakerState{}, limits: map[limitKey]*limitHandle{}, queues: map[queueKey]*queueState{},
		bulkheads: map[bulkheadKey]*bulkhead{}, serving: &Set{},
	}
}

// nanos is the clock of breakers and limits: monotonic, from 1 when the registry was made.
func (r *Registry) nanos() int64 { return int64(r.deps.Now().Sub(r.began)) + 1 }

// wall is when that was.
func (r *Registry) wall(nanos int64) time.Time { return r.began.Add(time.Duration(nanos - 1)) }

// class is whose state a class has.
func (r *Registry) class(c traffic.Class) traffic.Class {
	if r.joined {
		return traffic.Live
	}
	return c
}

func (r *Registry) instances(class traffic.Class) func() int {
	if f := r.deps.Fleets[class]; f != nil {
		return f.Instances
	}
	return func() int { return 1 }
}

// newBreaker makes the breaker of a state that has none.
func (r *Registry) newBreaker(s *breakerState) *breaker.Breaker {
	var options []breaker.Option
	if told := r.deps.Transition; told != nil {
		options = append(options, breaker.OnTransition(func(from, to breaker.State, now int64) {
			told(Transition{Breaker: s.name, Class: s.key.class, From: from.String(), To: to.String(), At: r.wall(now)})
		}))
	}
	return breaker.New(s.rule, r.deps.Random, options...)
}

// Retain is called when the set serves: what it does not have is let go. Requests under way on an older one end undisturbed.
func (r *Registry) Retain(set *Set) {
	r.mu.Lock()
	dropped := r.keep(set)
	r.mu.Unlock()
	closeAll(dropped)
}

// keep makes the state of the set that of the registry, and returns the counts that nobody needs any more.
func (r *Registry) keep(set *Set) []*counting {
	var dropped []*counting
	for key, h := range r.limits {
		if next := set.limits[key]; next == nil {
			dropped = append(dropped, h.count.Load())
		} else if old, now := h.count.Load(), next.count.Load(); old.keyed != nil && now.keyed == nil {
			dropped = append(dropped, old)
		}
	}
	r.breakers, r.limits, r.queues, r.bulkheads, r.serving, r.applied = set.breakers, set.limits, set.queues, set.bulkheads, set, nil
	return dropped
}

func closeAll(dropped []*counting) {
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	var wg sync.WaitGroup
	for _, c := range dropped {
		wg.Go(func() { c.close(ctx) })
	}
	wg.Wait()
}

// Close ends what limits do in the background, having added up what they counted.
func (r *Registry) Close() {
	r.mu.Lock()
	var all []*counting
	for _, h := range r.limits {
		all = append(all, h.count.Load())
	}
	r.mu.Unlock()
	closeAll(all)
}

// PurgeShadow forgets what breakers and limits remember of shadow traffic in this process, and what limits had still to add up in Redis is added before it
// returns: purge the store afterwards. Shadow calls under way count for nothing any more. What the fleet has granted stays until it is granted anew.
func (r *Registry) PurgeShadow() {
	if r.joined {
		return
	}
	r.mu.Lock()
	var old []*counting
	forget := func(breakers map[breakerKey]*breakerState, limits map[limitKey]*limitHandle) {
		for key, b := range breakers {
			if key.class == traffic.Shadow {
				b.breaker.Store(r.newBreaker(b))
			}
		}
		for key, h := range limits {
			if key.class == traffic.Shadow {
				old = append(old, h.count.Load())
				counted, keys := limitRules(&h.rule)
				h.count.Store(r.counting(key, counted, keyless(keys), h.rule.DryRun, nil))
			}
		}
	}
	forget(r.breakers, r.limits)
	if r.applied != nil {
		forget(r.applied.breakers, r.applied.limits)
	}
	r.mu.Unlock()
	closeAll(old)
}

// Breakers lists the breakers of this process: by command, scene, the downgraded one last, and class.
func (r *Registry) Breakers() []BreakerStatus {
	r.mu.Lock()
	states := slices.SortedFunc(maps.Values(r.breakers), func(a, b *breakerState) int {
		return cmp.Or(cmp.Compare(a.key.command, b.key.command), cmp.Compare(a.key.scene, b.key.scene),
			cmp.Compare(truth(a.key.downgraded), truth(b.key.downgraded)), cmp.Compare(a.key.class, b.key.class))
	})
	r.mu.Unlock()
	out := make([]BreakerStatus, len(states))
	for i, s := range states {
		out[i] = s.status(r)
	}
	return out
}

// Limits lists the dimensions of limits, then the queues, by their names and classes, with what this process saw of them.
func (r *Registry) Limits() []LimitStatus {
	r.mu.Lock()
	limits := slices.SortedFunc(maps.Values(r.limits), func(a, b *limitHandle) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.class, b.class))
	})
	queues := slices.SortedFunc(maps.Values(r.queues), func(a, b *queueState) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.key.class, b.key.class))
	})
	set := r.serving
	r.mu.Unlock()
	var out []LimitStatus
	for _, h := range limits {
		out = append(out, h.statuses(set.usedBy[h.name])...)
	}
	for _, q := range queues {
		if rule, configured := set.queueRules[q.key]; configured {
			s := LimitStatus{
				Name: q.key.resource, Dimension: q.key.queue, Class: q.key.class, Algorithm: "hierarchy", Precision: "APPROXIMATE", Window: time.Second,
				Limit: rule.Guaranteed / int64(share.PerSecond), Burst: rule.Burst, Inherited: rule.inherited,
				Allowed: q.allowed.Load(), Refused: q.refused.Load(), UsedBy: set.usedBy[q.name],
			}
			q.tell(&s)
			out = append(out, s)
		}
	}
	return out
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
