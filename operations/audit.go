package operations

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// The actions that operators take.
const (
	SetDowngrade     = "set_downgrade"
	RestoreDowngrade = "restore_downgrade"
	PurgeShadowData  = "purge_shadow_data"
	Rollback         = "rollback"
)

// Done is the outcome of an action that was taken; of one that was refused it is why.
const Done = "done"

// Entry is an action of an operator.
type Entry struct {
	// ID is unique in the fleet.
	ID       string    `json:"id"`
	At       time.Time `json:"at"`
	Operator string    `json:"operator"`
	Reason   string    `json:"reason"`
	Action   string    `json:"action"`
	// Subject is what it was done to.
	Subject string `json:"subject"`
	// Node is the process that was asked, Peer where the call came from.
	Node    string `json:"node"`
	Peer    string `json:"peer"`
	Outcome string `json:"outcome"`
}

const (
	sharedAudit = "audit"
	// maxShared is how many entries the fleet keeps in Redis, maxRecent how many a process keeps in memory.
	maxShared = 10_000
	maxRecent = 1_000
	// shareEvery is how late Redis has what it could not take before.
	shareEvery = 3 * time.Second
	// maxText bounds what an entry says of a switch of a thousand scenes, and of why something was refused.
	maxText = 2_000
)

// Audit is the log of what operators did, here and in the other processes. It is safe for concurrent use.
type Audit struct {
	options Options
	random  func() uint64
	file    *auditFile // nil: memory only

	mu     sync.Mutex
	recent []Entry // of this process, the last of them
	// unwritten are not on disk yet, unshared not in Redis.
	unwritten, unshared []Entry
	added               chan struct{}

	sharing  sync.Mutex
	compared bool // what Redis has was compared with what is on disk
	troubles troubles
}

// OpenAudit makes the log; random makes its ids unique. What is on disk is read when it is asked for.
func OpenAudit(options Options, random func() uint64) *Audit {
	a := &Audit{options: options, random: random, added: make(chan struct{}, 1), troubles: troubles{log: options.Log}}
	if options.Directory != "" {
		a.file = &auditFile{folder: folder{path: options.Directory}, most: auditFileBytes, files: auditFiles}
	}
	return a
}

// Add notes an action, with an id, this process and the time now. It is on disk when Add returns, if that can be; the other processes list it as soon as
// they can. The log of the process has it in any case.
func (a *Audit) Add(e Entry) {
	now := a.options.Now()
	e.ID = fmt.Sprintf("%016x%016x", now.UnixNano(), a.random())
	e.At, e.Node = now.UTC(), a.options.Node
	e.Subject, e.Outcome = shortened(e.Subject), shortened(e.Outcome)
	a.options.Log.Info("an operator acted", "action", e.Action, "operator", e.Operator, "reason", e.Reason, "subject", e.Subject,
		"peer", e.Peer, "outcome", e.Outcome, "id", e.ID)

	a.mu.Lock()
	a.recent = lastOf(append(a.recent, e))
	a.unshared = lastOf(append(a.unshared, e))
	if a.file != nil {
		a.unwritten = lastOf(append(a.unwritten, e))
	}
	a.mu.Unlock()
	a.write()
	select {
	case a.added <- struct{}{}:
	default:
	}
}

func shortened(text string) string {
	if len(text) <= maxText {
		return text
	}
	cut := maxText
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

func lastOf(entries []Entry) []Entry {
	return entries[max(0, len(entries)-maxRecent):]
}

// write puts what is not on disk there.
func (a *Audit) write() {
	if a.file == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	written := 0
	var err error
	for _, e := range a.unwritten {
		if err = a.file.append(&e); err != nil {
			break
		}
		written++
	}
	a.unwritten = a.unwritten[written:]
	_ = a.troubles.note(auditOnDisk, err)
}

// Run shares what is added with the other processes until ctx ends, and then what is left once more.
func (a *Audit) Run(ctx context.Context) {
	for {
		_ = a.share(ctx)
		select {
		case <-a.added:
		case <-time.After(shareEvery):
			a.write()
		case <-ctx.Done():
			_ = a.share(context.WithoutCancel(ctx)) // each call is bounded
			return
		}
	}
}

// share puts what the fleet does not have yet into Redis. Where the answer of a call is missing an entry may stand there twice; it is listed once.
func (a *Audit) share(ctx context.Context) error {
	a.sharing.Lock()
	defer a.sharing.Unlock()
	err := a.compare(ctx)
	for err == nil {
		a.mu.Lock()
		waiting := a.unshared
		a.mu.Unlock()
		if len(waiting) == 0 {
			break
		}
		if err = a.appendShared(ctx, &waiting[0]); err == nil {
			a.mu.Lock()
			a.unshared = slices.DeleteFunc(slices.Clone(a.unshared), func(e Entry) bool { return e.ID == waiting[0].ID })
			a.mu.Unlock()
		}
	}
	if ctx.Err() != nil {
		return err
	}
	return a.troubles.note(auditInRedis, err)
}

func (a *Audit) appendShared(ctx context.Context, e *Entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = a.options.Shared.Append(ctx, sharedAudit, maxShared, map[string]string{"entry": string(text)})
	return err
}

// compare finds, at the start and where Redis lost everything, which of the entries on disk it lacks.
func (a *Audit) compare(ctx context.Context) error {
	newest, err := a.options.Shared.Last(ctx, sharedAudit, "", 1)
	if err != nil || a.compared && len(newest) > 0 {
		return err
	}
	there, err := a.shared(ctx)
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(there))
	for _, e := range there {
		known[e.ID] = true
	}
	here := lastOf(a.own())
	a.mu.Lock()
	defer a.mu.Unlock()
	lacking := distinct(slices.DeleteFunc(append(here, a.unshared...), func(e Entry) bool { return known[e.ID] }))
	slices.Reverse(lacking)
	a.unshared, a.compared = lacking, true
	return nil
}

// own are the entries of memory and disk, the oldest first.
func (a *Audit) own() []Entry {
	a.mu.Lock()
	all := slices.Clone(a.recent)
	a.mu.Unlock()
	if a.file != nil {
		kept, err := a.file.read()
		_ = a.troubles.note(auditOnDisk, err)
		all = append(all, kept...)
	}
	all = distinct(all)
	slices.Reverse(all)
	return all
}

// shared are the entries in Redis.
func (a *Audit) shared(ctx context.Context) ([]Entry, error) {
	const page = 500
	var all []Entry
	for before := ""; ; {
		messages, err := a.options.Shared.Last(ctx, sharedAudit, before, page)
		if err != nil {
			return all, err
		}
		for _, m := range messages {
			var e Entry
			if json.Unmarshal([]byte(m.Fields["entry"]), &e) == nil && e.ID != "" {
				all = append(all, e)
			}
		}
		if len(messages) < page {
			return all, nil
		}
		before = messages[len(messages)-1].ID
	}
}

// Query says which entries are asked for.
type Query struct {
	// Operator is whose; empty: everyone's.
	Operator string
	// From and To bound the time, From included, To not; zero: no bound.
	From, To time.Time
}

// List lists the entries of all processes, the last first; those of the same instant in the order of their ids. apart says why only those of this process are
// among them.
func (a *Audit) List(ctx context.Context, q Query) (entries []Entry, apart error) {
	there, apart := a.shared(ctx)
	all := distinct(append(a.own(), there...))
	return slices.DeleteFunc(all, func(e Entry) bool {
		return q.Operator != "" && e.Operator != q.Operator || !q.From.IsZero() && e.At.Before(q.From) || !q.To.IsZero() && !e.At.Before(q.To)
	}), apart
}

// distinct are the entries in the order of a list, each once.
func distinct(entries []Entry) []Entry {
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(b.At.Compare(a.At), strings.Compare(a.ID, b.ID))
	})
	return slices.CompactFunc(entries, func(a, b Entry) bool { return a.ID == b.ID })
}
