package scenetest

import (
	"fmt"
	"slices"

	scenetestv1 "proscenium/gen/proscenium/scenetest/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// part is what is expected of a part of a matrix.
type part struct {
	*scenetestv1.Where
	at      *source.Place
	expect  expectation
	stated  bool // it expects something
	wrong   bool // its names are, which was reported
	matched bool
}

// has says whether a combination belongs to the part.
func (p *part) has(c cell) bool {
	in := func(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }
	return in(p.GetRequests(), c.request) && in(p.GetUsers(), c.user) && in(p.GetTimes(), c.time)
}

// parts reads the cells of a matrix.
func (l *linker) parts(t *scenetestv1.SceneTest, at *source.Place) []part {
	var out []part
	for i, c := range t.GetCells() {
		here := at.Field("cells").Index(i)
		p := part{Where: c.GetWhere(), at: here}
		p.expect, p.stated = l.expectation(c.GetExpect(), here.Field("expect"))
		if !p.stated && here.Field("expect").Written() {
			l.report(keyError(here.Field("expect"), diag.MissingField, "nothing is expected", "write answer, whole, that or refused"))
		}
		for _, axis := range []struct {
			plural       string
			names, known []string
			own          string
		}{
			{"requests", c.GetWhere().GetRequests(), t.GetMatrix().GetRequests(), t.GetRequestFixture()},
			{"users", c.GetWhere().GetUsers(), t.GetMatrix().GetUsers(), t.GetUser()},
			{"times", c.GetWhere().GetTimes(), t.GetMatrix().GetTimes(), t.GetTime()},
		} {
			known := axis.known
			if len(known) == 0 && axis.own != "" {
				known = []string{axis.own}
			}
			for j, name := range axis.names {
				if !slices.Contains(known, name) {
					p.wrong = true
					l.report(here.Field("where").Field(axis.plural).Index(j).Error(diag.UnknownReference,
						fmt.Sprintf("the matrix has no %s %s", axis.plural[:len(axis.plural)-1], name), l.suggest(name, axis.plural, known)))
				}
			}
		}
		out = append(out, p)
	}
	return out
}

// expectation compiles what is expected. It is false where that is nothing.
func (l *linker) expectation(e *scenetestv1.Expectation, at *source.Place) (expectation, bool) {
	out := expectation{Expectation: e, at: at}
	if e == nil {
		return out, false
	}
	if e.Answer != nil && e.Whole != nil {
		l.report(keyError(at.Field("whole"), diag.ConflictingField, "answer and whole exclude each other", "whole compares all that answer does: keep one of them"))
	}
	if e.Refused != nil && (e.Answer != nil || e.Whole != nil || len(e.That) > 0) {
		l.report(keyError(at.Field("refused"), diag.ConflictingField, "a request that is refused has no answer", "keep refused, or what is expected of the answer"))
	}
	for i, text := range e.That {
		if a := l.assertion(text, at.Field("that").Index(i)); a != nil {
			out.that = append(out.that, a)
		}
	}
	return out, e.Answer != nil || e.Whole != nil || e.Refused != nil || len(e.That) > 0
}

// refusals reports a case that is expected to be refused and to be answered.
func (l *linker) refusals(all []expectation) {
	refused := slices.IndexFunc(all, func(e expectation) bool { return e.Refused != nil })
	answered := slices.IndexFunc(all, func(e expectation) bool { return e.Refused == nil })
	if refused < 0 || answered < 0 {
		return
	}
	d := keyError(all[max(refused, answered)].at, diag.ConflictingField, "a combination is expected to be refused and to be answered", "narrow where, or move expect to cells")
	d.Related = []diag.Related{all[min(refused, answered)].at.KeySpan().Related("the other expectation")}
	l.report(d)
}
