package recording

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// writerOf is a writer that is not run by a recorder, so that a test says what happens when.
func writerOf(t *testing.T, f *fixture) *writer {
	t.Helper()
	if err := prepare(f.Directory); err != nil {
		t.Fatal(err)
	}
	w := newWriter(f.Options)
	t.Cleanup(func() { _ = w.close() })
	return w
}

// put writes requests of users, each in a flush of its own.
func put(t *testing.T, w *writer, users ...int64) {
	t.Helper()
	for _, user := range users {
		add(t, w, user)
		_ = w.flush()
	}
}

func add(t *testing.T, w *writer, user int64) {
	t.Helper()
	data, err := request(user).MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	w.add(sample{at: w.opts.Now(), request: data})
}

func size(t *testing.T, dir string) (total int64) {
	t.Helper()
	for _, entry := range entries(t, dir) {
		total += entry.Size()
	}
	return total
}

func TestFilesRotateAndTheirTotalStaysBoundedAcrossRestarts(t *testing.T) {
	f := options(t)
	f.RotateBytes, f.MaxBytes = 2000, 10_000
	for restart := range 5 {
		w := writerOf(t, f)
		for user := range int64(100) {
			put(t, w, user+1)
			if total := size(t, f.Directory); total > f.MaxBytes {
				t.Fatalf("%d bytes after request %d of process %d", total, user, restart)
			}
			f.now.Add(int64(time.Millisecond))
		}
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range entries(t, f.Directory) {
		if file.Size() > f.RotateBytes || file.Size() == 0 {
			t.Errorf("%s has %d bytes", file.Name(), file.Size())
		}
	}
	records := read(t, f.Directory)
	if size(t, f.Directory) < f.MaxBytes-2*f.RotateBytes || f.counts.recorded.Load() != 500 || f.counts.errors.Load() != 0 {
		t.Errorf("%d bytes in %d records; counted %d recorded, %d errors", size(t, f.Directory), len(records), f.counts.recorded.Load(), f.counts.errors.Load())
	}
	// The youngest are those that are kept.
	for i, record := range records {
		if want := f.Pseudonyms.Of(int64(100 - len(records) + i + 1)); record.GetRequest().GetUserId() != want {
			t.Errorf("record %d of %d is not of the user that came then", i, len(records))
		}
	}
}

func TestTheOldestFilesAreDeletedAndNothingElse(t *testing.T) {
	f := options(t)
	f.RotateBytes, f.MaxBytes = 2000, 6000
	if err := prepare(f.Directory); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 1500)
	age := map[string]time.Duration{
		"requests-c.jsonl": time.Hour, "requests-b.jsonl": 3 * time.Hour, "requests-a.jsonl": 2 * time.Hour, "mine.jsonl": 9 * time.Hour, "requests-x.jsonl.gz": 9 * time.Hour,
	}
	for name, age := range age {
		if err := os.Chtimes(write(t, f.Directory, name, text), time.Time{}, noon.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("mine.jsonl", filepath.Join(f.Directory, "requests-0.jsonl")); err != nil {
		t.Fatal(err)
	}
	w := writerOf(t, f)
	put(t, w, 1)
	names := map[string]bool{}
	for _, file := range entries(t, f.Directory) {
		names[file.Name()] = true
	}
	for _, kept := range []string{"requests-c.jsonl", "requests-a.jsonl", "mine.jsonl", "requests-x.jsonl.gz", "requests-0.jsonl", filepath.Base(w.path)} {
		if !names[kept] {
			t.Errorf("%s is gone", kept)
		}
	}
	if names["requests-b.jsonl"] {
		t.Error("the oldest is there")
	}
	if err := makeRoom(f.Directory, "", 0, time.Time{}); err != nil {
		t.Error(err)
	}
	if left := entries(t, f.Directory); len(left) != 3 {
		t.Errorf("left without any room are %v, and not the three that are no recordings of a server", left)
	}
}

func TestNoLineOutlivesItsAge(t *testing.T) {
	f := options(t)
	f.MaxAge = 8 * time.Hour
	start := time.Now() // files have the machine's time
	f.Now = func() time.Time { return start.Add(time.Duration(f.now.Load())) }
	w := writerOf(t, f)
	put(t, w, 1)
	first := w.path
	f.now.Store(int64(59 * time.Minute))
	put(t, w, 2)
	if w.path != first {
		t.Error("a file ended early")
	}
	f.now.Store(int64(time.Hour))
	put(t, w, 3)
	if w.path == first {
		t.Error("an old file was written to")
	}
	second := w.path
	there := func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	}
	f.now.Store(int64(6 * time.Hour))
	w.keepHouse(0)
	if !there(first) || !there(second) {
		t.Error("a file was deleted early")
	}
	if w.file != nil {
		t.Error("an old file is open, so that it cannot be deleted when its time has come")
	}
	f.now.Store(int64(8 * time.Hour))
	w.keepHouse(0)
	if there(first) {
		t.Error("lines of 8 hours ago are there")
	}
}

func TestAFileThatSomeoneDeletesIsFollowedByAnother(t *testing.T) {
	for name, remove := range map[string]func(path string) error{
		"deleted":    os.Remove,
		"moved away": func(path string) error { return os.Rename(path, path+".old") },
		"replaced": func(path string) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := options(t)
			w := writerOf(t, f)
			put(t, w, 1)
			first := w.path
			if err := remove(first); err != nil {
				t.Fatal(err)
			}
			put(t, w, 2)
			if w.path == first || f.counts.errors.Load() != 0 {
				t.Errorf("written to %s; %d errors", w.path, f.counts.errors.Load())
			}
			records := read(t, f.Directory)
			if last := records[len(records)-1]; last.GetRequest().GetUserId() != f.Pseudonyms.Of(2) {
				t.Error("the request after is missing")
			}
		})
	}
}

func TestADirectoryThatIsGoneIsMadeAgain(t *testing.T) {
	f := options(t)
	w := writerOf(t, f)
	put(t, w, 1)
	if err := os.RemoveAll(f.Directory); err != nil {
		t.Fatal(err)
	}
	w.keepHouse(0)
	put(t, w, 2)
	if n := len(read(t, f.Directory)); n != 1 || f.counts.recorded.Load() != 2 {
		t.Errorf("%d records", n)
	}
}

func TestFilesThatCannotBeMadeAreTriedAgain(t *testing.T) {
	f := options(t)
	w := writerOf(t, f)
	open := w.open
	w.open = func(string) (file, error) { return nil, fs.ErrPermission }
	put(t, w, 1, 2, 3)
	if n := f.counts.failed.Load(); n != 3 || f.counts.errors.Load() != 3 {
		t.Errorf("%d failed", n)
	}
	w.open = open
	f.now.Store(int64(2 * time.Minute))
	put(t, w, 4)
	if n := len(read(t, f.Directory)); n != 1 || f.counts.recorded.Load() != 1 {
		t.Errorf("%d records", n)
	}
	lines := strings.Split(strings.TrimSpace(f.log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "cannot be recorded") || !strings.Contains(lines[1], "again") || !strings.Contains(lines[1], "requests_lost=2") {
		t.Errorf("log:\n%s", f.log)
	}
}

// disk is a file on a disk that takes so many bytes more.
type disk struct {
	*os.File
	space    *int
	truncate error
}

func (d disk) Write(p []byte) (int, error) {
	n := min(len(p), *d.space)
	*d.space -= n
	if _, err := d.File.Write(p[:n]); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, &fs.PathError{Op: "write", Path: d.Name(), Err: syscall.ENOSPC}
	}
	return n, nil
}

func (d disk) Truncate(size int64) error {
	if d.truncate != nil {
		return d.truncate
	}
	return d.File.Truncate(size)
}

func TestAFullDiskCostsRequestsAndNoFile(t *testing.T) {
	for name, truncate := range map[string]error{"what was written in part is taken back": nil, "or stays, as the torn end of a file": syscall.EIO} {
		t.Run(name, func(t *testing.T) {
			f := options(t)
			w := writerOf(t, f)
			space := 700 // some three lines
			w.open = func(path string) (file, error) {
				opened, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_WRONLY, 0o600)
				return disk{opened, &space, truncate}, err
			}
			put(t, w, 1, 2, 3, 4, 5)
			recorded := f.counts.recorded.Load()
			if recorded < 1 || f.counts.failed.Load() != 5-recorded || f.counts.errors.Load() < 5-recorded {
				t.Errorf("%d recorded, %d failed, %d errors", recorded, f.counts.failed.Load(), f.counts.errors.Load())
			}
			space = 1 << 20
			put(t, w, 6)
			torn := 0
			var users []int64
			for line, err := range Lines([]string{f.Directory}) {
				switch {
				case err != nil:
					t.Fatal(err)
				case errors.Is(line.Err, ErrTorn):
					torn++
				case line.Err != nil:
					t.Error(line.Err)
				default:
					users = append(users, line.Record.GetRequest().GetUserId())
				}
			}
			if int64(len(users)) != recorded+1 || users[len(users)-1] != f.Pseudonyms.Of(6) || torn != map[bool]int{true: 0, false: 1}[truncate == nil] {
				t.Errorf("%d records of %d, %d torn lines", len(users), recorded+1, torn)
			}
			if n := strings.Count(f.log.String(), "no space left on device"); n != 1 {
				t.Errorf("the log has the error %d times:\n%s", n, f.log)
			}
		})
	}
}

func TestWithoutRoomNothingIsWritten(t *testing.T) {
	f := options(t)
	f.RotateBytes, f.MaxBytes = 2000, 4000
	w := writerOf(t, f)
	// What has the name of a recording and cannot be deleted.
	blocked := filepath.Join(f.Directory, "requests-0.jsonl")
	if err := os.Mkdir(blocked, 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, w, 1)
	if f.counts.recorded.Load() != 1 {
		t.Error("a directory counts as a recording")
	}
	if err := makeRoom(f.Directory, "", -1, time.Time{}); err == nil || !strings.Contains(err.Error(), "room for -1") {
		t.Errorf("error %v", err)
	}
}

func TestALineThatDoesNotFitIntoAFileIsLeftOut(t *testing.T) {
	f := options(t)
	f.RotateBytes, f.MaxBytes = 400, 4000
	w := writerOf(t, f)
	long := request(1)
	for range 20 {
		long.Items = append(long.Items, long.Items[0])
	}
	data, err := long.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	add(t, w, 1)
	w.add(sample{at: noon, request: data})
	add(t, w, 2)
	_ = w.flush()
	if n := len(read(t, f.Directory)); n != 2 || f.counts.failed.Load() != 1 {
		t.Errorf("%d records, %d failed", n, f.counts.failed.Load())
	}
}

func TestProcessesOfOneDirectoryDoNotDisturbEachOther(t *testing.T) {
	f := options(t)
	f.RotateBytes, f.MaxBytes = 2000, 20_000
	one, two := writerOf(t, f), writerOf(t, f) // of one id, at one instant
	for user := range int64(60) {
		put(t, one, user+1)
		put(t, two, user+1)
		if total := size(t, f.Directory); total > f.MaxBytes+f.RotateBytes {
			t.Fatalf("%d bytes", total)
		}
	}
	if one.path == two.path {
		t.Error("two processes write to one file")
	}
	if f.counts.recorded.Load() != 120 || f.counts.errors.Load() != 0 {
		t.Errorf("%d recorded, %d errors", f.counts.recorded.Load(), f.counts.errors.Load())
	}
	// The file of a process that is quiet is the oldest one day, and is deleted; it writes to another then.
	for user := range int64(200) {
		put(t, two, user+1)
	}
	put(t, one, 1000)
	found := false
	for _, record := range read(t, f.Directory) {
		found = found || record.GetRequest().GetUserId() == f.Pseudonyms.Of(1000)
	}
	if !found {
		t.Error("a request was written to a file that is gone")
	}
}

func TestWhatOtherProcessesWriteIsBoundedInTheMeantime(t *testing.T) {
	f := options(t)
	f.RotateBytes, f.MaxBytes = 2000, 6000
	w := writerOf(t, f)
	put(t, w, 1)
	for _, name := range []string{"requests-a.jsonl", "requests-b.jsonl", "requests-c.jsonl"} {
		write(t, f.Directory, name, strings.Repeat("x", 1900))
	}
	if err := os.Chtimes(w.path, time.Time{}, noon.Add(-time.Hour)); err != nil { // the oldest of all
		t.Fatal(err)
	}
	f.now.Store(int64(housekeeping - 1))
	w.keepHouse(0)
	if n := len(entries(t, f.Directory)); n != 4 {
		t.Errorf("%d files before it was time", n)
	}
	f.now.Store(int64(housekeeping))
	w.keepHouse(0)
	if total := size(t, f.Directory); total > f.MaxBytes-f.RotateBytes+w.size {
		t.Errorf("%d bytes", total)
	}
	if w.gone() {
		t.Error("a process has deleted its own file")
	}
}

func TestDroppedRequestsAreToldOnceInAWhile(t *testing.T) {
	f := options(t)
	w := writerOf(t, f)
	for minute := range 4 {
		f.now.Store(int64(time.Duration(minute) * time.Minute))
		for range 60 {
			w.keepHouse(int64(100 * min(minute, 2)))
		}
	}
	if n := strings.Count(f.log.String(), "requests=100"); n != 2 || strings.Count(f.log.String(), "\n") != 2 {
		t.Errorf("log:\n%s", f.log)
	}
}

func TestTroubleThatComesAndGoesIsToldOnceAMinute(t *testing.T) {
	f := options(t)
	trouble := trouble{log: f.Log}
	for second := range 120 {
		now := noon.Add(time.Duration(second) * time.Second)
		if second%2 == 0 {
			trouble.tell(now, 1, fs.ErrPermission)
		} else {
			trouble.over(now)
		}
	}
	if n := strings.Count(f.log.String(), "\n"); n > 4 {
		t.Errorf("%d lines in two minutes:\n%s", n, f.log)
	}
}
