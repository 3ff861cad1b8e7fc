package limit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// state is what the handles of one limit share: what it has counted, whatever its rules are now.
type state struct {
	mu         sync.Mutex
	counters   map[string]*counters
	tables     map[string]*table
	fallbacks  map[string]*table
	hot        map[string]*flushed
	scripts    scripts
	deps       Deps
	tag        string
	interval   chan time.Duration
	background sync.WaitGroup
	stop       context.CancelFunc // nil: nothing runs in the background
	closed     bool
}

// counters are of a dimension.
type counters struct{ allowed, marked, refused, fallback atomic.Int64 }

// part returns the state of a dimension by a name that has its algorithm in it, made where there is none.
func part[T any](s *state, of map[string]T, name string, fresh func() T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := of[name]
	if !ok {
		p = fresh()
		of[name] = p
	}
	return p
}

// run starts what adds hot keys up, with the first of them.
func (s *state) run(every time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.stop != nil {
		select {
		case s.interval <- every:
		default: // it will be said again
		}
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.background.Go(func() { s.flushAll(ctx, every) })
}

func (s *state) flushAll(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case shorter := <-s.interval:
			if shorter < every {
				every = shorter
				tick.Reset(every)
			}
		case <-tick.C:
			s.flush(ctx)
		}
	}
}

// flush adds up every hot key. One at a time may call it.
func (s *state) flush(ctx context.Context) {
	s.mu.Lock()
	hot := make([]*flushed, 0, len(s.hot))
	for _, f := range s.hot {
		hot = append(hot, f)
	}
	s.mu.Unlock()
	for _, f := range hot {
		if err := f.flush(ctx, s.deps.Store, s.tag, s.deps.Process, s.deps.Now); err != nil && ctx.Err() == nil && s.deps.Failed != nil {
			s.deps.Failed(err)
		}
	}
}

// close ends the background and adds up for the last time.
func (s *state) close(ctx context.Context) {
	s.mu.Lock()
	stop := s.stop
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if stop == nil || !first {
		return
	}
	stop()
	s.background.Wait()
	s.flush(ctx)
}
