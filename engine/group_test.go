package engine_test

import (
	"strconv"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/engine"
	"proscenium/fault"
	"proscenium/rules"
)

// everybodyIn puts the users of scene s into one group with the scenario "other", which is described by body.
func everybodyIn(conf, body string) string {
	return replace(conf, "scenes:\n", "  - {id: 2, name: other"+body+"}\nscenes:\n") + "    ab_test: x\n" +
		"experiments:\n  - {name: x, salt: a, scenes: [s], groups: [{name: g, share: 100000, features: {scenario: other}}]}\n"
}

func TestRulesSeeTheScenarioThatTheGroupRuns(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100), promo(2, flashSale, 60)))
	conf := base + "exclusion_rules:\n  - {id: 1, name: r, excluded_price_rule_types: [flash_sale], when: \"request.scenario == 'other'\"}\n" +
		everybodyIn(scene("s", "", modelMain+"    product_promotion: {exclusion_rule: r}\n"), "")
	e := w.engine(t, conf)
	if got := onlyModel(t, ask(t, e, asUser(request("s", 1), 7))).GetFinalPrice(); got != 100 {
		t.Errorf("in the group: %d, want 100", got)
	}
	if got := onlyModel(t, ask(t, e, request("s", 1))).GetFinalPrice(); got != 60 {
		t.Errorf("outside of it: %d, want 60", got)
	}
}

func TestAGroupHoldsTheBucketsBelowItsShare(t *testing.T) {
	bucket := int(rules.Bucket("pepper", "7", 100_000))
	if bucket == 0 {
		t.Fatal("choose another user: nobody is below the lowest bucket")
	}
	for share, want := range map[int]string{bucket: "rest", bucket + 1: "g"} {
		w := newWorld(noon, model(10, promo(0, original, 100)))
		e := w.engine(t, base+scene("s", "", modelMain+"    ab_test: x\n")+
			"experiments:\n  - {name: x, salt: pepper, scenes: [s], groups: [{name: g, share: "+strconv.Itoa(share)+"}, {name: rest, share: "+strconv.Itoa(100_000-share)+"}]}\n")
		if got := ask(t, e, asUser(request("s", 1), 7)).Experiment.GetGroup(); got != want {
			t.Errorf("share %d: user of bucket %d is in group %q, want %q", share, bucket, got, want)
		}
	}
}

func TestTheTimeModeIsThatOfTheScenarioThatTheGroupRuns(t *testing.T) {
	for _, tt := range []struct {
		name, scenario, other, scene string
		user                         bool
		allowed                      bool
	}{
		{"a group of any time", "", ", time_mode: ANY_TIME", "", true, true},
		{"a group of real time", "    time_mode: ANY_TIME\n", "", "", true, false},
		{"outside of the group", "", ", time_mode: ANY_TIME", "", false, false},
		{"outside of the group, any time", "    time_mode: ANY_TIME\n", "", "", false, true},
		{"the scene overrides both: any time", "", "", "    time_mode: ANY_TIME\n", true, true},
		{"the scene overrides both: real time", "    time_mode: ANY_TIME\n", ", time_mode: ANY_TIME", "    time_mode: REAL_TIME\n", true, false},
	} {
		w := newWorld(noon, model(10, promo(0, original, 100)))
		req := request("s", 1)
		if tt.user {
			req = asUser(req, 7)
		}
		req.AtTime = timestamppb.New(noon)
		_, err := w.engine(t, base+everybodyIn(scene("s", tt.scenario, tt.scene+modelMain), tt.other)).Price(t.Context(), engine.Caller{}, req)
		if tt.allowed && err != nil || !tt.allowed && fault.Reason(err) != "AT_TIME_NOT_ALLOWED" {
			t.Errorf("%s: allowed: want %v, got %v", tt.name, tt.allowed, err)
		}
	}
}
