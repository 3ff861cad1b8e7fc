package operations

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"proscenium/kv"
	"proscenium/traffic"
)

// newAudit is the log of a node, whose ids count.
func newAudit(n *node) *Audit {
	var mu sync.Mutex
	next := uint64(0)
	return OpenAudit(n.options, func() uint64 {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next
	})
}

func subjects(entries []Entry) []string {
	var all []string
	for _, e := range entries {
		all = append(all, e.Subject)
	}
	return all
}

// listed are the subjects that a query finds.
func listed(t *testing.T, a *Audit, q Query) []string {
	t.Helper()
	entries, apart := a.List(t.Context(), q)
	if apart != nil {
		t.Fatal(apart)
	}
	return subjects(entries)
}

func share(t *testing.T, logs ...*Audit) {
	t.Helper()
	for _, a := range logs {
		if err := a.share(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryProcessListsTheActionsOfAllOnce(t *testing.T) {
	shared := embedded(t)
	a, b := newNode(t, shared, "a", t.TempDir()), newNode(t, shared, "b", "")
	la, lb := newAudit(a), newAudit(b)
	la.Add(Entry{Operator: "ann", Reason: "night", Action: SetDowngrade, Subject: "first", Peer: "10.0.0.1:1", Outcome: Done})
	b.now = noon.Add(time.Minute)
	lb.Add(Entry{Operator: "bob", Action: Rollback, Subject: "second", Outcome: "UNKNOWN_VERSION: no"})
	a.now = noon.Add(2 * time.Minute)
	la.Add(Entry{Operator: "ann", Action: PurgeShadowData, Subject: "third", Outcome: Done})
	share(t, la, lb)
	for _, l := range []*Audit{la, lb} {
		for _, c := range []struct {
			name string
			q    Query
			want []string
		}{
			{"all, the last first", Query{}, []string{"third", "second", "first"}},
			{"of one operator", Query{Operator: "ann"}, []string{"third", "first"}},
			{"of nobody", Query{Operator: "an"}, nil},
			{"from an instant on", Query{From: noon.Add(time.Minute)}, []string{"third", "second"}},
			{"up to an instant", Query{To: noon.Add(time.Minute)}, []string{"first"}},
			{"between", Query{From: noon, To: noon.Add(time.Minute), Operator: "ann"}, []string{"first"}},
		} {
			t.Run(c.name, func(t *testing.T) {
				if got := listed(t, l, c.q); !slices.Equal(got, c.want) {
					t.Errorf("%s lists %q, want %q", l.options.Node, got, c.want)
				}
			})
		}
	}
	all, _ := lb.List(t.Context(), Query{})
	if e := all[2]; e.Node != "a" || e.Operator != "ann" || e.Reason != "night" || e.Peer != "10.0.0.1:1" || !e.At.Equal(noon) || e.Outcome != Done || e.ID == "" {
		t.Errorf("%+v", e)
	}
	if log := a.log.String(); !strings.Contains(log, "an operator acted") || !strings.Contains(log, "subject=third") {
		t.Errorf("the log of the process: %s", log)
	}
}

func TestWithoutRedisTheLogIsKeptAndSharedLater(t *testing.T) {
	shared := embedded(t)
	a, b := newNode(t, shared, "a", t.TempDir()), newNode(t, shared, "b", "")
	a.line.set(true, false)
	la := newAudit(a)
	la.Add(Entry{Subject: "first"})
	if err := la.share(t.Context()); err == nil {
		t.Error("shared over a line that is cut")
	}
	if got, apart := la.List(t.Context(), Query{}); apart == nil || !slices.Equal(subjects(got), []string{"first"}) {
		t.Errorf("%q, %v", subjects(got), apart)
	}
	a.restart("a2") // the process ends before Redis is back
	la = newAudit(a)
	a.now = noon.Add(time.Second)
	la.Add(Entry{Subject: "second"})
	a.line.set(false, true) // answers are lost: it is not known what arrived
	if err := la.share(t.Context()); err == nil {
		t.Error("an answer that was lost is no error")
	}
	a.line.set(false, false)
	share(t, la)
	lb := newAudit(b)
	if got := listed(t, lb, Query{}); !slices.Equal(got, []string{"second", "first"}) {
		t.Errorf("b lists %q", got)
	}
	if _, err := shared.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	share(t, lb, la)
	if got := listed(t, lb, Query{}); !slices.Equal(got, []string{"second", "first"}) {
		t.Errorf("Redis was emptied; b lists %q", got)
	}
}

func TestTheLogSharesWhatIsAddedUntilItsEnd(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	k, err := kv.Open(kv.Options{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = k.Close() }()
	a, b := newNode(t, k.Of(traffic.Live), "a", ""), newNode(t, k.Of(traffic.Live), "b", "")
	la, lb := newAudit(a), newAudit(b)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { la.Run(ctx) })
	la.Add(Entry{Subject: "first"})
	waitFor(t, "b to list it", func() bool { return slices.Equal(listed(t, lb, Query{}), []string{"first"}) })
	cancel()
	a.now = noon.Add(time.Second)
	la.Add(Entry{Subject: "last"})
	running.Wait()
	if got := listed(t, lb, Query{}); !slices.Contains(got, "last") {
		// Run may have ended before the entry was added; then it is for the next process.
		share(t, la)
		if got := listed(t, lb, Query{}); !slices.Contains(got, "last") {
			t.Errorf("b lists %q", got)
		}
	}
}

func TestTheFilesAreBoundedAndTheOldestGiveWay(t *testing.T) {
	n := newNode(t, embedded(t), "a", t.TempDir())
	n.line.set(true, false)
	l := newAudit(n)
	l.file.most, l.file.files = 500, 3
	for i := range 20 {
		n.now = noon.Add(time.Duration(i) * time.Second)
		l.Add(Entry{Subject: fmt.Sprint(i)})
	}
	found, err := filepath.Glob(filepath.Join(n.options.Directory, "audit*"))
	if err != nil || len(found) != 3 {
		t.Errorf("files %q, %v", found, err)
	}
	for _, name := range found {
		info, err := os.Stat(name)
		if err != nil || info.Size() > 500 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %d bytes, %o, %v", name, info.Size(), info.Mode().Perm(), err)
		}
	}
	kept, err := l.file.read()
	if err != nil || len(kept) < 3 || kept[len(kept)-1].Subject != "19" || !slices.IsSortedFunc(kept, func(a, b Entry) int { return a.At.Compare(b.At) }) {
		t.Errorf("kept %q, %v", subjects(kept), err)
	}
}

func TestWhatWasNotFinishedIsLeftOutAndSpoilsNothingAfterIt(t *testing.T) {
	n := newNode(t, embedded(t), "a", t.TempDir())
	l := newAudit(n)
	l.Add(Entry{Subject: "first"})
	file := l.file.name(0)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(data, data[:len(data)/2]...), 0o600); err != nil {
		t.Fatal(err)
	}
	n.now = noon.Add(time.Second)
	l = newAudit(n)
	l.Add(Entry{Subject: "second"})
	l = newAudit(n)
	if got := listed(t, l, Query{}); !slices.Equal(got, []string{"second", "first"}) {
		t.Errorf("listed %q", got)
	}
}

func TestADiskThatCannotBeWrittenLosesNoEntryOfTheProcess(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, embedded(t), "a", filepath.Join(blocked, "operations"))
	n.line.set(true, false)
	l := newAudit(n)
	l.Add(Entry{Subject: "first"})
	if got, _ := l.List(t.Context(), Query{}); !slices.Equal(subjects(got), []string{"first"}) {
		t.Errorf("listed %q", subjects(got))
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	n.now = noon.Add(time.Second)
	l.Add(Entry{Subject: "second"})
	if got, _ := newAudit(n).List(t.Context(), Query{}); !slices.Equal(subjects(got), []string{"second", "first"}) {
		t.Errorf("on disk: %q", subjects(got))
	}
}

func TestLongTextsAreShortenedBetweenLetters(t *testing.T) {
	n := newNode(t, embedded(t), "a", "")
	l := newAudit(n)
	l.Add(Entry{Subject: "x" + strings.Repeat("ß", maxText), Outcome: strings.Repeat("y", maxText)})
	e := l.own()[0]
	if len(e.Subject) > maxText+len("…") || !strings.HasSuffix(e.Subject, "ß…") || e.Outcome != strings.Repeat("y", maxText) {
		t.Errorf("%d bytes, ends with %q", len(e.Subject), e.Subject[len(e.Subject)-8:])
	}
}
