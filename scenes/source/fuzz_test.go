package source_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/tools/txtar"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// linesOf are the lines of a file as YAML counts them.
func linesOf(data []byte) []string {
	text := strings.ReplaceAll(string(bytes.TrimPrefix(data, []byte("\ufeff"))), "\r\n", "\n")
	return strings.Split(strings.NewReplacer("\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n").Replace(text), "\n")
}

// addCases seeds a fuzz test with the files of the cases of wrong configurations.
func addCases(f *testing.F, add func(data []byte)) {
	f.Helper()
	cases, err := os.ReadDir("../testdata/findings")
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		archive, err := txtar.ParseFile("../testdata/findings/" + c.Name())
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if file.Name != "want" {
				add(file.Data)
			}
		}
	}
}

// Whatever files hold, reading them ends without a panic, and each finding stands in one of them: in a line that there is, in columns that the
// line has (or right behind its end), with that line as its excerpt.
func FuzzParse(f *testing.F) {
	addCases(f, func(data []byte) { f.Add(data, []byte("clients: [{id: 1}]\n")) })
	f.Add([]byte("x: &x {a: *x}\nclients: [{<<: *x}]"), []byte("caches:\n---\ncaches: {}\n"))
	f.Add([]byte("\ufeffclients: [{naem: 1}]\r\nscenes: {\u2028}"), []byte("scenes: \xff"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		files := []source.File{{Name: "a.yaml", Data: first}, {Name: "b.yaml", Data: second}}
		lines := map[string][]string{"a.yaml": linesOf(first), "b.yaml": linesOf(second)}
		for _, d := range source.Parse(files).Findings {
			if d.Code == diag.TooMany {
				continue
			}
			checkPlace(t, lines, d)
		}
	})
}

func checkPlace(t *testing.T, lines map[string][]string, d diag.Diagnostic) {
	t.Helper()
	in := lines[d.File]
	if d.Line < 1 || d.Line > len(in) {
		t.Fatalf("a finding is in no line: %+v", d)
	}
	line := in[d.Line-1]
	if utf8.ValidString(line) && d.Excerpt != line && (d.Excerpt != "" || len(line) <= 1000) {
		t.Errorf("the line is %q: %+v", line, d)
	}
	behind := 1 + utf8.RuneCountInString(line)
	if d.Column < 1 || d.Column > behind || d.EndColumn <= d.Column || d.EndColumn > max(behind, d.Column+1) {
		t.Errorf("a finding is beside its line %q: %+v", line, d)
	}
	if d.Message == "" || !utf8.ValidString(d.Message+d.Hint) {
		t.Errorf("a finding says nothing: %+v", d)
	}
	for _, r := range d.Related {
		if len(lines[r.File]) < r.Line || r.Line < 1 || r.Column < 1 || r.Column > 1+utf8.RuneCountInString(lines[r.File][r.Line-1]) {
			t.Errorf("the other place is nowhere: %+v", d)
		}
	}
}
