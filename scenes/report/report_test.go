package report_test

import (
	"strings"
	"testing"

	"proscenium/scenes/diag"
	"proscenium/scenes/report"
)

func text(t *testing.T, r report.Text, findings ...diag.Diagnostic) string {
	t.Helper()
	var out strings.Builder
	if err := r.Write(&out, findings); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTheCaretStandsBelowThePlace(t *testing.T) {
	for _, c := range []struct {
		name, excerpt string
		column, end   int
		want          string
	}{
		{"plain text", "name: cart", 7, 11, "      ^^^^"},
		{"a tab before it", "\tname: cart", 8, 12, "\t      ^^^^"},
		{"wide characters before it", "日本: x", 5, 6, "      ^"},
		{"wide characters at it", "a: 日本", 4, 6, "   ^^^^"},
		{"combining characters before it", "e\u0301: x", 5, 6, "   ^"},
		{"the end of the line", "a:", 3, 4, "  ^"},
		{"no width", "a: b", 4, 4, "   ^"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := text(t, report.Text{}, diag.Diagnostic{Severity: diag.Error, File: "a", Line: 1, Column: c.column, EndColumn: c.end, Excerpt: c.excerpt})
			if want := "    1 | " + c.excerpt + "\n      | " + c.want + "\n"; !strings.Contains(got, want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

func TestAFindingIsWrittenWithItsHintAndOtherPlaces(t *testing.T) {
	d := diag.Diagnostic{
		Code: diag.DuplicateName, Severity: diag.Error, Message: "scene cart stands twice", File: "b.yaml", Line: 1234567, Column: 9, EndColumn: 13,
		Excerpt: "  name: cart", Hint: "give one of them another name", Related: []diag.Related{{Message: "first given here", File: "a.yaml", Line: 3, Column: 9}},
	}
	want := `configs/b.yaml:1234567:9: error: scene cart stands twice [DUPLICATE_NAME]
1234567 |   name: cart
        |         ^^^^
        = hint: give one of them another name
        = configs/a.yaml:3:9: first given here
configs: error: nothing there [NO_REGION]
c.yaml: warning: whole file [UNUSED]
2 errors, 1 warning
`
	got := text(t, report.Text{Prefix: "configs/"}, d, diag.Diagnostic{Code: diag.NoRegion, Severity: diag.Error, Message: "nothing there"},
		diag.Diagnostic{Code: diag.Unused, Severity: diag.Warning, Message: "whole file", File: "c.yaml"})
	if got != strings.Replace(want, "c.yaml:", "configs/c.yaml:", 1) {
		t.Errorf("got\n%s", got)
	}
}

func TestColoursAreForTerminalsOnly(t *testing.T) {
	d := diag.Diagnostic{Severity: diag.Warning, File: "a", Line: 1, Column: 1, EndColumn: 2, Excerpt: "x\x1b[31m", Message: "m\x07"}
	if got := text(t, report.Text{}, d); strings.ContainsAny(got, "\x1b\x07") {
		t.Errorf("a file commands the terminal: %q", got)
	}
	if got := text(t, report.Text{Color: true}, d); !strings.Contains(got, "\x1b[33mwarning:\x1b[0m") || !strings.Contains(got, "\x1b[33m^\x1b[0m") {
		t.Errorf("no colour: %q", got)
	}
}

func TestNothingIsWrittenWhereNothingIsFound(t *testing.T) {
	if got := text(t, report.Text{}); got != "" {
		t.Errorf("got %q", got)
	}
}
