package scenetest_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"proscenium/scenetest"
)

// hostile are names and values that formats must escape.
const hostile = `
fixtures:
  users: {"a<b>&\"c\"": {}}
  requests: {r: {scene_name: page, region: US, items: [{item_id: 10}]}}
tests:
  - name: "<![CDATA[ ]]> & \"quotes\" 100% \e[31m, line: one"
    request_fixture: r
    matrix: {users: ["a<b>&\"c\""]}
    expect: {answer: {currency: "<&>\"'\x07"}}
  - {name: good, request_fixture: r, expect: {answer: {}}}
`

func TestJUnitIsWellFormedWhateverTheNamesAre(t *testing.T) {
	var b strings.Builder
	if err := scenetest.JUnit(&b, run(t, suite(t, with(t, "tests/a.yaml", hostile), scenetest.Options{}), scenetest.Selection{}), "market/"); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(strings.NewReader(b.String())); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
	}
	var got struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Suites   []struct {
			Name     string `xml:"name,attr"`
			Tests    int    `xml:"tests,attr"`
			Failures int    `xml:"failures,attr"`
			Cases    []struct {
				Name      string `xml:"name,attr"`
				ClassName string `xml:"classname,attr"`
				Line      int    `xml:"line,attr"`
				Time      string `xml:"time,attr"`
				Failure   *struct {
					Message string `xml:"message,attr"`
					Text    string `xml:",chardata"`
				} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 2 || got.Failures != 1 || len(got.Suites) != 1 || got.Suites[0].Name != "market/tests/a.yaml" || got.Suites[0].Tests != 2 || got.Suites[0].Failures != 1 {
		t.Fatalf("got %+v", got)
	}
	bad, good := got.Suites[0].Cases[0], got.Suites[0].Cases[1]
	if want := "<![CDATA[ ]]> & \"quotes\" 100% \ufffd[31m, line: one [user=a<b>&\"c\"]"; bad.Name != want || bad.Line != 6 {
		t.Errorf("name %q at %d, want %q", bad.Name, bad.Line, want)
	}
	if bad.Failure == nil || bad.Failure.Message != `currency: want "<&>\"'\a", got USD` || !strings.Contains(bad.Failure.Text, "market/tests/a.yaml:9:23: currency") {
		t.Errorf("got %+v", bad.Failure)
	}
	if good.Name != "good" || good.ClassName != "market/tests/a.yaml" || good.Failure != nil || good.Time != "0.000000" {
		t.Errorf("got %+v", good)
	}
}

func TestAnnotationsEndWhereTheyShould(t *testing.T) {
	var b strings.Builder
	if err := scenetest.GitHub(&b, run(t, suite(t, with(t, "tests/a.yaml", hostile), scenetest.Options{}), scenetest.Selection{}), "market/"); err != nil {
		t.Fatal(err)
	}
	want := `::error file=market/tests/a.yaml,line=9,col=23,title=<![CDATA[ ]]> & "quotes" 100%25 ` + "\ufffd" + `[31m%2C line%3A one [user=a<b>&"c"]::currency: want "<&>\"'\a", got USD
1 passed, 1 failed
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTerminalsAreNotCommandedByFiles(t *testing.T) {
	r := run(t, suite(t, with(t, "tests/a.yaml", hostile), scenetest.Options{}), scenetest.Selection{})
	if got := text(t, r); strings.ContainsAny(got, "\x1b\x07") {
		t.Errorf("control characters in\n%q", got)
	}
	var b strings.Builder
	if err := (scenetest.Text{Color: true}).Write(&b, r); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "\x1b[31mFAIL\x1b[0m") || strings.Contains(b.String(), "  \x1b[32mok") {
		t.Errorf("got %q", b.String())
	}
}
