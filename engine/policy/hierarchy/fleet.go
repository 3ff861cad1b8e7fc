package hierarchy

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"proscenium/kv"
	"proscenium/traffic"
)

// Deps are what a Fleet needs besides its store. The zero value is good.
type Deps struct {
	// Now is a monotonic clock in nanoseconds, not negative. nil: one that began with the Fleet.
	Now func() int64
	// ID tells this process from all others that ever used the store. 0: a random one.
	ID uint64
	// Timing is that of the whole fleet. nil: DefaultTiming.
	Timing *Timing
	// Alone says that no other process can reach the store, as with an embedded one: grants are given at once, for nobody else can have any.
	Alone bool
	// OnError is told, from the goroutine of Run, when the store begins to fail (the error) and when it answers again (nil). It may be nil.
	OnError func(error)
}

// Fleet is this process among those that share the resources of one class of traffic. All but Run may be called by any goroutine at any time.
type Fleet struct {
	class     traffic.Class
	exchange  exchange
	deps      Deps
	instances atomic.Int64
	failing   bool // of Run alone

	mu      sync.Mutex // of the station and of what follows
	station *station
	members map[string]*Member
}

// NewFleet makes the process a member of the fleet that uses a store. Run puts it to work.
func NewFleet(store *kv.Store, deps Deps) *Fleet {
	if deps.Timing == nil {
		t := DefaultTiming()
		deps.Timing = &t
	}
	return newFleet(store.Class(), &redisExchange{store: store, timing: deps.Timing}, deps)
}

func newFleet(class traffic.Class, x exchange, deps Deps) *Fleet {
	if deps.Now == nil {
		began := time.Now()
		deps.Now = func() int64 { return int64(time.Since(began)) }
	}
	if deps.ID == 0 {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		deps.ID = binary.LittleEndian.Uint64(b[:]) | 1
	}
	f := &Fleet{class: class, exchange: x, deps: deps, members: map[string]*Member{}}
	f.station = newStation(deps.Now(), deps.ID, deps.Timing, deps.Alone)
	f.instances.Store(1)
	return f
}

// Now is the clock of the fleet, for Take.
func (f *Fleet) Now() int64 { return f.deps.Now() }

// Class is whose traffic the fleet shares.
func (f *Fleet) Class() traffic.Class { return f.class }

// Apply makes these the resources of the process. Members of resources that were there before stay, with their buckets and grants; those that are no
// longer there let nothing through. An error says that the resources are not of the fleet's class or not valid; nothing changed then. Resources may be
// changed by the caller afterwards.
func (f *Fleet) Apply(resources []Resource) error {
	if err := check(resources, f.class); err != nil {
		return err
	}
	resources = slices.Clone(resources)
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.deps.Now()
	members := make([]*Member, len(resources))
	kept := make(map[string]*Member, len(resources))
	for i := range resources {
		r := &resources[i]
		r.Share.Queues = slices.Clone(r.Share.Queues)
		m := f.members[r.Name]
		if m == nil {
			m = newMember(r.Name, f.deps.Now, f.deps.Timing)
		}
		m.configure(now, r)
		members[i], kept[r.Name] = m, m
	}
	for name, m := range f.members {
		if kept[name] == nil {
			m.stop(now)
		}
	}
	f.members = kept
	f.station.configure(resources, members)
	return nil
}

// Member is the process's part in a resource, nil where it is not applied.
func (f *Fleet) Member(name string) *Member {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.members[name]
}

// Instances is how many processes the fleet has, at least 1. While nobody can tell it is what was known last.
func (f *Fleet) Instances() int { return int(f.instances.Load()) }

// Run takes part in the fleet until ctx ends. Then nothing is let through any more, and the others are told, so that they can have what this process
// had: call it off when the process has nothing more to do. It runs once, and returns when all that it started has ended.
func (f *Fleet) Run(ctx context.Context) {
	f.work(ctx)
	f.mu.Lock()
	bye := f.station.leave(f.deps.Now())
	f.mu.Unlock()
	const patience = time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_, err := f.exchange.do(ctx, bye)
	f.tell(err)
}

// work is Run without the goodbye.
func (f *Fleet) work(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		wait := f.step(ctx)
		if wait <= 0 {
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
}

// step makes one request, if one is due, and says how long nothing will be.
func (f *Fleet) step(ctx context.Context) time.Duration {
	f.mu.Lock()
	asked := f.deps.Now()
	q, wake := f.station.next(asked)
	f.mu.Unlock()
	if q == nil {
		return max(time.Duration(wake-asked), time.Millisecond)
	}
	r, err := f.exchange.do(ctx, q)
	if err != nil {
		r = nil
	}
	f.mu.Lock()
	f.station.done(f.deps.Now(), asked, q, r)
	f.instances.Store(int64(f.station.instances()))
	f.mu.Unlock()
	if ctx.Err() == nil {
		f.tell(err)
	}
	return 0
}

// tell reports changes between failing and working.
func (f *Fleet) tell(err error) {
	if (err != nil) == f.failing {
		return
	}
	f.failing = err != nil
	if f.deps.OnError != nil {
		f.deps.OnError(err)
	}
}
