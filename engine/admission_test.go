package engine_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"proscenium/engine"
	"proscenium/engine/policy"
	"proscenium/engine/policy/limit"
	"proscenium/engine/policy/shed"
	"proscenium/fault"
	"proscenium/traffic"
)

// gate lets requests in while it is open, and counts those inside.
type gate struct {
	shut   bool
	inside int
	most   int
}

func (g *gate) Enter(traffic.Class, shed.Priority, uint8) bool {
	if g.shut {
		return false
	}
	g.inside++
	g.most = max(g.most, g.inside)
	return true
}
func (g *gate) Leave(traffic.Class)   { g.inside-- }
func (g *gate) Reconfigure(shed.Rule) {}

func TestRefusedRequestsSayWhyAndWhen(t *testing.T) {
	for _, tc := range []struct {
		name, client, scene, policies string
		shut                          bool
		want                          fault.Error
		refusal                       string
	}{
		{
			"the quota", ", quota: calls", "", "", false,
			fault.Error{
				Kind: fault.ResourceExhausted, Reason: "QUOTA_EXCEEDED", Message: "the client's quota calls/all is used up (1 in 1m0s): try again in 1m0s",
				Metadata:   map[string]string{"layer": "quota", "policy": "calls/all"},
				RetryAfter: time.Minute, Violations: []fault.Violation{{Subject: "client:tester", Description: "the client's quota calls/all is used up (1 in 1m0s)"}},
			},
			"live quota calls/all dry=false",
		},
		{
			"a limit of the scene", "", "limits: [calls]", "", false,
			fault.Error{
				Kind: fault.ResourceExhausted, Reason: "LIMIT_EXCEEDED", Message: "the limit calls/all is exceeded (1 in 1m0s): try again in 1m0s",
				Metadata:   map[string]string{"layer": "limit", "policy": "calls/all"},
				RetryAfter: time.Minute, Violations: []fault.Violation{{Subject: "scene:s", Description: "the limit calls/all is exceeded (1 in 1m0s)"}},
			},
			"live limit calls/all dry=false",
		},
		{
			"a limit of the service", "", "", "inbound: {limits: [calls]}\n", false,
			fault.Error{
				Kind: fault.ResourceExhausted, Reason: "LIMIT_EXCEEDED", Message: "the limit calls/all is exceeded (1 in 1m0s): try again in 1m0s",
				Metadata:   map[string]string{"layer": "limit", "policy": "calls/all"},
				RetryAfter: time.Minute, Violations: []fault.Violation{{Subject: "service", Description: "the limit calls/all is exceeded (1 in 1m0s)"}},
			},
			"live limit calls/all dry=false",
		},
		{
			"load shedding", "", "", "inbound: {load_shedding: {enabled: true}}\n", true,
			fault.Error{
				Kind: fault.Unavailable, Reason: "OVERLOADED", Message: "the process has more to do than it can, and refuses requests of normal priority: try again later",
				Metadata: map[string]string{"layer": "load_shedding", "policy": "normal"},
			},
			"live load_shedding normal dry=false",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, door := fullWorld(), &gate{}
				yaml := replace(base+scene("s", "", modelMain+"    "+tc.scene+"\n"), "allowed_scenes: [s]", "allowed_scenes: [s]"+tc.client)
				g := w.guarded(t, yaml+"limits: {calls: {all: {window: 60s, limit: 1, precision: LOCAL}}}\n"+tc.policies, func(d *policy.Deps) { d.Shedder = door })
				if _, err := g.Price(t.Context(), engine.Caller{Client: "tester"}, request("s", 1)); err != nil {
					t.Fatal(err)
				}
				door.shut = tc.shut
				asked := w.price.calls.Load()
				_, err := g.Price(t.Context(), engine.Caller{Client: "tester"}, request("s", 1))
				var f *fault.Error
				if !errors.As(err, &f) {
					t.Fatalf("got %v, want a refusal", err)
				}
				got := *f
				got.Cause = nil
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Error(diff)
				}
				if diff := cmp.Diff([]string{tc.refusal}, g.seen.refusals); diff != "" || w.price.calls.Load() != asked {
					t.Errorf("%d calls were made; counted were:\n%s", w.price.calls.Load()-asked, diff)
				}
				if door.inside != 0 {
					t.Errorf("%d are inside still", door.inside)
				}
				if len(g.failed) != 0 {
					t.Errorf("a dependency's failure: %v", g.failed)
				}
			})
		})
	}
}

func TestWrongRequestsAreNotCounted(t *testing.T) {
	w := fullWorld()
	g := w.guarded(t, base+scene("s", fullScenario, full+"    limits: [calls]\n")+"limits: {calls: {all: {window: 60s, limit: 1, precision: LOCAL}}}\n")
	for range 3 {
		if _, err := g.Price(t.Context(), engine.Caller{}, request("s", 1)); fault.Reason(err) != "USER_REQUIRED" {
			t.Fatal(err)
		}
	}
	if _, err := g.buys(t); err != nil {
		t.Errorf("a good request after three wrong ones: %v", err)
	}
}

func TestVerdictsReachTheCallerAndTheTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fullWorld()
		g := w.guarded(t, base+scene("s", fullScenario, full+"    limits: [soft, dry, hard]\n")+`
limits:
  soft: {each: {window: 60s, limit: 9, soft_limit: 1, key: user.id, precision: LOCAL}}
  dry: {dry_run: true, all: {window: 60s, limit: 1, precision: LOCAL}}
  hard: {all: {window: 60s, limit: 2, precision: LOCAL}}
`)
		var got []string
		for range 3 {
			var verdicts []limit.Verdict
			resp, err := g.Price(t.Context(), engine.Caller{Trace: true, Verdicts: &verdicts}, asUser(request("s", 1), 7))
			line := ""
			for _, v := range verdicts {
				line += fmt.Sprintf("%s/%s %v %d; ", v.Name, v.Dimension, v.Outcome, v.Remaining)
			}
			if err == nil {
				line += "trace of " + resp.Trace.Traffic + ": "
				for _, l := range resp.Trace.Limits {
					line += fmt.Sprintf("%s/%s %s %s %d; ", l.Limit, l.Dimension, l.Verdict, l.Source, l.Remaining)
				}
			}
			got = append(got, line+fault.Reason(err))
		}
		want := []string{
			"soft/each ok 8; dry/all ok 0; hard/all ok 1; trace of live: soft/each ok local 8; dry/all dry_run_ok local 0; hard/all ok local 1; ",
			"soft/each soft 7; dry/all refused 0; hard/all ok 0; trace of live: soft/each soft local 7; dry/all dry_run_refused local 0; hard/all ok local 0; ",
			"soft/each soft 6; dry/all refused 0; hard/all refused 0; LIMIT_EXCEEDED",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"live limit dry/all dry=true", "live limit dry/all dry=true", "live limit hard/all dry=false"}, g.seen.refusals); diff != "" {
			t.Error(diff)
		}
	})
}

func TestALimitWhoseKeyFailsRefusesAndIsTold(t *testing.T) {
	w := fullWorld()
	g := w.guarded(t, base+scene("s", "", modelMain+"    limits: [odd]\n")+`
limits: {odd: {each: {window: 60s, limit: 9, key: "100 / user.id", precision: LOCAL}}}
`)
	if _, err := g.Price(t.Context(), engine.Caller{}, request("s", 1)); fault.Reason(err) != "LIMIT_EXCEEDED" {
		t.Errorf("a guest: %v", err)
	}
	if g.seen.failed["limit odd/each"] != 1 {
		t.Errorf("rules that failed: %v", g.seen.failed)
	}
	if _, err := g.Price(t.Context(), engine.Caller{}, asUser(request("s", 1), 5)); err != nil {
		t.Errorf("a user: %v", err)
	}
}

func TestWhoeverIsLetInLeaves(t *testing.T) {
	w, door := fullWorld(), &gate{}
	g := w.guarded(t, base+scene("s", fullScenario, full)+"inbound: {load_shedding: {enabled: true}}\n", func(d *policy.Deps) { d.Shedder = door })
	for _, how := range []func(){
		func() {},
		func() { misbehave(w, "price.query", func(contextT) error { return errDown }) },
		func() { g.seen.breaks = engine.StageTax },
	} {
		how()
		func() {
			defer func() { _ = recover() }()
			_, _ = g.buys(t)
		}()
		if door.inside != 0 || door.most != 1 {
			t.Errorf("%d inside, %d at most", door.inside, door.most)
		}
	}
}

func TestTheQuotaIsThatOfTheClientThatCalls(t *testing.T) {
	w := fullWorld()
	yaml := replace(base+scene("s", "", modelMain), "allowed_scenes: [s]}", "allowed_scenes: [s], quota: one}\n  - {id: 2, name: guest, allowed_scenes: [s], quota: two}")
	g := w.guarded(t, yaml+`
limits:
  one: {all: {window: 60s, limit: 1, precision: LOCAL}}
  two: {all: {window: 60s, limit: 2, precision: LOCAL}}
`)
	passes := func(client string) int {
		for n := range 10 {
			if _, err := g.Price(t.Context(), engine.Caller{Client: client}, request("s", 1)); err != nil {
				return n
			}
		}
		return 10
	}
	if n := passes("guest"); n != 2 {
		t.Errorf("guest passed %d times, want 2", n)
	}
	if n := passes(""); n != 1 {
		t.Errorf("without access control the scene's own client is counted: %d passed, want 1", n)
	}
	if n := passes("tester"); n != 0 {
		t.Errorf("the scene's own client: %d passed, want 0", n)
	}
}
