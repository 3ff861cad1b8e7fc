package diag_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"proscenium/scenes/diag"
)

func TestTheNearestNameIsFound(t *testing.T) {
	have := []string{"name", "names", "need_stock", "scenario", "US", "GB", "日本"}
	for got, want := range map[string]string{
		"nmae": "name", "Name": "name", "NeedStock": "need_stock", "need-stock": "need_stock", "scenaro": "scenario", "senarioo": "scenario",
		"stock": "", "US": "US", "us": "US", "UK": "", "": "", "_": "", strings.Repeat("name", 20): "", "日木": "日本",
	} {
		if near := diag.Nearest(got, have); near != want {
			t.Errorf("%q is taken for %q, want %q", got, near, want)
		}
	}
}

func TestHintsListWhatThereIsBounded(t *testing.T) {
	for _, c := range []struct {
		have []string
		want string
	}{
		{nil, "there are no scenes"},
		{[]string{"b", "a"}, "there are these scenes: a, b"},
		{strings.Split("k j i h g f e d c b a", " "), "there are 11 scenes, such as a, b, c, d, e, f, g, h"},
	} {
		if got := diag.Suggest("unlike", "scenes", c.have); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestFindingsAreInTheOrderOfTheFiles(t *testing.T) {
	findings := []diag.Diagnostic{
		{Code: "E", File: "b", Line: 1, Column: 1},
		{Code: "D", File: "a", Line: 10, Column: 1},
		{Code: "C", File: "a", Line: 2, Column: 5},
		{Code: "B", File: "a", Line: 2, Column: 3},
		{Code: "A"},
	}
	diag.Sort(findings)
	var order []string
	for _, d := range findings {
		order = append(order, string(d.Code))
	}
	if !slices.Equal(order, []string{"A", "B", "C", "D", "E"}) {
		t.Errorf("order: %v", order)
	}
}

func TestAListKeepsTheFirstAndSaysThatThereAreMore(t *testing.T) {
	var list diag.List
	for range diag.Most {
		list.Add(diag.Diagnostic{Code: diag.Unused, Severity: diag.Warning})
	}
	if n := len(list.All()); n != diag.Most || !list.Full() {
		t.Errorf("%d findings", n)
	}
	list.Add(diag.Diagnostic{})
	if all := list.All(); len(all) != diag.Most+1 || all[diag.Most].Code != diag.TooMany {
		t.Errorf("%d findings", len(all))
	}
}

func TestTheJSONOfAFindingIsStable(t *testing.T) {
	got, err := json.Marshal(diag.Diagnostic{
		Code: diag.UnknownReference, Severity: diag.Error, Message: "m", File: "f", Line: 1, Column: 2, EndColumn: 3, Path: "p", Excerpt: "e", Hint: "h",
		Related: []diag.Related{{Message: "r", File: "g", Line: 4, Column: 5}},
	})
	want := `{"code":"UNKNOWN_REFERENCE","severity":"error","message":"m","file":"f","line":1,"column":2,"end_column":3,"path":"p","excerpt":"e","hint":"h",` +
		`"related":[{"message":"r","file":"g","line":4,"column":5}]}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s\nwant %s\n%v", got, want, err)
	}
}

// Each code has a section with cause, example and fix, and each section has its code.
func TestEveryCodeIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/diagnostics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	var order []string
	for _, section := range regexp.MustCompile(`(?m)^### `).Split(string(page), -1)[1:] {
		code, text, _ := strings.Cut(section, "\n")
		documented[code] = text
		order = append(order, code)
	}
	var codes []string
	for _, code := range diag.Codes() {
		codes = append(codes, string(code))
		for _, part := range []string{"Cause: ", "```", "Fix: "} {
			if !strings.Contains(documented[string(code)], part) {
				t.Errorf("the section of %s lacks %q", code, part)
			}
		}
		if !strings.HasSuffix(code.Page(), "#"+strings.ToLower(string(code))) {
			t.Errorf("%s is on page %s", code, code.Page())
		}
	}
	if !slices.Equal(order, codes) {
		t.Errorf("sections %v\ncodes    %v", order, codes)
	}
}
