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
	for record, err := range Read(strings.NewReader(text)) {
		if err != nil {
			return scenes, err
		}
		scenes = append(scenes, record.GetRequest().GetSceneName())
	}
	return scenes, nil
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
		for record, err := range Read(bytes.NewReader(data)) {
			if (record == nil) == (err == nil) {
				panic("neither a record nor an error, or both")
			}
		}
	})
}

// files reads recordings: the scenes, what was warned of, and the error that ended it.
func files(paths ...string) (scenes, warnings []string, err error) {
	for record, err := range ReadFiles(paths, func(err error) { warnings = append(warnings, err.Error()) }) {
		if err != nil {
			return scenes, warnings, err
		}
		scenes = append(scenes, record.GetRequest().GetSceneName())
	}
	return scenes, warnings, nil
}

func TestFilesAreReadInTheOrderOfTime(t *testing.T) {
	dir := t.TempDir()
	first := write(t, dir, "z.jsonl", line(1, "a")+line(4, "d")+line(5, "e"))
	write(t, dir, "y.jsonl.gz", gzipped(t, line(2, "b")+line(6, "f")))
	write(t, dir, "x.jsonl", line(3, "c")+line(7, "g"))
	write(t, dir, "empty.jsonl", "")
	write(t, dir, "hand.jsonl", `{"request":{"scene_name":"now","region":"US"}}`)
	write(t, dir, "notes.txt", "no recording")
	if err := os.Mkdir(filepath.Join(dir, "sub.jsonl"), 0o700); err != nil {
		t.Fatal(err)
	}
	all := []string{"now", "a", "b", "c", "d", "e", "f", "g"}
	for _, c := range []struct {
		name  string
		paths []string
		want  []string
	}{
		{"a directory", []string{dir}, all},
		{"a directory and a file of it", []string{first, dir}, all},
		{"a file", []string{first}, []string{"a", "d", "e"}},
		{"a pattern", []string{filepath.Join(dir, "[xz].jsonl")}, []string{"a", "c", "d", "e", "g"}},
		{"two files", []string{filepath.Join(dir, "x.jsonl"), filepath.Join(dir, "y.jsonl.gz")}, []string{"b", "c", "f", "g"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, warnings, err := files(c.paths...)
			if err != nil || len(warnings) > 0 {
				t.Errorf("%v, warnings %q", err, warnings)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestAReaderMayStopEarly(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.jsonl", line(1, "a")+line(3, "c"))
	write(t, dir, "b.jsonl", line(2, "b")+line(4, "d"))
	for n := range 4 {
		read := 0
		for _, err := range ReadFiles([]string{dir}, nil) {
			if err != nil {
				t.Fatal(err)
			}
			if read++; read > n {
				break
			}
		}
	}
}

func TestTornFilesAreReadAsFarAsTheyGo(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.jsonl", line(1, "a")+line(3, "c")[:20])
	write(t, dir, "b.jsonl", line(2, "b"))
	write(t, dir, "c.jsonl", line(4, "d")[:20])
	got, warnings, err := files(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(warnings) != 2 || !strings.Contains(warnings[0], "c.jsonl: line 1") || !strings.Contains(warnings[1], "a.jsonl: line 2") {
		t.Errorf("warnings %q", warnings)
	}
}

func TestAFileThatIsDeletedMeanwhileIsPassedOver(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.jsonl", line(1, "a"))
	gone := write(t, dir, "b.jsonl", line(2, "b"))
	var got, warnings []string
	for record, err := range ReadFiles([]string{dir}, func(err error) { warnings = append(warnings, err.Error()) }) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, record.GetRequest().GetSceneName())
		if err := os.Remove(gone); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 1 || len(warnings) != 1 || !strings.Contains(warnings[0], "b.jsonl") {
		t.Errorf("read %v, warnings %q", got, warnings)
	}
}

func TestWhatCannotBeReadIsNamed(t *testing.T) {
	dir := t.TempDir()
	bad := write(t, dir, "bad.jsonl", line(1, "a")+"{}\n"+line(2, "b"))
	empty := t.TempDir()
	for _, c := range []struct {
		name  string
		paths []string
		want  []string
	}{
		{"a wrong line", []string{bad}, []string{bad, "line 2", "no field request"}},
		{"no path", nil, []string{"name a file, a directory or a pattern"}},
		{"a file that is not there", []string{bad + "x"}, []string{bad + "x"}},
		{"a pattern that matches nothing", []string{filepath.Join(dir, "*.gz")}, []string{"*.gz", "no file has such a name"}},
		{"a pattern that is none", []string{filepath.Join(dir, "[")}, []string{"syntax error in pattern"}},
		{"an empty directory", []string{empty}, []string{empty, ".jsonl or .jsonl.gz"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := files(c.paths...)
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
