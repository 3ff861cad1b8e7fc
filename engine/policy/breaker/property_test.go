package breaker_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"proscenium/engine/policy/breaker"
)

// The breaker does what the model does, whatever callers, operators and the clock do.
func TestABreakerIsLikeOneThatKeepsEveryCall(t *testing.T) {
	for range 20 { // a check is cheap
		rapid.Check(t, likeTheModel)
	}
}

// The same with commands that the fuzzer finds by what they cover: go test -fuzz FuzzABreakerIsLikeOneThatKeepsEveryCall.
func FuzzABreakerIsLikeOneThatKeepsEveryCall(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(likeTheModel))
}

func likeTheModel(t *rapid.T) {
	p := play{levels: [2]*level{newLevel(t), newLevel(t)}}
	commands := map[string]func(*rapid.T){
		"":            p.compare,
		"allow":       p.allow,
		"allow again": p.allow,
		"allow both":  p.allowBoth,
		"start":       p.start,
		"done":        p.done,
		"done again":  p.done,
		"done oldest": p.doneOldest,
		"wait":        p.wait,
		"wait more":   p.wait,
		"go back":     p.goBack,
		"reload":      p.reload,
	}
	for range 5 { // some thirty commands each, unless -rapid.steps says else
		t.Repeat(commands)
	}
}

// level is a breaker beside its model.
type level struct {
	b    *breaker.Breaker
	m    *model
	told []modelChange
}

func newLevel(t *rapid.T) *level {
	rule := rules.Draw(t, "rule")
	seed := rapid.IntRange(0, 7).Draw(t, "jitter")
	eighths := func() func() int {
		next := seed
		return func() int { next = (next*5 + 3) % 8; return next }
	}
	l := &level{m: newModel(rule, eighths())}
	jitter := eighths()
	l.b = breaker.New(rule, func() float64 { return float64(jitter()) / 8 }, breaker.OnTransition(func(from, to breaker.State, now int64) {
		l.told = append(l.told, modelChange{from, to, now})
	}))
	return l
}

// Small numbers, so that all of it happens often. Pauses are multiples of 40, so that eighths of their jitter are whole.
var rules = rapid.Custom(func(t *rapid.T) breaker.Rule {
	percent := rapid.SampledFrom([]int{0, 1, 20, 33, 34, 50, 51, 60, 99, 100})
	return breaker.Rule{
		ErrorPercent:    percent.Draw(t, "error percent"),
		SlowPercent:     percent.Draw(t, "slow percent"),
		SlowAfter:       rapid.SampledFrom([]time.Duration{0, 1, 30, 100}).Draw(t, "slow after"),
		MinimumCalls:    rapid.IntRange(1, 6).Draw(t, "minimum"),
		Window:          rapid.SampledFrom([]time.Duration{5, 10, 95, 200, 1000}).Draw(t, "window"),
		Open:            time.Duration(rapid.IntRange(1, 10).Draw(t, "open")) * 40,
		HalfOpenCalls:   rapid.IntRange(1, 5).Draw(t, "half-open calls"),
		HalfOpenMaxWait: rapid.SampledFrom([]time.Duration{0, 1, 50, 150}).Draw(t, "max wait"),
	}
})

// play is both levels, the clock, and all permits that there ever were.
type play struct {
	levels  [2]*level
	now     int64
	permits []*held
}

// permit is a Permit or Permits.
type permit interface {
	Start(now int64)
	Done(now int64, outcome breaker.Outcome)
}

// held is a permit in two copies, and the calls that it stands for in the models.
type held struct {
	copies  [2]permit
	started [2]int64
	calls   [2]*modelCall // nil: not of this level
}

func (p *play) allow(t *rapid.T) {
	at := rapid.IntRange(0, 1).Draw(t, "level")
	l := p.levels[at]
	got, ok := l.b.Allow(p.now)
	want := l.m.allow(p.now)
	if ok != (want != nil) {
		t.Fatalf("allowed: %v, want %v", ok, want != nil)
	}
	if ok {
		twin := got
		h := &held{copies: [2]permit{&got, &twin}, started: [2]int64{p.now, p.now}}
		h.calls[at] = want
		p.permits = append(p.permits, h)
	}
}

func (p *play) allowBoth(t *rapid.T) {
	a, b := p.levels[0], p.levels[1]
	if rapid.Bool().Draw(t, "swapped") {
		a, b = b, a
	}
	got, ok := breaker.AllowBoth(p.now, a.b, b.b)
	var refuser *breaker.Breaker
	switch {
	case a.m.state == breaker.Closed && b.m.state == breaker.Closed:
	case a.m.refusesForPause(p.now):
		refuser = a.b
	case b.m.refusesForPause(p.now):
		refuser = b.b
	default:
		a.m.look(p.now)
		b.m.look(p.now)
		if !a.m.free() {
			refuser = a.b
		} else if !b.m.free() {
			refuser = b.b
		}
	}
	if ok != (refuser == nil) || got.Refuser() != refuser {
		t.Fatalf("allowed both: %v, want %v", ok, refuser == nil)
	}
	if ok {
		twin := got
		p.permits = append(p.permits, &held{
			copies: [2]permit{&got, &twin}, started: [2]int64{p.now, p.now},
			calls: [2]*modelCall{p.levels[0].m.take(p.now), p.levels[1].m.take(p.now)},
		})
	}
}

// held draws one of the permits, mostly a late one.
func (p *play) held(t *rapid.T) *held {
	if len(p.permits) == 0 {
		return &held{copies: [2]permit{new(breaker.Permit), new(breaker.Permits)}} // the zero ones
	}
	back := rapid.IntRange(1, min(len(p.permits), rapid.SampledFrom([]int{3, 10, 1000}).Draw(t, "among"))).Draw(t, "permit")
	return p.permits[len(p.permits)-back]
}

func (p *play) start(t *rapid.T) {
	h, twin := p.held(t), rapid.IntRange(0, 1).Draw(t, "copy")
	h.copies[twin].Start(p.now)
	h.started[twin] = p.now
}

func (p *play) done(t *rapid.T) { p.report(t, p.held(t)) }

func (p *play) doneOldest(t *rapid.T) {
	for _, h := range p.permits {
		for _, c := range h.calls {
			if c != nil && !c.reported {
				p.report(t, h)
				return
			}
		}
	}
}

func (p *play) report(t *rapid.T, h *held) {
	twin := rapid.IntRange(0, 1).Draw(t, "copy")
	outcome := rapid.SampledFrom([]breaker.Outcome{success, success, failure, failure, ignored}).Draw(t, "outcome")
	h.copies[twin].Done(p.now, outcome)
	for i, c := range h.calls {
		if c != nil {
			p.levels[i].m.done(c, h.started[twin], p.now, outcome)
		}
	}
}

// wait draws a step, or goes to an instant when something is due, or next to it.
func (p *play) wait(t *rapid.T) {
	instants := []int64{p.now + 1, p.now + 20, p.now + 95, p.now + 1000, p.now + int64(10*time.Second)}
	for _, l := range p.levels {
		if l.m.state == breaker.Open {
			instants = append(instants, l.m.openUntil)
		}
		for _, c := range l.m.underWay() {
			instants = append(instants, c.deadline)
		}
		if n := len(l.m.starts); n > 0 {
			width := max(int64(l.m.rule.Window)/10, 1)
			instants = append(instants, l.m.starts[n-1]+width, l.m.starts[n-1]+9*width, l.m.starts[n-1]+10*width)
		}
	}
	to := rapid.SampledFrom(instants).Draw(t, "to") + int64(rapid.IntRange(-1, 1).Draw(t, "beside"))
	p.now = max(p.now, to)
}

func (p *play) goBack(t *rapid.T) { p.now -= int64(rapid.IntRange(1, 100).Draw(t, "back")) }

func (p *play) reload(t *rapid.T) {
	l := p.levels[rapid.IntRange(0, 1).Draw(t, "level")]
	rule := rules.Draw(t, "rule")
	l.b.Reconfigure(rule)
	l.m.rule = rule.WithDefaults()
}

// compare looks at both levels in one of the ways that there are, or not at all: a look must not be needed.
func (p *play) compare(t *rapid.T) {
	for i, l := range p.levels {
		switch look := rapid.SampledFrom([]string{"", "", "state", "retry", "status"}).Draw(t, "look"); look {
		case "state":
			if got := l.b.State(p.now); got != l.lookedAt(p.now).state {
				t.Fatalf("level %d: %v, want %v", i, got, l.m.state)
			}
		case "retry":
			if got, want := l.b.RetryAfter(p.now), l.m.retryAfter(p.now); got != want {
				t.Fatalf("level %d: retry after %d, want %d", i, got, want)
			}
		case "status":
			if diff := cmp.Diff(l.m.status(p.now), l.b.Status(p.now)); diff != "" {
				t.Fatalf("level %d (-want +got):\n%s", i, diff)
			}
			if !slices.Equal(l.m.told, l.told) {
				t.Fatalf("level %d was told of %v, want %v", i, l.told, l.m.told)
			}
		}
	}
}

func (l *level) lookedAt(now int64) *model {
	l.m.look(now)
	return l.m
}

// Whoever looks at a breaker, and how often, changes nothing.
func TestLooksDoNotChangeWhatABreakerDecides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := rules.Draw(t, "rule")
		var told [2][]modelChange
		var twins [2]*breaker.Breaker
		for i := range twins {
			twins[i] = breaker.New(rule, nil, breaker.OnTransition(func(from, to breaker.State, now int64) {
				told[i] = append(told[i], modelChange{from, to, now})
			}))
		}
		var permits [2][]breaker.Permit
		now := int64(0)
		for range rapid.IntRange(200, 400).Draw(t, "steps") {
			now += int64(rapid.SampledFrom([]int{0, 0, 0, 1, 7, 40, 160, 1000}).Draw(t, "step"))
			if rapid.Bool().Draw(t, "look") {
				twins[1].State(now)
				twins[1].RetryAfter(now)
				twins[1].Status(now)
			}
			if n := len(permits[0]); n > 0 && rapid.IntRange(0, 2).Draw(t, "report") > 0 {
				at := rapid.IntRange(0, n-1).Draw(t, "permit")
				outcome := rapid.SampledFrom([]breaker.Outcome{success, failure, ignored}).Draw(t, "outcome")
				for i := range twins {
					permits[i][at].Done(now, outcome)
					permits[i] = slices.Delete(permits[i], at, at+1)
				}
				continue
			}
			first, ok := twins[0].Allow(now)
			second, also := twins[1].Allow(now)
			if ok != also {
				t.Fatalf("at %d: allowed %v, with looks %v", now, ok, also)
			}
			if ok {
				permits[0], permits[1] = append(permits[0], first), append(permits[1], second)
			}
		}
		now += int64(time.Minute)
		if a, b := twins[0].Status(now), twins[1].Status(now); a != b {
			t.Fatalf("in the end %+v, with looks %+v", a, b)
		}
		if a, b := fmt.Sprint(told[0]), fmt.Sprint(told[1]); a != b {
			t.Fatalf("transitions %s, with looks %s", a, b)
		}
	})
}
