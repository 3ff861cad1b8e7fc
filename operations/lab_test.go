package operations

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/kv"
	"proscenium/traffic"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

const (
	voucher = configv1.DowngradeFeature_DOWNGRADE_FEATURE_PRICE_AFTER_VOUCHER
	tax     = configv1.DowngradeFeature_DOWNGRADE_FEATURE_TAX
)

func embedded(t *testing.T) *kv.Store {
	t.Helper()
	k, err := kv.Open(kv.Options{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k.Of(traffic.Live)
}

var errCut = errors.New("the line is cut")

// line is how one process reaches what is shared.
type line struct {
	Shared
	mu   sync.Mutex
	cut  bool
	lost bool // calls are carried out, and their answers are lost
	// between is called once between what an exchange reads and what it writes.
	between func()
}

func (l *line) set(cut, lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut, l.lost = cut, lost
}

func (l *line) state() (cut, lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut, l.lost
}

func (l *line) Run(ctx context.Context, script *kv.Script, keys []string, args ...any) (any, error) {
	cut, lost := l.state()
	if cut {
		return nil, errCut
	}
	if do := l.between; do != nil && script == writeEntries {
		l.between = nil
		do()
	}
	answer, err := l.Shared.Run(ctx, script, keys, args...)
	if lost {
		return nil, errCut
	}
	return answer, err
}

func (l *line) Append(ctx context.Context, stream string, most int64, fields map[string]string) (string, error) {
	cut, lost := l.state()
	if cut {
		return "", errCut
	}
	id, err := l.Shared.Append(ctx, stream, most, fields)
	if lost {
		return "", errCut
	}
	return id, err
}

func (l *line) Follow(ctx context.Context, stream, after string, patience time.Duration) ([]kv.Message, error) {
	if cut, lost := l.state(); cut || lost {
		return nil, errCut
	}
	return l.Shared.Follow(ctx, stream, after, patience)
}

func (l *line) Last(ctx context.Context, stream, before string, most int64) ([]kv.Message, error) {
	if cut, lost := l.state(); cut || lost {
		return nil, errCut
	}
	return l.Shared.Last(ctx, stream, before, most)
}

// logged is a log that a test reads while others write.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// node is a process of a test.
type node struct {
	*Switches
	options Options
	line    *line
	log     *logged
	now     time.Time

	mu   sync.Mutex
	told [][]Switch
}

func newNode(t *testing.T, shared Shared, name, directory string) *node {
	t.Helper()
	n := &node{line: &line{Shared: shared}, log: &logged{}, now: noon}
	n.options = Options{
		Directory: directory, Shared: n.line, Node: name, Now: func() time.Time { return n.now }, Log: slog.New(slog.NewTextHandler(n.log, nil)),
		Changed: func(all []Switch) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.told = append(n.told, all)
		},
	}
	n.Switches = OpenSwitches(n.options)
	return n
}

// restart is the process that comes after it.
func (n *node) restart(name string) {
	n.options.Node = name
	n.Switches = OpenSwitches(n.options)
}

func (n *node) lastTold() []Switch {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.told) == 0 {
		return nil
	}
	return n.told[len(n.told)-1]
}

// throw sets a switch, or fails the test.
func (n *node) throw(t *testing.T, c Change) {
	t.Helper()
	if _, _, err := n.Set(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func names(switches []Switch) []string {
	var all []string
	for _, s := range switches {
		all = append(all, s.Name())
	}
	return all
}

func (n *node) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := names(n.Thrown()); !slices.Equal(got, want) {
		t.Errorf("%s: thrown are %q, want %q", n.options.Node, got, want)
	}
	if got := names(n.lastTold()); !slices.Equal(got, want) {
		t.Errorf("%s: told was of %q, want %q", n.options.Node, got, want)
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}
