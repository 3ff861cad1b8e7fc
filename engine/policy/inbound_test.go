package policy

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"proscenium/engine/policy/hierarchy"
	"proscenium/engine/policy/limit"
	"proscenium/engine/policy/shed"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

// doors are all that may stand around requests, each with room for one more than the one before.
const doors = `
limits:
  quota: {all: {window: 60s, limit: 1, precision: LOCAL}}
  service: {all: {window: 60s, limit: 2, precision: LOCAL}}
  of_cart: {each: {window: 60s, limit: 1, key: "string(user.id)", precision: LOCAL}}
inbound:
  limits: [service]
  load_shedding: {enabled: true, max_concurrent: 40, target_latency: 30ms}
`

func TestRequestsPassTheirDoorsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shedder := &room{left: 2}
		r := registry(t, func(d *Deps) { d.Shedder = shedder })
		snap := load(t, base, twoScenes("limits: [of_cart], priority: HIGH", "", "quota: quota"), doors)
		set := serve(t, r, snap)
		cart, chat := snap.Scenes[0], snap.Scenes[1]
		shop, talk := snap.Clients["shop"], snap.Clients["talk"]
		in := set.Inbound(traffic.Live, shop, cart)

		wantPass(t, "the first", request(t, in, 1))
		refused := request(t, in, 2)
		wantRefusal(t, "the second of the client", refused, Quota, "quota/all")
		if refused != nil && (refused.Subject != "client:shop" || refused.Verdict.Limit != 1 || refused.RetryAfter <= 0 || refused.RetryAfter > time.Minute) {
			t.Errorf("%+v: want the client, its limit, and to be told when", refused)
		}
		if s := limitOf(t, r, traffic.Live, "service/all"); s.Allowed != 1 {
			t.Errorf("the limit of the service counted what the quota refused: %+v", s)
		}
		refused = request(t, set.Inbound(traffic.Live, talk, cart), 1)
		wantRefusal(t, "the same user, by another client", refused, Limit, "of_cart/each")
		if refused != nil && refused.Subject != "scene:cart" {
			t.Errorf("%+v: want the scene", refused)
		}
		refused = request(t, set.Inbound(traffic.Live, talk, chat), 1)
		wantRefusal(t, "the third of the service", refused, Limit, "service/all")
		if refused != nil && refused.Subject != "service" {
			t.Errorf("%+v: want the service", refused)
		}
		if len(shedder.asked) != 1 || shedder.inside[traffic.Live] != 0 {
			t.Errorf("the shedder was asked %d times, for what passed before: want 1; inside are %v", len(shedder.asked), shedder.inside)
		}

		time.Sleep(time.Minute) // the windows
		shedder.left = 0
		refused = request(t, in, 1)
		wantRefusal(t, "a process without room", refused, Shedding, "high")
		if diff := cmp.Diff([]shed.Priority{shed.High, shed.High}, shedder.asked); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(shed.Rule{MaxConcurrent: 40, TargetWait: 30 * time.Millisecond}, shedder.rule); diff != "" {
			t.Error(diff)
		}
		if !slices.Equal(shedder.draws, []uint8{shed.Draws / 2, shed.Draws / 2}) {
			t.Errorf("draws %v, want half of %d", shedder.draws, shed.Draws)
		}
	})
}

func TestThePriorityIsThatOfTheSceneElseOfTheClientElseNormal(t *testing.T) {
	for _, tc := range []struct {
		name, scene, client string
		want                shed.Priority
	}{
		{"neither", "", "", shed.Normal},
		{"the client's", "", "priority: LOW", shed.Low},
		{"the scene's wins", "priority: CRITICAL", "priority: LOW", shed.Critical},
		{"the scene's alone", "priority: HIGH", "", shed.High},
	} {
		t.Run(tc.name, func(t *testing.T) {
			shedder := &room{left: 1}
			snap := load(t, base, twoScenes(tc.scene, "", tc.client), "inbound: {load_shedding: {enabled: true}}")
			set := serve(t, registry(t, func(d *Deps) { d.Shedder = shedder }), snap)
			wantPass(t, "it", request(t, set.Inbound(traffic.Shadow, snap.Clients["shop"], snap.Scenes[0]), 1))
			if diff := cmp.Diff([]shed.Priority{tc.want}, shedder.asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAKeyThatCannotBeEvaluatedRefusesUnlessItIsADryRun(t *testing.T) {
	for _, dryRun := range []bool{false, true} {
		snap := load(t, base, twoScenes("limits: [odd]", "", ""), `
limits:
  odd:
    dry_run: `+map[bool]string{true: "true", false: "false"}[dryRun]+`
    a: {window: 60s, limit: 9, precision: LOCAL}
    b: {window: 60s, limit: 9, key: "100 / user.id", precision: LOCAL}
`)
		in := serve(t, registry(t), snap).Inbound(traffic.Live, nil, snap.Scenes[0])
		var h heard
		_, refused := in.Enter(t.Context(), user(0), &h)
		if dryRun {
			wantPass(t, "a dry run", refused)
		} else {
			wantRefusal(t, "nobody", refused, Limit, "odd/b")
		}
		if diff := cmp.Diff([]string{"limit odd/b"}, h.failed); diff != "" {
			t.Error(diff)
		}
		want := []limit.Verdict{{Name: "odd", Dimension: "b", Outcome: limit.Refused, Source: limit.FromLocal, DryRun: dryRun, Limit: 9, Window: time.Minute}}
		if diff := cmp.Diff(want, h.verdicts); diff != "" {
			t.Error(diff)
		}
		h = heard{}
		_, refused = in.Enter(t.Context(), user(7), &h)
		wantPass(t, "a user", refused)
		if len(h.failed) != 0 || len(h.verdicts) != 1 || h.verdicts[0].Outcome != limit.OK {
			t.Errorf("%+v", h)
		}
	}
}

func TestBeyondTheSoftLimitRequestsAreMarkedAndInADryRunGoOn(t *testing.T) {
	snap := load(t, base, twoScenes("limits: [soft, dry]", "", ""), `
limits:
  soft: {all: {window: 60s, limit: 3, soft_limit: 1, precision: LOCAL}}
  dry: {dry_run: true, all: {window: 60s, limit: 1, precision: LOCAL}}
`)
	r := registry(t)
	in := serve(t, r, snap).Inbound(traffic.Live, nil, snap.Scenes[0])
	var h heard
	for range 2 {
		_, refused := in.Enter(t.Context(), user(1), &h)
		wantPass(t, "it", refused)
	}
	var got []string
	for _, v := range h.verdicts {
		got = append(got, v.Name+" "+v.Outcome.String())
	}
	if diff := cmp.Diff([]string{"soft ok", "dry ok", "soft soft", "dry refused"}, got); diff != "" {
		t.Error(diff)
	}
	if s := limitOf(t, r, traffic.Live, "dry/all"); s.Refused != 1 || !s.DryRun {
		t.Errorf("a dry run is decided and counted: %+v", s)
	}
	if s := limitOf(t, r, traffic.Live, "soft/all"); s.Marked != 1 || s.Allowed != 2 {
		t.Errorf("%+v", s)
	}
}

// queues share a capacity in which a process that nobody granted anything has one bucket.
const queues = `
hierarchy_limits:
  pricing:
    root_queue:
      max_limit: 100
      sub_queues:
        - {queue: of_cart, guaranteed_limit: 20, priority: 1, per_instance: {burst: 2}}
        - {queue: of_tax, guaranteed_limit: 20, per_instance: {burst: 3}}
dependencies:
  - {command: tax.rates, rate_limiter: {resource: pricing, queue: of_tax}}
limits:
  shared: {all: {window: 1s, limit: 50, burst: 2, precision: APPROXIMATE}}
`

func TestQueuesAndSharesOfTheFleetRefuseWhatIsBeyondThem(t *testing.T) {
	stores := kvtest.Embedded(t)
	r := registry(t, func(d *Deps) {
		for _, class := range traffic.All() {
			d.Fleets[class] = hierarchy.NewFleet(stores.Of(class), hierarchy.Deps{Now: func() int64 { return 1 }})
		}
	})
	text := twoScenes("rate_limiter: {resource: pricing, queue: of_cart}", "limits: [shared]", "")
	snap := load(t, base, text, queues)
	set := serve(t, r, snap)
	for _, class := range traffic.All() {
		in, shared := set.Inbound(class, nil, snap.Scenes[0]), set.Inbound(class, nil, snap.Scenes[1])
		for range 2 {
			wantPass(t, "the bucket of the queue", request(t, in, 1))
			wantPass(t, "the bucket of the limit", request(t, shared, 1))
		}
		wantRefusal(t, "beyond the queue", request(t, in, 1), Queue, "pricing/of_cart")
		wantRefusal(t, "beyond the limit", request(t, shared, 1), Limit, "shared/all")
		o := set.Outbound(class, "tax.rates", snap.Scenes[0])
		wantPass(t, "two batches", call(t, o, 2, 0))
		wantRefusal(t, "two more of three", call(t, o, 2, 0), Queue, "pricing/of_tax")
		wantPass(t, "one more", call(t, o, 1, 0))
		s := limitOf(t, r, class, "pricing/of_cart")
		if s.Limit != 20 || s.Allowed != 2 || s.Refused != 1 || s.State != "new" || s.Inherited != (class == traffic.Shadow) || !slices.Equal(s.UsedBy, []string{"scene:cart"}) {
			t.Errorf("%v: %+v", class, s)
		}
		s = limitOf(t, r, class, "shared/all")
		if s.Limit != 50 || s.Allowed != 2 || s.Refused != 1 || s.Precision != "APPROXIMATE" || !slices.Equal(s.UsedBy, []string{"scene:chat"}) {
			t.Errorf("%v: %+v", class, s)
		}
	}

	held := set.Inbound(traffic.Live, nil, snap.Scenes[0])
	serve(t, r, load(t, base, twoScenes("", "", "")))
	wantPass(t, "a request that began before the queue was taken away", request(t, held, 1))
	if len(r.Limits()) != 0 {
		t.Errorf("left are %+v", r.Limits())
	}
}

func TestTheListSaysWhoAsksALimit(t *testing.T) {
	r := registry(t)
	serve(t, r, load(t, base, twoScenes("limits: [l]", "limits: [l]", "quota: l"), `
limits:
  l: {all: {window: 60s, limit: 5, burst: 2, precision: LOCAL}, each: {window: 2s, limit: 4, fixed: true, key: user.id}}
  shadow_l: {all: {window: 30s, limit: 6}}
inbound: {limits: [l]}
dependencies: [{command: tax.rates, limits: [l]}]
`))
	by := []string{"inbound", "client:shop", "scene:cart", "scene:chat", "command:tax.rates"}
	want := []LimitStatus{
		{Name: "l", Dimension: "all", Algorithm: "gcra", Precision: "LOCAL", Window: time.Minute, Limit: 5, Burst: 2, UsedBy: by},
		{Name: "l", Dimension: "each", Algorithm: "fixed", Precision: "PRECISE", Window: 2 * time.Second, Limit: 4, UsedBy: by},
		{Name: "l", Dimension: "all", Class: traffic.Shadow, Algorithm: "sliding", Precision: "PRECISE", Window: 30 * time.Second, Limit: 6, UsedBy: by},
	}
	if diff := cmp.Diff(want, r.Limits()); diff != "" {
		t.Error(diff)
	}
}
