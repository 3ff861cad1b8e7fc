package history_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"proscenium/scenes/history"
	"proscenium/scenes/source"
)

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func version(i int) string { return fmt.Sprintf("%016x", i) }

func content(i int) []source.File {
	return []source.File{{Name: "a.yaml", Data: fmt.Appendf(nil, "# %d\n", i)}, {Name: "empty.yaml"}, {Name: "scenes/ß.yaml", Data: []byte("scenes: []")}}
}

// serve makes version i serve, i hours after the start.
func serve(h *history.History, i int) {
	h.Serve(history.Version{Version: version(i), Served: start.Add(time.Duration(i) * time.Hour), Origin: history.FromSource, Scenes: i}, content(i))
}

func save(t *testing.T, h *history.History) {
	t.Helper()
	if err := h.Save(); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, h *history.History) *history.History {
	t.Helper()
	if err := h.Open(); err != nil {
		t.Fatal(err)
	}
	return h
}

// names are the versions kept, in short, the last first.
func names(h *history.History) []int {
	var all []int
	for _, v := range h.View().Versions() {
		var i int
		_, _ = fmt.Sscanf(v.Version, "%x", &i)
		all = append(all, i)
	}
	return all
}

func equalFiles(a, b []source.File) bool {
	return slices.EqualFunc(a, b, func(x, y source.File) bool { return x.Name == y.Name && bytes.Equal(x.Data, y.Data) })
}

func expectFiles(t *testing.T, h *history.History, i int) {
	t.Helper()
	files, err := h.View().Files(version(i))
	if err != nil || !equalFiles(files, content(i)) {
		t.Errorf("files of %d: %q, %v", i, files, err)
	}
}

func TestWhatServedIsThereAfterARestart(t *testing.T) {
	dir := t.TempDir()
	h := open(t, history.New(0, history.NewStore(dir, "market")))
	for _, i := range []int{1, 2, 3, 1} {
		serve(h, i)
		save(t, h)
	}
	h.SetRollback(&history.Rollback{Version: version(1), From: "f00", Reason: "prices", At: start})
	save(t, h)
	before := h.View().Versions()

	h = open(t, history.New(0, history.NewStore(dir, "market")))
	if diff := cmp.Diff(before, h.View().Versions()); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
	if got := names(h); !slices.Equal(got, []int{1, 3, 2}) {
		t.Errorf("order %v", got)
	}
	for i := 1; i <= 3; i++ {
		expectFiles(t, h, i)
	}
	if r := h.Rollback(); r == nil || r.Reason != "prices" || r.From != "f00" || !r.At.Equal(start) {
		t.Errorf("rollback %+v", r)
	}
	h.SetRollback(nil)
	save(t, h)
	if r := open(t, history.New(0, history.NewStore(dir, "market"))).Rollback(); r != nil {
		t.Errorf("a rollback that has ended is back: %+v", r)
	}
}

// Clocks go back: what served last is the last all the same.
func TestTheLastIsTheLastWhateverTheClockSays(t *testing.T) {
	dir := t.TempDir()
	h := history.New(0, history.NewStore(dir, "market"))
	for _, i := range []int{9, 5, 1} {
		serve(h, i)
	}
	save(t, h)
	h = open(t, history.New(0, history.NewStore(dir, "market")))
	serve(h, 0)
	save(t, h)
	if got := names(open(t, history.New(0, history.NewStore(dir, "market")))); !slices.Equal(got, []int{0, 1, 5, 9}) {
		t.Errorf("order %v", got)
	}
}

func TestNothingIsMadeBeforeThereIsSomethingToKeepAndOthersCannotReadIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "config")
	store := history.NewStore(dir, "market")
	h := open(t, history.New(0, store))
	h.SetRollback(nil)
	save(t, h)
	if _, err := os.Stat(filepath.Dir(dir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory was made: %v", err)
	}
	serve(h, 1)
	h.SetRollback(&history.Rollback{Version: version(1), From: "f00"})
	save(t, h)
	files := 0
	err := filepath.WalkDir(filepath.Dir(dir), func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o700)
		if !entry.IsDir() {
			files++
			want = 0o600
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has the permissions %o, want %o", name, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil || files != 2 {
		t.Errorf("%d files, %v", files, err)
	}
}

func stored(t *testing.T, store *history.Store) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(store.Dir(), "*.config"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTheHistoryIsBoundedInMemoryAndOnDisk(t *testing.T) {
	store := history.NewStore(t.TempDir(), "market")
	h := history.New(3, store)
	for i := range 10 {
		serve(h, i)
		save(t, h)
	}
	if got := names(h); !slices.Equal(got, []int{9, 8, 7}) {
		t.Errorf("in memory: %v", got)
	}
	if got := names(open(t, history.New(0, store))); !slices.Equal(got, []int{9, 8, 7}) {
		t.Errorf("on disk: %v", got)
	}
	if got := names(open(t, history.New(2, store))); !slices.Equal(got, []int{9, 8}) {
		t.Errorf("of a process that keeps fewer: %v", got)
	}
	if _, err := h.View().Files(version(6)); !errors.Is(err, history.ErrUnknown) {
		t.Errorf("what is not kept: %v", err)
	}
	one := history.New(-1, nil)
	serve(one, 1)
	serve(one, 2)
	if got := names(one); !slices.Equal(got, []int{2}) {
		t.Errorf("at least what serves is kept: %v", got)
	}
}

// Another process went back to an old version: its file stays while others serve newer ones.
func TestWhatARollbackOfAnotherProcessNeedsIsNotDropped(t *testing.T) {
	store := history.NewStore(t.TempDir(), "market")
	h := history.New(2, store)
	for i := range 2 {
		serve(h, i)
		save(t, h)
	}
	other := open(t, history.New(2, store))
	other.SetRollback(&history.Rollback{Version: version(0), From: "f00"})
	save(t, other)
	for i := 2; i < 6; i++ {
		serve(h, i)
		save(t, h)
	}
	if got := names(open(t, history.New(10, store))); !slices.Equal(got, []int{5, 0}) {
		t.Errorf("on disk: %v", got)
	}
}

func TestManyBytesInMemoryGiveWayOldestFirst(t *testing.T) {
	const size = 12 << 20
	big := func(h *history.History, i int) {
		h.Serve(history.Version{Version: version(i)}, []source.File{{Name: "a.yaml", Data: bytes.Repeat([]byte{byte('a' + i)}, size)}})
	}
	memory := history.New(20, nil)
	for i := range 10 {
		big(memory, i)
	}
	if got := names(memory); !slices.Equal(got, []int{9, 8, 7, 6, 5, 4}) {
		t.Errorf("in memory: %v", got)
	}
	disk := history.New(20, history.NewStore(t.TempDir(), "market"))
	for i := range 8 {
		big(disk, i)
		save(t, disk)
	}
	for i := range 8 {
		files, err := disk.View().Files(version(i))
		if err != nil || len(files[0].Data) != size || files[0].Data[0] != byte('a'+i) {
			t.Errorf("version %d: %v", i, err)
		}
	}
}

func TestWhatIsDamagedIsToldAndLeftOut(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, file string, data []byte) error{
		"empty":           func(_ *testing.T, file string, _ []byte) error { return os.WriteFile(file, nil, 0o600) },
		"its first bytes": func(_ *testing.T, file string, data []byte) error { return os.WriteFile(file, data[:40], 0o600) },
		"without its end": func(_ *testing.T, file string, data []byte) error {
			return os.WriteFile(file, data[:len(data)-1], 0o600)
		},
		"something behind": func(_ *testing.T, file string, data []byte) error {
			return os.WriteFile(file, append(data, 'x'), 0o600)
		},
		"no header": func(_ *testing.T, file string, _ []byte) error {
			return os.WriteFile(file, []byte("clients: []\n"), 0o600)
		},
		"of another": func(_ *testing.T, file string, data []byte) error {
			return os.WriteFile(file, bytes.Replace(data, []byte(`"market"`), []byte(`"bazaar"`), 1), 0o600)
		},
		"a huge turn": func(_ *testing.T, file string, data []byte) error {
			return os.WriteFile(file, bytes.Replace(data, []byte(`"turn":2`), []byte(`"turn":9223372036854775807`), 1), 0o600)
		},
		"a pipe, that nobody writes to": func(_ *testing.T, file string, _ []byte) error {
			return errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o600))
		},
		"a link": func(_ *testing.T, file string, _ []byte) error {
			return errors.Join(os.Remove(file), os.Symlink("/dev/zero", file))
		},
		"huge": func(_ *testing.T, file string, data []byte) error {
			header := bytes.Replace(data, []byte(`"name":"a.yaml","size":4`), []byte(`"name":"a.yaml","size":1073741824`), 1)
			return errors.Join(os.WriteFile(file, header, 0o600), os.Truncate(file, int64(len(header)-4+1073741824)))
		},
		"another version": func(_ *testing.T, file string, data []byte) error {
			return os.WriteFile(file, bytes.Replace(data, []byte(version(2)), []byte(version(7)), 1), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := history.NewStore(t.TempDir(), "market")
			h := history.New(0, store)
			serve(h, 1)
			serve(h, 2)
			save(t, h)
			file := filepath.Join(store.Dir(), version(2)+".config")
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(t, file, data); err != nil {
				t.Fatal(err)
			}
			h = history.New(0, store)
			if err := h.Open(); err == nil || !strings.Contains(err.Error(), file) {
				t.Errorf("told: %v", err)
			}
			if got := names(h); !slices.Equal(got, []int{1}) {
				t.Errorf("kept: %v", got)
			}
			serve(h, 2) // it serves again, and is whole again
			save(t, h)
			if got := names(open(t, history.New(0, store))); !slices.Equal(got, []int{2, 1}) {
				t.Errorf("kept: %v", got)
			}
		})
	}
}

func TestChangedContentIsNotRead(t *testing.T) {
	store := history.NewStore(t.TempDir(), "market")
	h := history.New(0, store)
	serve(h, 1)
	save(t, h)
	file := stored(t, store)[0]
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for at := range data {
		changed := slices.Clone(data)
		changed[at] ^= 4
		if err := os.WriteFile(file, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		h := history.New(0, store)
		if h.Open() != nil {
			continue
		}
		if files, err := h.View().Files(version(1)); err == nil {
			t.Fatalf("byte %d was changed, and the files are %q", at, files)
		}
	}
}

func TestADamagedRollbackIsToldAndDoesNotStand(t *testing.T) {
	store := history.NewStore(t.TempDir(), "market")
	h := history.New(0, store)
	serve(h, 1)
	h.SetRollback(&history.Rollback{Version: version(1), From: "f00"})
	save(t, h)
	file := filepath.Join(store.Dir(), "rollback.json")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := history.New(0, store).Open(); err == nil || !strings.Contains(err.Error(), "rollback.json") {
		t.Errorf("a pipe: told %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{
		"empty": nil, "half": data[:len(data)/2], "nothing": []byte("{}"), "another's": bytes.Replace(data, []byte("market"), []byte("bazaar"), 1),
	} {
		if err := os.WriteFile(file, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		h := history.New(0, store)
		if err := h.Open(); err == nil || !strings.Contains(err.Error(), "rollback.json") || h.Rollback() != nil {
			t.Errorf("%s: %v, told %v", name, h.Rollback(), err)
		}
	}
}

func TestSourcesDoNotSeeOneAnother(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"/etc/market", "/etc/market2"} {
		h := history.New(0, history.NewStore(dir, name))
		serve(h, i)
		save(t, h)
	}
	for i, name := range []string{"/etc/market", "/etc/market2"} {
		if got := names(open(t, history.New(0, history.NewStore(dir, name)))); !slices.Equal(got, []int{i}) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestADiskThatCannotBeWrittenIsToldAndTriedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // in the way
		t.Fatal(err)
	}
	store := history.NewStore(dir, "market")
	h := history.New(0, store)
	serve(h, 1)
	serve(h, 2)
	h.SetRollback(&history.Rollback{Version: version(1), From: "f00"})
	first, second := h.Save(), h.Save()
	if first == nil || second == nil || first.Error() != second.Error() || !strings.Contains(first.Error(), "rollback") {
		t.Errorf("told %v, then %v", first, second)
	}
	expectFiles(t, h, 1)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	save(t, h)
	if h = open(t, history.New(0, store)); !slices.Equal(names(h), []int{2, 1}) || h.Rollback() == nil {
		t.Errorf("on disk: %v, %v", names(h), h.Rollback())
	}
}

func TestAWriteThatFailsLeavesNothingBehind(t *testing.T) {
	store := history.NewStore(t.TempDir(), "market")
	h := history.New(0, store)
	inTheWay := filepath.Join(store.Dir(), version(1)+".config", "x")
	if err := os.MkdirAll(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	serve(h, 1)
	first, second := h.Save(), h.Save()
	if first == nil || first.Error() != second.Error() {
		t.Errorf("told %v, then %v", first, second)
	}
	entries, err := os.ReadDir(store.Dir())
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestWhatDeadProcessesLeftIsCleanedUp(t *testing.T) {
	store := history.NewStore(t.TempDir(), "market")
	if err := os.MkdirAll(store.Dir(), 0o700); err != nil {
		t.Fatal(err)
	}
	old, young := filepath.Join(store.Dir(), ".tmp-1"), filepath.Join(store.Dir(), ".tmp-2")
	for _, name := range []string{old, young} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	h := open(t, history.New(0, store))
	serve(h, 1)
	save(t, h)
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a dead process left is still there: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("what another process writes is gone: %v", err)
	}
}

// Processes that share a directory write and read the same versions at once. None ever reads half a version.
func TestProcessesThatShareADirectoryDoNotHurtEachOther(t *testing.T) {
	dir := t.TempDir()
	body := bytes.Repeat([]byte("scenes: []\n"), 1<<15)
	put := func(h *history.History, i int) {
		h.Serve(history.Version{Version: version(i)}, []source.File{{Name: "a.yaml", Data: body}})
	}
	first := history.New(4, history.NewStore(dir, "market"))
	for i := range 3 {
		put(first, i)
	}
	save(t, first)
	var all, writers sync.WaitGroup
	done := make(chan struct{})
	for w := range 3 {
		writers.Go(func() {
			h := history.New(4, history.NewStore(dir, "market"))
			for i := range 30 {
				put(h, (i+w)%3)
				if err := h.Save(); err != nil {
					t.Errorf("write: %v", err)
				}
			}
		})
	}
	all.Go(func() {
		writers.Wait()
		close(done)
	})
	for range 2 {
		all.Go(func() {
			for {
				h := history.New(4, history.NewStore(dir, "market"))
				if err := h.Open(); err != nil || h.View().Len() != 3 {
					t.Errorf("%d versions, %v", h.View().Len(), err)
				}
				for i := range 3 {
					if files, err := h.View().Files(version(i)); err != nil || !bytes.Equal(files[0].Data, body) {
						t.Errorf("read: %v", err)
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	all.Wait()
}

// While versions come and serve again, a walk over the pages sees each of those that were there when it began, once, in their order.
func TestPagesAreThoseOfTheListWhenItBegan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := history.New(1_000, nil)
		event := func(label string) { serve(h, rapid.IntRange(0, 12).Draw(t, label)) }
		for range rapid.IntRange(0, 20).Draw(t, "before") {
			event("version")
		}
		want := h.View().Versions()
		var got []history.Version
		size, token := rapid.IntRange(1, 5).Draw(t, "size"), ""
		for {
			page, next, err := h.View().Page(size, token)
			if err != nil || len(page) > size {
				t.Fatalf("page %v, %v", page, err)
			}
			got = append(got, page...)
			if token = next; token == "" {
				break
			}
			for range rapid.IntRange(0, 3).Draw(t, "between") {
				event("version")
			}
		}
		same := func(a, b history.Version) bool { return a.Version == b.Version }
		if !slices.EqualFunc(got, want, same) {
			t.Fatalf("got %v\nwant %v", got, want)
		}
	})
}

func TestATokenOfAnotherListIsRefused(t *testing.T) {
	h := history.New(0, nil)
	serve(h, 1)
	for _, token := range []string{"x", "djEuMg", "djEuLTE", "djEuMQ==", "djAxLjE", strings.Repeat("A", 300), "\x00", "dj"} {
		if _, _, err := h.View().Page(1, token); !errors.Is(err, history.ErrPageToken) {
			t.Errorf("%q: %v", token, err)
		}
	}
	if page, next, err := (history.View{}).Page(5, ""); page != nil || next != "" || err != nil {
		t.Errorf("of nothing: %v, %q, %v", page, next, err)
	}
}

func TestAViewDoesNotChange(t *testing.T) {
	store := history.NewStore(t.TempDir(), "market")
	h := history.New(3, store)
	serve(h, 1)
	view := h.View()
	before := view.Versions()
	for _, i := range []int{2, 3, 1, 4, 5} {
		serve(h, i)
		save(t, h)
		h.Confirm(content(100 + i))
	}
	if !reflect.DeepEqual(before, view.Versions()) {
		t.Errorf("the view was %v and is %v", before, view.Versions())
	}
	if files, err := view.Files(version(1)); err != nil || !equalFiles(files, content(1)) {
		t.Errorf("its files: %q, %v", files, err)
	}
}
