package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"
)

// ErrMalformed is wrapped by the error of a provider whose answer breaks the protocol.
var ErrMalformed = errors.New("malformed answer")

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
}

func newDependency[K, V any](command Command, provider Provider[K, V], conf *configv1.Dependency) (dependency[K, V], error) {
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
	return d, nil
}

// query asks for all keys and fills out. It returns at the latest when the dependency's time or ctx ends, whatever the provider does.
func (d *dependency[K, V]) query(ctx context.Context, st *state, keys []K, out []V) error {
	return d.queryAs(ctx, st, &st.call, keys, out)
}

// queryAs is query with a call that is not the state's.
func (d *dependency[K, V]) queryAs(ctx context.Context, st *state, call *Call, keys []K, out []V) error {
	if len(keys) == 0 {
		return nil
	}
	start := time.Now()
	if d.fromMemory {
		err := d.ask(ctx, call, keys, out)
		d.told(st, called{outcomeOf(err), time.Since(start), len(keys), 1, 1, err})
		return err
	}
	stats := new(CallStats)
	err := d.wait(context.WithValue(ctx, callStatsKey{}, stats), st, *call, keys, out)
	batches := (len(keys) + d.maxBatch - 1) / d.maxBatch
	attempts, failure := stats.Attempts()
	if attempts == 0 {
		attempts = batches // of a provider that does not count
	}
	if err != nil {
		failure = err
	}
	d.told(st, called{outcomeOf(err), time.Since(start), len(keys), batches, attempts, failure})
	return err
}

// called is how a query went.
type called struct {
	outcome                 Outcome
	took                    time.Duration
	keys, batches, attempts int
	failure                 error // the last one, also where it was mended
}

func (d *dependency[K, V]) told(st *state, c called) {
	st.observeCall(d.command, c.outcome, c.took)
	if st.trace != nil {
		st.trace.call(d.command, c)
	}
}

// wait runs the batches of a query in goroutines and collects their answers; the first failure ends it.
// Providers read a call and write to memory of their own, and a state that a late one may still read from is not used again.
func (d *dependency[K, V]) wait(ctx context.Context, st *state, call Call, keys []K, out []V) error {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()

	type answer struct {
		from int
		out  []V
		err  error
	}
	batches := (len(keys) + d.maxBatch - 1) / d.maxBatch
	answers := make(chan answer, batches) // room for all: nobody blocks on a query that has ended
	slots := make(chan struct{}, d.maxParallel)
	start := func(from int) {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			batch := keys[from:min(from+d.maxBatch, len(keys))]
			a := answer{from: from, out: make([]V, len(batch))}
			a.err = ctx.Err()
			if a.err == nil {
				a.err = d.ask(ctx, &call, batch, a.out)
			}
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
