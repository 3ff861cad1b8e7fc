package reload_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/history"
	"proscenium/scenes/reload"
	"proscenium/scenes/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// good is a configuration whose only client has the description given.
func good(tb testing.TB, description string) []source.File {
	tb.Helper()
	files, unread := source.Read(os.DirFS("../testdata/base"))
	if len(unread) > 0 {
		tb.Fatal(unread)
	}
	for i, f := range files {
		if f.Name == "clients.yaml" {
			files[i].Data = append(slices.Clone(f.Data), "    description: "+description+"\n"...)
		}
	}
	return files
}

func broken() []source.File { return []source.File{{Name: "a.yaml", Data: []byte("scenes: [\n")}} }

// memory is a source whose content the test sets.
type memory struct {
	mu      sync.Mutex
	files   []source.File
	unread  []diag.Diagnostic
	reads   int
	changed chan<- struct{}
	refuses error // what Watch returns
}

func (m *memory) Read(context.Context) ([]source.File, []diag.Diagnostic) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	return m.files, m.unread
}

func (m *memory) Watch(ctx context.Context, changed chan<- struct{}) error {
	if m.refuses != nil {
		return m.refuses
	}
	m.mu.Lock()
	m.changed = changed
	m.mu.Unlock()
	m.notify()
	<-ctx.Done()
	return nil
}

func (m *memory) notify() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

func (m *memory) put(files []source.File) {
	m.mu.Lock()
	m.files, m.unread = files, nil
	m.mu.Unlock()
}

// edit puts files and tells of it.
func (m *memory) edit(files []source.File) {
	m.put(files)
	m.notify()
}

// bench runs a reloader over a source in memory, in a bubble with its own clock.
type bench struct {
	*memory
	*reload.Reloader
	ctx       context.Context  // while it runs
	history   *history.History // nil: of its own, in memory
	applied   []string
	loads     int
	refuse    error
	rollbacks []reload.Rollback
	damage    error
}

func inBubble(t *testing.T, first []source.File, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{memory: &memory{files: first}}
		run(t, b, test)
	})
}

func run(t *testing.T, b *bench, test func(b *bench)) {
	t.Helper()
	b.Reloader = reload.New(b.memory, func(s *scenes.Snapshot) error {
		return b.serve(s.Bundle.GetClients()[0].GetDescription())
	}, reload.Options{
		Settle: 200 * time.Millisecond, Poll: 10 * time.Second, History: b.history,
		OnLoad: func(reload.Status) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.loads++
		},
		OnRollback: func(r reload.Rollback) { b.rollbacks = append(b.rollbacks, r) },
		OnDamage:   func(err error) { b.damage = err },
	})
	ctx, cancel := context.WithCancel(t.Context())
	b.ctx = ctx
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Run(ctx)
	}()
	synctest.Wait()
	test(b)
	cancel()
	<-done
}

// refuseWith makes apply fail from now on, or not any more.
func (b *bench) refuseWith(err error) {
	b.mu.Lock()
	b.refuse = err
	b.mu.Unlock()
}

// serve is what apply does: it notes whose snapshot it is.
func (b *bench) serve(description string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse == nil {
		b.applied = append(b.applied, description)
	}
	return b.refuse
}

func (b *bench) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.loads
}

func (b *bench) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func expect(t *testing.T, b *bench, outcome reload.Outcome, stale bool, applied ...string) {
	t.Helper()
	s := b.Status()
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.Outcome != outcome || s.Stale != stale || !slices.Equal(b.applied, applied) {
		t.Errorf("outcome %q, stale %v, applied %v; want %q, %v, %v; diagnostics: %v", s.Outcome, s.Stale, b.applied, outcome, stale, applied, s.Diagnostics)
	}
	if serves := b.Snapshot(); len(applied) > 0 && (serves == nil || serves.Version != s.Version || serves.Bundle.GetClients()[0].GetDescription() != applied[len(applied)-1]) {
		t.Errorf("what serves is not what was applied last; status: %+v", s)
	}
}

func TestTheFirstLoadServesAtOnce(t *testing.T) {
	inBubble(t, good(t, "a"), func(b *bench) {
		expect(t, b, reload.Applied, false, "a")
		b.after(time.Hour)
		expect(t, b, reload.Applied, false, "a")
		if b.count() != 1 {
			t.Errorf("equal content was loaded %d times", b.count())
		}
	})
}

func TestAnEditServesOnceItsFilesAreQuiet(t *testing.T) {
	inBubble(t, good(t, "a"), func(b *bench) {
		b.after(time.Second)
		for range 5 {
			b.edit(broken()) // half of it is written
			b.after(150 * time.Millisecond)
		}
		b.edit(good(t, "b"))
		b.after(199 * time.Millisecond)
		expect(t, b, reload.Applied, false, "a")
		b.after(time.Millisecond)
		expect(t, b, reload.Applied, false, "a", "b")
		if b.count() != 2 {
			t.Errorf("there were %d loads, want 2: %v", b.count(), b.loads)
		}
	})
}

func TestASourceThatIsNeverQuietIsReadAllTheSame(t *testing.T) {
	inBubble(t, good(t, "a"), func(b *bench) {
		b.after(time.Second)
		for range 30 {
			b.edit(good(t, "b"))
			b.after(100 * time.Millisecond)
		}
		expect(t, b, reload.Applied, false, "a", "b")
	})
}

func TestWhatIsBrokenNeverTakesThePlaceOfWhatIsGood(t *testing.T) {
	inBubble(t, good(t, "a"), func(b *bench) {
		b.after(time.Second)
		version := b.Status().Version
		b.edit(broken())
		b.after(time.Second)
		expect(t, b, reload.Invalid, true, "a")
		if s := b.Status(); s.Version != version || s.Diagnostics[0].Code != diag.YAMLSyntax {
			t.Errorf("status: %+v", s)
		}
		b.edit(good(t, "a"))
		b.after(time.Second)
		expect(t, b, reload.Same, false, "a")
		b.edit(good(t, "b"))
		b.after(time.Second)
		expect(t, b, reload.Applied, false, "a", "b")
	})
}

func TestBrokenAtTheStartServesNothingUntilItIsMended(t *testing.T) {
	inBubble(t, broken(), func(b *bench) {
		expect(t, b, reload.Invalid, true)
		if b.Snapshot() != nil || b.Status().Version != "" {
			t.Error("something serves")
		}
		b.edit(good(t, "a"))
		b.after(time.Second)
		expect(t, b, reload.Applied, false, "a")
	})
}

func TestWhatCannotBeReadLeavesTheLastGoodOne(t *testing.T) {
	inBubble(t, good(t, "a"), func(b *bench) {
		b.mu.Lock()
		b.files, b.unread = nil, []diag.Diagnostic{{Code: diag.Unreadable, Severity: diag.Error, Message: "no such directory", File: "."}}
		b.mu.Unlock()
		b.notify()
		b.after(time.Second)
		expect(t, b, reload.Unreadable, true, "a")
		b.edit(good(t, "b"))
		b.after(time.Second)
		expect(t, b, reload.Applied, false, "a", "b")
	})
}

// interrupted is a source whose reads, but the first, last until they are not wanted any more.
type interrupted struct {
	*memory
	reading atomic.Bool
}

func (i *interrupted) Read(ctx context.Context) ([]source.File, []diag.Diagnostic) {
	if !i.reading.CompareAndSwap(false, true) {
		<-ctx.Done()
		return nil, []diag.Diagnostic{{Code: diag.Unreadable, Severity: diag.Error, Message: "interrupted"}}
	}
	return i.memory.Read(ctx)
}

func TestAReadThatTheEndInterruptsIsNoNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := reload.New(&interrupted{memory: &memory{files: good(t, "a")}}, func(*scenes.Snapshot) error { return nil }, reload.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.Run(ctx)
		}()
		synctest.Wait()
		<-time.After(time.Minute) // it is read again
		cancel()
		<-done
		if s := r.Status(); s.Outcome != reload.Applied || s.Stale {
			t.Errorf("outcome %s, stale %v", s.Outcome, s.Stale)
		}
	})
}

func TestARefusedSnapshotIsTriedAgain(t *testing.T) {
	inBubble(t, good(t, "a"), func(b *bench) {
		away := errors.New("provider is away")
		b.refuseWith(away)
		b.edit(good(t, "b"))
		b.after(time.Second)
		expect(t, b, reload.Refused, true, "a")
		if s := b.Status(); !errors.Is(s.Err, away) {
			t.Errorf("the reason is lost: %v", s.Err)
		}
		b.after(time.Minute)
		if b.count() != 2 {
			t.Errorf("the same refusal was told %d times", b.count()-1)
		}
		b.refuseWith(nil)
		b.after(time.Minute)
		expect(t, b, reload.Applied, false, "a", "b")
	})
}

func TestAChangeWithoutASignIsFoundByPolling(t *testing.T) {
	inBubble(t, good(t, "a"), func(b *bench) {
		b.after(time.Second)
		b.put(good(t, "b"))
		b.after(8 * time.Second)
		expect(t, b, reload.Applied, false, "a")
		b.after(2 * time.Second)
		expect(t, b, reload.Applied, false, "a", "b")
	})
}

func TestAPollDoesNotReadWhatIsNotQuietYet(t *testing.T) {
	inBubble(t, good(t, "a"), func(b *bench) {
		b.after(9900 * time.Millisecond)
		b.edit(broken())
		b.after(150 * time.Millisecond) // past the poll
		expect(t, b, reload.Applied, false, "a")
		b.edit(good(t, "b"))
		b.after(time.Second)
		expect(t, b, reload.Applied, false, "a", "b")
		if n := b.count(); n != 2 {
			t.Errorf("%d loads", n)
		}
	})
}

func TestASourceThatCannotBeWatchedIsPolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{memory: &memory{files: good(t, "a"), refuses: errors.New("too many watches")}}
		run(t, b, func(b *bench) {
			expect(t, b, reload.Applied, false, "a")
			if s := b.Status(); !errors.Is(s.WatchErr, b.refuses) {
				t.Errorf("status does not tell: %+v", s)
			}
			b.put(good(t, "b"))
			b.after(11 * time.Second)
			expect(t, b, reload.Applied, false, "a", "b")
			if s := b.Status(); !errors.Is(s.WatchErr, b.refuses) {
				t.Errorf("status forgot: %+v", s)
			}
		})
	})
}

func TestContentOfTheSameMeaningIsNotAppliedAgain(t *testing.T) {
	inBubble(t, good(t, "a"), func(b *bench) {
		files := good(t, "a")
		for i := range files {
			files[i].Data = append([]byte("# a comment\n"), files[i].Data...)
		}
		b.edit(files)
		b.after(time.Second)
		expect(t, b, reload.Same, false, "a")
	})
}

// Readers of the snapshot, while a writer alternates A, B and broken ones, see A or B, whole.
func TestReadersSeeOneConfigurationOrTheOther(t *testing.T) {
	src := &memory{files: good(t, "a")}
	loaded := make(chan reload.Status, 1)
	r := reload.New(src, func(*scenes.Snapshot) error { return nil }, reload.Options{
		Settle: time.Millisecond, Poll: time.Hour, OnLoad: func(s reload.Status) { loaded <- s },
	})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { r.Run(ctx) })
	<-loaded

	versions := map[string]string{r.Status().Version: "a"}
	if b := scenes.LoadFiles(good(t, "b"), time.Now()).Snapshot; b != nil {
		versions[b.Version] = "b"
	}
	var once sync.Once
	for range 2 {
		all.Go(func() {
			for ctx.Err() == nil {
				s := r.Snapshot()
				want := versions[s.Version]
				if got := s.Bundle.GetClients()[0].GetDescription(); want == "" || got != want || !strings.HasPrefix(s.ScenesByName["cart"].Client.Name, "shop") {
					once.Do(func() { t.Errorf("a reader saw version %s with client %q", s.Version, got) })
				}
			}
		})
	}
	contents := [][]source.File{good(t, "b"), broken(), good(t, "a"), broken()}
	want := []reload.Outcome{reload.Applied, reload.Invalid, reload.Applied, reload.Invalid}
	for i := range 40 {
		src.edit(contents[i%len(contents)])
		if s := <-loaded; s.Outcome != want[i%len(want)] {
			t.Errorf("load %d: %+v", i, s)
		}
	}
	cancel()
	all.Wait()
}
