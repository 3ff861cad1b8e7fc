package scenetest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	scenetestv1 "proscenium/gen/proscenium/scenetest/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// fixtures are those of all files.
type fixtures struct {
	catalogs *index[*catalogFixture]
	users    *index[userFixture]
	times    *index[time.Time]
	requests *index[*pricingv1.GetPromotionInfoRequest]
}

func newFixtures() fixtures {
	return fixtures{
		catalogs: newIndex[*catalogFixture]("catalog", "catalogs"),
		users:    newIndex[userFixture]("user", "users"),
		times:    newIndex[time.Time]("time", "times"),
		requests: newIndex[*pricingv1.GetPromotionInfoRequest]("request", "requests"),
	}
}

// index finds the fixtures of one kind by name.
type index[T any] struct {
	kind, plural string
	byName       map[string]T
	places       map[string]*source.Place
	used         map[string]bool
}

func newIndex[T any](kind, plural string) *index[T] {
	return &index[T]{kind: kind, plural: plural, byName: map[string]T{}, places: map[string]*source.Place{}, used: map[string]bool{}}
}

// userFixture is a user with the place that says which fields of the context are written.
type userFixture struct {
	*scenetestv1.UserFixture
	at *source.Place
}

// lay puts the user over a request.
func (u userFixture) lay(req *pricingv1.GetPromotionInfoRequest) {
	req.UserId = u.UserId
	if u.Context == nil {
		return
	}
	if req.Context == nil {
		req.Context = &pricingv1.RequestContext{}
	}
	to, from := req.Context.ProtoReflect(), u.Context.ProtoReflect()
	fields := from.Descriptor().Fields()
	for i := range fields.Len() {
		if fd := fields.Get(i); u.at.Field("context").Field(string(fd.Name())).Written() {
			to.Set(fd, from.Get(fd))
		}
	}
}

// gather takes the fixtures of all files.
func (l *linker) gather() {
	for _, f := range l.files {
		at, fixtures := f.root.Field("fixtures"), f.tests.GetFixtures()
		add(l, l.fixtures.catalogs, at, fixtures.GetCatalogs(), func(name string, c *scenetestv1.CatalogFixture, at *source.Place) *catalogFixture {
			return l.newCatalog(f, name, c, at)
		})
		add(l, l.fixtures.users, at, fixtures.GetUsers(), func(_ string, u *scenetestv1.UserFixture, at *source.Place) userFixture {
			return userFixture{UserFixture: u, at: at}
		})
		add(l, l.fixtures.times, at, fixtures.GetTimes(), func(_ string, t *timestamppb.Timestamp, at *source.Place) time.Time {
			l.checkTime(t.AsTime(), at)
			return t.AsTime()
		})
		add(l, l.fixtures.requests, at, fixtures.GetRequests(), func(_ string, r *pricingv1.GetPromotionInfoRequest, _ *source.Place) *pricingv1.GetPromotionInfoRequest {
			return r
		})
	}
}

func add[M, T any](l *linker, x *index[T], fixtures *source.Place, messages map[string]M, read func(string, M, *source.Place) T) {
	for _, name := range slices.Sorted(maps.Keys(messages)) {
		at := fixtures.Field(x.plural).Key(name)
		if first := x.places[name]; first != nil {
			l.twice(fmt.Sprintf("%s fixture %s stands twice", x.kind, name), "names are unique over all test files: give one of them another", at, first)
			continue
		}
		if name == "" {
			l.report(keyError(at, diag.Constraint, "a fixture needs a name", "write one before the colon"))
			continue
		}
		x.places[name], x.byName[name] = at, read(name, messages[name], at)
	}
}

// find is the fixture that is named at a place; it reports a name that none has.
func find[T any](l *linker, x *index[T], name string, at *source.Place) (T, bool) {
	value, ok := x.byName[name]
	if ok {
		x.used[name] = true
		return value, true
	}
	if l.whole { // it may be in what was not understood
		l.report(at.Error(diag.UnknownReference, fmt.Sprintf("there is no %s fixture %s", x.kind, name), l.suggest(name, x.plural, slices.Sorted(maps.Keys(x.byName)))))
	}
	return value, false
}

// unused warns of the fixtures that no test names.
func unused[T any](l *linker, x *index[T]) {
	for name, at := range x.places {
		if !x.used[name] {
			d := at.Warning(diag.Unused, fmt.Sprintf("no test uses %s fixture %s", x.kind, name), "take it out, or name it in a test")
			l.report(atKey(d, at))
		}
	}
}

// atKey moves a finding to the key of its place.
func atKey(d diag.Diagnostic, at *source.Place) diag.Diagnostic {
	s := at.KeySpan()
	d.File, d.Line, d.Column, d.EndColumn, d.Excerpt = s.File, s.Line, s.Column, s.EndColumn, s.Excerpt
	return d
}

func keyError(at *source.Place, code diag.Code, message, hint string) diag.Diagnostic {
	return atKey(at.Error(code, message, hint), at)
}
