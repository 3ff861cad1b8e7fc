package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// market is a configuration with a catalog and two scene tests, of which the second fails where price says so.
func market(t *testing.T, price string) string {
	t.Helper()
	return dir(t, map[string]string{
		"market.yaml": regions + `
clients: [{id: 1, name: shop, allowed_scenes: [page, other]}]
scenarios: [{id: 1, name: guest}]
scenes:
  - {id: 1, name: page, client: shop, scenario: guest, model_display: {need_model_main_promo: true}}
  - {id: 2, name: other, client: shop, scenario: guest, model_display: {need_model_main_promo: true}}
`,
		"catalog/catalog.csv": "regions,time_zone\nUS,UTC\n",
		"catalog/items.csv":   "item_id,shop_id\n10,5\n",
		"catalog/models.csv":  "model_id,item_id,pre_tax_price\n100,10,500\n",
		"tests/a_test.yaml": `tests:
  - {name: good, request: {scene_name: page, region: US, items: [{item_id: 10}]}, expect: {answer: {accurate: true}}}
  - {name: price, request: {scene_name: page, region: US, items: [{item_id: 10}]}, expect: {answer: {totals: {final_price: ` + price + `}}}}
`,
	})
}

func TestSceneTestsEndWithTheirExitCodeAndSayWhy(t *testing.T) {
	good, failing := market(t, "500"), market(t, "501")
	empty := dir(t, map[string]string{"a.yaml": regions})
	broken := dir(t, map[string]string{"a.yaml": regions + "clents: []\n", "b_test.yaml": "test: []\n"})
	warned := dir(t, map[string]string{"a.yaml": regions, "b_test.yaml": "fixtures: {users: {nobody: {}}}\n"})
	for _, c := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"all pass", []string{good}, 0, "ok: 2 passed, 0 failed", ""},
		{"one fails", []string{failing}, 1, "want 501", ""},
		{"one fails, and why", []string{failing, "--trace"}, 1, "original_price  500    kept", ""},
		{"a trace for programs", []string{good, "--trace", "--format", "json"}, 2, "", "--trace is for people"},
		{"only what passes runs", []string{failing, "--run", "/good$"}, 0, "1 passed, 0 failed, 1 not selected", ""},
		{"they are listed", []string{good, "-v"}, 0, "  ok   price (", ""},
		{"nothing matches", []string{good, "--run", "bad"}, 2, "", `none of the 2 tests matches "bad"`},
		{"no regular expression", []string{good, "--run", "("}, 2, "", "--run: error parsing regexp"},
		{"no tests", []string{empty}, 2, "", "has no scene tests: write one, such as "},
		{"no tests that run", []string{warned}, 2, "no test uses user fixture nobody", "has no scene tests"},
		{"findings in both kinds of files", []string{broken}, 1, "did you mean tests?", ""},
		{"findings for programs", []string{broken, "--format", "json"}, 1, `"errors": 2`, ""},
		{"annotations", []string{failing, "--format", "github"}, 1, "::error file=", ""},
		{"no directory", []string{filepath.Join(good, "nowhere")}, 2, "", "read the configuration"},
		{"a file", []string{filepath.Join(good, "market.yaml")}, 2, "", "is a file; name the directory"},
		{"no format", []string{good, "--format", "yaml"}, 2, "", `"yaml" is not one of`},
		{"no percentage", []string{good, "--threshold", "101"}, 2, "", "is not a percentage"},
		{"a half is exercised", []string{good, "--threshold", "50"}, 0, "all     1 of 2  50.0%", ""},
		{"not enough is exercised", []string{good, "--threshold", "51"}, 1, "scene other: no request was answered", "coverage is 50.0%, less than the threshold of 51%"},
		{"no report can be written", []string{good, "--junit", filepath.Join(good, "no", "where.xml")}, 2, "", "--junit: open"},
		{"a watch is for people", []string{good, "--watch", "--format", "json"}, 2, "", "--watch is for people"},
		{"no catalog there", []string{good, "--catalog", filepath.Join(good, "nowhere")}, 2, "", "--catalog"},
		{"another catalog", []string{failing, "--catalog", filepath.Join(good, "catalog")}, 1, "want 501", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := command(t, "", append([]string{"test"}, c.args...)...)
			if got.code != c.code || !strings.Contains(got.stdout, c.stdout) || !strings.Contains(got.stderr, c.stderr) || c.stderr == "" && got.stderr != "" {
				t.Errorf("code %d\nstdout %s\nstderr %s", got.code, got.stdout, got.stderr)
			}
		})
	}
}

func TestValidateChecksSceneTestsToo(t *testing.T) {
	root := dir(t, map[string]string{"a.yaml": regions, "b_test.yaml": "test: []\n"})
	if got := command(t, "", "validate", root); got.code != 1 || !strings.Contains(got.stdout, "b_test.yaml:1:1: error: unknown field test") || strings.Contains(got.stdout, "good") {
		t.Errorf("%+v", got)
	}
	if got := command(t, "", "validate", market(t, "501")); got.code != 0 || !strings.Contains(got.stdout, "good, 2 scenes") {
		t.Errorf("%+v", got)
	}
}

func TestReportsOfSceneTestsAreWrittenToFiles(t *testing.T) {
	root, out := market(t, "501"), t.TempDir()
	junit, coverage := filepath.Join(out, "junit.xml"), filepath.Join(out, "coverage.json")
	got := command(t, "", "test", root, "--junit", junit, "--coverage-file", coverage, "--format", "json")
	if got.code != 1 {
		t.Fatalf("code %d, %s", got.code, got.stderr)
	}
	var report struct {
		Passed, Failed int
		Files          []struct {
			Cases []struct {
				Test     string
				Failures []struct{ Path, Want, Got string }
			}
		}
		Coverage struct{ Entries []struct{ Kind string } }
	}
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil {
		t.Fatalf("%v in %s", err, got.stdout)
	}
	if report.Passed != 1 || report.Failed != 1 || report.Files[0].Cases[1].Failures[0].Want != "501" || len(report.Coverage.Entries) != 2 {
		t.Errorf("got %+v", report)
	}
	text, err := os.ReadFile(junit)
	if err != nil {
		t.Fatal(err)
	}
	var suites struct {
		Failures int `xml:"failures,attr"`
	}
	if err := xml.Unmarshal(text, &suites); err != nil || suites.Failures != 1 {
		t.Errorf("%v, %+v in %s", err, suites, text)
	}
	if text, err = os.ReadFile(coverage); err != nil || !bytes.Contains(text, []byte(`"kind": "scene"`)) {
		t.Errorf("%v, %s", err, text)
	}
}

func TestAWatchOfSceneTestsRunsAgainAndEndsWhenItIsTold(t *testing.T) {
	root := market(t, "501")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stdout, w := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"test", root, "--watch"}, process{stdin: strings.NewReader(""), stdout: w, stderr: w})
		w.Close()
	}()
	var seen strings.Builder
	until := func(text string) {
		t.Helper()
		buf := make([]byte, 4096)
		for !strings.Contains(seen.String(), text) {
			n, err := stdout.Read(buf)
			seen.Write(buf[:n])
			if err != nil {
				t.Fatalf("%v before %q, behind %s", err, text, seen.String())
			}
		}
		seen.Reset()
	}
	until("watching " + root)
	name := filepath.Join(root, "tests", "a_test.yaml")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("tests: [{nam: x}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	until("did you mean name?")
	if err := os.WriteFile(name, bytes.Replace(data, []byte("501"), []byte("500"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	until("ok: 2 passed, 0 failed")
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("code %d", code)
	}
}
