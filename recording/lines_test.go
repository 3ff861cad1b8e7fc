package recording

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// readLines are the lines of recordings as short as a test can have them.
func readLines(t *testing.T, paths ...string) (lines []string, err error) {
	t.Helper()
	for line, e := range Lines(paths) {
		if e != nil {
			return lines, e
		}
		text := fmt.Sprintf("%s:%d ", filepath.Base(line.File), line.Number)
		if line.Err != nil {
			text += "error " + line.Err.Error()
		} else {
			text += line.Record.GetClient() + " " + line.Record.GetRequest().GetRegion()
		}
		if line.Bytes == 0 || (line.Record == nil) == (line.Err == nil) {
			t.Errorf("line %+v", line)
		}
		lines = append(lines, text)
	}
	return lines, nil
}

func TestLinesGoOnAfterABadOne(t *testing.T) {
	dir := t.TempDir()
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write([]byte(`{"client": "c", "request": {"region": "FR"}}` + "\n"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a.jsonl": `{"client": "a", "request": {"region": "US"}}` + "\n\nnothing\n{}\n" +
			`{"region": "JP", "scene_name": "cart", "items": [{"item_id": 1}]}` + "\n" + `{"region": "JP"}` + "\n" + `{"client": "a", "request": {"region": "GB"`,
		"b.jsonl.gz": zipped.String(),
		"c.txt":      "not a recording",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readLines(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"a.jsonl:1 a US", "a.jsonl:3 error ", "a.jsonl:4 error it has no field request", "a.jsonl:5  JP", "a.jsonl:6 error ", "a.jsonl:7 error the last line is cut short", "b.jsonl.gz:1 c FR"} {
		if i >= len(got) || !strings.HasPrefix(got[i], want) {
			t.Errorf("line %d: want %q in %q", i, want, got)
		}
	}
	if len(got) != 7 {
		t.Errorf("%d lines: %q", len(got), got)
	}
}

func TestAFileThatIsNamedTwiceIsReadOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("a.jsonl", []byte(`{"request": {"region": "US"}}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := 0
	for line, err := range Lines([]string{"a.jsonl", "./a.jsonl", ".", "*.jsonl", "./*.jsonl"}) {
		if n++; err != nil || line.File != "a.jsonl" {
			t.Errorf("%+v, %v", line, err)
		}
	}
	if n != 1 {
		t.Errorf("%d lines, want 1", n)
	}
}

func TestLinesEndWithAFileThatCannotBeRead(t *testing.T) {
	if _, err := readLines(t, filepath.Join(t.TempDir(), "none.jsonl")); err == nil || !strings.Contains(err.Error(), "none.jsonl") {
		t.Errorf("error %v", err)
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	for range 1000 {
		_, _ = fmt.Fprintf(w, "{\"request\": {\"region\": \"FR\"}}\n")
	}
	_ = w.Close()
	cut := filepath.Join(t.TempDir(), "cut.jsonl.gz")
	if err := os.WriteFile(cut, zipped.Bytes()[:zipped.Len()-10], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readLines(t, cut); err == nil || !strings.Contains(err.Error(), "cut.jsonl.gz") {
		t.Errorf("error %v", err)
	}
}

func TestLinesStopWhereTheirReaderStops(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.jsonl")
	if err := os.WriteFile(file, []byte(strings.Repeat(`{"request": {"region": "US"}}`+"\n", 10)), 0o600); err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for line, err := range Lines([]string{file}) {
		if err != nil {
			t.Fatal(err)
		}
		if numbers = append(numbers, line.Number); line.Number == 3 {
			break
		}
	}
	if !slices.Equal(numbers, []int{1, 2, 3}) {
		t.Errorf("lines %v", numbers)
	}
}
