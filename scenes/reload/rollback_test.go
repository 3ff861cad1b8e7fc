package reload_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"proscenium/fault"
	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/history"
	"proscenium/scenes/reload"
	"proscenium/scenes/source"
)

// versionOf is the version of files that are good.
func versionOf(t *testing.T, files []source.File) string {
	t.Helper()
	snap := scenes.LoadFiles(files, time.Now()).Snapshot
	if snap == nil {
		t.Fatal("the files are not good")
	}
	return snap.Version
}

// on is a history on disk, as a process that starts has it.
func on(dir string) *history.History { return history.New(0, history.NewStore(dir, "market")) }

// inProcess runs a reloader from start to end, over a history on disk.
func inProcess(t *testing.T, dir string, first []source.File, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{memory: &memory{files: first}, history: on(dir)}
		run(t, b, test)
	})
}

func rollBack(t *testing.T, b *bench, version string) {
	t.Helper()
	if _, err := b.Rollback(b.ctx, version, "prices are wrong"); err != nil {
		t.Error(err)
	}
	synctest.Wait()
}

func expectOrigin(t *testing.T, b *bench, origin history.Origin) {
	t.Helper()
	s := b.Status()
	if s.Origin != origin || (s.Rollback != nil) != (origin == history.FromRollback) {
		t.Errorf("origin %q, rollback %v; want %q", s.Origin, s.Rollback, origin)
	}
	if v, ok := s.History.Find(s.Version); !ok || v.Origin != origin {
		t.Errorf("in the history the origin is %q, want %q", v.Origin, origin)
	}
}

func TestARollbackServesUntilTheSourceChanges(t *testing.T) {
	a, b2 := good(t, "a"), good(t, "b")
	inBubble(t, a, func(b *bench) {
		b.edit(b2)
		b.after(time.Second)
		rollBack(t, b, versionOf(t, a))
		expect(t, b, reload.Applied, true, "a", "b", "a")
		expectOrigin(t, b, history.FromRollback)
		if r := b.Status().Rollback; r.Reason != "prices are wrong" || r.Version != versionOf(t, a) {
			t.Errorf("rollback %+v", r)
		}

		b.notify()
		b.after(time.Hour)
		expect(t, b, reload.Applied, true, "a", "b", "a")

		b.edit(good(t, "c"))
		b.after(time.Second)
		expect(t, b, reload.Applied, false, "a", "b", "a", "c")
		expectOrigin(t, b, history.FromSource)
	})
}

// What the source holds in between, and cannot serve, is not a reason to go back to what was rolled back from.
func TestARollbackStandsWhileTheSourceIsBrokenAndMendedAgain(t *testing.T) {
	inBubble(t, good(t, "a"), func(b *bench) {
		b.edit(good(t, "b"))
		b.after(time.Second)
		rollBack(t, b, versionOf(t, good(t, "a")))
		b.edit(broken())
		b.after(time.Second)
		expect(t, b, reload.Invalid, true, "a", "b", "a")
		b.edit(good(t, "b"))
		b.after(time.Second)
		expect(t, b, reload.Held, true, "a", "b", "a")
		expectOrigin(t, b, history.FromRollback)
	})
}

func TestARollbackOutOfAnOutageOfTheSourceStandsWhenItIsOver(t *testing.T) {
	inBubble(t, good(t, "a"), func(b *bench) {
		b.edit(good(t, "b"))
		b.after(time.Second)
		b.mu.Lock()
		b.files, b.unread = nil, []diag.Diagnostic{{Code: diag.Unreadable, Severity: diag.Error, Message: "no answer"}}
		b.mu.Unlock()
		b.notify()
		b.after(time.Second)
		rollBack(t, b, versionOf(t, good(t, "a")))
		b.edit(good(t, "b"))
		b.after(time.Second)
		expect(t, b, reload.Held, true, "a", "b", "a")
	})
}

// The outage may begin before the process does: the last good version is taken for what the source held.
func TestARollbackFromTheLastGoodVersionStandsWhenTheOutageIsOver(t *testing.T) {
	dir := t.TempDir()
	inProcess(t, dir, good(t, "a"), func(b *bench) {
		b.edit(good(t, "b"))
		b.after(time.Second)
	})
	synctest.Test(t, func(t *testing.T) {
		b := &bench{memory: &memory{unread: []diag.Diagnostic{{Code: diag.Unreadable, Severity: diag.Error, Message: "no answer"}}}, history: on(dir)}
		run(t, b, func(b *bench) {
			rollBack(t, b, versionOf(t, good(t, "a")))
			b.edit(good(t, "b"))
			b.after(time.Second)
			expect(t, b, reload.Held, true, "b", "a")
			expectOrigin(t, b, history.FromRollback)
			b.edit(good(t, "c"))
			b.after(time.Second)
			expect(t, b, reload.Applied, false, "b", "a", "c")
		})
	})
}

func TestARevertInTheSourceEndsTheRollback(t *testing.T) {
	inBubble(t, good(t, "a"), func(b *bench) {
		b.edit(good(t, "b"))
		b.after(time.Second)
		rollBack(t, b, versionOf(t, good(t, "a")))
		b.edit(good(t, "a"))
		b.after(time.Second)
		expect(t, b, reload.Same, false, "a", "b", "a")
		expectOrigin(t, b, history.FromSource)
		b.edit(good(t, "b")) // as a new edit, it serves
		b.after(time.Second)
		expect(t, b, reload.Applied, false, "a", "b", "a", "b")
	})
}

func TestARollbackToWhatTheSourceHoldsFollowsItAgain(t *testing.T) {
	inBubble(t, good(t, "a"), func(b *bench) {
		b.edit(good(t, "b"))
		b.after(time.Second)
		rollBack(t, b, versionOf(t, good(t, "a")))
		rollBack(t, b, versionOf(t, good(t, "b")))
		expect(t, b, reload.Applied, false, "a", "b", "a", "b")
		expectOrigin(t, b, history.FromSource)
	})
}

func TestARollbackToWhatServesChangesNothing(t *testing.T) {
	inBubble(t, good(t, "a"), func(b *bench) {
		before := b.Status()
		rollBack(t, b, before.Version)
		expect(t, b, reload.Applied, false, "a")
		expectOrigin(t, b, history.FromSource)
		if b.Status().AppliedAt != before.AppliedAt {
			t.Error("it was applied again")
		}
	})
}

func TestARollbackThatCannotBeIsRefusedAndChangesNothing(t *testing.T) {
	inBubble(t, good(t, "a"), func(b *bench) {
		b.edit(good(t, "b"))
		b.after(time.Second)
		before := b.Status()

		_, err := b.Rollback(b.ctx, "0123456789abcdef", "x")
		if fault.Reason(err) != "UNKNOWN_VERSION" || !strings.Contains(err.Error(), before.Version) || !strings.Contains(err.Error(), versionOf(t, good(t, "a"))) {
			t.Errorf("an unknown version: %v", err)
		}
		b.refuseWith(errors.New("provider is away"))
		_, err = b.Rollback(b.ctx, versionOf(t, good(t, "a")), "x")
		if fault.Reason(err) != "VERSION_REFUSED" || !strings.Contains(err.Error(), "provider is away") {
			t.Errorf("a version that cannot be put to work: %v", err)
		}
		b.refuseWith(nil)
		cancelled, cancel := context.WithCancel(b.ctx)
		cancel()
		if _, err := b.Rollback(cancelled, before.Version, "x"); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("of a caller who has gone: %v", err)
		}
		synctest.Wait()
		expect(t, b, reload.Applied, false, "a", "b")
		if len(b.rollbacks) < 2 || b.rollbacks[0].Err == nil || b.rollbacks[1].Err == nil {
			t.Errorf("told of %+v", b.rollbacks)
		}
	})
}

func TestARollbackAfterTheEndIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{memory: &memory{files: good(t, "a")}}
		run(t, b, func(*bench) {})
		if _, err := b.Rollback(t.Context(), "x", "x"); fault.Reason(err) != "SHUTTING_DOWN" {
			t.Errorf("refused with %v", err)
		}
	})
}

func TestARestartWithABrokenSourceServesTheLastGoodVersion(t *testing.T) {
	dir := t.TempDir()
	inProcess(t, dir, good(t, "a"), func(b *bench) {
		b.edit(good(t, "b"))
		b.after(time.Second)
		b.edit(broken())
		b.after(time.Second)
	})
	inProcess(t, dir, broken(), func(b *bench) {
		expect(t, b, reload.Invalid, true, "b")
		expectOrigin(t, b, history.FromLastGood)
		if s := b.Status(); s.Diagnostics[0].Code != diag.YAMLSyntax || s.History.Len() != 2 {
			t.Errorf("status %+v", s)
		}
		b.edit(good(t, "b"))
		b.after(time.Second)
		expect(t, b, reload.Same, false, "b")
		expectOrigin(t, b, history.FromSource)
		b.edit(good(t, "c"))
		b.after(time.Second)
		expect(t, b, reload.Applied, false, "b", "c")
	})
	inProcess(t, dir, good(t, "d"), func(b *bench) {
		expect(t, b, reload.Applied, false, "d")
		expectOrigin(t, b, history.FromSource)
		if b.Status().History.Len() != 4 {
			t.Errorf("history %v", b.Status().History.Versions())
		}
	})
}

func TestARestartWithASourceThatCannotBeReadOrPutToWorkServesTheLastGoodVersion(t *testing.T) {
	dir := t.TempDir()
	inProcess(t, dir, good(t, "a"), func(*bench) {})
	synctest.Test(t, func(t *testing.T) {
		b := &bench{history: on(dir), memory: &memory{unread: []diag.Diagnostic{{Code: diag.Unreadable, Severity: diag.Error, Message: "no answer"}}}}
		run(t, b, func(b *bench) {
			expect(t, b, reload.Unreadable, true, "a")
			expectOrigin(t, b, history.FromLastGood)
		})
	})
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var applied []string
		away := true
		r := reload.New(&memory{files: good(t, "b")}, func(s *scenes.Snapshot) error {
			mu.Lock()
			defer mu.Unlock()
			description := s.Bundle.GetClients()[0].GetDescription()
			if away && description == "b" {
				return errors.New("provider is away")
			}
			applied = append(applied, description)
			return nil
		}, reload.Options{History: on(dir)})
		expect := func(outcome reload.Outcome, origin history.Origin, want ...string) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if s := r.Status(); s.Outcome != outcome || s.Origin != origin || s.Stale != (outcome == reload.Refused) || !slices.Equal(applied, want) {
				t.Errorf("applied %v, want %v; status %+v", applied, want, s)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { r.Run(ctx) })
		synctest.Wait()
		expect(reload.Refused, history.FromLastGood, "a")
		mu.Lock()
		away = false
		mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		expect(reload.Applied, history.FromSource, "a", "b")
		cancel()
		done.Wait()
	})
}

func TestTheLastGoodVersionOfAnotherSourceDoesNotServe(t *testing.T) {
	dir := t.TempDir()
	inProcess(t, dir, good(t, "a"), func(*bench) {})
	synctest.Test(t, func(t *testing.T) {
		b := &bench{memory: &memory{files: broken()}, history: history.New(0, history.NewStore(dir, "another market"))}
		run(t, b, func(b *bench) {
			expect(t, b, reload.Invalid, true)
			if b.Snapshot() != nil {
				t.Error("something serves")
			}
		})
	})
}

func TestADamagedVersionGivesWayToTheOneBefore(t *testing.T) {
	dir := t.TempDir()
	inProcess(t, dir, good(t, "a"), func(b *bench) {
		b.edit(good(t, "b"))
		b.after(time.Second)
	})
	for name, damage := range map[string]func(data []byte) []byte{
		"half of it":    func(data []byte) []byte { return data[:len(data)/2] },
		"other content": func(data []byte) []byte { data[len(data)-2] ^= 1; return data },
	} {
		t.Run(name, func(t *testing.T) {
			damaged := t.TempDir()
			if err := os.CopyFS(damaged, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			found, err := filepath.Glob(filepath.Join(damaged, "*", versionOf(t, good(t, "b"))+".config"))
			if err != nil || len(found) != 1 {
				t.Fatal(found, err)
			}
			data, err := os.ReadFile(found[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(found[0], damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
			inProcess(t, damaged, broken(), func(b *bench) {
				expect(t, b, reload.Invalid, true, "a")
				passed := b.Status().Passed
				if b.damage == nil && (len(passed) != 1 || passed[0].Err == nil) {
					t.Errorf("told nothing: passed %+v", passed)
				}
			})
		})
	}
}

// A release may find errors in what an earlier one served.
func TestALastGoodVersionWithErrorsServesNothingAndIsTold(t *testing.T) {
	dir := t.TempDir()
	kept := on(dir)
	kept.Serve(history.Version{Version: "0000000000000001", Served: time.Now(), Origin: history.FromSource}, broken())
	if err := kept.Save(); err != nil {
		t.Fatal(err)
	}
	inProcess(t, dir, []source.File{{Name: "b.yaml", Data: []byte("sceens: []\n")}}, func(b *bench) {
		expect(t, b, reload.Invalid, true)
		s := b.Status()
		if b.Snapshot() != nil || len(s.Passed) != 1 || s.Passed[0].Diagnostics[0].Code != diag.YAMLSyntax ||
			!slices.ContainsFunc(s.Diagnostics, func(d diag.Diagnostic) bool { return d.Code == diag.UnknownField }) {
			t.Errorf("status %+v", s)
		}
		b.edit(good(t, "a"))
		b.after(time.Second)
		expect(t, b, reload.Applied, false, "a")
		if passed := b.Status().Passed; passed != nil {
			t.Errorf("what could not serve at start is told again: %+v", passed)
		}
	})
	inProcess(t, dir, good(t, "a"), func(b *bench) {
		_, err := b.Rollback(b.ctx, "0000000000000001", "x")
		var invalid *reload.InvalidError
		if !errors.As(err, &invalid) || invalid.Diagnostics[0].Code != diag.YAMLSyntax {
			t.Errorf("a rollback to it: %v", err)
		}
		expect(t, b, reload.Applied, false, "a")
	})
}

func TestARollbackStandsAfterARestartWhileTheSourceHoldsWhatWasRolledBackFrom(t *testing.T) {
	dir := t.TempDir()
	inProcess(t, dir, good(t, "a"), func(b *bench) {
		b.edit(good(t, "b"))
		b.after(time.Second)
		rollBack(t, b, versionOf(t, good(t, "a")))
	})
	for name, holds := range map[string]struct {
		files   []source.File
		outcome reload.Outcome
	}{"what it held": {good(t, "b"), reload.Held}, "something broken": {broken(), reload.Invalid}} {
		t.Run(name, func(t *testing.T) {
			inProcess(t, dir, holds.files, func(b *bench) {
				expect(t, b, holds.outcome, true, "a")
				expectOrigin(t, b, history.FromRollback)
				if r := b.Status().Rollback; r == nil || r.Reason != "prices are wrong" {
					t.Errorf("rollback %+v", r)
				}
			})
		})
	}
	inProcess(t, dir, good(t, "c"), func(b *bench) {
		expect(t, b, reload.Applied, false, "c")
		expectOrigin(t, b, history.FromSource)
	})
	inProcess(t, dir, good(t, "b"), func(b *bench) { // it ended with c
		expect(t, b, reload.Applied, false, "b")
	})
}

func TestARollbackWhoseVersionIsLostGivesWayToTheSource(t *testing.T) {
	dir := t.TempDir()
	inProcess(t, dir, good(t, "a"), func(b *bench) {
		b.edit(good(t, "b"))
		b.after(time.Second)
		rollBack(t, b, versionOf(t, good(t, "a")))
	})
	found, err := filepath.Glob(filepath.Join(dir, "*", versionOf(t, good(t, "a"))+".config"))
	if err != nil || len(found) != 1 || os.Remove(found[0]) != nil {
		t.Fatal(found, err)
	}
	inProcess(t, dir, good(t, "b"), func(b *bench) {
		expect(t, b, reload.Applied, false, "b")
		expectOrigin(t, b, history.FromSource)
		if passed := b.Status().Passed; len(passed) != 1 || passed[0].Err == nil {
			t.Errorf("passed %+v", passed)
		}
	})
}

func TestADiskThatCannotBeWrittenIsToldAndStopsNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // where the directory is to be
		t.Fatal(err)
	}
	inProcess(t, dir, good(t, "a"), func(b *bench) {
		b.edit(good(t, "b"))
		b.after(time.Second)
		rollBack(t, b, versionOf(t, good(t, "a")))
		expect(t, b, reload.Applied, true, "a", "b", "a")
		if b.Status().HistoryErr == nil {
			t.Error("nothing is told of the disk")
		}
		_, next := b.Reloader.Watch()
		b.after(time.Minute)
		select {
		case <-next:
			t.Error("the same trouble is told again and again")
		default:
		}
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
		b.after(time.Minute)
		if err := b.Status().HistoryErr; err != nil {
			t.Errorf("the disk is well, and yet: %v", err)
		}
	})
	inProcess(t, dir, good(t, "b"), func(b *bench) { expect(t, b, reload.Held, true, "a") })
}

func TestWatchersSeeTheLatestStatusAndNobodyWaitsForThem(t *testing.T) {
	inBubble(t, good(t, "a"), func(b *bench) {
		first, superseded := b.Reloader.Watch()
		for _, description := range []string{"b", "c", "d"} {
			b.edit(good(t, description))
			b.after(time.Second)
		}
		expect(t, b, reload.Applied, false, "a", "b", "c", "d")
		<-superseded
		latest, none := b.Reloader.Watch()
		if latest.Version != b.Status().Version || latest.Version == first.Version || first.History.Len() != 1 || latest.History.Len() != 4 {
			t.Errorf("first %+v, latest %+v", first, latest)
		}
		select {
		case <-none:
			t.Error("the latest is superseded")
		default:
		}
	})
}

// Rollbacks and edits come from many goroutines: what serves is one of them, whole, and status and history agree with it.
func TestRollbacksAndEditsAtOnceLeaveOneOfThemServing(t *testing.T) {
	inBubble(t, good(t, "a"), func(b *bench) {
		b.edit(good(t, "b"))
		b.after(time.Second)
		versions := []string{versionOf(t, good(t, "a")), versionOf(t, good(t, "b"))}
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				if i%5 == 0 {
					b.edit(good(t, string(rune('b'+i%3))))
				}
				if s, err := b.Rollback(b.ctx, versions[i%2], "x"); err != nil || s.Version != versions[i%2] {
					t.Errorf("rollback to %s: %+v, %v", versions[i%2], s.Version, err)
				}
			})
		}
		all.Wait()
		synctest.Wait()
		b.mu.Lock()
		last := b.applied[len(b.applied)-1]
		b.mu.Unlock()
		s := b.Status()
		if b.Snapshot().Version != s.Version || s.Version != versionOf(t, good(t, last)) || s.History.Versions()[0].Version != s.Version {
			t.Errorf("applied %q last, status %+v", last, s)
		}
	})
}
