package recording

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// Line is a line of a recording: a record, or what is wrong with it.
type Line struct {
	// File is the path that was read; Number counts from 1.
	File   string
	Number int
	// Bytes is how long the line is.
	Bytes int
	// Record is nil where Err says why; it wraps [ErrTorn] where a process was killed while it wrote the line.
	Record *pricingv1.RecordedRequest
	Err    error
}

// extensions are those of the files of a directory that are recordings.
var extensions = []string{".jsonl", ".jsonl.gz"}

// Lines reads recordings line by line, on after a bad one. A path is that of a file, a pattern as [filepath.Glob] has it, or a directory, whose
// files that end in .jsonl or .jsonl.gz are read. Files are read once, in the order of their names, and compressed ones unpacked. Empty
// lines are passed over. An error ends it: a path that names nothing, a file that cannot be read to its end. A line may be a bare request
// instead of a record.
func Lines(paths []string) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		files, err := resolve(paths)
		if err != nil {
			yield(Line{}, err)
			return
		}
		for _, path := range files {
			if !linesOf(path, yield) {
				return
			}
		}
	}
}

// resolve finds the files that paths name, each once.
func resolve(paths []string) (files []string, err error) {
	if len(paths) == 0 {
		return nil, errors.New("no recording is named; name a file, a directory or a pattern")
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err == nil && info.IsDir():
			found, err := recordingsIn(path)
			if err != nil {
				return nil, err
			}
			files = append(files, found...)
		case err == nil:
			files = append(files, path)
		case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(path, "*?["):
			found, err := filepath.Glob(path)
			if err != nil {
				return nil, fmt.Errorf("recordings %s: %w", path, err)
			}
			if len(found) == 0 {
				return nil, fmt.Errorf("recordings %s: no file has such a name", path)
			}
			files = append(files, found...)
		default:
			return nil, fmt.Errorf("recording: %w", err)
		}
	}
	for i := range files {
		files[i] = filepath.Clean(files[i])
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

func recordingsIn(dir string) (files []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("recordings: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if !entry.IsDir() && slices.ContainsFunc(extensions, func(e string) bool { return strings.HasSuffix(name, e) }) {
			files = append(files, filepath.Join(dir, name))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("recordings: the directory %s has no file that ends in %s", dir, strings.Join(extensions, " or "))
	}
	return files, nil
}

// parseLoose also takes a bare request, as people write it by hand: it has none of a record's fields, and a record none of a request's.
func parseLoose(line []byte) (*pricingv1.RecordedRequest, error) {
	record, err := parse(line)
	if err == nil {
		return record, nil
	}
	req := &pricingv1.GetPromotionInfoRequest{}
	if protojson.Unmarshal(line, req) != nil || len(req.GetItems()) == 0 {
		return nil, err
	}
	return &pricingv1.RecordedRequest{Request: req}, nil
}

// linesOf reads one file. It is false if nothing follows.
func linesOf(path string, yield func(Line, error) bool) bool {
	f, err := os.Open(path)
	if err != nil {
		yield(Line{}, fmt.Errorf("recording: %w", err))
		return false
	}
	defer func() { _ = f.Close() }() // it was only read
	return linesIn(path, f, yield)
}

func linesIn(path string, r io.Reader, yield func(Line, error) bool) bool {
	r, err := decompressed(r)
	if err != nil {
		yield(Line{}, fmt.Errorf("recording %s: %w", path, err))
		return false
	}
	lines, n := newScanner(r), 0
	for lines.Scan() {
		n++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		line := Line{File: path, Number: n, Bytes: len(text)}
		if line.Record, err = parseLoose(text); err != nil {
			line.Err = lines.cause(text, err)
		}
		if !yield(line, nil) {
			return false
		}
	}
	if err := lines.Err(); err != nil {
		yield(Line{}, fmt.Errorf("recording %s, after line %d: %w", path, n, err))
		return false
	}
	return true
}
