package assembly

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"proscenium/engine/policy"
	"proscenium/engine/policy/hierarchy"
	"proscenium/engine/policy/shed"
	"proscenium/kv"
	"proscenium/traffic"
)

// Policies are the limits, breakers, queues and load shedding of a process that serves. Those that price offline have none.
type Policies struct {
	Registry *policy.Registry

	fleets  [traffic.Count]*hierarchy.Fleet
	shedder *shed.Shedder
	now     func() time.Time
}

// PolicyOptions are what policies need.
type PolicyOptions struct {
	// Stores are where the fleet counts and shares.
	Stores *kv.KV
	// Process names this process in the fleet; empty: a random name.
	Process string
	Now     func() time.Time
	Log     *slog.Logger
	// Observer may be nil.
	Observer BreakerObserver
}

// BreakerObserver counts the changes of breakers, for metrics.
type BreakerObserver interface{ BreakerChanged(policy.Transition) }

// NewPolicies makes the policies of a process. Run puts them to work.
func NewPolicies(opts PolicyOptions) *Policies {
	p := &Policies{shedder: shed.New(shed.Rule{}), now: opts.Now}
	began := opts.Now()
	for _, class := range traffic.All() {
		p.fleets[class] = hierarchy.NewFleet(opts.Stores.Of(class), hierarchy.Deps{
			Now:     func() int64 { return int64(opts.Now().Sub(began)) },
			Alone:   opts.Stores.Embedded(),
			OnError: shareLog(opts.Log, class),
		})
	}
	p.Registry = policy.New(policy.Deps{
		Now: opts.Now, Random: rand.Float64, KV: opts.Stores, Fleets: p.fleets, Shedder: p.shedder, Process: opts.Process,
		Failed: redisLog(opts.Log, opts.Now), Transition: breakerLog(opts.Log, opts.Observer),
	})
	return p
}

// Run shares capacities with the fleet and looks at how busy the process is, until ctx ends: end it when the process answers nobody any more.
func (p *Policies) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, fleet := range p.fleets {
		wg.Go(func() { fleet.Run(ctx) })
	}
	began := p.now()
	wg.Go(func() { p.shedder.Run(ctx, func() int64 { return int64(p.now().Sub(began)) }) })
	wg.Wait()
}

// Close adds up what limits counted in this process.
func (p *Policies) Close() { p.Registry.Close() }

// shareLog tells when the processes can no longer agree on their shares, and when they can again.
func shareLog(log *slog.Logger, class traffic.Class) func(error) {
	return func(err error) {
		if err == nil {
			log.Info("capacities are shared among the processes again", slog.String("traffic", class.String()))
			return
		}
		log.Warn("Redis does not answer: queues go on in their safe mode", slog.String("traffic", class.String()), slog.Any("error", err))
	}
}

// redisLog tells of counts that Redis did not take, at most once in ten seconds.
func redisLog(log *slog.Logger, now func() time.Time) func(error) {
	var mu sync.Mutex
	var last time.Time
	var since int
	return func(err error) {
		at := now()
		mu.Lock()
		since++
		count := since
		quiet := at.Sub(last) < failurePause
		if !quiet {
			last, since = at, 0
		}
		mu.Unlock()
		if !quiet {
			log.Warn("Redis does not answer: limits are counted by each process alone", slog.Int("count", count), slog.Any("error", err))
		}
	}
}

func breakerLog(log *slog.Logger, observer BreakerObserver) func(policy.Transition) {
	return func(t policy.Transition) {
		if observer != nil {
			observer.BreakerChanged(t)
		}
		log.Warn("a breaker changed", slog.String("breaker", t.Breaker), slog.String("traffic", t.Class.String()),
			slog.String("from", t.From), slog.String("to", t.To))
	}
}
