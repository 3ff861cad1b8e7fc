package limit

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"net/url"
	"sync/atomic"
	"time"

	"proscenium/kv"
	"proscenium/traffic"
)

// keysKept is how many keys of a dimension a process has at most, of each kind of state.
const keysKept = tableShards * keysOfShard

// Deps are what keyed limits need.
type Deps struct {
	// Store counts, by the class of traffic that it is of. Nil: there is none, as if it were always down.
	Store *kv.Store
	// Instances is how many processes there are in the fleet, as known last: while Redis does not answer, each has its part of a limit. Nil: one.
	Instances func() int
	// Now is the clock whose readings Take is given: monotonic, in nanoseconds, not negative. Nil: since now.
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
	dims   []dimension
	dryRun bool
	deny   *denyCache
	shares atomic.Pointer[shares]
	state  *state // shared with the handles made from it
}

// dimension is a rule with where it is counted in this process.
type dimension struct {
	rule     rule
	counters *counters
	table    *table   // ByProcess
	reserve  *reserve // Reserved
	hot      *flushed // Flushed
	fallback *table   // without Redis
}

// shares are the rules of one process of so many.
type shares struct {
	instances int
	rules     []rule
}

// NewKeyed makes a limit for a class of traffic; deps.Store is of that class, whatever the names of limits. It panics where a rule is out of bounds, see
// [Rule].
func NewKeyed(name string, class traffic.Class, rules []Rule, dryRun bool, deps Deps) *Keyed {
	if deps.Store != nil && deps.Store.Class() != class {
		panic(fmt.Sprintf("limit %s of %s traffic was given the store of %s", name, class, deps.Store.Class()))
	}
	if deps.Instances == nil {
		deps.Instances = func() int { return 1 }
	}
	if deps.Now == nil {
		start := time.Now()
		deps.Now = func() int64 { return int64(time.Since(start)) }
	}
	deps.Process = cmp.Or(deps.Process, rand.Text())
	k := &Keyed{name: name, class: class, state: &state{
		counters: map[string]*counters{}, tables: map[string]*table{}, fallbacks: map[string]*table{}, hot: map[string]*flushed{},
		scripts: newScripts(), deps: deps, tag: "{limit:" + url.QueryEscape(name) + "}", interval: make(chan time.Duration, 1),
	}}
	return k.Reconfigured(rules, dryRun)
}

// Reconfigured is the limit by other rules. What was consumed so far counts by the new ones from here on, but for a dimension whose algorithm changes:
// it counts anew. k goes on by the old rules.
func (k *Keyed) Reconfigured(rules []Rule, dryRun bool) *Keyed {
	s := k.state
	next := &Keyed{name: k.name, class: k.class, dryRun: dryRun, deny: &denyCache{seed: maphash.MakeSeed()}, state: s}
	for _, r := range rules {
		c := compile(r, slices)
		if c.Counting == ByProcess {
			c = compile(r, slicesOfKey)
		}
		d := dimension{rule: c, counters: part(s, s.counters, r.Dimension, func() *counters { return &counters{} })}
		tables := func() *table { return newTable(keysKept) }
		counted := r.Algorithm() + " " + r.Dimension
		switch c.Counting {
		case ByProcess:
			d.table = part(s, s.tables, counted, tables)
		case Reserved:
			d.reserve = newReserve(keysKept)
		case Flushed:
			d.hot = part(s, s.hot, counted, func() *flushed {
				return &flushed{most: keysKept, sent: s.scripts.add, keys: map[string]*hotKey{}}
			})
		case Each:
		}
		d.fallback = part(s, s.fallbacks, counted, tables)
		next.dims = append(next.dims, d)
	}
	return next
}

// Status is what each dimension has decided, in the order of the rules.
func (k *Keyed) Status() []Status {
	out := make([]Status, len(k.dims))
	for i := range k.dims {
		d := &k.dims[i]
		out[i] = Status{
			Rule: d.rule.Rule, Allowed: d.counters.allowed.Load(), Marked: d.counters.marked.Load(),
			Refused: d.counters.refused.Load(), Fallback: d.counters.fallback.Load(),
		}
	}
	return out
}

// Close ends what the limit and all handles made from it do in the background, and adds up what was counted here, until ctx ends. It is called when
// no handle is used any longer.
func (k *Keyed) Close(ctx context.Context) { k.state.close(ctx) }

// canonical is a key as it stands in names: itself, or a digest where it is long. No two keys have the same.
func canonical(key string) string {
	const longest = 100
	if len(key) <= longest {
		return "=" + key
	}
	sum := sha256.Sum256([]byte(key))
	return "#" + hex.EncodeToString(sum[:])
}

// sharesOf are the rules of this process while Redis does not answer.
func (k *Keyed) sharesOf(instances int) []rule {
	if s := k.shares.Load(); s != nil && s.instances == instances {
		return s.rules
	}
	s := &shares{instances: instances}
	for i := range k.dims {
		s.rules = append(s.rules, compile(share(k.dims[i].rule.Rule, instances), slicesOfKey))
	}
	k.shares.Store(s)
	return s.rules
}
