package limit

import (
	"context"

	"proscenium/kv"
	"proscenium/traffic"
)

// Deps are what keyed limits need.
type Deps struct {
	// Store counts, by the class of traffic that it is of. Nil: there is none, as if it were always down.
	Store *kv.Store
	// Instances is how many processes there are in the fleet, as known last: while Redis does not answer, each has its part of a limit.
	Instances func() int
	// Now is the clock whose readings Take is given: monotonic, in nanoseconds.
	Now func() int64
	// Process names this process in the fleet; empty: a random name.
	Process string
	// Failed is told of each call of Redis that failed, unless that was the caller's end. It may be nil.
	Failed func(error)
}

// Keyed is a limit with its dimensions, for one class of traffic. It is a handle that does not change: requests that began before a reload end by the
// rules that they began with. It is safe for concurrent use.
type Keyed struct {
	name   string
	class  traffic.Class
	rules  []Rule
	dryRun bool
	deps   Deps
}

// NewKeyed makes a limit.
func NewKeyed(name string, class traffic.Class, rules []Rule, dryRun bool, deps Deps) *Keyed {
	return &Keyed{name: name, class: class, rules: rules, dryRun: dryRun, deps: deps}
}

// Reconfigured is the limit by other rules. What was consumed so far counts by the new ones from here on; k goes on by the old ones.
func (k *Keyed) Reconfigured(rules []Rule, dryRun bool) *Keyed {
	return NewKeyed(k.name, k.class, rules, dryRun, k.deps)
}

// Take decides on a request: it is counted in all dimensions or, if one refuses, in none. keys has the key of each rule, in the order of the rules;
// empty where there is one count for all. A cost of 0 asks what one of cost 1 would be told, and consumes nothing; a negative one panics, as does a
// wrong number of keys. A cost beyond what a dimension ever lets through at once is refused with a Reset of 0: never.
//
// now is a reading of Deps.Now.
func (k *Keyed) Take(ctx context.Context, now int64, keys []string, cost int64) Verdict {
	_, _, _, _ = ctx, now, keys, cost
	return Verdict{Name: k.name, Outcome: Refused, Source: FromFallback, DryRun: k.dryRun}
}

// Status is what each dimension has decided, in the order of the rules.
func (k *Keyed) Status() []Status { return make([]Status, len(k.rules)) }

// Close ends what the limit and all handles made from it do in the background, having added up what was counted here.
func (k *Keyed) Close(ctx context.Context) { _ = ctx }
