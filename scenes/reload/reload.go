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
	"proscenium/scenes/history"
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

// Options adjust a Reloader; the zero value is good.
type Options struct {
	// Settle is how long the source must be quiet after a change before it is read. 0: 200ms. While it never is quiet, it is read after ten times that.
	Settle time.Duration
	// Poll is how often the source is read without a sign of change: a net below the watch. 0: 10s.
	Poll time.Duration
	// Now is the clock. nil: time.Now.
	Now func() time.Time
	// History keeps what served, and has what earlier processes kept. nil: one in memory. It belongs to the Reloader from here on.
	History *history.History
	// OnLoad is told of each load of content that was new, after its snapshot serves, from the goroutine of Run. It may be nil.
	OnLoad func(Status)
	// OnChange is told of each status, whatever changed, in order, from the goroutine of Run. It may be nil.
	OnChange func(Status)
	// OnRollback is told of each rollback that was asked for, after OnChange, from the goroutine of Run. It may be nil.
	OnRollback func(Rollback)
	// OnDamage is told what of the history on disk is ignored, from the goroutine of Run. It may be nil.
	OnDamage func(error)
}

// Reloader loads snapshots from a source. Status, Snapshot, Watch and Rollback may be called by any goroutine at any time.
type Reloader struct {
	source   Source
	apply    func(*scenes.Snapshot) error
	options  Options
	loader   scenes.Loader // of Run alone
	snapshot atomic.Pointer[scenes.Snapshot]
	status   atomic.Pointer[published]
	watchErr chan error
	asked    chan request
	ended    chan struct{} // Run has returned

	// What follows belongs to the goroutine of Run.
	history *history.History
	seen    content // what the last load read
	holds   content // what the source held when it could be read last; zero: it never could
	good    string  // the version of what the last load read, where that is good
}

// content is a digest of files, and of what could not be read.
type content [sha256.Size]byte

// New makes a Reloader. apply puts a snapshot to work and returns when it serves; if it returns an error, the one before goes on serving.
// It is called by the goroutine of Run only.
func New(src Source, apply func(*scenes.Snapshot) error, options Options) *Reloader {
	options.Settle = cmp.Or(options.Settle, 200*time.Millisecond)
	options.Poll = cmp.Or(options.Poll, 10*time.Second)
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.History == nil {
		options.History = history.New(0, nil)
	}
	r := &Reloader{
		source: src, apply: apply, options: options, history: options.History, loader: scenes.Loader{Gentle: true},
		watchErr: make(chan error, 1), asked: make(chan request), ended: make(chan struct{}),
	}
	r.status.Store(&published{superseded: make(chan struct{})})
	return r
}

// Snapshot is the one that serves; nil before the first good load.
func (r *Reloader) Snapshot() *scenes.Snapshot { return r.snapshot.Load() }

// Run loads at once, and then whenever the source changes, until ctx ends. When it returns, all that it started has ended. It runs once.
func (r *Reloader) Run(ctx context.Context) {
	defer close(r.ended)
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()

	if err := r.history.Open(); err != nil && r.options.OnDamage != nil {
		r.options.OnDamage(err)
	}
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
			r.save()
		case q := <-r.asked:
			q.answer <- r.rollBack(q)
		case err := <-r.watchErr:
			status := r.Status()
			status.WatchErr = err
			r.publish(status)
		}
	}
}

// save writes what is not on disk yet, and tells where that fails or works again.
func (r *Reloader) save() {
	err := r.history.Save()
	if status := r.Status(); text(err) != text(status.HistoryErr) {
		status.HistoryErr = err
		r.publish(status)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// digest tells contents apart.
func digest(files []source.File, unread []diag.Diagnostic) content {
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
	return content(hash.Sum(nil))
}
