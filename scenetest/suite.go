// Package scenetest runs scene tests: files beside the configuration that say, for given data, time and user, how a request must be answered.
// They run offline, on the engine that servers run, over the embedded providers.
//
// Load reads the tests and reports what is wrong with them, as package scenes does for the configuration. Run prices their requests and says
// which expectations do not hold.
package scenetest

import (
	"io/fs"
	"strings"
	"time"

	scenetestv1 "proscenium/gen/proscenium/scenetest/v1"

	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// Suite is the tests of a directory. It does not change, but that it counts what runs exercised.
type Suite struct {
	snap     *scenes.Snapshot
	now      time.Time
	cases    []*testCase // in the order of files, tests and cells
	catalogs map[string]*catalogFixture
	coverage *coverage // nil: nobody asks
}

// Options say where things are.
type Options struct {
	// Catalog is the data of tests that name no catalog; nil: the folder catalog of the directory.
	Catalog fs.FS
	// Now is the clock that findings about times of the configuration go by. No test sees it.
	Now time.Time
	// Coverage counts what of the configuration is exercised, see Report.Coverage.
	Coverage bool
}

// Result is what became of a directory.
type Result struct {
	// Suite is nil if there is a finding of severity Error.
	Suite *Suite
	// Diagnostics are all findings, of configuration and tests, in the order of files and lines.
	Diagnostics []diag.Diagnostic
}

// Load reads the configuration and the tests below fsys, and the catalogs that the tests name, and checks all of it.
func Load(fsys fs.FS, opts Options) Result {
	config := scenes.Load(fsys, opts.Now)
	l := &linker{fsys: fsys, opts: opts, snap: config.Snapshot, fixtures: newFixtures(), unknown: map[*source.Place]bool{}}
	found := l.load(config.Diagnostics)
	if diag.HasErrors(found) {
		return Result{Diagnostics: found}
	}
	s := &Suite{snap: config.Snapshot, now: opts.Now, cases: l.cases, catalogs: l.catalogs()}
	if opts.Coverage {
		parts, _ := source.Read(fsys) // they could be read a moment ago
		s.coverage = instrument(config.Snapshot, source.Parse(parts).Root)
	}
	return Result{Suite: s, Diagnostics: found}
}

// Check finds what is wrong with the tests below fsys, but for their catalogs, which it does not read. The findings are returned together with
// those of the configuration.
func Check(fsys fs.FS, config scenes.Result) []diag.Diagnostic {
	l := &linker{fsys: fsys, snap: config.Snapshot, formOnly: true, fixtures: newFixtures(), unknown: map[*source.Place]bool{}}
	return l.load(config.Diagnostics)
}

// load reads and links the tests, and returns all findings.
func (l *linker) load(config []diag.Diagnostic) []diag.Diagnostic {
	files, unread := source.ReadTests(l.fsys)
	l.whole = len(unread) == 0
	l.reportAll(config)
	l.reportAll(unread)
	for _, f := range files {
		l.parse(f)
	}
	l.link()
	found := l.findings.All()
	diag.Sort(found)
	return found
}

// Len is the number of cases: of tests, and of the combinations of those with a matrix.
func (s *Suite) Len() int { return len(s.cases) }

// file is a file of tests.
type file struct {
	name  string
	lines []string
	tests *scenetestv1.TestFile
	root  *source.Place
}

// parse reads a file, and checks what can be checked without the others.
func (l *linker) parse(f source.File) {
	tests := &scenetestv1.TestFile{}
	tree := source.ParseInto(tests, []source.File{f})
	l.reportAll(tree.Findings)
	l.reportAll(scenes.Constrain(tests, tree.Root))
	l.whole = l.whole && tree.Whole && !diag.HasErrors(tree.Findings)
	lines := strings.Split(strings.ReplaceAll(string(f.Data), "\r\n", "\n"), "\n")
	l.files = append(l.files, &file{name: f.Name, lines: lines, tests: tests, root: tree.Root})
}
