package recording

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The names of files that recorders make; others in the directory are left alone.
const (
	filePrefix = "requests-"
	fileSuffix = ".jsonl"
)

// fileName is that of the nth file of this process. Names sort by time.
func fileName(now time.Time, n int) string {
	return fmt.Sprintf("%s%s-%d-%04d%s", filePrefix, now.UTC().Format("20060102T150405.000Z"), os.Getpid(), n, fileSuffix)
}

// A file ends after one part of so many of the age that lines may have, and is deleted after the others.
const agesOfFile = 8

// oldest is the time before which a file must not have been written last.
func oldest(now time.Time, maxAge time.Duration) time.Time {
	if maxAge == 0 {
		return time.Time{}
	}
	return now.Add(maxAge/agesOfFile - maxAge)
}

// makeRoom deletes the recordings of a directory that were written last before a time, and then, beginning with the oldest, as many as it
// takes for the others to have no more than limit bytes. The file named own is neither counted nor deleted; one that another process writes
// to is among the youngest. It is an error if there is no room in the end.
func makeRoom(directory, own string, limit int64, before time.Time) error {
	files, total, err := recorded(directory, own)
	if err != nil {
		return err
	}
	var problems []error
	for _, f := range files {
		if total <= limit && !f.written.Before(before) {
			break
		}
		if err := os.Remove(filepath.Join(directory, f.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
			continue
		}
		total -= f.size
	}
	if total > limit {
		problems = append(problems, fmt.Errorf("%s has %d bytes of recordings, and there is room for %d", directory, total, limit))
	}
	return errors.Join(problems...)
}

type recordedFile struct {
	name    string
	size    int64
	written time.Time
}

// recorded lists the recordings of a directory but own, the oldest first.
func recorded(directory, own string) (files []recordedFile, total int64, err error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, 0, err
	}
	for _, entry := range entries {
		name := entry.Name()
		if name == own || !strings.HasPrefix(name, filePrefix) || !strings.HasSuffix(name, fileSuffix) || !entry.Type().IsRegular() {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // another process was faster
		}
		if err != nil {
			return nil, 0, err
		}
		files = append(files, recordedFile{name, info.Size(), info.ModTime()})
		total += info.Size()
	}
	slices.SortFunc(files, func(a, b recordedFile) int {
		return cmp.Or(a.written.Compare(b.written), cmp.Compare(a.name, b.name))
	})
	return files, total, nil
}
