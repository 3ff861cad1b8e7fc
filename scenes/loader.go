package scenes

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"proscenium/scenes/diag"
	"proscenium/scenes/pace"
	"proscenium/scenes/source"
)

// Loader loads a configuration again and again, as it changes. It keeps what it made of the files and the expressions of the load before, so that
// an edit costs what it changes, and each load gives what [LoadFiles] would. Snapshots share what is the same in them. The zero value is
// ready; a Loader is used by one goroutine at a time.
type Loader struct {
	// Gentle loads rest now and then, so that those go first who work with what was loaded before: a load takes about three times as long. The
	// first ones, before anything good was loaded, do not.
	Gentle bool

	parts *source.Parts
	rules compiledRules
	forms map[proto.Message]*form
}

// Load is [LoadFiles].
func (l *Loader) Load(files []source.File, now time.Time) Result { return l.load(files, nil, now) }

func (l *Loader) load(files []source.File, unread []diag.Diagnostic, now time.Time) Result {
	var turns *pace.Pace
	if l.Gentle && l.forms != nil {
		turns = new(pace.Pace)
	}
	parsed, parts := source.ParseReusing(files, l.parts, turns)
	l.parts = parts
	if parsed.Full {
		findings := slices.Concat(unread, parsed.Findings)
		diag.Sort(findings)
		return Result{Diagnostics: limited(findings)}
	}
	parsed.Whole = parsed.Whole && len(unread) == 0
	constraints := constrain(parsed.Without(l.checked))
	links, unlinked := link(parsed, constraints, turns)
	findings := slices.Concat(unread, parsed.Findings, constraints, unlinked)
	linked := !diag.HasErrors(findings)

	expressions, rules, wrong := compileExpressions(parsed, l.rules, turns)
	l.rules = rules
	findings = slices.Concat(findings, wrong, literals(parsed, links, expressions))
	findings = append(findings, withoutFollowing(check(parsed, links, expressions, linked, now), findings)...)
	diag.Sort(findings)
	if diag.HasErrors(findings) {
		return Result{Diagnostics: limited(findings)}
	}
	names := make([]string, 0, len(files))
	for _, f := range files {
		names = append(names, f.Name)
	}
	forms := newForms(l.forms, turns)
	snap := compile(parsed.Bundle, links, expressions, forms, names, now)
	l.forms = forms.made
	return Result{Snapshot: snap, Diagnostics: limited(findings)}
}

// checked says whether an entity is one of the last good load: its own constraints hold.
func (l *Loader) checked(m proto.Message) bool { return l.forms[m] != nil }
