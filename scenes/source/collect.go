package source

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"proscenium/scenes/diag"
)

// Collect returns the parts of the bundle among values, which are named as files below a directory are, in the order of their names: what Read
// is for a directory, for a store of keys and values. It has the same bounds. What cannot be a file is a finding.
func Collect(values map[string][]byte) ([]File, []diag.Diagnostic) {
	var r reader
	for _, name := range slices.Sorted(maps.Keys(values)) {
		data := values[name]
		switch {
		case !IsPart(name):
			continue
		case !fs.ValidPath(name):
			r.refuse(diag.Unreadable, name, "this is no name of a file", "name it by a path without empty parts, . and .., such as scenes/cart.yaml")
			continue
		case len(data) > maxFileBytes:
			r.refuse(diag.FileTooLarge, name, fmt.Sprintf("the file has %d bytes, more than %d", len(data), maxFileBytes), "split it: a bundle may have many files")
			continue
		}
		r.bytes += int64(len(data))
		if len(r.files) >= maxFiles || r.bytes > maxTotalBytes {
			r.refuse(diag.FileTooLarge, "", fmt.Sprintf("there are more than %d files or %d bytes of configuration", maxFiles, maxTotalBytes), "is it the right place?")
			break
		}
		r.files = append(r.files, File{Name: name, Data: data})
	}
	return r.files, r.findings
}
