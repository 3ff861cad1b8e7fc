package scenetest

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"io/fs"
	"strings"
	"time"

	"proscenium/scenes/source"
)

// settle is how long files must be quiet before they are read: an editor writes in steps.
const settle = 100 * time.Millisecond

// Watcher tells when something below a directory may have changed, see reload.Directory.
type Watcher interface {
	Watch(ctx context.Context, changed chan<- struct{}) error
}

// Watch calls run now, and again whenever a file that tests can depend on has changed below fsys, until ctx ends. It returns the error of run or
// of the watcher, and nil when ctx ends.
func Watch(ctx context.Context, w Watcher, fsys fs.FS, run func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	changed, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() { ended <- w.Watch(ctx, changed) }()
	err := follow(ctx, changed, ended, fsys, run)
	cancel()
	watched := <-ended
	return cmp.Or(err, watched)
}

// follow runs until ctx ends, or until the watcher ends, whose error it leaves in ended.
func follow(ctx context.Context, changed <-chan struct{}, ended chan error, fsys fs.FS, run func(context.Context) error) error {
	var last uint64
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			ended <- err
			return nil
		case <-changed:
			settled = time.After(settle)
		case <-settled:
			settled = nil
			now := fingerprint(fsys)
			if now == last {
				continue // such as a report that was written beside the tests
			}
			last = now
			if err := run(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

// fingerprint changes with the files that tests can depend on.
func fingerprint(fsys fs.FS) uint64 {
	hash := fnv.New64a()
	_ = fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error { // what cannot be read is reported by who loads it
		switch {
		case err != nil:
			return nil //nolint:nilerr // as said
		case entry.IsDir() && name != "." && !source.IsTestFolder(entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || !concerns(name):
			return nil
		}
		if info, err := fs.Stat(fsys, name); err == nil {
			_, _ = fmt.Fprintf(hash, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano()) // a hash takes everything
		}
		return nil
	})
	return hash.Sum64()
}

// concerns says whether a file can be a part of the configuration, of the tests or of a catalog.
func concerns(name string) bool {
	for _, ext := range []string{".yaml", ".yml", ".csv", ".csv.gz"} {
		if strings.HasSuffix(name, ext) {
			return true
		}
	}
	return false
}
