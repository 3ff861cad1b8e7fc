package reload_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"proscenium/scenes"
	"proscenium/scenes/reload"
	"proscenium/scenes/source"
)

// onDisk runs a reloader over a real directory; polling is off, so that only the watch can find what changes.
type onDisk struct {
	*reload.Reloader
	dir   string
	loads chan reload.Status
}

func watchDirectory(t *testing.T, dir string) *onDisk {
	t.Helper()
	d := &onDisk{dir: dir, loads: make(chan reload.Status, 100)}
	d.Reloader = reload.New(reload.NewDirectory(dir), func(*scenes.Snapshot) error { return nil }, reload.Options{
		Settle: 20 * time.Millisecond, Poll: time.Hour, OnLoad: func(s reload.Status) { d.loads <- s },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return d
}

// until waits for a load that ends as wanted. Others may come before it: a change on disk is rarely one event.
func (d *onDisk) until(t *testing.T, want string, good func(reload.Status) bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case s := <-d.loads:
			if good(s) {
				return
			}
		case <-deadline:
			t.Fatalf("waited in vain for: %s; status: %+v", want, d.Status())
		}
	}
}

func (d *onDisk) untilServing(t *testing.T, description string) {
	t.Helper()
	d.until(t, "serving "+description, func(s reload.Status) bool {
		return !s.Stale && d.Snapshot() != nil && d.Snapshot().Bundle.GetClients()[0].GetDescription() == description
	})
}

func (d *onDisk) untilOutcome(t *testing.T, outcome reload.Outcome) {
	t.Helper()
	d.until(t, string(outcome), func(s reload.Status) bool { return s.Outcome == outcome })
}

func put(t *testing.T, dir string, files []source.File) {
	t.Helper()
	for _, f := range files {
		write(t, filepath.Join(dir, f.Name), f.Data)
	}
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(name), 0o755))
	must(t, os.WriteFile(name, data, 0o644))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func clients(t *testing.T, description string) []byte {
	t.Helper()
	for _, f := range good(t, description) {
		if f.Name == "clients.yaml" {
			return f.Data
		}
	}
	t.Fatal("the base has no clients.yaml")
	return nil
}

func TestEditsOfADirectoryServe(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, good(t, "a"))
	d := watchDirectory(t, dir)
	d.untilServing(t, "a")

	write(t, filepath.Join(dir, "clients.yaml"), clients(t, "written in place"))
	d.untilServing(t, "written in place")

	write(t, filepath.Join(dir, ".clients.swp"), clients(t, "renamed over"))
	must(t, os.Rename(filepath.Join(dir, ".clients.swp"), filepath.Join(dir, "clients.yaml")))
	d.untilServing(t, "renamed over")

	must(t, os.Remove(filepath.Join(dir, "clients.yaml")))
	d.untilOutcome(t, reload.Invalid)
	write(t, filepath.Join(dir, "who", "calls", "clients.yaml"), clients(t, "in a new folder"))
	d.untilServing(t, "in a new folder")

	write(t, filepath.Join(dir, "who", "calls", "clients.yaml"), clients(t, "in a folder made later"))
	d.untilServing(t, "in a folder made later")
}

func TestAFileThatIsHalfWrittenServesNobody(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, good(t, "a"))
	d := watchDirectory(t, dir)
	d.untilServing(t, "a")

	whole := clients(t, "b")
	write(t, filepath.Join(dir, "clients.yaml"), whole[:len(whole)/2])
	d.untilOutcome(t, reload.Invalid)
	if got := d.Snapshot().Bundle.GetClients()[0].GetDescription(); got != "a" {
		t.Errorf("%q serves while the file is half written", got)
	}
	write(t, filepath.Join(dir, "clients.yaml"), whole)
	d.untilServing(t, "b")
}

// A mounted ConfigMap: files are links into ..data, which is a link to a folder of the version, and is replaced by a rename.
func TestAConfigMapIsSwapped(t *testing.T) {
	dir := t.TempDir()
	mount := func(version string, files []source.File) {
		t.Helper()
		put(t, filepath.Join(dir, version), files)
		must(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	mount("..2026_01", good(t, "a"))
	for _, f := range good(t, "a") {
		must(t, os.Symlink(filepath.Join("..data", f.Name), filepath.Join(dir, f.Name)))
	}
	d := watchDirectory(t, dir)
	d.untilServing(t, "a")
	if n := len(d.Snapshot().Sources); n != len(good(t, "a")) {
		t.Errorf("%d files were read: %v", n, d.Snapshot().Sources)
	}

	mount("..2026_02", good(t, "b"))
	must(t, os.RemoveAll(filepath.Join(dir, "..2026_01")))
	d.untilServing(t, "b")

	half := good(t, "c")
	half[0].Data = half[0].Data[:len(half[0].Data)/2]
	mount("..2026_03", half)
	d.untilOutcome(t, reload.Invalid)
	mount("..2026_04", good(t, "d"))
	d.untilServing(t, "d")
}

func TestADirectoryIsRemovedAndMadeAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "configs")
	put(t, dir, good(t, "a"))
	d := watchDirectory(t, dir)
	d.untilServing(t, "a")

	for _, again := range []string{"b", "c"} {
		must(t, os.RemoveAll(dir))
		d.untilOutcome(t, reload.Unreadable)
		if d.Snapshot() == nil {
			t.Error("nothing serves any more")
		}
		put(t, dir, good(t, again))
		d.untilServing(t, again)
	}

	other := dir + ".next"
	put(t, other, good(t, "d"))
	must(t, os.Rename(dir, dir+".old"))
	must(t, os.Rename(other, dir))
	d.untilServing(t, "d")
	write(t, filepath.Join(dir, "clients.yaml"), clients(t, "e"))
	d.untilServing(t, "e")
}

func TestADirectoryThatIsALinkIsSwapped(t *testing.T) {
	parent := t.TempDir()
	put(t, filepath.Join(parent, "release_1"), good(t, "a"))
	put(t, filepath.Join(parent, "release_2"), good(t, "b"))
	link := filepath.Join(parent, "current")
	must(t, os.Symlink("release_1", link))
	d := watchDirectory(t, link)
	d.untilServing(t, "a")
	must(t, os.Symlink("release_2", link+".tmp"))
	must(t, os.Rename(link+".tmp", link))
	d.untilServing(t, "b")
	write(t, filepath.Join(parent, "release_2", "clients.yaml"), clients(t, "c"))
	d.untilServing(t, "c")
}

func TestADirectoryThatIsBrokenOrMissingAtTheStartIsMended(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "configs")
	d := watchDirectory(t, dir)
	d.untilOutcome(t, reload.Unreadable)
	put(t, dir, broken())
	d.untilOutcome(t, reload.Invalid)
	if d.Snapshot() != nil {
		t.Error("something serves")
	}
	must(t, os.Remove(filepath.Join(dir, "a.yaml")))
	put(t, dir, good(t, "a"))
	d.untilServing(t, "a")
}
