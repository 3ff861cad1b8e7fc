package scenetest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	scenetestv1 "proscenium/gen/proscenium/scenetest/v1"

	"proscenium/assembly"
	"proscenium/catalog"
	"proscenium/catalog/table"
	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// configured is the name of the configuration's own catalog among the fixtures: no fixture can have it.
const configured = ""

// catalogFixture is a catalog that tests price over.
type catalogFixture struct {
	name  string
	cat   *catalog.Catalog // nil: it could not be loaded, which was reported
	timed func() bool
}

func (c *catalogFixture) label() string {
	if c.name == configured {
		return "the configuration's catalog"
	}
	return "catalog " + c.name
}

func newCatalogFixture(name string, cat *catalog.Catalog) *catalogFixture {
	return &catalogFixture{name: name, cat: cat, timed: sync.OnceValue(cat.DependsOnTime)}
}

// catalogOf is the name of a test's catalog. What is wrong with the configuration's own is reported at the first test that needs it.
func (l *linker) catalogOf(t *scenetestv1.SceneTest, at *source.Place) string {
	if name := t.GetCatalog(); name != "" {
		find(l, l.fixtures.catalogs, name, at.Field("catalog"))
		return name
	}
	if l.own != nil || l.formOnly {
		return configured
	}
	l.own = &catalogFixture{}
	fsys := l.opts.Catalog
	if fsys == nil {
		info, err := fs.Stat(l.fsys, "catalog")
		if err != nil || !info.IsDir() {
			l.report(at.Field("name").Error(diag.MissingField, "the test names no catalog, and the configuration has no folder catalog",
				"add catalog: the name of a catalog fixture"))
			return configured
		}
		fsys, err = fs.Sub(l.fsys, "catalog")
		if err != nil {
			l.report(at.Field("name").Error(diag.Unreadable, "the configuration's catalog cannot be read: "+err.Error(), ""))
			return configured
		}
	}
	cat, err := assembly.LoadCatalog(fsys)
	var faulty *table.Error
	switch {
	case errors.As(err, &faulty):
		for _, d := range faulty.Findings {
			d.File = "catalog/" + d.File
			l.report(d)
		}
	case err != nil:
		l.report(at.Field("name").Error(diag.Unreadable, "the configuration's catalog cannot be read: "+err.Error(), ""))
	default:
		l.own = newCatalogFixture(configured, cat)
	}
	return configured
}

// catalogs are those of all tests, by name.
func (l *linker) catalogs() map[string]*catalogFixture {
	all := maps.Clone(l.fixtures.catalogs.byName)
	all[configured] = l.own
	return all
}

// newCatalog loads a fixture.
func (l *linker) newCatalog(f *file, name string, c *scenetestv1.CatalogFixture, at *source.Place) *catalogFixture {
	broken := &catalogFixture{name: name}
	fsys := overlay{tables: map[string]string{}}
	if c.GetFolder() != "" {
		folder := path.Join(path.Dir(f.name), c.GetFolder())
		info, err := fs.Stat(l.fsys, folder)
		if err != nil || !info.IsDir() {
			l.report(at.Field("folder").Error(diag.Unreadable, fmt.Sprintf("there is no folder %s within the configuration's directory", folder),
				"write it relative to this file, such as ../catalog"))
			return broken
		}
		if fsys.below, err = fs.Sub(l.fsys, folder); err != nil {
			l.report(at.Field("folder").Error(diag.Unreadable, "the folder cannot be read: "+err.Error(), ""))
			return broken
		}
	}
	var known []string
	for _, t := range catalog.Tables() {
		known = append(known, t.Name)
	}
	good := true
	for _, name := range slices.Sorted(maps.Keys(c.GetTables())) {
		if !slices.Contains(known, name) {
			l.report(keyError(at.Field("tables").Key(name), diag.UnknownReference, "there is no table "+name, l.suggest(name, "tables", known)))
			good = false
		}
		fsys.tables[name+".csv"] = c.GetTables()[name]
	}
	if !good || l.snap == nil || l.formOnly {
		return broken
	}
	if !fsys.has("catalog") {
		fsys.tables["catalog.csv"] = "regions,time_zone\n" + strings.Join(slices.Sorted(maps.Keys(l.snap.Regions)), " ") + ",UTC\n"
	}
	cat, err := assembly.LoadCatalog(fsys)
	var faulty *table.Error
	switch {
	case errors.As(err, &faulty):
		for _, d := range faulty.Findings {
			l.report(inTable(d, c, at))
		}
	case err != nil:
		l.report(at.Error(diag.Unreadable, "the catalog cannot be read: "+err.Error(), ""))
	default:
		for _, d := range cat.CheckTypes(l.snap) {
			found := inTable(d, c, at)
			found.Severity = d.Severity
			l.report(found)
		}
		return newCatalogFixture(name, cat)
	}
	return broken
}

// inTable moves a finding of a table that stands in the test file to its line there.
func inTable(d diag.Diagnostic, c *scenetestv1.CatalogFixture, at *source.Place) diag.Diagnostic {
	name := strings.TrimSuffix(strings.TrimSuffix(d.File, ".gz"), ".csv")
	text, inline := c.GetTables()[name]
	if !inline {
		where := at.Field("tables")
		if c.GetFolder() != "" {
			where = at.Field("folder")
		}
		found := keyError(where, d.Code, fmt.Sprintf("%s: %s", strings.Trim(fmt.Sprintf("%s:%d:%d", d.File, d.Line, d.Column), ":0"), d.Message), d.Hint)
		return found
	}
	cell := at.Field("tables").Key(name)
	offset := 0
	for range d.Line - 1 {
		next := strings.IndexByte(text[offset:], '\n')
		if next < 0 {
			break
		}
		offset += next + 1
	}
	line, _, _ := strings.Cut(text[offset:], "\n")
	column := 0
	for i := range line {
		if column++; column == max(d.Column, 1) {
			column = i
			break
		}
	}
	if d.Line == 0 {
		return keyError(cell, d.Code, d.Message, d.Hint)
	}
	word, _, _ := strings.Cut(line[min(column, len(line)):], ",")
	return cell.ErrorInside(offset+min(column, len(line)), max(1, len(word)), d.Code, d.Message, d.Hint)
}

// overlay is a folder with some of its tables replaced.
type overlay struct {
	below  fs.FS // nil: nothing
	tables map[string]string
}

// has says whether there is a table of that name.
func (o overlay) has(name string) bool {
	for _, file := range []string{name + ".csv", name + ".csv.gz"} {
		if f, err := o.Open(file); err == nil {
			return f.Close() == nil
		}
	}
	return false
}

// Open opens a table.
func (o overlay) Open(name string) (fs.File, error) {
	if text, ok := o.tables[name]; ok {
		return &memory{Reader: bytes.NewReader([]byte(text)), name: name}, nil
	}
	if _, replaced := o.tables[strings.TrimSuffix(name, ".gz")]; replaced || o.below == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return o.below.Open(name)
}

// ReadDir lists the tables of the folder; those that are replaced are known to be tables.
func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	if o.below == nil {
		return nil, nil
	}
	return fs.ReadDir(o.below, name)
}

// memory is a table as a file.
type memory struct {
	*bytes.Reader
	name string
}

// Stat describes the file.
func (m *memory) Stat() (fs.FileInfo, error) { return memoryInfo{m}, nil }

// Close does nothing.
func (*memory) Close() error { return nil }

type memoryInfo struct{ *memory }

func (m memoryInfo) Name() string     { return m.name }
func (m memoryInfo) Size() int64      { return m.Reader.Size() }
func (memoryInfo) Mode() fs.FileMode  { return 0o444 }
func (memoryInfo) ModTime() time.Time { return time.Time{} }
func (memoryInfo) IsDir() bool        { return false }
func (memoryInfo) Sys() any           { return nil }
