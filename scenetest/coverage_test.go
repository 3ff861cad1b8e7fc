package scenetest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"proscenium/scenetest"
)

// reached says of each entry how much of it was exercised, as kind name n/m missing.
func reached(c *scenetest.Coverage) []string {
	var out []string
	for _, e := range c.Entries {
		line := fmt.Sprintf("%s:%d %s %s %d/%d %s", e.File, e.Line, e.Kind, e.Name, e.Reached, e.Points, strings.Join(e.Missing, ", "))
		out = append(out, strings.TrimSpace(line))
	}
	return out
}

func cover(t *testing.T, files fstest.MapFS) *scenetest.Coverage {
	t.Helper()
	r := run(t, suite(t, files, scenetest.Options{Coverage: true}), scenetest.Selection{})
	if r.Failed > 0 || r.Coverage == nil {
		t.Fatalf("%s", text(t, r))
	}
	return r.Coverage
}

func TestCoverageTellsWhatNoTestExercised(t *testing.T) {
	got := reached(cover(t, with(t, "a_test.yaml", `
tests:
  - {name: a, request: {scene_name: page, region: US, items: [{item_id: 11}]}, expect: {answer: {}}}
  - {name: refused, request: {scene_name: card, region: US, items: [{item_id: 11}]}, expect: {refused: {reason: USER_REQUIRED}}}
`)))
	want := []string{
		"market.yaml:35 scene page 1/1",
		"market.yaml:36 scene cart 0/1 no request was answered",
		"market.yaml:37 scene index 0/1 no request was answered",
		"market.yaml:38 scene card 0/1 no request was answered",
		"market.yaml:12 rule for_everybody 0/1 it matched no promotion", // item 11 has no promotion
		"market.yaml:13 rule cheap 0/1 it matched no promotion",
		"market.yaml:15 rule in_office_hours 0/1 it matched no promotion",
		"market.yaml:32 experiment group vouchers_off.with 0/1 no request is in it",
		"market.yaml:33 experiment group vouchers_off.without 0/1 no request is in it",
		"market.yaml:17 voucher pool SHOP 0/1 no vouchers were chosen from it",
		"market.yaml:18 voucher pool PLATFORM 0/1 no vouchers were chosen from it",
		"market.yaml:20 bypass rule VIDEO 0/1 no vouchers were chosen under it",
		"market.yaml:22 eligibility rule eligibility.exclusive_price 0/1 no promotion was checked",
		"market.yaml:13 expression rule cheap 0/2 never true, never false",
		"market.yaml:15 expression rule in_office_hours 0/2 never true, never false",
		"market.yaml:17 expression voucher pool SHOP 0/2 never true, never false",
		"market.yaml:18 expression voucher pool PLATFORM 0/2 never true, never false",
		"market.yaml:22 expression eligibility rule eligibility.exclusive_price 0/2 never true, never false",
		"market.yaml:29 expression experiment vouchers_off, unit 1/1", // it decides the scenario before the user is missed
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCoverageGrowsWithWhatTestsExercise(t *testing.T) {
	files := with(t, "a_test.yaml", `
fixtures:
  users: {lover: {user_id: 7}, other: {user_id: 8}}
  times: {night: 2026-03-10T03:00:00-05:00, noon: 2026-03-10T12:00:00-05:00}
  requests:
    page: {scene_name: page, region: US, items: [{item_id: 10}]}
    cart: {scene_name: cart, region: US, items: [{item_id: 10}]}
    index: {scene_name: index, region: US, items: [{item_id: 10}]}
    card: {scene_name: card, region: US, items: [{item_id: 10}], context: {user_path: home}}
    card_of_search: {scene_name: card, region: US, items: [{item_id: 10}], context: {user_path: search}}
    card_of_video: {scene_name: card, region: US, items: [{item_id: 10}], context: {user_path: video}}
    card_of_mail: {scene_name: card, region: US, items: [{item_id: 10}], context: {user_path: mail}}
tests:
  - {name: all, matrix: {requests: [page, cart, index, card, card_of_search, card_of_video, card_of_mail], users: [lover, other], times: [night, noon]}, expect: {answer: {}}}
`)
	c := cover(t, files)
	want := []string{
		"market.yaml:17 expression voucher pool SHOP 1/2 never false", // there is a shop's voucher alone
		"market.yaml:18 expression voucher pool PLATFORM 1/2 never true",
	}
	var missing []string
	for i, line := range reached(c) {
		if c.Entries[i].Reached < c.Entries[i].Points {
			missing = append(missing, line)
		}
	}
	if diff := cmp.Diff(want, missing); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	all, points := c.Count("")
	if all != points-2 || c.Percent("") != float64(all*1000/points)/10 || c.Percent(scenetest.KindScene) != 100 {
		t.Errorf("%d of %d, %v%%", all, points, c.Percent(""))
	}
	// Probes change no answer.
	plain, probed := suite(t, files, scenetest.Options{}), suite(t, files, scenetest.Options{Coverage: true})
	if diff := cmp.Diff(text(t, run(t, plain, scenetest.Selection{})), text(t, run(t, probed, scenetest.Selection{}))); diff != "" {
		t.Errorf("(-plain +probed):\n%s", diff)
	}
}

func TestPoolsAreExercisedThatVouchersWereChosenFrom(t *testing.T) {
	c := cover(t, with(t, "more.yaml", `
clients:
  - {id: 3, name: more, allowed_scenes: [dry, late]}
voucher_pools:
  - {name: LATE, when: "voucher.type == 'SHOP_VOUCHER'"}
scenes:
  - {id: 5, name: dry, client: more, scenario: buyer, model_display: {need_model_main_promo: true}}
  - {id: 6, name: late, client: more, scenario: buyer, voucher: {enabled: true, downgraded_shop_voucher_pool: LATE}, model_display: {need_model_main_promo: true}}
downgrades:
  - {feature: PRICE_AFTER_VOUCHER, scenes: [late], reason: test}
`, "a_test.yaml", `
tests:
  - {name: without vouchers, request: {scene_name: dry, region: US, user_id: 7, items: [{item_id: 10}]}, expect: {answer: {}}}
  - {name: with the pool of a downgrade, request: {scene_name: late, region: US, user_id: 7, items: [{item_id: 10}]}, expect: {answer: {}}}
`))
	got := map[string]int{}
	for _, e := range c.Entries {
		if e.Kind == scenetest.KindPool {
			got[e.Name] = e.Reached
		}
	}
	if diff := cmp.Diff(map[string]int{"SHOP": 0, "PLATFORM": 0, "LATE": 1}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCoverageIsWrittenForPeople(t *testing.T) {
	var b strings.Builder
	c := &scenetest.Coverage{Entries: []scenetest.Covered{
		{Kind: scenetest.KindScene, Name: "page", File: "a.yaml", Line: 3, Points: 1, Reached: 1},
		{Kind: scenetest.KindExpression, Name: "rule cheap", File: "b.yaml", Line: 12, Points: 2, Reached: 1, Missing: []string{"never false"}},
	}}
	if err := c.Write(&b, "market/"); err != nil {
		t.Fatal(err)
	}
	want := `
coverage
  scenes       1 of 1  100.0%
  expressions  1 of 2  50.0%
  all          2 of 3  66.6%

not exercised
  market/b.yaml:12  expression rule cheap: never false
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if (&scenetest.Coverage{}).Percent("") != 100 {
		t.Error("nothing to exercise is not 100%")
	}
}
