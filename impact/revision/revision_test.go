package revision_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"proscenium/impact/revision"
)

// repository makes one with two commits and goes there: configs/a.yaml, and then another text in it.
func repository(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	git(t, "init", "--quiet", "--initial-branch=main")
	write(t, "configs/a.yaml", "one")
	write(t, "configs/catalog/items.csv", "item_id")
	write(t, "README.md", "read me")
	commit(t, "first")
	write(t, "configs/a.yaml", "two")
	commit(t, "second")
	write(t, "configs/a.yaml", "not committed")
}

func git(t *testing.T, args ...string) {
	t.Helper()
	args = append([]string{"-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"}, args...)
	if out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func commit(t *testing.T, message string) {
	t.Helper()
	git(t, "add", ".")
	git(t, "commit", "--quiet", "--message", message)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(name[:strings.LastIndex("/"+name, "/")], 0o700); err != nil && !strings.HasPrefix(name, "README") {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestADirectoryIsReadAsItIsAtARevision(t *testing.T) {
	repository(t)
	write(t, "notes/today.txt", "not committed")
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, file, want, from string }{
		{"git:main:configs", "a.yaml", "two", ""},
		{"git:main~1:configs", "a.yaml", "one", ""},
		{"git:HEAD:configs/", "catalog/items.csv", "item_id", ""},
		{"git:HEAD:./configs", "a.yaml", "two", ""},
		{"git:main", "configs/a.yaml", "two", ""},
		{"git:main:", "README.md", "read me", ""},
		{"git:main:configs", "a.yaml", "two", "configs"},
		{"git:main:configs", "a.yaml", "two", "configs/catalog"},
		{"git:main", "README.md", "read me", "configs"},
		{"git:main:configs", "a.yaml", "two", "notes"},
	} {
		t.Run(c.name+" from "+c.from, func(t *testing.T) {
			t.Chdir(filepath.Join(root, c.from))
			if !revision.Is(c.name) {
				t.Error("it is no revision")
			}
			dir, err := revision.Open(t.Context(), c.name)
			if err != nil {
				t.Fatal(err)
			}
			got, err := fs.ReadFile(dir.FS, c.file)
			if err != nil || string(got) != c.want {
				t.Errorf("%q, %v", got, err)
			}
			if err := dir.Close(); err != nil {
				t.Error(err)
			}
			if _, err := fs.ReadFile(dir.FS, c.file); err == nil {
				t.Error("it is still there")
			}
		})
	}
}

func TestWhatIsNoDirectoryOfARevisionIsRefused(t *testing.T) {
	repository(t)
	if err := os.Symlink("/etc", "configs/etc"); err != nil {
		t.Fatal(err)
	}
	commit(t, "a link")
	t.Setenv("TMPDIR", t.TempDir())
	for name, want := range map[string]string{
		"git:":                  "name a revision",
		"git::configs":          "name a revision",
		"git:--output=x":        "name a revision",
		"git:moon:configs":      "moon",
		"git:main:moon":         "moon",
		"git:main:../configs/x": "configs/x",
		"git:main:configs":      "symbolic link",
	} {
		_, err := revision.Open(t.Context(), name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", name, err, want)
		}
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if slices.ContainsFunc([]string{"configs", "./git:x", ""}, revision.Is) {
		t.Error("a plain name is taken for a revision")
	}
}
