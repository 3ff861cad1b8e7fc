// Package history keeps the configurations that a process served: in memory, and on disk for the process after it.
package history

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"proscenium/scenes/source"
)

// Origin is where a configuration that serves came from.
type Origin string

// The origins.
const (
	FromSource   Origin = "source"    // what the source holds
	FromLastGood Origin = "last_good" // of an earlier run: the source held nothing good at start
	FromRollback Origin = "rollback"  // an operator went back to it
)

// Origins are all of them.
func Origins() []Origin { return []Origin{FromSource, FromLastGood, FromRollback} }

// Version is a configuration that served.
type Version struct {
	// Version is the hash of its content.
	Version string `json:"version"`
	// FirstServed is when it served for the first time, Served when it last began to.
	FirstServed time.Time `json:"first_served_at"`
	Served      time.Time `json:"served_at"`
	// Origin is where it came from when it last began to serve.
	Origin Origin `json:"origin"`
	// Scenes and Files are how many it has.
	Scenes int `json:"scenes"`
	Files  int `json:"files"`
}

// Rollback says that an operator went back to a version.
type Rollback struct {
	Version string `json:"version"`
	// From is the digest of what the source held: while it holds that, the rollback stands.
	From string `json:"from"`
	// Reason is the operator's.
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// DefaultMost is how many versions are kept where nobody says otherwise.
const DefaultMost = 20

// maxBytes bounds the files in memory of the versions that do not serve.
const maxBytes = 64 << 20

// History is what a process served, the last first. It has one owner; what it hands out belongs to everyone.
type History struct {
	most  int
	store *Store // nil: memory only
	// entries never change in place: views share them.
	entries  []*entry
	sequence int64
	rollback *Rollback
	unsaved  bool // the rollback is not on disk as it is here
}

// entry is a version as views see it. It is immutable but for those that only the owner looks at.
type entry struct {
	Version
	// turns are when it began to serve, in the count of the history; the last of them are kept.
	turns []int64
	// files are nil where they are on disk only.
	files []source.File
	bytes int
	saved bool // the owner's
}

// maxTurns bounds the turns that an entry remembers: they order the pages of a list while it changes.
const maxTurns = 16

// New makes a history of at most most versions, at least one; 0: DefaultMost. store may be nil.
func New(most int, store *Store) *History {
	return &History{most: max(1, cmp.Or(most, DefaultMost)), store: store}
}

// Open takes over what is on disk, and says what of it is damaged: that is left out.
func (h *History) Open() error {
	if h.store == nil {
		return nil
	}
	kept, damaged := h.store.list()
	for _, k := range slices.Backward(kept[:min(len(kept), h.most)]) {
		h.sequence = max(h.sequence+1, k.Turn) // processes that share the directory count alike
		h.entries = append(h.entries, &entry{Version: k.Version, turns: []int64{h.sequence}, bytes: k.bytes(), saved: true})
	}
	slices.Reverse(h.entries)
	rollback, err := h.store.rollback()
	h.rollback = rollback
	return errors.Join(damaged, err)
}

// Serve notes that a version serves from now on. The files must not change any more.
func (h *History) Serve(v Version, files []source.File) {
	h.sequence++
	next := &entry{Version: v, files: files, turns: []int64{h.sequence}}
	next.FirstServed = v.Served
	if i := h.index(v.Version); i >= 0 {
		before := h.entries[i]
		next.FirstServed = before.FirstServed
		next.turns = append(slices.Clone(before.turns[max(0, len(before.turns)-maxTurns+1):]), h.sequence)
		h.entries = slices.Delete(slices.Clone(h.entries), i, i+1)
	}
	next.Files = len(files)
	for _, f := range files {
		next.bytes += len(f.Data)
	}
	h.entries = h.bounded(append([]*entry{next}, h.entries...))
}

// Confirm notes that the source holds what serves, in these files.
func (h *History) Confirm(files []source.File) {
	if len(h.entries) == 0 {
		return
	}
	next := *h.entries[0]
	next.Origin, next.files, next.Files, next.bytes, next.saved = FromSource, files, len(files), 0, false
	for _, f := range files {
		next.bytes += len(f.Data)
	}
	h.entries = slices.Clone(h.entries)
	h.entries[0] = &next
}

// bounded are the entries that are kept: of the older ones, as many as the bounds allow.
func (h *History) bounded(all []*entry) []*entry {
	all = all[:min(len(all), h.most)]
	total := 0
	for i, e := range all[1:] {
		if e.files == nil {
			continue
		}
		if total += e.bytes; total <= maxBytes {
			continue
		}
		if !e.saved {
			return all[:i+1]
		}
		light := *e
		light.files = nil
		all[i+1] = &light
	}
	return all
}

func (h *History) index(version string) int {
	return slices.IndexFunc(h.entries, func(e *entry) bool { return e.Version.Version == version })
}

// Rollback is the one that stands, or nil.
func (h *History) Rollback() *Rollback { return h.rollback }

// SetRollback sets the one that stands; nil: none does.
func (h *History) SetRollback(r *Rollback) {
	if h.rollback == nil && r == nil {
		return
	}
	h.rollback, h.unsaved = r, true
}

// Save writes what is not on disk yet. What fails is tried again by the next Save.
func (h *History) Save() error {
	if h.store == nil {
		return nil
	}
	var problems []error
	wrote := false
	for i, e := range h.entries {
		if e.saved || e.files == nil {
			continue
		}
		if err := h.store.put(kept{Version: e.Version, Turn: e.turns[len(e.turns)-1]}, e.files); err != nil {
			problems = append(problems, fmt.Errorf("keep version %s: %w", e.Version.Version, err))
			break // the next one hardly goes better
		}
		next := *e
		next.saved, wrote = true, true
		h.entries = slices.Clone(h.entries)
		h.entries[i] = &next
	}
	if h.unsaved {
		if err := h.store.setRollback(h.rollback); err != nil {
			problems = append(problems, fmt.Errorf("keep the rollback: %w", err))
		} else {
			h.unsaved = false
		}
	}
	if wrote {
		h.store.prune(h.most)
	}
	return errors.Join(problems...)
}

// View is the history as it is now.
func (h *History) View() View { return View{entries: h.entries, store: h.store, turn: h.sequence} }
