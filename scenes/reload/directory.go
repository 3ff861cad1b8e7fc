package reload

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

const (
	// rereads bounds how often a directory is read until it holds still.
	rereads = 20
	// between is the pause before it is read again.
	between = 10 * time.Millisecond
	// renewal is how often the watches are compared with the folders that there are, also without an event: an event can get lost.
	renewal = 5 * time.Second
	// deepest bounds the folders that are watched: symbolic links can make them endless.
	deepest = 16
)

// errClosed should not happen: only Watch itself closes its watch.
var errClosed = errors.New("the watch was closed")

// Directory is a Source: the files below a directory. The directory may be a mounted ConfigMap, be a symbolic link, and be removed and made anew.
type Directory struct {
	path  string
	enter func(folder string) bool // folders that are watched
}

// NewDirectory makes a Source of the files below path. The directory need not exist yet.
func NewDirectory(path string) *Directory { return &Directory{path: path, enter: source.IsFolder} }

// WithTests is the same Source, whose watch also tells of changes of scene tests.
func (d *Directory) WithTests() *Directory {
	return &Directory{path: d.path, enter: source.IsTestFolder}
}

// Read reads the directory until it finds the same content twice: then all of it was there at one instant between the two.
func (d *Directory) Read(ctx context.Context) ([]source.File, []diag.Diagnostic) {
	files, unread := source.Read(os.DirFS(d.path))
	for range rereads {
		again, unreadAgain := source.Read(os.DirFS(d.path))
		if equal(files, again) && slices.EqualFunc(unread, unreadAgain, sameFinding) {
			return again, unreadAgain
		}
		files, unread = again, unreadAgain
		select {
		case <-ctx.Done():
			return files, unread
		case <-time.After(between):
		}
	}
	return files, append(unread, diag.Diagnostic{
		Code: diag.Unreadable, Severity: diag.Error, Message: "the files keep changing while they are read", Hint: "it is read again when they are quiet",
	})
}

func equal(a, b []source.File) bool {
	return slices.EqualFunc(a, b, func(x, y source.File) bool { return x.Name == y.Name && bytes.Equal(x.Data, y.Data) })
}

func sameFinding(a, b diag.Diagnostic) bool { return a.File == b.File && a.Message == b.Message }

// Watch watches the folders below the directory, and the one above it, which tells when the directory itself is replaced.
func (d *Directory) Watch(ctx context.Context, changed chan<- struct{}) error {
	path, err := filepath.Abs(d.path)
	if err != nil {
		return err
	}
	notifier, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer func() { _ = notifier.Close() }() // nothing is lost with it
	w := watch{root: path, enter: d.enter, notifier: notifier, covered: map[string]fs.FileInfo{}}
	ticker := time.NewTicker(renewal)
	defer ticker.Stop()
	if _, err := w.cover(); err != nil {
		return err
	}
	notify(changed)
	for {
		news, folders := true, true // what may have changed
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-notifier.Events:
			if !ok {
				return errClosed
			}
			news = w.concerns(e)
			folders = news && !e.Has(fsnotify.Write)
		case _, ok := <-notifier.Errors: // events were lost
			if !ok {
				return errClosed
			}
		case <-ticker.C:
			news = false
		}
		added := false
		if folders {
			if added, err = w.cover(); err != nil {
				return err
			}
		}
		if news || added {
			notify(changed)
		}
	}
}

// notify says that something changed, unless that was said and not heard yet.
func notify(changed chan<- struct{}) {
	select {
	case changed <- struct{}{}:
	default:
	}
}

// watch holds the watches of a directory.
type watch struct {
	root     string
	enter    func(folder string) bool
	notifier *fsnotify.Watcher
	covered  map[string]fs.FileInfo // folders watched, as they were when the watch was set
}

// concerns says whether an event is about the directory. In the folder above it, most are not.
func (w *watch) concerns(e fsnotify.Event) bool {
	return e.Name == w.root || strings.HasPrefix(e.Name, w.root+string(filepath.Separator))
}

// cover sets a watch on each folder that has none, and says whether there was one. Folders that were replaced count as new.
func (w *watch) cover() (added bool, err error) {
	found := map[string]fs.FileInfo{}
	w.find(filepath.Dir(w.root), found, deepest) // this folder alone
	w.find(w.root, found, 0)
	for path, info := range found {
		before, watched := w.covered[path]
		if watched && os.SameFile(before, info) {
			continue
		}
		if watched {
			_ = w.notifier.Remove(path) // it went with the folder, perhaps
		}
		switch err := w.notifier.Add(path); {
		case errors.Is(err, fs.ErrNotExist):
			delete(found, path) // gone in between
		case err != nil:
			return false, err
		default:
			added = true
		}
	}
	for path := range w.covered {
		if _, still := found[path]; !still {
			_ = w.notifier.Remove(path) // it went with the folder, as a rule
		}
	}
	w.covered = found
	return added, nil
}

// find gathers a folder and those below it that configuration can be in.
func (w *watch) find(path string, found map[string]fs.FileInfo, depth int) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return
	}
	found[path] = info
	if depth >= deepest {
		return
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return // the read of the files reports it
	}
	for _, e := range entries {
		if (e.IsDir() || e.Type()&fs.ModeSymlink != 0) && w.enter(e.Name()) {
			w.find(filepath.Join(path, e.Name()), found, depth+1)
		}
	}
}
