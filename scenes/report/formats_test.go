package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"proscenium/scenes/diag"
	"proscenium/scenes/report"
)

var update = flag.Bool("update", false, "write the golden files, to be read before they are committed")

// findings are of every shape: in no file, in a file as a whole, behind the end of a line, beside characters that the formats have to escape or
// to count, with other places, and twice on equal lines.
func findings() []diag.Diagnostic {
	return []diag.Diagnostic{
		{Code: diag.NoRegion, Severity: diag.Error, Message: "there is no region", Hint: "add one to regions"},
		{Code: diag.NotUTF8, Severity: diag.Error, Message: "the file\r\nis 100% odd: {0}, [a](b)", File: "a b/ä,1:%.yaml", Hint: "save it, as UTF-8"},
		{
			Code: diag.UnknownReference, Severity: diag.Error, Message: "there is no bypass rule vedio", File: "scenes/cart.yaml", Line: 12, Column: 24, EndColumn: 29,
			Path: "scenes[0].voucher.bypass_validation", Excerpt: "    bypass_validation: vedio", Hint: "did you mean video?",
		},
		{
			Code: diag.CELType, Severity: diag.Error, Message: "no operator > for int and string", File: "scenes/cart.yaml", Line: 13, Column: 20, EndColumn: 21,
			Path: "exclusion_rules[0].when", Excerpt: "    when: \"日本\" < 🎁 > 1", Hint: "write 1, without <quotes>",
		},
		{Code: diag.WrongType, Severity: diag.Error, Message: "description must be text, got nothing", File: "scenes/cart.yaml", Line: 14, Column: 14, EndColumn: 15, Excerpt: " description:"},
		{
			Code: diag.DuplicateName, Severity: diag.Error, Message: "scene cart stands twice", File: "scenes/cart.yaml", Line: 30, Column: 9, EndColumn: 13,
			Excerpt: "  name: cart", Hint: "give one of them another name",
			Related: []diag.Related{{Message: "first given here", File: "old.yaml", Line: 3, Column: 9}, {Message: "and here", File: "scenes/cart.yaml", Line: 20, Column: 9}},
		},
		{
			Code: diag.Unused, Severity: diag.Warning, Message: "nothing uses exclusion rule old", File: "z.yaml", Line: 2, Column: 11, EndColumn: 14,
			Excerpt: "    name: old", Hint: "take it out",
		},
		{
			Code: diag.Unused, Severity: diag.Warning, Message: "nothing uses exclusion rule old", File: "z.yaml", Line: 5, Column: 11, EndColumn: 14,
			Excerpt: "    name: old", Hint: "take it out",
		},
	}
}

// formats are all that reports are written in, by the ending of their golden files.
func formats(tb testing.TB, found []diag.Diagnostic) map[string]string {
	tb.Helper()
	out := map[string]string{}
	for name, write := range map[string]func(b *bytes.Buffer) error{
		"txt":  func(b *bytes.Buffer) error { return report.Text{Prefix: "configs/"}.Write(b, found) },
		"json": func(b *bytes.Buffer) error { return report.JSON(b, found) },
		"sarif": func(b *bytes.Buffer) error {
			return report.SARIF{Version: "v1.2.3", Prefix: "configs/"}.Write(b, found)
		},
		"github": func(b *bytes.Buffer) error { return report.GitHub{Prefix: "configs/"}.Write(b, found) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			tb.Fatal(err)
		}
		out[name] = b.String()
	}
	return out
}

func TestReportsAreAsTheirGoldenFiles(t *testing.T) {
	for set, found := range map[string][]diag.Diagnostic{"findings": findings(), "none": nil} {
		for format, got := range formats(t, found) {
			name := filepath.Join("testdata", set+"."+format)
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

// The schema in testdata is written after the standard, and stricter: it has the properties that reports use, and no others.
func TestSARIFKeepsToItsStructure(t *testing.T) {
	text, err := os.ReadFile("testdata/sarif.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("sarif.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []diag.Diagnostic
	for _, code := range diag.Codes() {
		all = append(all, diag.Diagnostic{Code: code, Severity: code.Severity(), Message: "m", File: "f.yaml", Line: 1, Column: 1, EndColumn: 2, Excerpt: "x"})
	}
	for _, found := range [][]diag.Diagnostic{nil, findings(), all} {
		for _, s := range []report.SARIF{{Prefix: "configs/"}, {Version: "v1", Base: "file:///srv/configs/"}} {
			var b bytes.Buffer
			if err := s.Write(&b, found); err != nil {
				t.Fatal(err)
			}
			log, err := jsonschema.UnmarshalJSON(bytes.NewReader(b.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(log); err != nil {
				t.Errorf("%+v: %v", s, err)
			}
			ruleIndexes(t, b.Bytes())
		}
	}
}

// ruleIndexes checks what a schema cannot say: each result names its rule by its place, and no two have the same fingerprint.
func ruleIndexes(t *testing.T, text []byte) {
	t.Helper()
	var log struct {
		Runs []struct {
			Tool struct {
				Driver struct{ Rules []struct{ ID string } }
			}
			Results []struct {
				RuleID              string
				RuleIndex           int
				PartialFingerprints map[string]string
			}
		}
	}
	if err := json.Unmarshal(text, &log); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range log.Runs[0].Results {
		if log.Runs[0].Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("%s has index %d", r.RuleID, r.RuleIndex)
		}
		mark := r.PartialFingerprints["proscenium/v1"]
		if seen[mark] {
			t.Errorf("two results of %s have fingerprint %s", r.RuleID, mark)
		}
		seen[mark] = true
	}
}

func TestAFingerprintOutlivesChangesElsewhere(t *testing.T) {
	prints := func(found ...diag.Diagnostic) []string {
		var b bytes.Buffer
		if err := (report.SARIF{}).Write(&b, found); err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, part := range strings.Split(b.String(), `"proscenium/v1": "`)[1:] {
			mark, _, _ := strings.Cut(part, `"`)
			out = append(out, mark)
		}
		return out
	}
	d := diag.Diagnostic{Code: diag.Unused, Message: "m", File: "a.yaml", Line: 5, Column: 3, Path: "scenes[3].name", Excerpt: "  name: cart"}
	moved := d
	moved.Line, moved.Column, moved.Path, moved.Excerpt = 50, 7, "scenes[9].name", "      name: cart"
	if diff := cmp.Diff(prints(d), prints(moved)); diff != "" {
		t.Errorf("a line that has moved is another finding:\n%s", diff)
	}
	other := d
	other.Excerpt = "  name: chat"
	if prints(d)[0] == prints(other)[0] || prints(d, d)[0] == prints(d, d)[1] {
		t.Error("findings of two lines are one")
	}
}
