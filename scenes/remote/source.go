// Package remote reads configuration from a store of keys and values that koanf has a provider for, such as etcd: each key below a prefix is the
// name of a file, its value the file's text. A Source of it is a source of package reload.
package remote

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/knadh/koanf/v2"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

const (
	// grace is how long after a change was read its event may come; then the watch is taken to have ended.
	grace = 5 * time.Second
	// pause is before a watch that reported an error is begun anew.
	pause = 10 * time.Second
	// most bounds how often a watch is begun: one that is deaf and has not ended keeps what it holds.
	most = 100
)

var (
	errNoWatch = errors.New("the provider has no watch")
	errDeaf    = fmt.Errorf("the provider's watch has ended %d times without a word", most)
)

// Watch has told called at every change until the process ends, from any goroutine, or with an error when it can watch no more. It returns at
// once, with an error if it cannot begin. The method Watch of koanf's providers is one; it may be called more than once.
type Watch func(told func(event any, err error)) error

// Options describe a store; Prefix has no default.
type Options struct {
	// Prefix is what the keys of files begin with, such as /market/; the rest of a key is the file's name. Other keys are not looked at.
	Prefix string
	// Watch is how the provider is watched; nil: it is polled.
	Watch Watch
	// Within is how long a read may take; 0: 10s.
	Within time.Duration
	// Explain words an error of the provider, and a hint. The wording tells errors apart: it must be the same for the same trouble. nil: the error's
	// own text.
	Explain func(ctx context.Context, err error) (message, hint string)
}

// Source is the configuration in a store. It implements reload.Source.
//
// A provider of koanf has no context and no end. So a read that is given up ends by itself, later, and no other begins before it has; and a
// watch lasts as long as the process. One that has ended without a word, as etcd's does where the events that it missed are compacted, is
// found out by the next read that brings news nobody told of, and is begun again.
type Source struct {
	provider koanf.Provider
	options  Options
	reading  chan struct{} // holds one element while the provider reads
	signs    atomic.Int64  // events told so far
	doubt    chan int64    // the count of signs at a read that brought news without one

	// Of the last read, by Read only.
	content [sha256.Size]byte
	read    bool
	heard   int64 // signs before it
}

// New makes a Source of what the provider reads: a flat map of keys and texts.
func New(provider koanf.Provider, options Options) *Source {
	options.Within = cmp.Or(options.Within, 10*time.Second)
	if options.Explain == nil {
		options.Explain = func(_ context.Context, err error) (string, string) { return err.Error(), "" }
	}
	return &Source{provider: provider, options: options, reading: make(chan struct{}, 1), doubt: make(chan int64, 1)}
}

// Read reads all files, by one read of the provider. What cannot be read is a finding, and so is that there are no files: a configuration does
// not go away because its store does. It is called by one goroutine at a time.
func (s *Source) Read(ctx context.Context) ([]source.File, []diag.Diagnostic) {
	heard := s.signs.Load()
	values, err := s.get(ctx)
	if err != nil {
		message, hint := s.options.Explain(ctx, err)
		return nil, []diag.Diagnostic{{Code: diag.Unreadable, Severity: diag.Error, Message: "cannot read the configuration: " + message, Hint: hint}}
	}
	files, findings := s.files(values)
	s.compare(files, heard)
	return files, findings
}

// get is the provider's read, given up when ctx or the time for it ends.
func (s *Source) get(ctx context.Context) (map[string]any, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.Within, fmt.Errorf("no answer within %s", s.options.Within))
	defer cancel()
	select {
	case s.reading <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	type answer struct {
		values map[string]any
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		defer func() { <-s.reading }()
		values, err := s.provider.Read()
		answered <- answer{values, err}
	}()
	select {
	case a := <-answered:
		return a.values, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s *Source) files(values map[string]any) ([]source.File, []diag.Diagnostic) {
	texts := make(map[string][]byte, len(values))
	var findings []diag.Diagnostic
	for key, value := range values {
		name, ok := strings.CutPrefix(key, s.options.Prefix)
		if !ok {
			continue
		}
		switch v := value.(type) {
		case string:
			texts[name] = []byte(v)
		case []byte:
			texts[name] = v
		default:
			if source.IsPart(name) {
				findings = append(findings, diag.Diagnostic{Code: diag.Unreadable, Severity: diag.Error, Message: fmt.Sprintf("the value is no text but a %T", v), File: name})
			}
		}
	}
	files, more := source.Collect(texts)
	findings = append(findings, more...)
	diag.Sort(findings)
	if len(files) == 0 && len(findings) == 0 {
		findings = append(findings, diag.Diagnostic{
			Code: diag.Unreadable, Severity: diag.Error, Message: fmt.Sprintf("there is no configuration: no key %s*.yaml", s.options.Prefix),
			Hint: "write one with: proscenium publish DIR --to ADDRESS",
		})
	}
	return files, findings
}

// compare finds news that no sign was given of.
func (s *Source) compare(files []source.File, heard int64) {
	content := digest(files)
	if s.read && content != s.content && heard == s.heard {
		select {
		case s.doubt <- heard:
		default: // there is doubt already
		}
	}
	s.content, s.read, s.heard = content, true, heard
}

func digest(files []source.File) [sha256.Size]byte {
	hash := sha256.New()
	for _, f := range files {
		for _, part := range [][]byte{[]byte(f.Name), f.Data} {
			hash.Write(binary.AppendUvarint(nil, uint64(len(part))))
			hash.Write(part)
		}
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// Watch has the provider watch, and again whenever that has ended. When it returns, the provider may go on watching, but changed is sent nothing.
func (s *Source) Watch(ctx context.Context, changed chan<- struct{}) error {
	if s.options.Watch == nil {
		return errNoWatch
	}
	failed := make(chan error, 1)
	told := func(_ any, err error) {
		switch {
		case ctx.Err() != nil: // the provider has no way to be told so
		case err != nil:
			select {
			case failed <- err:
			default:
			}
		default:
			s.signs.Add(1)
			notify(changed)
		}
	}
	var last error
	for range most {
		if err := s.options.Watch(told); err != nil {
			return fmt.Errorf("watch the configuration: %w", err)
		}
		notify(changed) // what has changed since the last watch
		if last = s.follow(ctx, failed); last == nil {
			return nil
		}
	}
	return last
}

// follow returns when the watch has ended, with the reason, or when ctx has, with nil.
func (s *Source) follow(ctx context.Context, failed <-chan error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			if wait(ctx, pause) {
				return err
			}
		case signs := <-s.doubt:
			if wait(ctx, grace) && s.signs.Load() == signs {
				return errDeaf
			}
		}
	}
}

// wait says whether the time has passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// notify says that something changed, unless that was said and not heard yet.
func notify(changed chan<- struct{}) {
	select {
	case changed <- struct{}{}:
	default:
	}
}
