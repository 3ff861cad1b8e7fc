// Package reload keeps the configuration that serves in step with its source. What is broken never takes the place of what is good.
package reload

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// Source is where configuration comes from.
type Source interface {
	// Read returns all files as they were at one instant, in the order of their names, and what could not be read.
	Read(ctx context.Context) ([]source.File, []diag.Diagnostic)
	// Watch sends on changed, without ever waiting for its receiver, once it watches and whenever something may have changed since. It returns
	// when ctx ends, or with an error when it cannot watch: the source is polled then.
	Watch(ctx context.Context, changed chan<- struct{}) error
}

// Outcome is how a load ended.
type Outcome string

// The outcomes.
const (
	None       Outcome = ""           // nothing was loaded yet
	Applied    Outcome = "applied"    // it serves
	Same       Outcome = "same"       // it says what serves already
	Invalid    Outcome = "invalid"    // it has errors, see the diagnostics
	Refused    Outcome = "refused"    // it could not be put to work, see the error
	Unreadable Outcome = "unreadable" // files could not be read, see the diagnostics
)

// Status tells what serves, and how the last load went. It is a value of its own: nobody changes it any more.
type Status struct {
	// Version and AppliedAt belong to the snapshot that serves; zero before the first good load.
	Version   string
	AppliedAt time.Time
	// Outcome, LoadedAt and Took belong to the last load of content that was new.
	Outcome  Outcome
	LoadedAt time.Time
	Took     time.Duration
	// Stale says that the source holds something else than what serves: something that is broken, or cannot be read.
	Stale bool
	// Diagnostics are the findings of the last load, warnings included.
	Diagnostics []diag.Diagnostic
	// Err is why a snapshot was refused.
	Err error
	// WatchErr is why the source is not watched, only polled; nil while it is watched.
	WatchErr error
}

// Options adjust a Reloader; the zero value is good.
type Options struct {
	// Settle is how long the source must be quiet after a change before it is read. 0: 200ms. While it never is quiet, it is read after ten times that.
	Settle time.Duration
	// Poll is how often the source is read without a sign of change: a net below the watch. 0: 10s.
	Poll time.Duration
	// Now is the clock. nil: time.Now.
	Now func() time.Time
	// OnLoad is told of each load of content that was new, after its snapshot serves, from the goroutine of Run. It may be nil.
	OnLoad func(Status)
}

// Reloader loads snapshots from a source. Status and Snapshot may be called by any goroutine at any time.
type Reloader struct {
	source   Source
	apply    func(*scenes.Snapshot) error
	options  Options
	snapshot atomic.Pointer[scenes.Snapshot]
	status   atomic.Pointer[Status]
	seen     [sha256.Size]byte // the content of the last load
	watchErr chan error
}

// New makes a Reloader. apply puts a snapshot to work and returns when it serves; if it returns an error, the one before goes on serving.
// It is called by the goroutine of Run only.
func New(src Source, apply func(*scenes.Snapshot) error, options Options) *Reloader {
	options.Settle = cmp.Or(options.Settle, 200*time.Millisecond)
	options.Poll = cmp.Or(options.Poll, 10*time.Second)
	if options.Now == nil {
		options.Now = time.Now
	}
	r := &Reloader{source: src, apply: apply, options: options, watchErr: make(chan error, 1)}
	r.status.Store(&Status{})
	return r
}

// Status tells what serves, and how the last load went.
func (r *Reloader) Status() Status { return *r.status.Load() }

// Snapshot is the one that serves; nil before the first good load.
func (r *Reloader) Snapshot() *scenes.Snapshot { return r.snapshot.Load() }

// Run loads at once, and then whenever the source changes, until ctx ends. When it returns, all that it started has ended.
func (r *Reloader) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()

	r.load(ctx)
	// What changes from here on, until the watch stands, is read when the watch says that it does.
	changed := make(chan struct{}, 1)
	watch.Go(func() {
		if err := r.source.Watch(ctx, changed); err != nil {
			r.watchErr <- err
		}
	})
	poll := time.NewTicker(r.options.Poll)
	defer poll.Stop()
	r.loop(ctx, changed, poll.C)
}

// loop is all of Run but its files and clocks.
func (r *Reloader) loop(ctx context.Context, changed <-chan struct{}, poll <-chan time.Time) {
	var settled <-chan time.Time // nil while nothing has changed
	var latest time.Time         // to read at, however busy the source is
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			now := time.Now()
			if settled == nil {
				latest = now.Add(10 * r.options.Settle)
			}
			settled = time.After(min(r.options.Settle, latest.Sub(now)))
		case <-settled:
			settled = nil
			r.load(ctx)
		case <-poll:
			if settled == nil {
				r.load(ctx)
			}
		case err := <-r.watchErr:
			status := r.Status()
			status.WatchErr = err
			r.publish(status)
		}
	}
}

// load reads the source, and puts what it holds to work if that is new and good.
func (r *Reloader) load(ctx context.Context) {
	begin := time.Now()
	files, unread := r.source.Read(ctx)
	if ctx.Err() != nil {
		return
	}
	content := digest(files, unread)
	before := r.Status()
	if content == r.seen && before.Outcome != None && before.Outcome != Refused {
		return
	}
	status := r.outcome(files, unread)
	status.LoadedAt, status.Took, status.WatchErr = r.options.Now(), time.Since(begin), before.WatchErr
	if content == r.seen && status.Outcome == Refused && before.Outcome == Refused {
		return // tried again, and refused again
	}
	r.seen = content
	r.publish(status)
}

// outcome does what a load is for. What serves changes here, or not at all.
func (r *Reloader) outcome(files []source.File, unread []diag.Diagnostic) Status {
	serving := r.Status()
	kept := Status{Version: serving.Version, AppliedAt: serving.AppliedAt, Stale: true}
	if len(unread) > 0 {
		kept.Outcome, kept.Diagnostics = Unreadable, unread
		return kept
	}
	now := r.options.Now()
	result := scenes.LoadFiles(files, now)
	kept.Diagnostics = result.Diagnostics
	switch {
	case result.Snapshot == nil:
		kept.Outcome = Invalid
		return kept
	case result.Snapshot.Version == serving.Version:
		kept.Outcome, kept.Stale = Same, false
		return kept
	}
	if err := r.apply(result.Snapshot); err != nil {
		kept.Outcome, kept.Err = Refused, err
		return kept
	}
	r.snapshot.Store(result.Snapshot)
	return Status{Version: result.Snapshot.Version, AppliedAt: now, Outcome: Applied, Diagnostics: result.Diagnostics}
}

func (r *Reloader) publish(status Status) {
	r.status.Store(&status)
	if r.options.OnLoad != nil {
		r.options.OnLoad(status)
	}
}

// digest tells contents apart.
func digest(files []source.File, unread []diag.Diagnostic) [sha256.Size]byte {
	hash := sha256.New()
	write := func(s []byte) {
		hash.Write(binary.AppendUvarint(nil, uint64(len(s))))
		hash.Write(s)
	}
	for _, f := range files {
		write([]byte(f.Name))
		write(f.Data)
	}
	for _, d := range unread {
		write([]byte(d.File + "\x00" + d.Message))
	}
	return [sha256.Size]byte(hash.Sum(nil))
}
