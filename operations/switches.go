package operations

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/fault"
	"proscenium/kv"
)

// Shared is what the processes of a fleet have in common; it is the live [kv.Store].
type Shared interface {
	Run(ctx context.Context, script *kv.Script, keys []string, args ...any) (any, error)
	Append(ctx context.Context, stream string, most int64, fields map[string]string) (string, error)
	Follow(ctx context.Context, stream, after string, patience time.Duration) ([]kv.Message, error)
	Last(ctx context.Context, stream, before string, most int64) ([]kv.Message, error)
}

// Bounds of what a fleet keeps.
const (
	maxInForce = 1_000
	maxEntries = 10_000
)

// Options are what switches and the audit log need.
type Options struct {
	// Directory keeps them over a restart; empty: they are as lasting as what is shared.
	Directory string
	Shared    Shared
	// Node names the process, unlike any other that runs or ran in the fleet.
	Node string
	Now  func() time.Time
	Log  *slog.Logger
	// Changed is called with the switches that are not taken back, in the order of their names, whenever they have changed: one call at a time, the last
	// with the latest. Those that have ended may be among them. It may be nil.
	Changed func([]Switch)
}

// Switches are the downgrades that operators threw, as this process knows them. They are safe for concurrent use.
type Switches struct {
	options Options
	folder  *folder // nil: memory only

	mu      sync.Mutex
	entries map[string]*entry // by field
	seen    int64             // the greatest time of a stamp

	telling    sync.Mutex // orders the calls of Changed
	saving     sync.Mutex
	exchanging sync.Mutex
	troubles   troubles
}

// OpenSwitches takes over what is on disk and tells Changed of it. What is damaged there is put aside, which the log has.
func OpenSwitches(options Options) *Switches {
	s := &Switches{options: options, entries: make(map[string]*entry), troubles: troubles{log: options.Log}}
	if options.Directory != "" {
		s.folder = &folder{path: options.Directory}
	}
	if err := s.load(); err != nil {
		options.Log.Error("the switches of before cannot be read from disk; those that other processes know are taken over from Redis", slog.Any("error", err))
	}
	s.tell()
	return s
}

// Change is what an operator asks for.
type Change struct {
	Feature          configv1.DowngradeFeature
	Regions, Scenes  []string
	Restore          bool
	Operator, Reason string
	Until            time.Time // zero: until it is taken back
}

// Set throws a switch, or takes it back. It holds in this process when Set returns. apart says why not everything else knows of it yet, the other processes
// or the disk: both are tried again until they do.
//
// The error is a *fault.Error, and nothing has changed: SWITCH_NOT_THROWN where there is none to take back, or TOO_MANY_SWITCHES.
func (s *Switches) Set(ctx context.Context, c Change) (set Switch, apart, err error) {
	ctx = context.WithoutCancel(ctx) // what was begun is finished; each call is bounded
	next := Switch{
		Feature: c.Feature, Regions: sorted(c.Regions), Scenes: sorted(c.Scenes), Restored: c.Restore,
		Operator: c.Operator, Reason: c.Reason, At: s.options.Now(), Until: c.Until,
	}
	field := next.field()
	if c.Restore && !s.has(field) {
		apart = s.Exchange(ctx) // another process may have thrown it just now
		if !s.has(field) {
			return Switch{}, nil, s.notThrown(&next, apart)
		}
	}
	if err := s.put(field, &next); err != nil {
		return Switch{}, nil, err
	}
	s.tell()
	unsaved := s.keep()
	return next, errors.Join(s.Exchange(ctx), unsaved), nil
}

func (s *Switches) has(field string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[field] != nil
}

// put stamps a switch, so that it replaces what is known of it.
func (s *Switches) put(field string, next *Switch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries[field] == nil && (len(s.entries) >= maxEntries || s.inForce() >= maxInForce) {
		return fault.New(fault.FailedPrecondition, "TOO_MANY_SWITCHES",
			"%d switches are thrown, as many as may; take some back, or put them into the configuration", s.inForce())
	}
	s.seen = max(s.seen+1, next.At.UnixNano())
	next.Stamp = Stamp{Time: s.seen, Node: s.options.Node}
	e, err := encode(*next)
	if err != nil {
		return fmt.Errorf("write a switch: %w", err)
	}
	s.entries[field] = e
	return nil
}

func (s *Switches) inForce() int {
	n, now := 0, s.options.Now()
	for _, e := range s.entries {
		if e.InForce(now) {
			n++
		}
	}
	return n
}

func (s *Switches) notThrown(asked *Switch, unreachable error) error {
	const named = 5
	var names []string
	for _, t := range s.Thrown() {
		names = append(names, t.Name())
	}
	list := "none is"
	if len(names) > 0 {
		list = "these are: " + strings.Join(names[:min(named, len(names))], "; ")
	}
	if len(names) > named {
		list += fmt.Sprintf("; and %d more", len(names)-named)
	}
	if unreachable != nil {
		list += "; those that other processes threw may be unknown here, for Redis does not answer"
	}
	return fault.New(fault.NotFound, "SWITCH_NOT_THROWN", "no switch %s was thrown; %s", asked.Name(), list)
}

// Thrown are the switches in force, in the order of their names.
func (s *Switches) Thrown() []Switch {
	now := s.options.Now()
	return slices.DeleteFunc(s.kept(), func(t Switch) bool { return !t.InForce(now) })
}

// kept are those that were not taken back, in the order of their names.
func (s *Switches) kept() []Switch {
	var all []Switch
	for _, e := range s.all() {
		if !e.Restored {
			all = append(all, e.Switch)
		}
	}
	slices.SortFunc(all, func(a, b Switch) int { return strings.Compare(a.Name(), b.Name()) })
	return all
}

func (s *Switches) all() map[string]*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.entries)
}

// merge takes over the entries that win over those of here, and forgets old ones. It says whether anything changed.
func (s *Switches) merge(from []*entry) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Now()
	for _, e := range from {
		s.seen = max(s.seen, e.Stamp.Time)
		if field := e.field(); !e.forgotten(now) && e.wins(s.entries[field]) {
			s.entries[field], changed = e, true
		}
	}
	maps.DeleteFunc(s.entries, func(_ string, e *entry) bool { return e.forgotten(now) })
	return changed
}

// tell calls Changed with what holds now.
func (s *Switches) tell() {
	if s.options.Changed == nil {
		return
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	s.options.Changed(s.kept())
}
