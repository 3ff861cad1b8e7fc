package scenetest_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"proscenium/scenes/source"
	"proscenium/scenetest"
)

const guide = "../docs/guides/test-scenes.md"

var fence = regexp.MustCompile("(?m)^```(yaml|yaml fails|text)\n((?:.*\n)*?)```$")

// reference is the reference configuration and its catalog, without its tests.
func reference(t *testing.T) fstest.MapFS {
	t.Helper()
	out, dir := fstest.MapFS{}, os.DirFS("../configs")
	err := fs.WalkDir(dir, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || source.IsTest(name) {
			return err
		}
		data, err := fs.ReadFile(dir, name)
		out[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTheGuidesExamplesDoWhatItSays(t *testing.T) {
	page, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	files := reference(t)
	wanted, examples := "", 0
	for _, block := range fence.FindAllStringSubmatch(string(page), -1) {
		switch block[1] {
		case "yaml":
			examples++
			files["tests/example"+string(rune('a'+examples))+".yaml"] = &fstest.MapFile{Data: []byte(block[2])}
		case "yaml fails":
			files["tests/guide.yaml"] = &fstest.MapFile{Data: []byte(block[2])}
		case "text":
			wanted = strings.ReplaceAll(block[2], "configs/tests/", "market/tests/")
		}
	}
	if examples < 5 || wanted == "" {
		t.Fatalf("only %d examples, and this output: %q", examples, wanted)
	}
	result := load(files)
	if len(result.Diagnostics) > 0 {
		t.Fatalf("findings: %+v", result.Diagnostics)
	}
	r := run(t, result.Suite, scenetest.Selection{})
	got := text(t, r)
	if r.Failed != 1 || r.Passed < 12 || !strings.Contains(got, wanted) {
		t.Errorf("the guide shows\n%s\nand this comes\n%s", wanted, got)
	}
}

// The reference scenes' tests are the first that a reader sees: they pass, without a warning.
func TestTheReferenceTestsPass(t *testing.T) {
	result := load(os.DirFS("../configs"))
	if len(result.Diagnostics) > 0 {
		t.Fatalf("findings: %+v", result.Diagnostics)
	}
	if r := run(t, result.Suite, scenetest.Selection{}); r.Failed > 0 {
		t.Errorf("%s", text(t, r))
	}
}
