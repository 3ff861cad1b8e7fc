package scenes_test

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"proscenium/scenes/diag"
)

// notInFiles are the codes that no text of a file in a table or a page can show, with the reason.
var notInFiles = map[diag.Code]string{
	diag.Unreadable:   "it is about the directory: TestADirectoryThatCannotBeReadHasNoSnapshot",
	diag.FileTooLarge: "a file of 16 MiB: scenes/source, TestAFileThatIsTooLargeIsNotParsed",
	diag.TooMany:      "it takes 5,000 findings: scenes/source, TestGarbageHasAnEnd",
	diag.CELInternal:  "it is a fault of the program; none is known",
}

// notInPages are those that a page cannot show: it is UTF-8 itself, and has short examples.
var notInPages = []diag.Code{diag.NotUTF8, diag.TooManyAliases, diag.CELTooLong}

// The example of each code is a file of the base, or stands in place of one.
func TestEveryExampleOfTheDocumentationHasItsFinding(t *testing.T) {
	explained := diag.Explain()
	for _, code := range diag.Codes() {
		example := explained[code].Example
		if notInFiles[code] != "" || slices.Contains(notInPages, code) {
			continue
		}
		t.Run(string(code), func(t *testing.T) {
			text, is := strings.CutPrefix(example, "```yaml\n")
			if !is {
				t.Fatalf("the example is no YAML: %s", example)
			}
			files := base(t)
			maps.Copy(files, filesOf(strings.TrimSuffix(text, "\n```")))
			var got []diag.Code
			for _, d := range load(files).Diagnostics {
				got = append(got, d.Code)
			}
			if !slices.Contains(got, code) {
				t.Errorf("the findings are %v", got)
			}
			// Beside it there may only be that what is new in the example is not used yet.
			if others := slices.DeleteFunc(got, func(c diag.Code) bool { return c == code || c == diag.Unused }); len(others) > 0 {
				t.Errorf("the example has other findings too: %v", others)
			}
		})
	}
}

var fileComment = regexp.MustCompile(`(?m)^# (\S+\.yaml)\n`)

// filesOf takes an example apart at the comments that name files.
func filesOf(text string) map[string]string {
	marks := fileComment.FindAllStringSubmatchIndex(text, -1)
	if len(marks) == 0 {
		return map[string]string{"example.yaml": text}
	}
	out := map[string]string{}
	for i, m := range marks {
		end := len(text)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		out[text[m[2]:m[3]]] = text[m[1]:end]
	}
	return out
}

// The table of wrong configurations has each code, and tells for each error what to do.
func TestEveryCodeHasACaseAndEveryErrorAHint(t *testing.T) {
	cases, err := filepath.Glob("testdata/findings/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[diag.Code]bool{}
	wrong := 0
	for _, name := range cases {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files := base(t)
		for _, f := range archive.Files {
			if f.Name != "want" {
				files[f.Name] = string(f.Data)
			}
		}
		findings := load(files).Diagnostics
		wrong += min(len(findings), 1)
		for _, d := range findings {
			seen[d.Code] = true
			if d.Hint == "" {
				t.Errorf("%s: no hint: %+v", name, d)
			}
			if d.Severity != d.Code.Severity() {
				t.Errorf("%s: %s is of severity %s, its code of %s", name, d.Code, d.Severity, d.Code.Severity())
			}
		}
	}
	if wrong < 60 {
		t.Errorf("only %d configurations are wrong", wrong)
	}
	for _, code := range diag.Codes() {
		if why, exempt := notInFiles[code]; seen[code] == exempt {
			t.Errorf("%s: a case shows it: %v; it is exempt: %v, %s", code, seen[code], exempt, why)
		}
	}
}
