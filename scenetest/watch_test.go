package scenetest_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"proscenium/scenes/reload"
	"proscenium/scenetest"
)

// deadline ends a test that hangs; nothing is asserted about it.
const deadline = 30 * time.Second

func TestAWatchRunsAgainWhenATestOrADatumChanges(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "tests", "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "linked")); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("tests/a.yaml", "tests: []")
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	ran, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- scenetest.Watch(ctx, reload.NewDirectory(dir).WithTests(), os.DirFS(dir), func(ctx context.Context) error {
			select {
			case ran <- struct{}{}:
			case <-ctx.Done():
			}
			return nil
		})
	}()
	wait := func() {
		t.Helper()
		select {
		case <-ran:
		case <-ctx.Done():
			t.Fatal("it does not run")
		}
	}
	wait() // at once
	for _, change := range [][2]string{{"tests/a.yaml", "tests: [ ]"}, {"tests/data/items.csv", "item_id"}, {"market.yaml", "scenes: []"}, {"b_test.yml", "tests: []"}, {"linked/c_test.yaml", "tests: []"}} {
		write("tests/report.xml", change[0]) // concerns nobody
		write(change[0], change[1])
		wait()
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("got %v", err)
	}
}

// brokenWatcher cannot watch.
type brokenWatcher struct{}

var errNoWatch = errors.New("too many watches")

func (brokenWatcher) Watch(context.Context, chan<- struct{}) error { return errNoWatch }

func TestAWatchThatCannotBeSetIsAnError(t *testing.T) {
	err := scenetest.Watch(t.Context(), brokenWatcher{}, os.DirFS(t.TempDir()), func(context.Context) error { return nil })
	if !errors.Is(err, errNoWatch) {
		t.Errorf("got %v", err)
	}
}
