package recording

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// line is a record of a scene, made at a second of 2026-05-01T12:00.
func line(second int, scene string) string {
	return fmt.Sprintf(`{"recorded_at":"2026-05-01T12:00:%02dZ","request":{"scene_name":%q,"region":"US"}}`+"\n", second, scene)
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// scenesIn reads a recording: the scenes of its requests, and the error that ended it.
func scenesIn(text string) (scenes []string, err error) {
	linesIn("a.jsonl", strings.NewReader(text), func(line Line, failed error) bool {
		if line.Err != nil {
			failed = fmt.Errorf("line %d: %w", line.Number, line.Err)
		}
		if err = failed; err == nil {
			scenes = append(scenes, line.Record.GetRequest().GetSceneName())
		}
		return err == nil
	})
	return scenes, err
}

func TestARecordingIsReadLineByLine(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
		err        string // what the error says; empty: none
		torn       bool
	}{
		{"nothing", "", nil, "", false},
		{"two lines", line(1, "a") + line(2, "b"), []string{"a", "b"}, "", false},
		{"empty lines, and ends as Windows writes them", "\r\n\n" + strings.ReplaceAll(line(1, "a"), "\n", "\r\n") + "  \n", []string{"a"}, "", false},
		{"no end of the last line", line(1, "a") + strings.TrimSpace(line(2, "b")), []string{"a", "b"}, "", false},
		{"a last line cut short", line(1, "a") + line(2, "b")[:30], []string{"a"}, "line 2", true},
		{"a last line of which one byte is there", line(1, "a") + "{", []string{"a"}, "line 2", true},
		{"zeros where the power went", line(1, "a") + "\x00\x00\x00", []string{"a"}, "line 2", true},
		{"a line in the middle cut short", line(1, "a")[:30] + "\n" + line(2, "b"), nil, "line 1", false},
		{"an unknown field", line(1, "a") + `{"requst":{}}` + "\n" + line(2, "b"), []string{"a"}, `line 2: `, false},
		{"an unknown field in the last line, without an end", line(1, "a") + `{"requst":{}}`, []string{"a"}, `requst`, false},
		{"no request", `{"client":"shop"}` + "\n", nil, "no field request", false},
		{"no JSON", "scene: a\n", nil, "line 1", false},
		{"compressed", gzipped(t, line(1, "a")+line(2, "b")), []string{"a", "b"}, "", false},
		{"compressed, and cut short", gzipped(t, line(1, "a")+line(2, "b"))[:60], nil, "unexpected EOF", false},
		{"what begins like gzip", "\x1f\x8b", nil, "decompress", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := scenesIn(c.text)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) || errors.Is(err, ErrTorn) != c.torn {
				t.Errorf("error %v, want %q, torn: %v", err, c.err, c.torn)
			}
		})
	}
}

func TestTheLinesInTheGuidesAreRecordings(t *testing.T) {
	for _, page := range []string{"record-requests.md", "check-in-ci.md"} {
		text, err := os.ReadFile(filepath.Join("..", "docs", "guides", page))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, `{"recorded_at"`) {
				found++
				if _, err := scenesIn(line); err != nil {
					t.Errorf("%s: %v in %s", page, err, line)
				}
			}
		}
		if found == 0 {
			t.Errorf("%s shows no line", page)
		}
	}
}

func TestALineMayBeLongButNotEndless(t *testing.T) {
	long := line(1, strings.Repeat("x", 1<<20))
	if got, err := scenesIn(long + line(2, "b")); err != nil || len(got) != 2 {
		t.Errorf("%d records, %v", len(got), err)
	}
	endless := strings.Repeat(" ", MaxLine+1)
	if _, err := scenesIn(line(1, "a") + endless); err == nil || !strings.Contains(err.Error(), "after line 1") {
		t.Errorf("error %v", err)
	}
}

func FuzzReadNeverPanics(f *testing.F) {
	f.Add([]byte(line(1, "a") + line(2, "b")[:40]))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		linesIn("a.jsonl", bytes.NewReader(data), func(line Line, err error) bool {
			if err == nil && (line.Record == nil) == (line.Err == nil) {
				panic("neither a record nor an error, or both")
			}
			return true
		})
	})
}

func TestPathsNameFiles(t *testing.T) {
	dir := t.TempDir()
	first := write(t, dir, "z.jsonl", line(1, "a")+line(4, "d"))
	write(t, dir, "y.jsonl.gz", gzipped(t, line(2, "b")))
	write(t, dir, "x.jsonl", line(3, "c"))
	write(t, dir, "empty.jsonl", "")
	write(t, dir, "notes.txt", "no recording")
	if err := os.Mkdir(filepath.Join(dir, "sub.jsonl"), 0o700); err != nil {
		t.Fatal(err)
	}
	all := []string{"c", "b", "a", "d"}
	for _, c := range []struct {
		name  string
		paths []string
		want  []string
	}{
		{"a directory", []string{dir}, all},
		{"a directory and a file of it", []string{first, dir}, all},
		{"a file", []string{first}, []string{"a", "d"}},
		{"a pattern", []string{filepath.Join(dir, "[xz].jsonl")}, []string{"c", "a", "d"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for line, err := range Lines(c.paths) {
				if err != nil || line.Err != nil {
					t.Fatal(err, line.Err)
				}
				got = append(got, line.Record.GetRequest().GetSceneName())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestWhatCannotBeReadIsNamed(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "a.jsonl", line(1, "a"))
	empty := t.TempDir()
	for _, c := range []struct {
		name  string
		paths []string
		want  []string
	}{
		{"no path", nil, []string{"name a file, a directory or a pattern"}},
		{"a file that is not there", []string{file + "x"}, []string{file + "x"}},
		{"a pattern that matches nothing", []string{filepath.Join(dir, "*.gz")}, []string{"*.gz", "no file has such a name"}},
		{"a pattern that is none", []string{filepath.Join(dir, "[")}, []string{"syntax error in pattern"}},
		{"an empty directory", []string{empty}, []string{empty, ".jsonl or .jsonl.gz"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := readLines(t, c.paths...)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}
