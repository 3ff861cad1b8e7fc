package scenetest_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"proscenium/scenetest"
)

// suite loads a directory that has no errors.
func suite(tb testing.TB, files fstest.MapFS, opts scenetest.Options) *scenetest.Suite {
	tb.Helper()
	opts.Now = today
	result := scenetest.Load(files, opts)
	if result.Suite == nil {
		tb.Fatalf("findings: %+v", result.Diagnostics)
	}
	return result.Suite
}

func run(tb testing.TB, s *scenetest.Suite, sel scenetest.Selection) *scenetest.Report {
	tb.Helper()
	r, err := s.Run(tb.Context(), sel)
	if err != nil {
		tb.Fatal(err)
	}
	// Times are not what is tested.
	r.Took = 0
	for i := range r.Files {
		r.Files[i].Took = 0
		for j := range r.Files[i].Cases {
			r.Files[i].Cases[j].Took = 0
		}
	}
	return r
}

func text(tb testing.TB, r *scenetest.Report) string {
	tb.Helper()
	var b strings.Builder
	if err := (scenetest.Text{Verbose: true, Prefix: "market/"}).Write(&b, r); err != nil {
		tb.Fatal(err)
	}
	return version.ReplaceAllString(b.String(), "VERSION")
}

// version is that of a configuration, which changes with the schema.
var version = regexp.MustCompile(`\b[0-9a-f]{16}\b`)

func TestRuns(t *testing.T) {
	golden(t, "runs", func(t *testing.T, files fstest.MapFS) string {
		t.Helper()
		return text(t, run(t, suite(t, files, scenetest.Options{}), scenetest.Selection{}))
	})
}

func TestReportsAreTheSameHoweverManyRunAtOnce(t *testing.T) {
	s := suite(t, with(t, "a_test.yaml", many(200)), scenetest.Options{})
	want := text(t, run(t, s, scenetest.Selection{Parallel: 1}))
	for range 3 {
		if diff := cmp.Diff(want, text(t, run(t, s, scenetest.Selection{Parallel: 16}))); diff != "" {
			t.Errorf("(-one +sixteen at once):\n%s", diff)
		}
	}
}

// many are tests of which every third fails.
func many(n int) string {
	var b strings.Builder
	b.WriteString("tests:\n")
	for i := range n {
		price := "300"
		if i%3 == 0 {
			price = "1"
		}
		b.WriteString("  - {name: t" + strings.Repeat("x", i) + ", request: {scene_name: page, region: US, items: [{item_id: 10}]}, " +
			"expect: {answer: {items: [{models: [{final_price: " + price + "}, {}]}]}}}\n")
	}
	return b.String()
}

func TestAKeyWithNothingBehindItSaysThatTheFieldIsAbsent(t *testing.T) {
	r := run(t, suite(t, with(t, "a_test.yaml", `
tests:
  - {name: totals that are there, request: {scene_name: page, region: US, items: [{item_id: 10}]}, expect: {answer: {totals: }}}
  - {name: a promo that is there, request: {scene_name: page, region: US, items: [{item_id: 10}]}, expect: {answer: {items: [{models: [{main_promo: ~}, {}]}]}}}
  - {name: items that are there, request: {scene_name: page, region: US, items: [{item_id: 10}]}, expect: {answer: {items: null}}}
  - {name: what is not there, request: {scene_name: page, region: US, items: [{item_id: 10}]}, expect: {answer: {experiment: , degradations: null}}}
`), scenetest.Options{}), scenetest.Selection{})
	var failed []string
	for _, c := range r.Files[0].Cases {
		for _, f := range c.Failures {
			failed = append(failed, c.Test+": "+f.Path+" "+f.Want)
		}
	}
	want := []string{"totals that are there: totals absent", "a promo that is there: items[0].models[0].main_promo absent", "items that are there: items 0 elements"}
	if diff := cmp.Diff(want, failed); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestARunThatIsInterruptedReportsNothing(t *testing.T) {
	s := suite(t, with(t, "a_test.yaml", many(20)), scenetest.Options{Coverage: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := s.Run(ctx, scenetest.Selection{}); r != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestACombinationMeetsAllThatIsExpectedOfIt(t *testing.T) {
	r := run(t, suite(t, with(t, "a_test.yaml", `
fixtures:
  users: {lover: {user_id: 7}, other: {user_id: 8}}
tests:
  - name: all
    request: {scene_name: page, region: US, items: [{item_id: 10}]}
    matrix: {users: [lover, other]}
    expect: {answer: {currency: USD}}
    cells:
      - {where: {users: [lover]}, expect: {answer: {currency: EUR}}}
`), scenetest.Options{}), scenetest.Selection{})
	if r.Passed != 1 || r.Failed != 1 || len(r.Files[0].Cases[0].Failures) != 1 {
		t.Errorf("%d passed, %d failed: %+v", r.Passed, r.Failed, r.Files)
	}
}

func TestASelectionIsSearchedForInFileTestAndCell(t *testing.T) {
	const fixtures = `
fixtures:
  users: {a: {user_id: 1}, b: {user_id: 2}}
  requests: {tea: {scene_name: page, region: US, items: [{item_id: 10}]}}
`
	s := suite(t, with(t,
		"one_test.yaml", fixtures+"tests: [{name: plain, request_fixture: tea, expect: {answer: {}}}, {name: crossed, request_fixture: tea, matrix: {users: [a, b]}, expect: {answer: {}}}]",
		"tests/two.yaml", "tests: [{name: plain, request_fixture: tea, expect: {answer: {}}}]",
	), scenetest.Options{})
	for expr, want := range map[string]int{
		"": 4, "plain": 2, "^tests/": 1, "one_test.yaml/plain$": 1, "crossed/user=b$": 1, "user=": 2, "crossed": 2,
	} {
		r := run(t, s, scenetest.Selection{Name: regexp.MustCompile(expr)})
		if r.Passed != want || r.Failed != 0 || r.Deselected != 4-want {
			t.Errorf("%q: %d passed, %d failed, %d not selected", expr, r.Passed, r.Failed, r.Deselected)
		}
	}
	if _, err := s.Run(t.Context(), scenetest.Selection{Name: regexp.MustCompile("nothing")}); !errors.Is(err, scenetest.ErrNothingMatches) {
		t.Errorf("got %v", err)
	}
}

func TestProvidersThatThisProgramDoesNotHaveAreNamed(t *testing.T) {
	s := suite(t, with(t,
		"more.yaml", "dependencies: [{command: tax.rates, provider: {embedded: {name: custom_taxes}}}]",
		"a_test.yaml", "tests: [{name: a, request: {scene_name: page, region: US, items: [{item_id: 10}]}, expect: {answer: {}}}]",
	), scenetest.Options{})
	_, err := s.Run(t.Context(), scenetest.Selection{})
	if err == nil || !strings.Contains(err.Error(), "tax.rates.provider.embedded.name") || !strings.Contains(err.Error(), "custom_taxes") ||
		strings.Contains(err.Error(), "scene test") {
		t.Errorf("got %v", err)
	}
}
