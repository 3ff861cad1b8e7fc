package recording

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// extensions are those of the files of a directory that are recordings.
var extensions = []string{".jsonl", ".jsonl.gz"}

// ReadFiles reads recordings in the order of the time of their lines, of which each file is taken to be in order. A path is that of a file, a
// pattern as [filepath.Glob] has it, or a directory, whose files that end in .jsonl or .jsonl.gz are read. It ends with the first error, which
// names the file and the line; a path that names nothing is one. What is wrong and loses little is told to warn, which may be nil, while it
// goes on: a last line that is torn, and a file that a server deletes meanwhile.
func ReadFiles(paths []string, warn func(error)) iter.Seq2[*pricingv1.RecordedRequest, error] {
	if warn == nil {
		warn = func(error) {}
	}
	return func(yield func(*pricingv1.RecordedRequest, error) bool) {
		files, err := resolve(paths)
		if err != nil {
			yield(nil, err)
			return
		}
		waiting, err := starts(files, warn)
		if err != nil {
			yield(nil, err)
			return
		}
		merge(waiting, warn, yield)
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

// start is a file and the time of its first record.
type start struct {
	path string
	at   int64
}

// starts looks into every file and sorts them by their first record. Those without any are left out.
func starts(files []string, warn func(error)) (found []start, err error) {
	for _, path := range files {
		for record, err := range readFile(path, warn) {
			if err != nil {
				return nil, err
			}
			found = append(found, start{path, instant(record)})
			break
		}
	}
	slices.SortStableFunc(found, func(a, b start) int { return cmp.Compare(a.at, b.at) })
	return found, nil
}

// source is a file that is being read, and its next record.
type source struct {
	head *pricingv1.RecordedRequest
	at   int64
	next func() (*pricingv1.RecordedRequest, error, bool)
	stop func()
}

// advance takes the next record, and says whether there is one.
func (s *source) advance() (ok bool, err error) {
	if s.head, err, ok = s.next(); !ok || err != nil {
		s.stop()
		return false, err
	}
	s.at = instant(s.head)
	return true, nil
}

// merge opens a file when its time has come, so that few are open at once.
func merge(waiting []start, warn func(error), yield func(*pricingv1.RecordedRequest, error) bool) {
	var open []*source
	defer func() {
		for _, s := range open {
			s.stop()
		}
	}()
	for {
		first := earliest(open)
		if len(waiting) > 0 && (first < 0 || waiting[0].at <= open[first].at) {
			s := &source{}
			s.next, s.stop = iter.Pull2(readFile(waiting[0].path, warn))
			waiting = waiting[1:]
			ok, err := s.advance()
			if err != nil {
				yield(nil, err)
				return
			}
			if ok {
				open = append(open, s)
			}
			continue
		}
		if first < 0 {
			return
		}
		if !yield(open[first].head, nil) {
			return
		}
		ok, err := open[first].advance()
		if err != nil {
			yield(nil, err)
			return
		}
		if !ok {
			open = slices.Delete(open, first, first+1)
		}
	}
}

// earliest is the index of the source whose head comes first, -1 without sources.
func earliest(open []*source) int {
	first := -1
	for i, s := range open {
		if first < 0 || s.at < open[first].at {
			first = i
		}
	}
	return first
}

// readFile reads one file. It passes over a torn last line, and over a file that is gone.
func readFile(path string, warn func(error)) iter.Seq2[*pricingv1.RecordedRequest, error] {
	return func(yield func(*pricingv1.RecordedRequest, error) bool) {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			warn(fmt.Errorf("recording: %w; it was deleted meanwhile", err))
			return
		}
		if err != nil {
			yield(nil, fmt.Errorf("recording: %w", err))
			return
		}
		defer func() { _ = f.Close() }() // it was only read
		for record, err := range Read(f) {
			if errors.Is(err, ErrTorn) {
				warn(fmt.Errorf("recording %s: %w", path, err))
				return
			}
			if err != nil {
				err = fmt.Errorf("recording %s: %w", path, err)
			}
			if !yield(record, err) {
				return
			}
		}
	}
}

// instant is when a record was made, for sorting; those made by hand may not say, and come first.
func instant(record *pricingv1.RecordedRequest) int64 {
	if record.GetRecordedAt() == nil {
		return 0
	}
	return record.GetRecordedAt().AsTime().UnixNano()
}
