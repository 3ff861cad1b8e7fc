package schema_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/schema"
	"proscenium/scenes/source"
)

// loaderOnly are the codes of errors that a schema of one file cannot see, with the reason. A file that has another error is refused by it.
var loaderOnly = map[diag.Code]string{
	diag.YAMLMerge:           "readers resolve merge keys, or take them for fields, before a schema is looked at",
	diag.TooManyAliases:      "a schema does not count",
	diag.DuplicateKey:        "readers keep the last one",
	diag.DuplicateSection:    "it is about two files",
	diag.DuplicateID:         "a schema compares whole elements, not a field of them",
	diag.DuplicateName:       "as ids",
	diag.DuplicateCommand:    "as ids",
	diag.DuplicateCredential: "as ids",
	diag.UnknownReference:    "names are in other places and files",
	diag.UnknownCommand:      "any name of its form is one, so that an editor does not refuse those of a later release",
	diag.UnknownCurrency:     "the list is the loader's",
	diag.UnknownTimeZone:     "the list is the loader's",
	diag.RetiredScenario:     "as references",
	diag.SceneNotAllowed:     "as references",
	diag.ExperimentMismatch:  "as references",
	diag.ExperimentShares:    "a schema does not add up",
	diag.NeedsStock:          "rules over several fields are the loader's",
	diag.NeedsLiveStream:     "as stock",
	diag.ShadowReference:     "as references",
	diag.GuaranteesExceed:    "as shares",
	diag.NoRegion:            "it is about all files",

	diag.OriginalPriceMissing: "it is about all files",
	diag.OriginalPriceTwice:   "as ids",
	diag.CELSyntax:            "expressions are texts to a schema",
	diag.CELUnknownName:       "as above",
	diag.CELNotAvailable:      "as above",
	diag.CELType:              "as above",
	diag.CELResultType:        "as above",
	diag.CELValue:             "as above",
	diag.CELCost:              "as above",
	diag.CELTooLong:           "as above",
}

// Every wrong file of the table is refused, if a schema can see what is wrong; a file without an error is not.
func TestEveryWrongFileIsRefusedThatASchemaCanRefuse(t *testing.T) {
	s := compileSchema(t)
	cases, err := filepath.Glob("../testdata/findings/*.txtar")
	if err != nil || len(cases) < 60 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	refused := 0
	for _, name := range cases {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		wrong := errorsByFile(t, archive)
		for _, f := range archive.Files {
			if f.Name == "want" {
				continue
			}
			visible := ""
			for _, d := range wrong[f.Name] {
				if loaderOnly[d.Code] == "" && seenIn(d) {
					visible = string(d.Code) + ": " + d.Message
				}
			}
			switch err := check(t, s, string(f.Data)); {
			case err == nil && visible != "":
				t.Errorf("%s/%s: the schema does not see %s", filepath.Base(name), f.Name, visible)
			case err != nil && len(wrong[f.Name]) == 0:
				t.Errorf("%s/%s: the loader takes what the schema refuses: %v", filepath.Base(name), f.Name, err)
			case err != nil:
				refused++
			}
		}
	}
	if refused < 30 {
		t.Errorf("the schema refuses %d files only", refused)
	}
}

// errorsByFile are the errors that the loader finds in a case.
func errorsByFile(t *testing.T, archive *txtar.Archive) map[string][]diag.Diagnostic {
	t.Helper()
	files, unread := source.Read(os.DirFS("../testdata/base"))
	if len(unread) > 0 {
		t.Fatal(unread)
	}
	changed := map[string]bool{}
	for _, f := range archive.Files {
		if f.Name != "want" {
			files, changed[f.Name] = append(files, source.File{Name: f.Name, Data: f.Data}), true
		}
	}
	var list []source.File
	for i, f := range files {
		if base := i < len(files)-len(changed); !base || !changed[f.Name] {
			list = append(list, f)
		}
	}
	source.Sort(list)
	out := map[string][]diag.Diagnostic{}
	for _, d := range scenes.LoadFiles(list, time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC)).Diagnostics {
		if d.Severity == diag.Error {
			out[d.File] = append(out[d.File], d)
		}
	}
	return out
}

// seenIn leaves out the few errors of visible codes that a schema cannot see.
func seenIn(d diag.Diagnostic) bool {
	for _, hidden := range []string{
		"belong together", "needs an https", "url holds", "url cannot begin with httpx", // rules over several fields, and of the client of providers
		"so many are never free", "no request is beyond it", "exclude each other: with burst", "exclude each other: shares", // and of limits
		"has more than three decimals", "it makes max_limit", "is for shadow traffic, which takes nothing",
		"is no name: what begins with", "a space or a control character",
		"holds an element twice",            // of a list with other faults
		"unknown escape", "anchor", "tag !", // readers differ, and drop tags that they do not know
	} {
		if strings.Contains(d.Message, hidden) {
			return false
		}
	}
	return true
}

// What an editor offers as the value of a field that is not written is what the loader takes for it.
func TestDefaultsAreOfferedAsFilesWriteThem(t *testing.T) {
	data, err := schema.JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Defs map[string]struct {
			Properties map[string]struct {
				Default any
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	for name, v := range scenes.Defaults() {
		message, field := string(name.Parent().Name()), string(name.Name())
		if doc.Defs[message].Properties[field].Default == nil {
			t.Errorf("%s has no default; the loader takes %v", name, v)
		}
	}
	for path, want := range map[string]any{
		"Region.rounding": "HALF_UP", "Dependency.timeout": "500ms", "Dependency.max_batch": 100.0, "ConnectProvider.max_response_bytes": 16777216.0, "Cache.ttl": "5s",
	} {
		message, field, _ := strings.Cut(path, ".")
		if got := doc.Defs[message].Properties[field].Default; got != want {
			t.Errorf("the default of %s is %v, want %v", path, got, want)
		}
	}
}
