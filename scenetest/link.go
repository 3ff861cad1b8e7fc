package scenetest

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	scenetestv1 "proscenium/gen/proscenium/scenetest/v1"

	"proscenium/engine"
	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// maxGuesses bounds the search for names that are like an unknown one, which looks at all names there are.
const maxGuesses = 100

// linker makes cases of the tests, and reports what is wrong with them.
type linker struct {
	fsys     fs.FS
	opts     Options
	snap     *scenes.Snapshot // nil: the configuration has errors, and what refers to it is not checked
	formOnly bool             // catalogs are not read
	whole    bool             // every test file was understood: what is not there is in none
	files    []*file
	fixtures fixtures
	own      *catalogFixture // the configuration's catalog; nil: no test needs it
	cases    []*testCase
	findings diag.List
	guesses  int
	unpinned *source.Place // the last test that was reported to need a time
	compiled map[string]compiled
	unknown  map[*source.Place]bool // tests and fixtures whose scene the configuration does not have, which was reported
}

func (l *linker) report(d diag.Diagnostic) { l.findings.Add(d) }

func (l *linker) reportAll(all []diag.Diagnostic) {
	for _, d := range all {
		l.report(d)
	}
}

// twice reports the second of two equal names, with the place of the first.
func (l *linker) twice(message, hint string, second, first *source.Place) {
	d := keyError(second, diag.DuplicateName, message, hint)
	d.Related = []diag.Related{first.KeySpan().Related("first given here")}
	l.report(d)
}

// suggest is a hint for a name that is not one of have.
func (l *linker) suggest(name, plural string, have []string) string {
	if l.guesses++; l.guesses > maxGuesses {
		return ""
	}
	return diag.Suggest(name, plural, have)
}

// link makes the cases of all files.
func (l *linker) link() {
	l.gather()
	for _, f := range l.files {
		names := map[string]*source.Place{}
		for i, t := range f.tests.GetTests() {
			at := f.root.Field("tests").Index(i)
			if t.GetName() == "" {
				continue // reported as missing
			}
			if first := names[t.GetName()]; first != nil {
				l.twice(fmt.Sprintf("test %q stands twice", t.GetName()), "give one of them another name", at.Field("name"), first)
				continue
			}
			names[t.GetName()] = at.Field("name")
			l.test(f, t, at)
		}
	}
	if l.whole && !diag.HasErrors(l.findings.All()) {
		unused(l, l.fixtures.catalogs)
		unused(l, l.fixtures.users)
		unused(l, l.fixtures.times)
		unused(l, l.fixtures.requests)
	}
}

// test makes the cases of a test: one for each cell.
func (l *linker) test(f *file, t *scenetestv1.SceneTest, at *source.Place) {
	base := testCase{file: f, test: t.GetName(), at: at, client: t.GetClient(), catalog: l.catalogOf(t, at)}
	l.client(t.GetClient(), at.Field("client"))
	base.failing = l.failing(t.GetFailing(), at.Field("failing"))
	base.downgrades = slices.Sorted(slices.Values(t.GetDowngrades()))
	l.conflicts(at)

	everywhere, some := l.expectation(t.GetExpect(), at.Field("expect"))
	parts, names := l.parts(t, at), l.resolve(t, at)
	if t.GetMatrix() == nil && len(t.GetCells()) > 0 {
		l.report(at.Field("cells").Error(diag.ConflictingField, "cells are parts of a matrix, and there is none", "write matrix, or move what is expected to expect"))
	}
	var bare []string
	for _, c := range l.cells(t, at) {
		made := base
		made.cell = c.label(t.GetMatrix())
		if some {
			made.expect = append(made.expect, everywhere)
		}
		for i, p := range parts {
			if p.has(c) && p.stated {
				made.expect = append(made.expect, p.expect)
				parts[i].matched = true
			}
		}
		if len(made.expect) == 0 {
			bare = append(bare, made.cell)
			continue
		}
		l.refusals(made.expect)
		if l.complete(&made, t, at, c, names) {
			l.cases = append(l.cases, &made)
		}
	}
	l.nothingExpected(bare, at)
	for _, p := range parts {
		if !p.matched && p.stated && !p.wrong && len(bare) == 0 {
			l.report(keyError(p.at.Field("where"), diag.NoEffect, "no combination of the matrix is like this", "name what the matrix, or the test, has"))
		}
	}
}

// nothingExpected reports combinations that would pass whatever happens.
func (l *linker) nothingExpected(bare []string, at *source.Place) {
	switch {
	case len(bare) == 0:
	case bare[0] == "":
		l.report(at.Field("name").Error(diag.MissingField, "nothing is expected of this test", "write answer, whole, that or refused below expect"))
	default:
		shown := bare[:min(3, len(bare))]
		more := ""
		if len(bare) > len(shown) {
			more = fmt.Sprintf(" and of %d more", len(bare)-len(shown))
		}
		l.report(at.Field("name").Error(diag.MissingField, fmt.Sprintf("nothing is expected of %s%s", strings.Join(shown, ", of "), more),
			"write expect for all combinations, or cells for these"))
	}
}

// conflicts reports fields that say the same thing twice.
func (l *linker) conflicts(at *source.Place) {
	m := at.Field("matrix")
	for _, c := range []struct {
		one, other *source.Place
	}{
		{at.Field("request"), at.Field("request_fixture")},
		{at.Field("request"), m.Field("requests")},
		{at.Field("request_fixture"), m.Field("requests")},
		{at.Field("user"), m.Field("users")},
		{at.Field("time"), m.Field("times")},
	} {
		if c.one.Written() && c.other.Written() {
			d := keyError(c.other, diag.ConflictingField, fmt.Sprintf("%s and %s exclude each other", relative(c.one, at), relative(c.other, at)), "keep one of them")
			d.Related = []diag.Related{c.one.KeySpan().Related("the other one")}
			l.report(d)
		}
	}
	if !at.Field("request").Written() && !at.Field("request_fixture").Written() && !m.Field("requests").Written() {
		l.report(at.Field("name").Error(diag.MissingField, "the test has no request", "write request, or the name of one in request_fixture or matrix.requests"))
	}
}

// relative is the path of a place below another.
func relative(p, below *source.Place) string {
	return strings.TrimPrefix(strings.TrimPrefix(p.Path(), below.Path()), ".")
}

// cells are the combinations of a matrix, or the one of a test without.
func (l *linker) cells(t *scenetestv1.SceneTest, at *source.Place) []cell {
	axis := func(names []string, own string) []string {
		if len(names) == 0 {
			return []string{own}
		}
		return names
	}
	m := t.GetMatrix()
	var out []cell
	for _, r := range axis(m.GetRequests(), t.GetRequestFixture()) {
		for _, u := range axis(m.GetUsers(), t.GetUser()) {
			for _, w := range axis(m.GetTimes(), t.GetTime()) {
				if len(out) == maxCells {
					l.report(keyError(at.Field("matrix"), diag.Constraint, fmt.Sprintf("the matrix has more than %d combinations", maxCells), "split the test"))
					return out
				}
				out = append(out, cell{r, u, w})
			}
		}
	}
	return out
}

// maxCells bounds a matrix: three lists of a few hundred names are millions of combinations.
const maxCells = 10_000

// axes are what the names of a test's request, user and time stand for.
type axes struct {
	requests map[string]*pricingv1.GetPromotionInfoRequest
	users    map[string]userFixture
	times    map[string]time.Time
}

// resolve looks all names of a test up, each once.
func (l *linker) resolve(t *scenetestv1.SceneTest, at *source.Place) axes {
	a := axes{map[string]*pricingv1.GetPromotionInfoRequest{}, map[string]userFixture{}, map[string]time.Time{}}
	matrix := at.Field("matrix")
	each(t.GetMatrix().GetRequests(), matrix.Field("requests"), t.GetRequestFixture(), at.Field("request_fixture"), func(name string, at *source.Place) {
		if r, ok := find(l, l.fixtures.requests, name, at); ok {
			a.requests[name] = r
		}
	})
	each(t.GetMatrix().GetUsers(), matrix.Field("users"), t.GetUser(), at.Field("user"), func(name string, at *source.Place) {
		if u, ok := find(l, l.fixtures.users, name, at); ok {
			a.users[name] = u
		}
	})
	each(t.GetMatrix().GetTimes(), matrix.Field("times"), t.GetTime(), at.Field("time"), func(name string, at *source.Place) {
		if w, ok := l.instant(name, at); ok {
			a.times[name] = w
		}
	})
	return a
}

// each calls use for the names of an axis, and for the test's own.
func each(axis []string, list *source.Place, own string, at *source.Place, use func(string, *source.Place)) {
	for i, name := range axis {
		use(name, list.Index(i))
	}
	if own != "" && !slices.Contains(axis, own) {
		use(own, at)
	}
}

// complete makes the request of a cell, and pins its clock. It is false where something is missing, which was reported.
func (l *linker) complete(c *testCase, t *scenetestv1.SceneTest, at *source.Place, names cell, a axes) bool {
	req := t.GetRequest()
	if names.request != "" {
		req = a.requests[names.request]
	}
	user, known := a.users[names.user]
	if req == nil || names.user != "" && !known {
		return false
	}
	c.request = proto.CloneOf(req)
	if known {
		user.lay(c.request)
	}
	l.scene(c, names.request, at)
	if names.time == "" {
		return l.pin(c, at)
	}
	when, known := a.times[names.time]
	c.arrives = when
	return known
}

func (l *linker) client(name string, at *source.Place) {
	if name == "" || l.snap == nil || l.snap.Clients[name] != nil {
		return
	}
	l.report(at.Error(diag.UnknownReference, fmt.Sprintf("there is no client %s", name), l.suggest(name, "clients", slices.Sorted(maps.Keys(l.snap.Clients)))))
}

func (l *linker) failing(commands []string, at *source.Place) []string {
	for i, command := range commands {
		if !slices.Contains(engine.CommandNames[:], command) {
			l.report(at.Index(i).Error(diag.UnknownCommand, fmt.Sprintf("there is no command %s", command), l.suggest(command, "commands", engine.CommandNames[:])))
		}
	}
	return slices.Sorted(slices.Values(commands))
}

// scene reports a scene that the configuration does not have, once for each request that names it, unless that is what the test is about.
func (l *linker) scene(c *testCase, fixture string, at *source.Place) {
	if l.snap == nil || sceneOf(l.snap, c.request) != nil || slices.ContainsFunc(c.expect, func(e expectation) bool { return e.Refused != nil }) {
		return
	}
	where := at.Field("request")
	if fixture != "" {
		at = l.fixtures.requests.places[fixture]
		where = at
	}
	if l.unknown[at] {
		return
	}
	l.unknown[at] = true
	switch s := c.request.GetScene().(type) {
	case *pricingv1.GetPromotionInfoRequest_SceneName:
		l.report(where.Field("scene_name").Error(diag.UnknownReference, fmt.Sprintf("there is no scene %s", s.SceneName),
			l.suggest(s.SceneName, "scenes", slices.Sorted(maps.Keys(l.snap.ScenesByName)))))
	case *pricingv1.GetPromotionInfoRequest_SceneId:
		l.report(where.Field("scene_id").Error(diag.UnknownReference, fmt.Sprintf("there is no scene with id %d", s.SceneId), "name it by scene_name"))
	}
}

// sceneOf is the scene that a request names, or nil.
func sceneOf(snap *scenes.Snapshot, req *pricingv1.GetPromotionInfoRequest) *scenes.Scene {
	switch s := req.GetScene().(type) {
	case *pricingv1.GetPromotionInfoRequest_SceneName:
		return snap.ScenesByName[s.SceneName]
	case *pricingv1.GetPromotionInfoRequest_SceneId:
		return snap.ScenesByID[s.SceneId]
	}
	return nil
}
