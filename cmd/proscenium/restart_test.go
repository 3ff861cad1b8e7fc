package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"proscenium/assembly"
	adminv1 "proscenium/gen/proscenium/admin/v1"
	"proscenium/gen/proscenium/admin/v1/adminv1connect"
	"proscenium/metrics"
	"proscenium/scenes"
	"proscenium/scenes/history"
	"proscenium/server"
)

// editions is a configuration directory whose files change all at once, as those of a mounted ConfigMap do.
type editions struct {
	t    *testing.T
	dir  string
	next int
}

// newEditions has two files, which name the edition: a mix of two would have a version of its own.
func newEditions(t *testing.T) *editions {
	t.Helper()
	e := &editions{t: t, dir: t.TempDir()}
	for _, name := range []string{"a.yaml", "b.yaml"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(e.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func client(name string, n int) string {
	return fmt.Sprintf("  - {id: %s, name: c%s, description: edition %d}\n", name, name, n)
}

func edition(n int) (a, b string) {
	return regions + "clients:\n" + client("1", n), "clients:\n" + client("2", n)
}

func (e *editions) swap(a, b string) {
	e.t.Helper()
	e.next++
	folder := fmt.Sprintf("..edition%d", e.next)
	if err := os.Mkdir(filepath.Join(e.dir, folder), 0o755); err != nil {
		e.t.Fatal(err)
	}
	for name, text := range map[string]string{"a.yaml": a, "b.yaml": b} {
		if err := os.WriteFile(filepath.Join(e.dir, folder, name), []byte(text), 0o600); err != nil {
			e.t.Fatal(err)
		}
	}
	link := filepath.Join(e.dir, "..link")
	if err := os.Symlink(folder, link); err != nil {
		e.t.Fatal(err)
	}
	if err := os.Rename(link, filepath.Join(e.dir, "..data")); err != nil {
		e.t.Fatal(err)
	}
}

// write makes edition n what the directory holds, and returns its version.
func (e *editions) write(n int) string {
	e.t.Helper()
	e.swap(edition(n))
	read := scenes.Load(os.DirFS(e.dir), time.Now())
	if read.Snapshot == nil {
		e.t.Fatal(read.Diagnostics)
	}
	return read.Snapshot.Version
}

// spoil makes what the directory holds broken, each time in another way.
func (e *editions) spoil() { e.swap(fmt.Sprintf("regons%d: []\n", e.next), "") }

// configz is what the tests read of the page.
type configz struct {
	Version, Origin, Outcome string
	Differs                  bool
	Rollback                 *struct{ Reason string }
	History                  []struct{ Version string }
	HistoryError             string `json:"history_error"`
}

func (s *serving) configz(t *testing.T) (status configz) {
	t.Helper()
	_, page := s.page(t, "/configz")
	if err := json.Unmarshal([]byte(page), &status); err != nil {
		t.Fatal(err, page)
	}
	return status
}

func (s *serving) kill(t *testing.T) {
	t.Helper()
	if err := s.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.stdoutClosed
	_ = s.command.Wait()
}

func (s *serving) waitFor(t *testing.T, version string) {
	t.Helper()
	waitFor(t, "version "+version, func() bool { return s.configz(t).Version == version })
}

const smallCatalog = "../../configs/catalog"

// A server is killed at random moments while its configuration is edited. Each time the next one finds a broken directory, and serves a whole
// edition that was good, and none older than the one before.
func TestAfterAKillAndABrokenEditAGoodEditionServes(t *testing.T) {
	binary, data := build(t), filepath.Join(t.TempDir(), "data")
	e := newEditions(t)
	editionOf := map[string]int{}
	n := 1
	editionOf[e.write(n)] = n
	args := []string{"--config", e.dir, "--data", data, "--catalog", smallCatalog}
	s := startServing(t, binary, args...)
	s.waitFor(t, s.configz(t).Version)
	waitFor(t, "the first edition to be kept", func() bool {
		kept, err := filepath.Glob(filepath.Join(data, "config", "*", "*.config"))
		return err == nil && len(kept) == 1
	})
	s.kill(t)

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	last := n
	for range 6 {
		e.spoil()
		s := startServing(t, binary, args...)
		status := s.configz(t)
		served, known := editionOf[status.Version]
		if !known || served < last || status.Origin != "last_good" || !status.Differs {
			t.Fatalf("after a kill: %+v, edition %d, known %v; the last was %d\n%s", status, served, known, last, s.log())
		}
		last = served
		// Good and broken edits come faster than they are loaded, and slower; the end comes anywhere.
		end := time.After(time.Duration(random.IntN(1_200)) * time.Millisecond)
		for ended := false; !ended; {
			n++
			editionOf[e.write(n)] = n
			select {
			case <-end:
				ended = true
			case <-time.After(time.Duration(random.IntN(500)) * time.Millisecond):
				if random.IntN(3) == 0 {
					e.spoil()
				}
			}
		}
		s.kill(t)
	}
}

func TestARestartAfterABrokenEditSaysLoudlyWhatServes(t *testing.T) {
	binary, data := build(t), filepath.Join(t.TempDir(), "data")
	e := newEditions(t)
	version := e.write(1)
	args := []string{"--config", e.dir, "--data", data, "--catalog", smallCatalog}
	s := startServing(t, binary, args...)
	waitFor(t, "the first edition to be kept", func() bool {
		kept, err := filepath.Glob(filepath.Join(data, "config", "*", version+".config"))
		return err == nil && len(kept) == 1
	})
	s.kill(t)

	e.spoil()
	s = startServing(t, binary, args...)
	if code, _ := s.page(t, "/readyz"); code != http.StatusOK {
		t.Errorf("not ready: %d", code)
	}
	if status := s.configz(t); status.Version != version || status.Origin != "last_good" || !status.Differs || status.Outcome != "invalid" || len(status.History) != 1 {
		t.Errorf("configz %+v", status)
	}
	if _, page := s.page(t, "/metrics"); !strings.Contains(page, "proscenium_config_out_of_sync 1") || !strings.Contains(page, `proscenium_config_origin{origin="last_good"} 1`) {
		t.Error("the metrics do not tell")
	}
	res, err := adminv1connect.NewConfigServiceClient(http.DefaultClient, s.admin).GetSnapshot(t.Context(), connect.NewRequest(&adminv1.GetSnapshotRequest{Files: true}))
	if err != nil || res.Msg.GetVersion().GetOrigin() != adminv1.Origin_ORIGIN_LAST_GOOD || len(res.Msg.GetFiles()) != 2 {
		t.Errorf("snapshot %v, %v", res, err)
	}
	for _, want := range []string{"level=ERROR msg=\"serving the last good configuration of an earlier run", "mend it, and it takes over at once", "data=" + data, "a.yaml:1:1", "unknown field regons"} {
		if !strings.Contains(s.log(), want) {
			t.Errorf("the log does not say %q:\n%s", want, s.log())
		}
	}
	if !strings.Contains(s.banner, "WARNING: this is the last good version of an earlier run") {
		t.Errorf("the banner does not tell: %s", s.banner)
	}

	mended := e.write(2)
	s.waitFor(t, mended)
	if status := s.configz(t); status.Origin != "source" || status.Differs {
		t.Errorf("once mended: %+v", status)
	}
	s.kill(t)

	// Another directory is another source, whatever was kept.
	other := newEditions(t)
	other.spoil()
	got := command(t, "", "serve", "--config", other.dir, "--data", data, "--catalog", smallCatalog, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	if got.code != exitFindings {
		t.Errorf("exit code %d\n%s", got.code, got.stderr)
	}
}

// A process that shuts down says that it is not ready; an edit that it still loads changes nothing of that.
func TestALoadDuringTheShutdownDoesNotMakeTheProcessReady(t *testing.T) {
	e := newEditions(t)
	e.write(1)
	from, err := openSource(e.dir, smallCatalog)
	if err != nil {
		t.Fatal(err)
	}
	observed, ready := metrics.New(), &server.Readiness{}
	system, err := openSystem(from, assembly.Options{Now: time.Now, Observer: observed}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer system.Close()
	ctx, cancel := context.WithCancel(t.Context())
	c := newConfig(system, from, history.New(0, nil), ready, observed, &configLog{log: slog.New(slog.DiscardHandler), text: io.Discard})
	if !c.start(ctx) || !ready.Ready() {
		t.Fatal("the first load does not make it ready")
	}
	ready.Set(false)
	second := e.write(2)
	waitFor(t, "the second edition", func() bool { return c.reloader.Status().Version == second })
	cancel()
	c.wait()
	if ready.Ready() {
		t.Error("it is ready again")
	}
}

func TestARollbackStandsOverARestart(t *testing.T) {
	binary, data := build(t), filepath.Join(t.TempDir(), "data")
	e := newEditions(t)
	first := e.write(1)
	args := []string{"--config", e.dir, "--data", data, "--catalog", smallCatalog}
	s := startServing(t, binary, args...)
	second := e.write(2)
	s.waitFor(t, second)
	res, err := adminv1connect.NewConfigServiceClient(http.DefaultClient, s.admin).
		Rollback(t.Context(), connect.NewRequest(&adminv1.RollbackRequest{Version: first, Reason: "prices are wrong"}))
	if err != nil || res.Msg.GetState().GetServing().GetVersion() != first {
		t.Fatalf("%v, %v", res, err)
	}
	if !strings.Contains(s.log(), `reason="prices are wrong"`) {
		t.Errorf("the log does not say why:\n%s", s.log())
	}
	s.kill(t)

	s = startServing(t, binary, args...)
	if status := s.configz(t); status.Version != first || status.Origin != "rollback" || status.Rollback.Reason != "prices are wrong" || !status.Differs || status.Outcome != "held" {
		t.Errorf("after a restart: %+v", status)
	}
	if !strings.Contains(s.banner, "WARNING: this is a rollback (\"prices are wrong\")") {
		t.Errorf("the banner does not tell: %s", s.banner)
	}
	third := e.write(3)
	s.waitFor(t, third)
	waitFor(t, "the disk to know that the rollback has ended", func() bool {
		left, err := filepath.Glob(filepath.Join(data, "config", "*", "rollback.json"))
		return err == nil && len(left) == 0
	})
	s.kill(t)

	e.write(2)
	s = startServing(t, binary, args...)
	if status := s.configz(t); status.Version != second || status.Origin != "source" {
		t.Errorf("once it has ended: %+v", status)
	}
}

func TestADataDirectoryThatCannotBeWrittenStopsNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	e := newEditions(t)
	e.write(1)
	s := startServing(t, build(t), "--config", e.dir, "--data", filepath.Join(file, "data"), "--catalog", smallCatalog)
	waitFor(t, "the warning", func() bool {
		return strings.Contains(s.log(), "level=WARN msg=\"the configuration that serves cannot be kept on disk")
	})
	second := e.write(2)
	s.waitFor(t, second)
	if status := s.configz(t); status.HistoryError == "" || len(status.History) != 2 {
		t.Errorf("configz %+v", status)
	}
	if _, page := s.page(t, "/metrics"); !strings.Contains(page, "proscenium_config_history_unsaved 1") {
		t.Error("the metrics do not tell")
	}
}

func TestTheConfigurationThatIsBuiltInIsNotKept(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := startServing(t, build(t), "--data", data)
	s.kill(t)
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("something is kept: %v", err)
	}
}
