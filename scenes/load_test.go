package scenes_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/report"
	"proscenium/scenes/source"
)

var update = flag.Bool("update", false, "write what is found into the cases, to be read before it is committed")

// today is the clock of the tests.
var today = time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC)

// base is a small good configuration, which the cases change.
func base(tb testing.TB) map[string]string {
	tb.Helper()
	files, findings := source.Read(os.DirFS("testdata/base"))
	if len(findings) > 0 || len(files) == 0 {
		tb.Fatalf("the base cannot be read: %v", findings)
	}
	out := map[string]string{}
	for _, f := range files {
		out[f.Name] = string(f.Data)
	}
	return out
}

func load(files map[string]string) scenes.Result {
	list := make([]source.File, 0, len(files))
	for name, text := range files {
		list = append(list, source.File{Name: name, Data: []byte(text)})
	}
	source.Sort(list)
	return scenes.LoadFiles(list, today)
}

func TestFindings(t *testing.T) {
	cases, err := filepath.Glob("testdata/findings/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files, want := base(t), -1
			for i, f := range archive.Files {
				if f.Name == "want" {
					want = i
					continue
				}
				files[f.Name] = string(f.Data)
			}
			result := load(files)
			var got strings.Builder
			if err := (report.Text{}).Write(&got, result.Diagnostics); err != nil {
				t.Fatal(err)
			}
			if (result.Snapshot == nil) != diag.HasErrors(result.Diagnostics) {
				t.Errorf("snapshot: %v, with these findings:\n%s", result.Snapshot != nil, got.String())
			}
			if want < 0 {
				t.Fatal("the case says nothing of what it wants")
			}
			if *update {
				archive.Files[want].Data = []byte(got.String())
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(archive.Files[want].Data), got.String()); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestADirectoryThatCannotBeReadHasNoSnapshot(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"a directory that is not there": os.RemoveAll,
		"a link to nothing":             func(dir string) error { return os.Symlink("nothing.yaml", filepath.Join(dir, "a.yaml")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("testdata/base")); err != nil {
				t.Fatal(err)
			}
			if result := scenes.Load(os.DirFS(dir), today); result.Snapshot == nil {
				t.Fatalf("the base is not good: %v", result.Diagnostics)
			}
			if err := spoil(dir); err != nil {
				t.Fatal(err)
			}
			result := scenes.Load(os.DirFS(dir), today)
			if result.Snapshot != nil || len(result.Diagnostics) != 1 || result.Diagnostics[0].Code != diag.Unreadable {
				t.Errorf("%v", result.Diagnostics)
			}
		})
	}
}
