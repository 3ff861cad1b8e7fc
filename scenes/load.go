package scenes

import (
	"io/fs"
	"time"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// Result is what became of a configuration.
type Result struct {
	// Snapshot is nil if there is a finding of severity Error.
	Snapshot *Snapshot
	// Diagnostics are all findings, in the order of files and lines.
	Diagnostics []diag.Diagnostic
}

// Load reads the configuration below fsys and checks all of it. now is the clock that the findings about times go by, and the snapshot's LoadedAt.
func Load(fsys fs.FS, now time.Time) Result {
	files, unread := source.Read(fsys)
	return new(Loader).load(files, unread, now)
}

// LoadFiles is Load for files that were read before, such as a candidate that an operator sends in. Their order does not matter for the
// snapshot's version, only for the order of its lists.
func LoadFiles(files []source.File, now time.Time) Result { return new(Loader).Load(files, now) }

// limited are the first findings, as many as a report may have.
func limited(findings []diag.Diagnostic) []diag.Diagnostic {
	var list diag.List
	for _, d := range findings {
		list.Add(d)
	}
	return list.All()
}
