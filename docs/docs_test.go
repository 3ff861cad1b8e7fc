// Package docs_test checks the documentation against the repository.
package docs_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// The target of a link of Markdown, in [text](target).
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

var heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)

func TestEveryLinkOfTheDocumentationLeadsSomewhere(t *testing.T) {
	root := os.DirFS("..")
	pages, err := pagesOf(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 10 {
		t.Fatalf("only %d pages found: %v", len(pages), pages)
	}
	for _, page := range pages {
		text, err := fs.ReadFile(root, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(withoutCode(string(text)), -1) {
			if target := match[1]; !strings.Contains(target, "://") {
				checkLink(t, root, page, target)
			}
		}
	}
}

func pagesOf(root fs.FS) (pages []string, err error) {
	err = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case !entry.IsDir() && path.Ext(name) == ".md":
			pages = append(pages, name)
		}
		return nil
	})
	return pages, err
}

func checkLink(t *testing.T, root fs.FS, page, target string) {
	t.Helper()
	file, anchor, _ := strings.Cut(target, "#")
	name := page
	if file != "" {
		name = path.Join(path.Dir(page), file)
	}
	if _, err := fs.Stat(root, name); err != nil {
		t.Errorf("%s links to %s, which does not exist", page, target)
		return
	}
	if anchor == "" || path.Ext(name) != ".md" {
		return
	}
	text, err := fs.ReadFile(root, name)
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range heading.FindAllStringSubmatch(withoutCode(string(text)), -1) {
		if slug(match[1]) == anchor {
			return
		}
	}
	t.Errorf("%s links to %s, and %s has no such heading", page, target, name)
}

// withoutCode blanks fenced and indented code, where brackets and parentheses are no links.
func withoutCode(text string) string {
	lines := strings.Split(text, "\n")
	fenced := false
	for i, line := range lines {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		if fenced || fence || strings.HasPrefix(line, "    ") {
			lines[i] = ""
		}
		fenced = fenced != fence
	}
	return strings.Join(lines, "\n")
}

// slug is the anchor that a heading gets.
func slug(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(heading) {
		switch {
		case r == ' ' || r == '-':
			b.WriteByte('-')
		case r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z':
			b.WriteRune(r)
		}
	}
	return b.String()
}
