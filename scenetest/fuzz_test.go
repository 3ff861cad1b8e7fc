package scenetest_test

import (
	"path/filepath"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"proscenium/scenes/diag"
	"proscenium/scenes/report"
	"proscenium/scenetest"
)

// FuzzTestFiles: whatever a test file holds, it is read without a panic, every finding has a place in it, and what loads can run.
func FuzzTestFiles(f *testing.F) {
	for _, pattern := range []string{"findings", "runs"} {
		cases, err := filepath.Glob(filepath.Join("testdata", pattern, "*.txtar"))
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range cases {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				f.Fatal(err)
			}
			for _, file := range archive.Files {
				f.Add(file.Data)
			}
		}
	}
	market := base(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		files := fstest.MapFS{"tests/fuzz.yaml": &fstest.MapFile{Data: data}}
		for name, file := range market {
			files[name] = file
		}
		result := load(files)
		if (result.Suite == nil) != diag.HasErrors(result.Diagnostics) {
			t.Fatalf("suite %v, findings %v", result.Suite != nil, result.Diagnostics)
		}
		for _, d := range result.Diagnostics {
			if d.File == "" || d.Code == "" || d.Message == "" {
				t.Errorf("a finding without a place, a code or a message: %+v", d)
			}
		}
		if err := (report.Text{}).Write(discard{}, result.Diagnostics); err != nil {
			t.Fatal(err)
		}
		if result.Suite == nil || result.Suite.Len() == 0 || result.Suite.Len() > 50 {
			return
		}
		r, err := result.Suite.Run(t.Context(), scenetest.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		if err := (scenetest.Text{Verbose: true}).Write(discard{}, r); err != nil {
			t.Fatal(err)
		}
	})
}

// discard is a writer that keeps nothing.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
