package scenetest

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"path"
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

// deepest bounds the folders that are looked into: symbolic links can make them endless.
const deepest = 16

// fingerprint changes with the files that tests can depend on. Symbolic links are followed, as by who reads the files.
func fingerprint(fsys fs.FS) uint64 {
	hash := fnv.New64a()
	stamp(hash, fsys, ".", 0)
	return hash.Sum64()
}

// stamp writes what tells one version of a folder's files from another. What cannot be read is reported by who loads it.
func stamp(w io.Writer, fsys fs.FS, dir string, depth int) {
	entries, _ := fs.ReadDir(fsys, dir)
	for _, entry := range entries {
		name := path.Join(dir, entry.Name())
		switch info, err := fs.Stat(fsys, name); {
		case err != nil:
		case info.IsDir():
			if depth < deepest && source.IsTestFolder(entry.Name()) {
				stamp(w, fsys, name, depth+1)
			}
		case concerns(name):
			_, _ = fmt.Fprintf(w, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano()) // a hash takes everything
		}
	}
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
