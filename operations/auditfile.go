package operations

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	auditFileBytes = 2 << 20
	auditFiles     = 5
)

// auditFile is the part of the audit log that is on disk: a line of JSON for each entry, in files of which the oldest give way.
type auditFile struct {
	folder folder
	most   int64 // bytes of a file
	files  int   // how many are kept
}

// name is that of a file: 0 is the one that is written, greater ones are older.
func (f *auditFile) name(age int) string {
	if age == 0 {
		return filepath.Join(f.folder.path, "audit.jsonl")
	}
	return filepath.Join(f.folder.path, fmt.Sprintf("audit.%d.jsonl", age))
}

// append writes an entry, and returns when it is on disk.
func (f *auditFile) append(e *Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	return f.folder.locked(func() error {
		size, torn, err := f.end()
		if err != nil {
			return err
		}
		if size > 0 && size+int64(len(line)) > f.most {
			if err := f.rotate(); err != nil {
				return err
			}
			size, torn = 0, false
		}
		if torn {
			line = append([]byte{'\n'}, line...) // what a process that ended in the middle of a line left is a line of its own
		}
		return f.write(line, size == 0)
	})
}

// end is the size of the file that is written, and whether its last line has no end.
func (f *auditFile) end() (size int64, torn bool, err error) {
	in, err := os.Open(f.name(0))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = in.Close() }() // it was only read
	info, err := in.Stat()
	if err != nil || info.Size() == 0 {
		return 0, false, err
	}
	var lastByte [1]byte
	if _, err := in.ReadAt(lastByte[:], info.Size()-1); err != nil {
		return 0, false, err
	}
	return info.Size(), lastByte[0] != '\n', nil
}

func (f *auditFile) rotate() error {
	for age := f.files - 2; age >= 0; age-- {
		f.folder.step("rotate")
		if err := os.Rename(f.name(age), f.name(age+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (f *auditFile) write(line []byte, first bool) error {
	f.folder.step("open")
	out, err := os.OpenFile(f.name(0), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	f.folder.step("write")
	_, err = out.Write(line)
	f.folder.step("sync")
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	if !first {
		return nil
	}
	return f.folder.sync()
}

// read returns the entries, the oldest first. Lines that are none, such as one that was not finished, are left out.
func (f *auditFile) read() ([]Entry, error) {
	if _, err := os.Stat(f.folder.path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []Entry
	err := f.folder.locked(func() error {
		for age := f.files - 1; age >= 0; age-- {
			data, err := os.ReadFile(f.name(age))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			for line := range bytes.Lines(data) {
				var e Entry
				if json.Unmarshal(line, &e) == nil && e.ID != "" {
					all = append(all, e)
				}
			}
		}
		return nil
	})
	return all, err
}
