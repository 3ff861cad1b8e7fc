package scenetest_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/report"
	"proscenium/scenetest"
)

var update = flag.Bool("update", false, "write what is found into the cases, to be read before it is committed")

// today is the clock of the tests. No scene test sees it.
var today = time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC)

// base is a small market with a catalog, which the cases change, and no scene tests.
func base(tb testing.TB) fstest.MapFS {
	tb.Helper()
	out := fstest.MapFS{}
	dir := os.DirFS("testdata/base")
	err := fs.WalkDir(dir, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(dir, name)
		out[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil || len(out) < 5 {
		tb.Fatalf("the base cannot be read: %v", err)
	}
	return out
}

// with is the base with other files.
func with(tb testing.TB, files ...string) fstest.MapFS {
	tb.Helper()
	out := base(tb)
	for i := 0; i < len(files); i += 2 {
		out[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return out
}

func load(fsys fs.FS) scenetest.Result {
	return scenetest.Load(fsys, scenetest.Options{Now: today})
}

// golden runs every case of a folder: what act writes must be the part named want.
func golden(t *testing.T, folder string, act func(*testing.T, fstest.MapFS) string) {
	t.Helper()
	cases, err := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
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
				files[f.Name] = &fstest.MapFile{Data: f.Data}
			}
			if want < 0 {
				t.Fatal("the case says nothing of what it wants")
			}
			got := act(t, files)
			if *update {
				archive.Files[want].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(archive.Files[want].Data), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFindings(t *testing.T) {
	golden(t, "findings", func(t *testing.T, files fstest.MapFS) string {
		t.Helper()
		result := load(files)
		if (result.Suite == nil) != diag.HasErrors(result.Diagnostics) {
			t.Errorf("suite: %v, with %v", result.Suite != nil, result.Diagnostics)
		}
		var out strings.Builder
		if err := (report.Text{}).Write(&out, result.Diagnostics); err != nil {
			t.Fatal(err)
		}
		return out.String()
	})
}

func TestACheckFindsWhatALoadFindsButForCatalogs(t *testing.T) {
	cases, err := filepath.Glob("testdata/findings/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range cases {
		if base := filepath.Base(name); base == "catalogs.txtar" || strings.HasPrefix(base, "clock") || base == "names.txtar" {
			continue // they are about what is in catalogs
		}
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files := base(t)
		for _, f := range archive.Files {
			files[f.Name] = &fstest.MapFile{Data: f.Data}
		}
		if diff := cmp.Diff(load(files).Diagnostics, scenetest.Check(files, scenes.Load(files, today))); diff != "" {
			t.Errorf("%s (-load +check):\n%s", name, diff)
		}
	}
	files := with(t, "a_test.yaml", "fixtures: {catalogs: {none: {}}}\ntests: [{name: a, catalog: none, request: {scene_name: page, region: US, items: [{item_id: 1}]}, expect: {answer: {}}}]")
	if found := scenetest.Check(files, scenes.Load(files, today)); len(found) > 0 {
		t.Errorf("a catalog was read: %v", found)
	}
}
