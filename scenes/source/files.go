// Package source reads configuration files: YAML into a proscenium.config.v1.Bundle, with the place in the files of everything that is written
// there, so that later stages can point at it.
package source

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"proscenium/scenes/diag"
)

// Bounds of what is read: far above any configuration, far below what hurts.
const (
	maxFileBytes  = 16 << 20
	maxTotalBytes = 64 << 20
	maxFiles      = 20_000
	maxFolders    = 16 // nested; symbolic links can make them endless
)

// File is one configuration file. Its content must not change once it is handed on.
type File struct {
	// Name is the path below the configuration's directory, with slashes.
	Name string
	Data []byte
}

// IsPart says whether a file of that name, relative to the configuration's directory, is read as a part of the bundle: *.yaml and *.yml are,
// except scene tests (*_test.yaml, and all below folders named tests or testdata) and whatever begins with a dot.
// The latter leaves out the versioned folders of a mounted ConfigMap, which hold the files a second time.
func IsPart(name string) bool {
	dir, base := path.Split(name)
	for folder := range strings.SplitSeq(strings.TrimSuffix(dir, "/"), "/") {
		if !IsFolder(folder) {
			return false
		}
	}
	ext := path.Ext(base)
	if strings.HasPrefix(base, ".") || ext != ".yaml" && ext != ".yml" {
		return false
	}
	return !strings.HasSuffix(strings.TrimSuffix(base, ext), "_test")
}

// IsFolder says whether a folder of that name, within the configuration's directory, may hold parts of the bundle.
func IsFolder(name string) bool {
	return !strings.HasPrefix(name, ".") && name != "tests" && name != "testdata"
}

// IsTest says whether a file of that name, relative to the configuration's directory, is a file of scene tests: *_test.yaml and *_test.yml
// are, and every *.yaml and *.yml below a folder named tests; except what is below folders named testdata, and whatever begins with a dot.
// No file is a test and a part of the bundle.
func IsTest(name string) bool {
	dir, base := path.Split(name)
	below := false
	for folder := range strings.SplitSeq(strings.TrimSuffix(dir, "/"), "/") {
		if !IsTestFolder(folder) {
			return false
		}
		below = below || folder == "tests"
	}
	ext := path.Ext(base)
	if strings.HasPrefix(base, ".") || ext != ".yaml" && ext != ".yml" {
		return false
	}
	return below || strings.HasSuffix(strings.TrimSuffix(base, ext), "_test")
}

// IsTestFolder says whether a folder of that name, within the configuration's directory, may hold scene tests.
func IsTestFolder(name string) bool { return !strings.HasPrefix(name, ".") && name != "testdata" }

// Read returns the parts of the bundle in fsys, in the order of their names. Symbolic links are followed.
// What cannot be read is a finding; the files returned are good all the same.
func Read(fsys fs.FS) ([]File, []diag.Diagnostic) { return read(fsys, IsPart, IsFolder) }

// ReadTests returns the files of scene tests in fsys, as Read does the parts of the bundle.
func ReadTests(fsys fs.FS) ([]File, []diag.Diagnostic) { return read(fsys, IsTest, IsTestFolder) }

func read(fsys fs.FS, wanted, enter func(string) bool) ([]File, []diag.Diagnostic) {
	r := reader{fsys: fsys, wanted: wanted, enter: enter}
	r.folder(".", 0)
	return r.files, r.findings
}

type reader struct {
	fsys     fs.FS
	wanted   func(name string) bool
	enter    func(folder string) bool
	files    []File
	bytes    int64
	full     bool
	findings []diag.Diagnostic
}

func (r *reader) folder(dir string, depth int) {
	if depth > maxFolders {
		r.refuse(diag.Unreadable, dir, fmt.Sprintf("folders are nested more than %d deep", maxFolders), "does a symbolic link lead back to a folder above it?")
		return
	}
	entries, err := fs.ReadDir(r.fsys, dir) // sorted by name
	if err != nil {
		r.refuse(diag.Unreadable, dir, "cannot read the folder: "+reason(err), unreadableHint(err))
	}
	for _, entry := range entries {
		name := path.Join(dir, entry.Name())
		switch kind, err := r.kind(name, entry); {
		case r.full:
			return
		case kind.IsDir() && r.enter(entry.Name()):
			r.folder(name, depth+1)
		case !r.wanted(name):
		case err != nil:
			r.refuse(diag.Unreadable, name, "cannot read the file: "+reason(err), unreadableHint(err))
		case kind.IsRegular():
			r.file(name)
		}
	}
}

// kind looks through symbolic links. A link that leads nowhere is an error.
func (r *reader) kind(name string, entry fs.DirEntry) (fs.FileMode, error) {
	if entry.Type()&fs.ModeSymlink == 0 {
		return entry.Type(), nil
	}
	info, err := fs.Stat(r.fsys, name)
	if err != nil {
		return 0, err
	}
	return info.Mode(), nil
}

func (r *reader) file(name string) {
	info, err := fs.Stat(r.fsys, name)
	if err == nil && info.Size() > maxFileBytes {
		r.refuse(diag.FileTooLarge, name, fmt.Sprintf("the file has %d bytes, more than %d", info.Size(), maxFileBytes), "split it: a bundle may have many files")
		return
	}
	var data []byte
	if err == nil {
		data, err = fs.ReadFile(r.fsys, name)
	}
	if err != nil {
		r.refuse(diag.Unreadable, name, "cannot read the file: "+reason(err), unreadableHint(err))
		return
	}
	r.bytes += int64(len(data))
	if len(r.files) >= maxFiles || r.bytes > maxTotalBytes {
		r.full = true
		r.refuse(diag.FileTooLarge, "", fmt.Sprintf("the directory holds more than %d files or %d bytes of configuration", maxFiles, maxTotalBytes),
			"is it the right directory?")
		return
	}
	r.files = append(r.files, File{Name: name, Data: data})
}

func (r *reader) refuse(code diag.Code, file, message, hint string) {
	if file == "." {
		file = "" // it is the directory itself
	}
	r.findings = append(r.findings, diag.Diagnostic{Code: code, Severity: diag.Error, Message: message, File: file, Hint: hint})
}

// reason is an error without the path, which the finding carries.
func reason(err error) string {
	if pe, ok := err.(*fs.PathError); ok { //nolint:errorlint // only the outermost error repeats the path
		return pe.Err.Error()
	}
	return err.Error()
}

// unreadableHint is what to look at.
func unreadableHint(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does the path, or the target of the symbolic link, exist?"
	case errors.Is(err, fs.ErrPermission):
		return "let the user that runs this read it"
	default:
		return "check its path, its permissions, and the disk that it is on"
	}
}

// Sort puts files into the order in which they are read: that of their names.
func Sort(files []File) {
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
}
