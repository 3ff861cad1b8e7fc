package scenetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"buf.build/go/protovalidate"

	"proscenium/rules"
	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// timeless is when requests arrive whose answer is the same at every time.
var timeless = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)

// pin sets when a case arrives that names no time. It is false where the answer may depend on that, which was reported once for a test.
func (l *linker) pin(c *testCase, at *source.Place) bool {
	if l.snap == nil {
		return false
	}
	c.arrives = timeless
	if c.request.GetAtTime() != nil {
		c.arrives = c.request.GetAtTime().AsTime()
	}
	why := l.dependsOnTime(c)
	if why == "" {
		return true
	}
	if l.unpinned == at {
		return false
	}
	l.unpinned = at
	l.report(at.Field("name").Error(diag.MissingField, "the answer depends on when the request arrives, and the test does not say when: "+why,
		"add time: an RFC 3339 time, or the name of a time fixture"))
	return false
}

// dependsOnTime says why the answer of a case may depend on when its request arrives; empty: it cannot.
//
// A request with at_time is priced as of then, so its arrival only decides which downgrades are over.
func (l *linker) dependsOnTime(c *testCase) string {
	scene := sceneOf(l.snap, c.request)
	if refusedAnyway(l.snap, scene, c) {
		return ""
	}
	for _, d := range l.snap.Downgrades {
		if !d.Until.IsZero() && (d.Scenes == nil || d.Scenes[scene]) && (d.Regions == nil || d.Regions[c.request.GetRegion()]) {
			return "a downgrade of the scene ends at " + d.Until.UTC().Format(time.RFC3339)
		}
	}
	if c.request.GetAtTime() != nil {
		return ""
	}
	if rule := clockRule(l.snap, scene); rule != "" {
		return rule + " reads request.time"
	}
	catalog := l.catalogs()[c.catalog]
	if catalog == nil || catalog.cat == nil {
		return "" // not loaded, which was reported
	}
	if catalog.timed() {
		return "what is in " + catalog.label() + " changes with time"
	}
	return ""
}

// refusedAnyway says whether the request is refused before anything looks at the clock.
func refusedAnyway(snap *scenes.Snapshot, scene *scenes.Scene, c *testCase) bool {
	var invalid *protovalidate.ValidationError
	switch client := snap.Clients[c.client]; {
	case errors.As(protovalidate.Validate(c.request), &invalid), scene == nil, client != nil && !client.Allowed[scene]:
		return true
	}
	return snap.Regions[c.request.GetRegion()] == nil || c.request.GetExplain() && !scene.Spec.GetAllowExplain()
}

// clockRule names a rule of the scene that reads the clock, or is empty. Rules that only a group of the scene's experiment runs are among them.
func clockRule(snap *scenes.Snapshot, scene *scenes.Scene) string {
	reads := func(r *rules.Rule) bool { return r != nil && r.Uses("request.time") }
	for _, r := range []*scenes.PromoRule{scene.Exclusion, scene.Inclusion, scene.ItemTeaserInclusion} {
		if r != nil && reads(r.When) {
			return "rule " + r.Name
		}
	}
	if x := scene.Experiment; x != nil && reads(x.Unit) {
		return "experiment " + x.Name
	}
	for _, command := range slices.Sorted(maps.Keys(snap.EligibilityRules)) {
		if reads(snap.EligibilityRules[command]) {
			return "the eligibility rule of " + command
		}
	}
	return ""
}

// instant is a time by the name of its fixture, or as it is written.
func (l *linker) instant(name string, at *source.Place) (time.Time, bool) {
	if t, ok := l.fixtures.times.byName[name]; ok {
		l.fixtures.times.used[name] = true
		return t, true
	}
	t, err := time.Parse(time.RFC3339Nano, name)
	if err == nil {
		return t, l.checkTime(t, at)
	}
	if name[0] < '0' || name[0] > '9' {
		return find(l, l.fixtures.times, name, at)
	}
	l.report(at.Error(diag.BadTimestamp, fmt.Sprintf("time is neither a time nor the name of a fixture: %q", name),
		"write it as 2026-01-31T18:00:00Z or 2026-01-31T18:00:00+08:00"))
	return time.Time{}, false
}

// The years that a test may lie in are those of at_time.
const firstYear, lastYear = 1970, 2199

func (l *linker) checkTime(t time.Time, at *source.Place) bool {
	if y := t.UTC().Year(); y < firstYear || y > lastYear {
		l.report(at.Error(diag.OutOfRange, fmt.Sprintf("the year %d is out of range", y), fmt.Sprintf("years from %d to %d", firstYear, lastYear)))
		return false
	}
	return true
}
