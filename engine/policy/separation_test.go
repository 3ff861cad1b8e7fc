package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"proscenium/engine/policy/breaker"
	"proscenium/engine/policy/hierarchy"
	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/scenes"
	"proscenium/traffic"
)

// everything has each kind of policy, with twins for some: names that a prefix makes equal are meant to trip whoever builds names of state by joining.
const everything = `
breakers:
  tax.rates: {error_percent_threshold: 50, minimum_number_of_calls: 6, open: 2s, half_open_calls: 2}
  shadow.tax.rates: {error_percent_threshold: 90, minimum_number_of_calls: 2, open: 1s}
scene_breakers:
  tax.rates: {error_percent_threshold: 50, minimum_number_of_calls: 3, open: 1s, half_open_calls: 1}
  voucher.best_vouchers: {timeout_percent_threshold: 50, timeout_threshold_seconds: 0.5, minimum_number_of_calls: 3, open: 1s}
limits:
  of_user:
    per_user: {window: 5s, limit: 4, key: "string(user.id)"}
    all: {window: 3s, limit: 9}
  of_tax: {all: {window: 2s, limit: 9, burst: 5, precision: LOCAL}}
  shadow_of_tax: {all: {window: 2s, limit: 90, precision: LOCAL}}
  reserved: {all: {window: 10s, limit: 30, counting: RESERVED, chunk: 3}}
hierarchy_limits:
  pricing:
    root_queue:
      max_limit: 100
      sub_queues: [{queue: of_cart, guaranteed_limit: 2, per_instance: {burst: 6}}]
inbound: {limits: [of_user]}
dependencies:
  - {command: tax.rates, limits: [of_tax, reserved], max_concurrent: 3}
`

// step is one thing that happens: a request, a call, or time that passes.
type step struct {
	Kind    string
	User    int64
	Scene   int
	Batches int
	Outcome breaker.Outcome
	Time    time.Duration
}

func drawStep(kinds ...string) *rapid.Generator[step] {
	return rapid.Custom(func(t *rapid.T) step {
		s := step{Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Scene: rapid.IntRange(0, 1).Draw(t, "scene")}
		switch s.Kind {
		case "request":
			s.User = rapid.Int64Range(1, 3).Draw(t, "user")
		case "time":
			s.Time = time.Duration(rapid.Int64Range(1, 900).Draw(t, "ms")) * time.Millisecond
		default:
			s.Batches = rapid.IntRange(1, 2).Draw(t, "batches")
			s.Outcome = breaker.Outcome(rapid.IntRange(0, 2).Draw(t, "outcome"))
		}
		return s
	})
}

// stage is a process with all policies, on a clock and a Redis that only the test moves.
type stage struct {
	now      time.Time
	redis    *miniredis.Miniredis
	registry *Registry
	set      *Set
	snap     *scenes.Snapshot
	live     strings.Builder // what live traffic saw
}

func newStage(t testing.TB, redis *miniredis.Miniredis, snap *scenes.Snapshot, joined bool) *stage {
	t.Helper()
	s := &stage{now: time.Unix(1_800_000_000, 0), redis: redis, snap: snap}
	redis.FlushAll()
	redis.SetTime(s.now)
	stores, err := kv.Open(kv.Options{Addresses: []string{redis.Addr()}, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stores.Close(); err != nil {
			t.Error(err)
		}
	})
	deps := Deps{
		Now: func() time.Time { return s.now }, Random: func() float64 { return 0.5 }, KV: stores, Process: "p",
		Failed: func(err error) { t.Errorf("Redis: %v", err) },
		Transition: func(c Transition) {
			if c.Class == traffic.Live && !joined {
				fmt.Fprintf(&s.live, "%+v\n", c)
			}
		},
	}
	began := s.now
	for _, class := range traffic.All() {
		deps.Fleets[class] = hierarchy.NewFleet(stores.Of(class), hierarchy.Deps{ID: 1, Now: func() int64 { return int64(s.now.Sub(began)) + 1 }})
	}
	s.registry = New(deps)
	s.registry.joined = joined
	s.set = serve(t, s.registry, snap)
	return s
}

// take makes a step of a class, and writes down what live traffic sees of its own.
func (s *stage) take(t testing.TB, class traffic.Class, p step) {
	t.Helper()
	saw := func(what string, refused *Refusal, heard *heard) {
		if class != traffic.Live {
			return
		}
		fmt.Fprintf(&s.live, "%s: %+v\n", what, heard.verdicts)
		if refused != nil {
			fmt.Fprintf(&s.live, "  refused: %+v\n", *refused)
		}
	}
	scene := s.snap.Scenes[p.Scene]
	var h heard
	switch p.Kind {
	case "time":
		s.now = s.now.Add(p.Time)
		s.redis.SetTime(s.now)
		s.redis.FastForward(p.Time)
	case "request":
		_, refused := s.set.Inbound(class, scene.Client, scene).Enter(t.Context(), user(p.User), &h)
		saw("request", refused, &h)
	case "stuck": // it never comes back
		_, refused := s.set.Outbound(class, "tax.rates", scene).Enter(t.Context(), &Query{Input: user(1), Calls: 1, AtOnce: 1, Listener: &h})
		saw("call without end", refused, &h)
	default:
		o := s.set.Outbound(class, p.Kind, scene)
		pass, refused := o.Enter(t.Context(), &Query{Input: user(1), Calls: p.Batches, AtOnce: p.Batches, Listener: &h})
		if refused == nil {
			pass.Room().Leave(pass.Room().Size())
			pass.Done(p.Outcome)
		}
		saw(p.Kind, refused, &h)
	}
}

// seen is all that live traffic saw and left behind.
func (s *stage) seen() string {
	for _, b := range s.registry.Breakers() {
		if b.Class == traffic.Live {
			fmt.Fprintf(&s.live, "%+v\n", b)
		}
	}
	for _, l := range s.registry.Limits() {
		if l.Class == traffic.Live {
			fmt.Fprintf(&s.live, "%+v\n", l)
		}
	}
	for _, key := range s.redis.Keys() {
		if !strings.HasPrefix(key, "proscenium:shadow:") {
			fmt.Fprintf(&s.live, "%s = %s for %v\n", key, s.contentOf(key), s.redis.TTL(key))
		}
	}
	return s.live.String()
}

func (s *stage) contentOf(key string) string {
	switch s.redis.Type(key) {
	case "string":
		text, _ := s.redis.Get(key)
		return text
	case "hash":
		fields, _ := s.redis.HKeys(key)
		slices.Sort(fields)
		var b strings.Builder
		for _, f := range fields {
			fmt.Fprintf(&b, "%s=%s ", f, s.redis.HGet(key, f))
		}
		return b.String()
	case "list":
		items, _ := s.redis.List(key)
		return strings.Join(items, " ")
	default:
		return s.redis.Type(key) + ": not known here"
	}
}

// play lets live traffic take its steps, with some of shadow traffic before each, if there are any.
func play(t testing.TB, redis *miniredis.Miniredis, snap *scenes.Snapshot, joined bool, live []step, shadow [][]step) string {
	t.Helper()
	s := newStage(t, redis, snap, joined)
	for i, p := range live {
		if shadow != nil {
			for _, q := range shadow[i] {
				s.take(t, traffic.Shadow, q)
			}
		}
		s.take(t, traffic.Live, p)
	}
	return s.seen()
}

func redisOf(t *testing.T) *miniredis.Miniredis {
	t.Helper()
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func TestLiveTrafficSeesNothingOfShadowTraffic(t *testing.T) {
	redis := redisOf(t)
	snap := load(t, base, twoScenes("rate_limiter: {resource: pricing, queue: of_cart}", "", ""), everything)
	rapid.Check(t, func(r *rapid.T) {
		live := rapid.SliceOfN(drawStep("request", "tax.rates", voucherQuery, "time"), 1, 25).Draw(r, "live")
		shadow := make([][]step, len(live))
		for i := range shadow {
			shadow[i] = rapid.SliceOfN(drawStep("request", "tax.rates", voucherQuery, "stuck"), 0, 6).Draw(r, "shadow")
		}
		alone, among := play(t, redis, snap, false, live, nil), play(t, redis, snap, false, live, shadow)
		if diff := cmp.Diff(strings.Split(alone, "\n"), strings.Split(among, "\n")); diff != "" {
			r.Fatalf("live traffic, alone and among shadow traffic (-alone +among):\n%s", diff)
		}
	})
}

func TestWithoutSeparationEachKindOfShadowTrafficWouldShow(t *testing.T) {
	redis := redisOf(t)
	snap := load(t, base, twoScenes("rate_limiter: {resource: pricing, queue: of_cart}", "", ""), everything)
	repeat := func(s step, n int) []step { return slices.Repeat([]step{s}, n) }
	for _, tc := range []struct {
		name   string
		shadow []step
		live   step
	}{
		{"a flood of requests", repeat(step{Kind: "request", User: 1}, 20), step{Kind: "request", User: 1}},
		{"a flood of calls", repeat(step{Kind: "tax.rates", Batches: 2}, 20), step{Kind: "tax.rates", Batches: 1}},
		{"errors", repeat(step{Kind: "tax.rates", Batches: 1, Outcome: breaker.Failure}, 4), step{Kind: "tax.rates", Batches: 1}},
		{"calls that never come back", repeat(step{Kind: "stuck"}, 3), step{Kind: "tax.rates", Batches: 1}},
		{"what takes from the shares of a queue", append(repeat(step{Kind: "request", User: 2}, 4), repeat(step{Kind: "request", User: 3}, 4)...), step{Kind: "request", User: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, joined := range []bool{false, true} {
				alone := play(t, redis, snap, joined, []step{tc.live}, nil)
				among := play(t, redis, snap, joined, []step{tc.live}, [][]step{tc.shadow})
				if (alone == among) == joined {
					t.Errorf("joined is %v, and that live traffic sees the same is %v:\n%s", joined, alone == among, cmp.Diff(alone, among))
				}
			}
		})
	}
}

func TestAShadowTwinHasItsOwnValuesAndElseTheLiveOnes(t *testing.T) {
	snap := load(t, base, twoScenes("", "", ""), everything)
	r := registry(t, func(d *Deps) { d.KV = kvtest.Embedded(t) })
	set := serve(t, r, snap)
	for _, tc := range []struct {
		class  traffic.Class
		passes int
	}{{traffic.Live, 3}, {traffic.Shadow, 2}} {
		o := set.Outbound(tc.class, "tax.rates", snap.Scenes[0])
		for i := range tc.passes {
			wantPass(t, fmt.Sprint(tc.class, " failure ", i), call(t, o, 1, breaker.Failure))
		}
		if call(t, o, 1, breaker.Failure) == nil {
			t.Errorf("%v traffic: the breaker is not open after %d failures", tc.class, tc.passes)
		}
	}
	if s := limitOf(t, r, traffic.Shadow, "of_tax/all"); s.Limit != 90 || s.Inherited {
		t.Errorf("%+v", s)
	}
	if s := limitOf(t, r, traffic.Shadow, "of_user/all"); s.Limit != 9 || !s.Inherited {
		t.Errorf("%+v", s)
	}
}
