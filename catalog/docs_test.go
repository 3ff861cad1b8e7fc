package catalog_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"proscenium/catalog"
)

func TestEveryColumnIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/reference/catalog.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, s := range strings.Split(string(page), "\n## ")[1:] {
		name, text, _ := strings.Cut(s, "\n")
		sections[name] = text
	}
	for _, table := range catalog.Tables() {
		text, found := sections[table.Name]
		if !found {
			t.Errorf("docs/reference/catalog.md has no section %s", table.Name)
			continue
		}
		documented := map[string]bool{}
		for _, line := range strings.Split(text, "\n") {
			if cells := strings.Split(line, "|"); len(cells) > 2 {
				for _, name := range regexp.MustCompile(`[a-z_]+\*?`).FindAllString(cells[1], -1) {
					documented[name] = true
				}
			}
		}
		delete(documented, "column")
		for _, c := range table.Columns {
			name := c.Name
			if c.Required {
				name += "*"
			}
			if !documented[name] {
				t.Errorf("docs/reference/catalog.md does not document %s.%s", table.Name, name)
			}
			delete(documented, name)
		}
		for name := range documented {
			t.Errorf("docs/reference/catalog.md documents %s.%s, which the table does not have", table.Name, name)
		}
	}
}
