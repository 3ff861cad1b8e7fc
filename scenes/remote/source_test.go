package remote_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"proscenium/scenes/diag"
	"proscenium/scenes/remote"
	"proscenium/scenes/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is a provider whose content the test sets.
type store struct {
	mu      sync.Mutex
	values  map[string]any
	err     error
	stuck   chan struct{} // a read waits for it to be closed; nil: it does not wait
	reading int
	most    int // reads at once
	told    []func(any, error)
	refuses error // what Watch returns
}

func (s *store) ReadBytes() ([]byte, error) { return nil, errors.ErrUnsupported }

func (s *store) Read() (map[string]any, error) {
	s.mu.Lock()
	s.reading++
	s.most = max(s.most, s.reading)
	stuck := s.stuck
	s.mu.Unlock()
	if stuck != nil {
		<-stuck
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading--
	return s.values, s.err
}

func (s *store) Watch(told func(any, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, told)
	return s.refuses
}

func (s *store) put(values map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values = values
}

// tell is an event of the watch that was begun last.
func (s *store) tell(err error) {
	s.mu.Lock()
	told := s.told[len(s.told)-1]
	s.mu.Unlock()
	told("event", err)
}

// mostReads is how many reads there were at once.
func (s *store) mostReads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// watches is how often Watch was called.
func (s *store) watches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.told)
}

func names(files []source.File) (all []string) {
	for _, f := range files {
		all = append(all, f.Name+"="+string(f.Data))
	}
	return all
}

func messages(findings []diag.Diagnostic) (all []string) {
	for _, d := range findings {
		all = append(all, string(d.Code)+" "+d.File+": "+d.Message)
	}
	return all
}

func TestReadingTakesTheFilesBelowThePrefixAndNothingElse(t *testing.T) {
	for _, c := range []struct {
		name     string
		values   map[string]any
		files    []string
		findings []string
	}{
		{
			"files, in the order of their names",
			map[string]any{"/m/scenes/b.yaml": "2", "/m/a.yml": "1", "/m/scenes/a.yaml": []byte("3")},
			[]string{"a.yml=1", "scenes/a.yaml=3", "scenes/b.yaml=2"},
			nil,
		},
		{
			"what is beside the prefix is another's",
			map[string]any{"/m/a.yaml": "1", "/m2/a.yaml": "2", "/m": "3", "/ma.yaml": "4", "m/b.yaml": "5", "/x/m/c.yaml": "6"},
			[]string{"a.yaml=1"},
			nil,
		},
		{
			"what is no part of a bundle",
			map[string]any{
				"/m/a.yaml": "1", "/m/.version": "v", "/m/README.md": "r", "/m/a_test.yaml": "t", "/m/tests/b.yaml": "t", "/m/.git/c.yaml": "g", "/m/": "d",
			},
			[]string{"a.yaml=1"},
			nil,
		},
		{
			"an empty file is a file",
			map[string]any{"/m/a.yaml": ""},
			[]string{"a.yaml="},
			nil,
		},
		{
			"names that no file has",
			map[string]any{"/m/a.yaml": "1", "/m//b.yaml": "2", "/m/scenes/../c.yaml": "3", "/m/\xff.yaml": "4"},
			[]string{"a.yaml=1"},
			[]string{"UNREADABLE /b.yaml: this is no name of a file", "UNREADABLE \xff.yaml: this is no name of a file"},
		},
		{
			"a value that is no text",
			map[string]any{"/m/a.yaml": 5, "/m/README.md": 6, "/m/b.yaml": "1"},
			[]string{"b.yaml=1"},
			[]string{"UNREADABLE a.yaml: the value is no text but a int"},
		},
		{
			"a file that is too large",
			map[string]any{"/m/a.yaml": strings.Repeat("#", 16<<20+1), "/m/b.yaml": strings.Repeat("#", 16<<20)},
			[]string{"b.yaml=" + strings.Repeat("#", 16<<20)},
			[]string{"FILE_TOO_LARGE a.yaml: the file has 16777217 bytes, more than 16777216"},
		},
		{
			"nothing",
			map[string]any{},
			nil,
			[]string{"UNREADABLE : there is no configuration: no key /m/*.yaml"},
		},
		{
			"nothing but what is beside it",
			map[string]any{"/m2/a.yaml": "1", "/m/README.md": "2"},
			nil,
			[]string{"UNREADABLE : there is no configuration: no key /m/*.yaml"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, findings := remote.New(&store{values: c.values}, remote.Options{Prefix: "/m/"}).Read(t.Context())
			if diff := cmp.Diff(c.files, names(files)); diff != "" {
				t.Errorf("files (-want +got):\n%.1000s", diff)
			}
			if diff := cmp.Diff(c.findings, messages(findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTooMuchIsAFindingAndNoMore(t *testing.T) {
	values := make(map[string]any)
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		values["/m/"+name+".yaml"] = strings.Repeat("#", 16<<20)
	}
	files, findings := remote.New(&store{values: values}, remote.Options{Prefix: "/m/"}).Read(t.Context())
	if len(files) != 4 || len(findings) != 1 || findings[0].Code != diag.FileTooLarge {
		t.Errorf("%d files, findings %v; want 4 and one", len(files), messages(findings))
	}
}

func TestAnErrorIsAFindingAndNeverAnEmptyConfiguration(t *testing.T) {
	s := &store{err: errors.New("no quorum"), values: map[string]any{}}
	files, findings := remote.New(s, remote.Options{Prefix: "/m/"}).Read(t.Context())
	if want := []string{"UNREADABLE : cannot read the configuration: no quorum"}; files != nil || !cmp.Equal(want, messages(findings)) {
		t.Errorf("files %v, findings %v", files, messages(findings))
	}
	explained := remote.New(s, remote.Options{Prefix: "/m/", Explain: func(_ context.Context, err error) (string, string) {
		return "it is away", "because of: " + err.Error()
	}})
	_, findings = explained.Read(t.Context())
	if findings[0].Message != "cannot read the configuration: it is away" || findings[0].Hint != "because of: no quorum" {
		t.Errorf("finding %+v", findings[0])
	}
}

func TestAReadThatIsStuckIsGivenUpAndNoOtherBeginsBesideIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{values: map[string]any{"/m/a.yaml": "1"}, stuck: make(chan struct{})}
		src := remote.New(s, remote.Options{Prefix: "/m/", Within: time.Second})
		for range 5 {
			begin := time.Now()
			files, findings := src.Read(t.Context())
			if files != nil || !cmp.Equal(messages(findings), []string{"UNREADABLE : cannot read the configuration: no answer within 1s"}) || time.Since(begin) != time.Second {
				t.Fatalf("after %s: files %v, findings %v", time.Since(begin), files, messages(findings))
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if files, findings := src.Read(ctx); files != nil || len(findings) != 1 {
			t.Errorf("a read that nobody waits for: files %v, findings %v", files, messages(findings))
		}
		if most := s.mostReads(); most != 1 {
			t.Errorf("%d reads at once", most)
		}
		close(s.stuck)
		if files, findings := src.Read(t.Context()); len(files) != 1 || findings != nil {
			t.Errorf("after it: files %v, findings %v", files, messages(findings))
		}
	})
}

// watched is a source that is watched, in a bubble with its own clock.
type watched struct {
	*remote.Source
	*testing.T
	changed chan struct{}
	cancel  func()
	ended   chan error // what Watch returned
}

func watching(t *testing.T, s *store, test func(w *watched)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &watched{remote.New(s, remote.Options{Prefix: "/m/", Watch: s.Watch}), t, make(chan struct{}, 1), cancel, make(chan error, 1)}
		go func() { w.ended <- w.Watch(ctx, w.changed) }()
		synctest.Wait()
		test(w)
		cancel()
		synctest.Wait()
	})
}

// heard says whether a change was told, and takes it.
func (w *watched) heard() bool {
	synctest.Wait()
	select {
	case <-w.changed:
		return true
	default:
		return false
	}
}

func TestAnEventIsToldAndNoneAfterTheEnd(t *testing.T) {
	s := &store{}
	watching(t, s, func(w *watched) {
		if !w.heard() {
			w.Error("it does not say that it watches")
		}
		if w.heard() {
			w.Error("it told of a change that was none")
		}
		for range 200 { // one for each key
			s.tell(nil)
		}
		if !w.heard() || w.heard() {
			w.Error("200 events at once are one change")
		}
		w.cancel()
		if err := <-w.ended; err != nil {
			w.Errorf("it ended with %v", err)
		}
		s.tell(nil)
		s.tell(errors.New("late"))
		if w.heard() {
			w.Error("an event was told after the end")
		}
	})
}

func TestAWatchThatCannotBeginIsAnError(t *testing.T) {
	s := &store{refuses: errors.New("no such permission")}
	watching(t, s, func(w *watched) {
		if err := <-w.ended; !errors.Is(err, s.refuses) {
			w.Errorf("it ended with %v", err)
		}
	})
	if err := remote.New(s, remote.Options{Prefix: "/m/"}).Watch(t.Context(), nil); err == nil {
		t.Error("a provider that cannot be watched is not told from one that can")
	}
}

func TestAWatchThatEndsWithAnErrorIsBegunAgainAfterAPause(t *testing.T) {
	s := &store{}
	watching(t, s, func(w *watched) {
		w.heard()
		s.tell(errors.New("lost the leader"))
		time.Sleep(9 * time.Second)
		if s.watches() != 1 {
			w.Errorf("%d watches after 9s", s.watches())
		}
		time.Sleep(2 * time.Second)
		if s.watches() != 2 || !w.heard() {
			w.Errorf("%d watches; what changed in between is not told", s.watches())
		}
		s.tell(nil)
		if !w.heard() {
			w.Error("the second watch is not heard")
		}
		s.tell(errors.New("lost the leader"))
		w.cancel()
		if err := <-w.ended; err != nil {
			w.Errorf("it ended with %v", err)
		}
	})
}

func TestAWatchThatEndsForEverIsGivenUp(t *testing.T) {
	s := &store{}
	refusal := errors.New("compacted")
	watching(t, s, func(w *watched) {
		for range 150 {
			select {
			case err := <-w.ended:
				if !errors.Is(err, refusal) || s.watches() != 100 {
					w.Errorf("it ended with %v after %d watches", err, s.watches())
				}
				return
			default:
				s.tell(refusal)
				time.Sleep(11 * time.Second)
			}
		}
		w.Errorf("it watches for ever, %d times", s.watches())
	})
}

func TestNewsThatNobodyToldOfEndTheWatch(t *testing.T) {
	one, two, three := map[string]any{"/m/a.yaml": "1"}, map[string]any{"/m/a.yaml": "2"}, map[string]any{"/m/a.yaml": "2", "/m/x.txt": "x"}
	type step struct {
		put  map[string]any // what is there from now on; nil: what is there
		tell bool
		read bool
		wait time.Duration
	}
	for _, c := range []struct {
		name    string
		steps   []step
		watches int
	}{
		{"news without an event", []step{{read: true}, {put: two, read: true}, {wait: 6 * time.Second}}, 2},
		{"news before their event", []step{{read: true}, {put: two, read: true}, {wait: 4 * time.Second}, {tell: true}, {wait: 6 * time.Second}}, 1},
		{"news after their event", []step{{read: true}, {put: two, tell: true}, {read: true}, {wait: 6 * time.Second}}, 1},
		{"an event of the news before", []step{{read: true}, {tell: true}, {read: true}, {put: two, read: true}, {wait: 6 * time.Second}}, 2},
		{"the first read", []step{{put: two, read: true}, {wait: 6 * time.Second}}, 1},
		{"no news", []step{{read: true}, {read: true}, {wait: time.Minute}, {read: true}, {wait: 6 * time.Second}}, 1},
		{"news of what is no file", []step{{put: two, read: true}, {put: three, read: true}, {wait: 6 * time.Second}}, 1},
		{"deaf again", []step{{read: true}, {put: two, read: true}, {wait: 6 * time.Second}, {put: one, read: true}, {wait: 6 * time.Second}}, 3},
		{"heard again", []step{{read: true}, {put: two, read: true}, {wait: 6 * time.Second}, {put: one, tell: true}, {read: true}, {wait: 6 * time.Second}}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &store{values: one}
			watching(t, s, func(w *watched) {
				w.heard()
				told := false
				for _, step := range c.steps {
					if step.put != nil {
						s.put(step.put)
					}
					if step.tell {
						s.tell(nil)
						told = true
					}
					if step.read {
						w.Read(w.Context())
					}
					time.Sleep(step.wait)
				}
				synctest.Wait()
				if s.watches() != c.watches {
					w.Errorf("%d watches, want %d", s.watches(), c.watches)
				}
				if got := w.heard(); got != (told || c.watches > 1) {
					w.Errorf("told of a change: %v", got)
				}
			})
		})
	}
}
