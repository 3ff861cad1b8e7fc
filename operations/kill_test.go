package operations

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"proscenium/kv"
)

// The writer is a process that does nothing but throw switches and note them: it is this test binary, run again.
const (
	writerFlag = "OPERATIONS_TEST_WRITER"      // it works in its working directory
	writerStep = "OPERATIONS_TEST_WRITER_STEP" // before which it kills itself, at the third change; empty: it is killed from outside
)

func TestMain(m *testing.M) {
	if os.Getenv(writerFlag) != "" {
		writeForever(".", os.Getenv(writerStep))
	}
	os.Exit(m.Run())
}

// nowhere is a Redis that does not answer.
type nowhere struct{}

var errNowhere = errors.New("nobody is there")

func (nowhere) Run(context.Context, *kv.Script, []string, ...any) (any, error) {
	return nil, errNowhere
}

func (nowhere) Append(context.Context, string, int64, map[string]string) (string, error) {
	return "", errNowhere
}

func (nowhere) Follow(context.Context, string, string, time.Duration) ([]kv.Message, error) {
	return nil, errNowhere
}

func (nowhere) Last(context.Context, string, string, int64) ([]kv.Message, error) {
	return nil, errNowhere
}

func alone(dir string) Options {
	return Options{Directory: dir, Shared: nowhere{}, Node: "writer", Now: time.Now, Log: slog.New(slog.DiscardHandler)}
}

// nth is the change of number i: it takes back what the one before threw.
func nth(i int) Change {
	return Change{Feature: voucher, Scenes: []string{"cart"}, Restore: i%2 == 0, Reason: strconv.Itoa(i) + strings.Repeat("x", 10_000)}
}

// writeForever says each change that is on disk.
func writeForever(dir, step string) {
	s, a := OpenSwitches(alone(dir)), OpenAudit(alone(dir), func() uint64 { return uint64(os.Getpid()) })
	a.file.most, a.file.files = 100_000, 3
	from := 0
	for _, e := range s.all() {
		from = numberOf(e.Reason)
	}
	changes := 0
	die := func(reached string) {
		if step == reached && changes >= 3 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
	s.folder.reached, a.file.folder.reached = die, die
	for i := from + 1; ; i++ {
		changes++
		if _, _, err := s.Set(context.Background(), nth(i)); err != nil {
			panic(err)
		}
		if unsaved := s.keep(); unsaved != nil {
			panic(unsaved)
		}
		_, _ = fmt.Fprintln(os.Stdout, i)
		a.Add(Entry{Subject: strconv.Itoa(i), Reason: strings.Repeat("x", 10_000)})
	}
}

func numberOf(reason string) int {
	n, _ := strconv.Atoi(strings.TrimRight(reason, "x"))
	return n
}

// A process that is killed before each of the steps of a write, and at any moment, leaves the switches of before or those of after, the audit log without
// what was not finished, and the next process goes on.
func TestAKillInTheMiddleOfAWriteLeavesOldOrNew(t *testing.T) {
	dir := t.TempDir()
	steps := []string{"create", "write", "sync", "rename", "sync folder", "open", "rotate"}
	for i := range 8 {
		steps = append(steps, fmt.Sprintf("after %d us", i*900))
	}
	for _, step := range steps {
		t.Run(step, func(t *testing.T) {
			said := runWriter(t, dir, step)
			s := OpenSwitches(alone(dir))
			kept := s.all()
			if len(kept) != 1 {
				t.Fatalf("%d switches are kept", len(kept))
			}
			for _, e := range kept {
				n := numberOf(e.Reason)
				if n != said && n != said+1 || e.Reason != nth(n).Reason || e.Restored != nth(n).Restore {
					t.Errorf("the change of number %d is kept, the process said %d", n, said)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, switchesFile+".damaged")); err == nil {
				t.Error("a damaged file was put aside")
			}
			a := OpenAudit(alone(dir), func() uint64 { return 0 })
			noted, err := a.file.read()
			if err != nil || len(noted) == 0 {
				t.Fatal(noted, err)
			}
			last, err := strconv.Atoi(noted[len(noted)-1].Subject)
			if err != nil || last < said-1 || last > said {
				t.Errorf("the last entry is of number %d, the process said %d", last, said)
			}
			if !slices.IsSortedFunc(noted, func(a, b Entry) int { return a.At.Compare(b.At) }) {
				t.Error("the entries are in disorder")
			}
		})
	}
}

// runWriter returns the last number that the writer said.
func runWriter(t *testing.T, dir, step string) int {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	writer := exec.CommandContext(t.Context(), binary)
	writer.Dir, writer.Env = dir, append(os.Environ(), writerFlag+"=1", writerStep+"="+step)
	var stderr strings.Builder
	writer.Stderr = &stderr
	stdout, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	last := ""
	if after, ok := strings.CutPrefix(step, "after "); ok {
		pause, err := time.ParseDuration(strings.ReplaceAll(after, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // it is at work
			lines.Scan()
			last = lines.Text()
		}
		<-time.After(pause)
		if err := writer.Process.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	for lines.Scan() {
		last = lines.Text()
	}
	if err := writer.Wait(); err == nil {
		t.Fatal("the writer ended by itself")
	}
	said, err := strconv.Atoi(last)
	if err != nil {
		t.Fatalf("it said %q: %v\n%s", last, err, stderr.String())
	}
	return said
}
