package source_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

func names(files []source.File) []string {
	var out []string
	for _, f := range files {
		out = append(out, f.Name)
	}
	return out
}

func TestPartsOfTheBundleAreRead(t *testing.T) {
	fsys := fstest.MapFS{}
	for _, name := range []string{
		"b.yaml", "a.yml", "scenes/b.yaml", "scenes/deep/a.yaml", "README.md", "a.json", ".hidden.yaml", ".git/a.yaml", "..2026_01/a.yaml",
		"scenes/cart_test.yaml", "tests/a.yaml", "scenes/testdata/a.yaml", "test.yaml", "contest.yml", "a.YAML",
	} {
		fsys[name] = &fstest.MapFile{Data: []byte(name)}
	}
	files, findings := source.Read(fsys)
	want := []string{"a.yml", "b.yaml", "contest.yml", "scenes/b.yaml", "scenes/deep/a.yaml", "test.yaml"}
	if !slices.Equal(names(files), want) || len(findings) > 0 {
		t.Errorf("read %v, want %v; %v", names(files), want, findings)
	}
	for name := range fsys {
		if got := source.IsPart(name); got != slices.Contains(want, name) {
			t.Errorf("IsPart(%s) is %v", name, got)
		}
	}
}

func TestLinksAreFollowedAndLoopsEnd(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	write("..v1/a.yaml", "a")
	write("..v1/sub/b.yaml", "b")
	link("..v1", "..data")
	link(filepath.Join("..data", "a.yaml"), "a.yaml")
	link(filepath.Join("..data", "sub"), "sub")
	files, findings := source.Read(os.DirFS(dir))
	if want := []string{"a.yaml", "sub/b.yaml"}; !slices.Equal(names(files), want) || len(findings) > 0 {
		t.Errorf("read %v, want %v; %v", names(files), want, findings)
	}

	link("nowhere.yaml", "dangling.yaml")
	link(".", "loop")
	_, findings = source.Read(os.DirFS(dir))
	if len(findings) < 2 || findings[0].File != "dangling.yaml" || findings[0].Code != diag.Unreadable {
		t.Errorf("findings: %v", findings)
	}
	if !slices.ContainsFunc(findings, func(d diag.Diagnostic) bool { return strings.Contains(d.Message, "nested") }) {
		t.Errorf("the loop is not reported: %v", findings)
	}
}

func TestADirectoryThatIsNotThereIsAFinding(t *testing.T) {
	_, findings := source.Read(os.DirFS(filepath.Join(t.TempDir(), "nothing")))
	if len(findings) != 1 || findings[0].Code != diag.Unreadable || !strings.Contains(findings[0].Message, "no such file") {
		t.Errorf("%v", findings)
	}
}

type tooLarge struct{ fs.FS }

func TestAFileThatIsTooLargeIsNotRead(t *testing.T) {
	fsys := tooLarge{fstest.MapFS{"a.yaml": {Data: make([]byte, 16<<20+1)}, "b.yaml": {Data: []byte("x: 1")}}}
	files, findings := source.Read(fsys)
	if len(files) != 1 || len(findings) != 1 || findings[0].Code != diag.FileTooLarge || findings[0].File != "a.yaml" {
		t.Errorf("%v, %v", names(files), findings)
	}
}
