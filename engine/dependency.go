package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"proscenium/engine/policy"
	"proscenium/engine/policy/breaker"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/traffic"
)

// ErrMalformed is wrapped by the error of a provider whose answer breaks the protocol.
var ErrMalformed = errors.New("malformed answer")

// ErrRejected is wrapped by the error of a provider that did its work and said no, for reasons of the question. The query has failed, which is nothing
// against the provider: breakers count it as a success.
var ErrRejected = errors.New("rejected")

// Defaults of a dependency's configuration.
const (
	defaultMaxBatch    = 100
	defaultMaxParallel = 8
	defaultTimeout     = 500 * time.Millisecond
)

// CallStats counts the attempts of one call; a provider that retries or hedges finds it in its context (see [CallStatsFrom]).
type CallStats struct {
	mu       sync.Mutex
	attempts int
	failure  error
}

// Attempt counts one more attempt. A nil CallStats counts nothing.
func (s *CallStats) Attempt() {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.attempts++
	s.mu.Unlock()
}

// Failed keeps the error of an attempt, which the trace shows also where a later one was answered. A nil CallStats keeps nothing.
func (s *CallStats) Failed(err error) {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.failure = err
	s.mu.Unlock()
}

// Attempts is how many were counted, and the error that was kept last.
func (s *CallStats) Attempts() (attempts int, lastFailure error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts, s.failure
}

type callStatsKey struct{}

// CallStatsFrom is where a provider counts its attempts, nil where nobody asks.
func CallStatsFrom(ctx context.Context) *CallStats {
	s, _ := ctx.Value(callStatsKey{}).(*CallStats)
	return s
}

// dependency is a provider with the policies around its calls: batches, parallelism, timeout, and the guard against what it may do wrong.
type dependency[K, V any] struct {
	command     Command
	provider    Provider[K, V]
	fromMemory  bool
	maxBatch    int
	maxParallel int
	timeout     time.Duration
	// check judges the answers to a query: an error is the provider's. nil: every answer is good.
	check func(keys []K, out []V) error
}

func newDependency[K, V any](command Command, provider Provider[K, V], conf *configv1.Dependency, class traffic.Class) (dependency[K, V], error) {
	if provider == nil {
		return dependency[K, V]{}, fmt.Errorf("command %s has no provider", command)
	}
	d := dependency[K, V]{command: command, provider: provider, maxBatch: defaultMaxBatch, maxParallel: defaultMaxParallel, timeout: defaultTimeout}
	_, d.fromMemory = provider.(FromMemory)
	if n := conf.GetMaxBatch(); n > 0 {
		d.maxBatch = int(n)
	}
	if n := conf.GetMaxParallel(); n > 0 {
		d.maxParallel = int(n)
	}
	if t := conf.GetTimeout(); t != nil {
		d.timeout = t.AsDuration()
	}
	if n := maxConcurrent(conf, class); n > 0 {
		d.maxParallel = min(d.maxParallel, n) // a query alone never has more calls under way
	}
	return d, nil
}

// maxConcurrent is how many calls of a class a process may have under way; 0: any number.
func maxConcurrent(conf *configv1.Dependency, class traffic.Class) int {
	if n := conf.GetShadowMaxConcurrent(); class == traffic.Shadow && n > 0 {
		return int(n)
	}
	return int(conf.GetMaxConcurrent())
}

// query asks for all keys and fills out. It returns at the latest when the dependency's time or ctx ends, whatever the provider does. A query that a policy
// keeps from being made ends in a *policy.Refusal.
func (d *dependency[K, V]) query(ctx context.Context, st *state, keys []K, out []V) error {
	return d.queryAs(ctx, st, &st.call, keys, out)
}

// queryAs is query with a call that is not the state's.
func (d *dependency[K, V]) queryAs(ctx context.Context, st *state, call *Call, keys []K, out []V) error {
	if len(keys) == 0 {
		return nil
	}
	guard := st.guard(d.command)
	if guard == nil && d.fromMemory {
		return d.make(ctx, st, call, keys, out, called{}, policy.Room{})
	}
	caller := ctx
	if !d.fromMemory {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.timeout)
		defer cancel()
	}
	if guard == nil {
		return d.make(ctx, st, call, keys, out, called{}, policy.Room{})
	}
	return d.guarded(ctx, caller, st, guard, call, keys, out)
}

// guarded asks the policies around a query, makes it, and tells them how it ended. caller is the context without the dependency's own time.
func (d *dependency[K, V]) guarded(ctx, caller context.Context, st *state, guard *policy.Outbound, call *Call, keys []K, out []V) error {
	if err := ctx.Err(); err != nil {
		return err // nobody is asked: it is over already
	}
	how := called{keys: len(keys), batches: d.batches(len(keys))}
	if st.trace != nil {
		how.breaker = guard.BreakerState()
	}
	query := policy.Query{Input: &st.input, Calls: how.batches, AtOnce: min(how.batches, d.maxParallel), Listener: outbound{st}}
	if d.command == BestVouchers {
		query.Held = st.heldPermit()
	}
	pass, refused := guard.Enter(ctx, &query)
	if refused != nil {
		st.callRefused(caller, d.command, refused, how)
		return refused
	}
	if st.trace != nil && guard.Limited() {
		how.limiter = limiterOf(pass.Soft)
	}
	outcome := breaker.Failure // unless it ends otherwise: a panic is one, too
	defer func() { pass.Done(outcome) }()
	err := d.make(ctx, st, call, keys, out, how, pass.Room())
	outcome = judged(caller, err)
	return err
}

// batches is how many calls a query of so many keys takes.
func (d *dependency[K, V]) batches(keys int) int {
	if d.fromMemory {
		return 1
	}
	return (keys + d.maxBatch - 1) / d.maxBatch
}

// make makes the calls of a query, in a context that ends with the dependency's time. It gives the room back when they have really ended.
func (d *dependency[K, V]) make(ctx context.Context, st *state, call *Call, keys []K, out []V, how called, room policy.Room) error {
	start := time.Now()
	how.keys, how.batches, how.attempts = len(keys), d.batches(len(keys)), 1
	var err error
	if d.fromMemory {
		err = d.askInline(ctx, call, keys, out, room)
	} else {
		stats := new(CallStats)
		err = d.wait(context.WithValue(ctx, callStatsKey{}, stats), st, *call, keys, out, room)
		how.attempts, how.failure = stats.Attempts()
		if how.attempts == 0 {
			how.attempts = how.batches // of a provider that does not count
		}
	}
	if err == nil && d.check != nil {
		err = d.check(keys, out)
	}
	if err != nil {
		how.failure = err
	}
	how.outcome, how.took = outcomeOf(err), time.Since(start)
	d.told(st, how)
	return err
}

// called is how a query went.
type called struct {
	outcome                 Outcome
	took                    time.Duration
	keys, batches, attempts int
	failure                 error // the last one, also where it was mended
	breaker, limiter        string
}

func (d *dependency[K, V]) told(st *state, c called) {
	st.observeCall(d.command, c.outcome, c.took)
	if st.trace != nil {
		st.trace.call(d.command, c)
	}
}

// wait runs the batches of a query in goroutines and collects their answers; the first failure ends it.
// Providers read a call and write to memory of their own, and a state that a late one may still read from is not used again.
func (d *dependency[K, V]) wait(ctx context.Context, st *state, call Call, keys []K, out []V, room policy.Room) error {
	type answer struct {
		from int
		out  []V
		err  error
	}
	batches := d.batches(len(keys))
	left := leaver{room: room}
	left.batches.Store(int64(batches))
	answers := make(chan answer, batches) // room for all: nobody blocks on a query that has ended
	slots := make(chan struct{}, d.maxParallel)
	start := func(from int) {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			ended := false
			leave := func() {
				if !ended {
					ended = true
					left.one()
				}
			}
			defer leave() // also if the provider ends the goroutine
			batch := keys[from:min(from+d.maxBatch, len(keys))]
			a := answer{from: from, out: make([]V, len(batch))}
			a.err = ctx.Err()
			if a.err == nil {
				a.err = d.ask(ctx, &call, batch, a.out)
			}
			leave() // before anybody who waits for the answer asks for room again
			answers <- a
		}()
	}
	if batches <= d.maxParallel {
		for from := 0; from < len(keys); from += d.maxBatch {
			start(from)
		}
	} else {
		go func() {
			for from := 0; from < len(keys); from += d.maxBatch {
				start(from)
			}
		}()
	}
	for range batches {
		select {
		case a := <-answers:
			if a.err != nil {
				if batches > 1 {
					st.abandoned.Store(true)
				}
				return a.err
			}
			copy(out[a.from:], a.out)
		case <-ctx.Done():
			st.abandoned.Store(true)
			return ctx.Err()
		}
	}
	return nil
}

func (d *dependency[K, V]) askInline(ctx context.Context, call *Call, keys []K, out []V, room policy.Room) error {
	defer room.Leave(room.Size())
	return d.ask(ctx, call, keys, out)
}

// leaver gives room back as batches end: what is left takes up no more than it needs.
type leaver struct {
	room    policy.Room
	batches atomic.Int64
}

func (l *leaver) one() {
	if l.batches.Add(-1) < l.room.Size() {
		l.room.Leave(1)
	}
}

// ask calls the provider once; a panic in it is an error of the provider.
func (d *dependency[K, V]) ask(ctx context.Context, call *Call, keys []K, out []V) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: provider panicked: %v\n%s", d.command, p, debug.Stack())
		}
	}()
	return d.provider.Query(ctx, call, keys, out)
}

func outcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return OK
	case errors.Is(err, context.DeadlineExceeded):
		return TimedOut
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, ErrMalformed):
		return Malformed
	}
	return Failed
}

func malformed(command Command, format string, args ...any) error {
	return fmt.Errorf("%s: %w: %s", command, ErrMalformed, fmt.Sprintf(format, args...))
}
