package ci_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	validate   = "Validate"
	sarif      = "Write findings for code scanning"
	tests      = "Test"
	compare    = "Compare"
	commenting = "Comment"
)

// results counts the results of a SARIF file.
func results(t *testing.T, text string) int {
	t.Helper()
	var log struct {
		Version string `json:"version"`
		Runs    []struct {
			Results []any `json:"results"`
		} `json:"runs"`
	}
	if err := json.Unmarshal([]byte(text), &log); err != nil || log.Version != "2.1.0" || len(log.Runs) != 1 {
		t.Fatalf("no SARIF: %v\n%s", err, text)
	}
	return len(log.Runs[0].Results)
}

func TestAGoodConfigurationPassesTheChecks(t *testing.T) {
	r := run(t, "check", pullRequest(t, nil, nil), false)
	if r.failed {
		t.Errorf("failed: %v", r.out)
	}
	if n := results(t, r.file(t, "findings.sarif")); n != 0 {
		t.Errorf("%d results", n)
	}
	contains(t, "the test report", r.file(t, "scene-tests.xml"), "<testsuite", "the weekly cut is the price of green tea")
}

func TestFindingsAreShownBesideTheirLines(t *testing.T) {
	r := run(t, "check", pullRequest(t, nil, edits{market: strings.Replace(withoutCuts(t), "client: shop", "client: ship", 1)}), false)
	if r.codes[validate] != 1 || r.codes[sarif] != 0 {
		t.Errorf("exit codes %v", r.codes)
	}
	contains(t, "validate", r.out[validate], "::error file=configs/market.yaml,line=16,", "did you mean shop?")
	if n := results(t, r.file(t, "findings.sarif")); n == 0 {
		t.Error("no results")
	}
	if _, ran := r.out[tests]; ran {
		t.Error("a configuration with errors was tested")
	}
}

func TestWarningsFailTheChecks(t *testing.T) {
	r := run(t, "check", pullRequest(t, nil, edits{"configs/pools.yaml": "voucher_pools:\n  - {name: UNUSED, when: 'true'}\n"}), false)
	if r.codes[validate] != 1 {
		t.Errorf("exit codes %v\n%s", r.codes, r.out[validate])
	}
	contains(t, "validate", r.out[validate], "::warning file=configs/pools.yaml,line=2,")
}

func TestATestThatFailsFailsTheChecks(t *testing.T) {
	r := run(t, "check", pullRequest(t, nil, edits{market: withoutCuts(t)}), false)
	if r.codes[validate] != 0 || r.codes[tests] != 1 {
		t.Errorf("exit codes %v", r.codes)
	}
	contains(t, "test", r.out[tests], "::error file=configs/tests/shop_page_test.yaml,line=8,", "the weekly cut is the price of green tea", "400", "500")
	contains(t, "the test report", r.file(t, "scene-tests.xml"), "<failure")
}

func TestTooFewTestsFailTheChecks(t *testing.T) {
	other := "configs/tests/other_test.yaml"
	r := run(t, "check", pullRequest(t, nil, edits{
		"configs/tests/shop_page_test.yaml": "",
		other: "tests:\n  - name: nobody asks for nothing\n    time: 2026-05-01T12:00:00Z\n" +
			"    request: {scene_name: moon, region: US, items: [{item_id: 10}]}\n    expect: {refused: {reason: SCENE_NOT_FOUND}}\n",
	}), false)
	if r.codes[validate] != 0 || r.codes[tests] != 1 {
		t.Errorf("exit codes %v", r.codes)
	}
	contains(t, "test", r.out[tests], "shop_page", "80")
}

func TestACommentSaysWhatWillChangeAndIsUpdated(t *testing.T) {
	repository := pullRequest(t, nil, edits{market: withoutCuts(t)})
	r := run(t, "impact", repository, false)
	if r.failed {
		t.Fatalf("failed: %v", r.out)
	}
	state := filepath.Dir(repository)
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(state, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(data), `\`, "") // as Markdown is read
	}
	contains(t, "the comment", read("comment"), "<!-- proscenium: impact -->\n", "1 of 2 requests", "shop_page", "4.00", "5.00", "added exclusion rule no_cuts")
	contains(t, "the summary", r.file(t, "summary.md"), "1 of 2 requests")
	if strings.Contains(read("comment"), "README") {
		t.Error("the comment tells of others' changes")
	}

	commit(t, repository, edits{"recordings/requests.jsonl": "", "recordings": ""})
	if r = run(t, "impact", repository, false); r.failed {
		t.Fatalf("failed: %v", r.out)
	}
	contains(t, "the second comment", read("comment"), "added exclusion rule no_cuts")
	if strings.Contains(read("comment"), "requests") {
		t.Errorf("the second comment tells of requests that are not there:\n%s", read("comment"))
	}
	want := "GET repos/shop/market/issues/7/comments\nPOST repos/shop/market/issues/7/comments\n" +
		"GET repos/shop/market/issues/7/comments\nPATCH repos/shop/market/issues/comments/1002\n"
	if got := read("calls"); got != want {
		t.Errorf("calls:\n%s", got)
	}
}

func TestForksGetASummaryInsteadOfAComment(t *testing.T) {
	repository := pullRequest(t, nil, edits{market: withoutCuts(t)})
	r := run(t, "impact", repository, true)
	if r.failed {
		t.Fatalf("failed: %v", r.out)
	}
	contains(t, "the summary", r.file(t, "summary.md"), "1 of 2 requests")
	if _, err := os.Stat(filepath.Join(filepath.Dir(repository), "calls")); err == nil {
		t.Error("a fork has commented")
	}
}

func TestAConfigurationThatHasErrorsIsNotCompared(t *testing.T) {
	repository := pullRequest(t, nil, edits{market: "clents: []\n"})
	r := run(t, "impact", repository, false)
	if r.codes[compare] != 1 || r.codes[commenting] != 0 {
		t.Errorf("exit codes %v", r.codes)
	}
	contains(t, "compare", r.out[compare], "did you mean clients?")
	data, err := os.ReadFile(filepath.Join(filepath.Dir(repository), "comment"))
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "the comment", string(data), "cannot be compared")
}

func TestTheFirstConfigurationIsComparedWithNothing(t *testing.T) {
	repository := pullRequest(t, edits{"configs": "", "README.md": "before"}, edits{market: withoutCuts(t)})
	r := run(t, "impact", repository, false)
	if r.failed {
		t.Fatalf("failed: %v", r.out)
	}
	contains(t, "the summary", r.file(t, "summary.md"), "The configuration is new")
}

func TestALongCommentIsCut(t *testing.T) {
	repository := pullRequest(t, nil, nil)
	r := run(t, "impact", repository, true)
	if err := os.WriteFile(filepath.Join(r.temp, "impact.md"), []byte(strings.Repeat("x", 70_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	r.fork = false
	for _, s := range theWorkflow(t).Jobs["impact"].Steps {
		if s.Name == commenting {
			r.step(t, s)
		}
	}
	data, err := os.ReadFile(filepath.Join(filepath.Dir(repository), "comment"))
	if err != nil || r.failed || len(data) > 65_536 || len(data) < 60_000 {
		t.Errorf("a comment of %d bytes, %v\n%s", len(data), err, r.out[commenting])
	}
}
