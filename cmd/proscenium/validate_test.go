package main

import (
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"proscenium/scenes/diag"
	"proscenium/scenes/reload"
)

// Reports for services name files from where the command runs: the root of a repository. The formats themselves are tested in scenes/report.
func TestReportsNameFilesFromTheWorkingDirectory(t *testing.T) {
	root := dir(t, map[string]string{
		"configs/a.yaml": regions + "clents: []\n",
		"empty/note.md":  "",
		"warned/a.yaml":  regions + "voucher_pools:\n  - {name: UNUSED, when: 'true'}\n",
	})
	t.Chdir(root)
	if got := command(t, "", "validate", "warned", "--strict"); got.code != 1 || strings.Contains(got.stdout, "good") {
		t.Errorf("what --strict refuses is called good (exit code %d):\n%s", got.code, got.stdout)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"text", []string{"configs"}, 1, []string{"configs/a.yaml:5:1: error: "}},
		{"text, in the directory itself", []string{"./configs/../configs/"}, 1, []string{"\nconfigs/a.yaml:5:1: error: ", "1 error, 0 warnings\n"}},
		{"nothing in it", []string{"empty"}, 1, []string{"\nempty: error: there is no region [NO_REGION]\n"}},
		{"github", []string{"configs", "--format", "github"}, 1, []string{"\n::error file=configs/a.yaml,line=5,endLine=5,col=1,endColumn=7,title=UNKNOWN_FIELD::unknown field clents%0Adid you mean clients?\n"}},
		{"github, nothing in it", []string{"empty", "--format", "github"}, 1, []string{"\n::error title=NO_REGION::there is no region%0A"}},
		{"github, warnings", []string{"warned", "--format", "github"}, 0, []string{"\n::warning file=warned/a.yaml,line=6,", "warned: good, 0 scenes"}},
		{"github, warnings, strictly", []string{"warned", "--format", "github", "--strict"}, 1, []string{"::warning "}},
		{"sarif", []string{"configs", "--format", "sarif"}, 1, []string{`"uri": "configs/a.yaml"`, `"uriBaseId": "%SRCROOT%"`, `"startLine": 5`}},
		{"sarif, of another place", []string{filepath.Join(root, "configs"), "--format", "sarif"}, 1, []string{`"uri": "a.yaml"`, `"uri": "file://` + filepath.ToSlash(root) + `/configs/"`}},
		{"sarif, nothing in it", []string{"empty", "--format", "sarif"}, 1, []string{`"uri": "empty/"`}},
		{"sarif, warnings, strictly", []string{"warned", "--format", "sarif", "--strict"}, 1, []string{`"level": "warning"`}},
		{"json", []string{"configs", "--format", "json"}, 1, []string{`"file": "a.yaml"`, `"page": "docs/reference/diagnostics.md#unknown_field"`}},
		{"json, warnings, strictly", []string{"warned", "--format", "json", "--strict"}, 1, []string{`"warnings": 1`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := command(t, "", append([]string{"validate"}, c.args...)...)
			if got.code != c.code {
				t.Errorf("exit code %d, want %d", got.code, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains("\n"+got.stdout, want) {
					t.Errorf("no %q in:\n%s%s", want, got.stdout, got.stderr)
				}
			}
		})
	}
	t.Chdir("configs")
	if got := command(t, "", "validate", "."); !strings.HasPrefix(got.stdout, "a.yaml:5:1: error:") {
		t.Errorf("in the directory itself:\n%s", got.stdout)
	}
}

// The log of a server for machines has an entry for each finding, and says nothing of places that there are not.
func TestTheLogOfAFindingHasThePlacesThatThereAre(t *testing.T) {
	var out strings.Builder
	c := &configLog{log: slog.New(slog.NewJSONHandler(&out, nil)), prefix: "configs/"}
	c.tell(reload.Status{Stale: true, Diagnostics: []diag.Diagnostic{
		{Code: diag.NoRegion, Severity: diag.Error, Message: "there is no region", Hint: "add one"},
		{Code: diag.Unused, Severity: diag.Warning, Message: "nothing uses it", File: "a.yaml", Line: 3, Column: 5, Excerpt: "x", Path: "scenes[0]"},
	}})
	var got []map[string]any
	for line := range strings.Lines(out.String()) {
		entry := map[string]any{}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry["msg"] == "configuration finding" {
			got = append(got, entry)
		}
	}
	if len(got) != 2 || got[0]["code"] != "NO_REGION" || got[0]["hint"] != "add one" || got[1]["file"] != "configs/a.yaml" || got[1]["line"] != 3.0 || got[1]["level"] != "WARN" {
		t.Errorf("entries: %v", got)
	}
	for _, key := range []string{"file", "line", "column", "excerpt", "path"} {
		if _, is := got[0][key]; is {
			t.Errorf("the entry of a finding without a place has %s: %v", key, got[0])
		}
	}
}
