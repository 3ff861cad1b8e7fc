package history

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// write puts a file into the store's directory, whole or not at all, also when the process or the machine ends in the middle of it.
func (s *Store) write(name string, data []byte) (err error) {
	if err := makeDir(s.dir); err != nil {
		return err
	}
	defer func() { err = withoutName(s.dir, err) }()
	f, err := os.CreateTemp(s.dir, tempPrefix+"*") // only its owner can read it
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(s.dir, name)); err != nil {
		return err
	}
	return syncDir(s.dir)
}

// withoutName leaves the random name of a temporary file out of an error: the same trouble is to read the same.
func withoutName(dir string, err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: path.Op, Path: dir, Err: path.Err}
	}
	if link, ok := errors.AsType[*os.LinkError](err); ok {
		return &fs.PathError{Op: link.Op, Path: dir, Err: link.Err}
	}
	return err
}

// makeDir makes a directory, and has the directories above it remember that, where they can.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for range 3 { // the source's, those of all configurations, and that of the data
		dir = filepath.Dir(dir)
		_ = syncDir(dir)
	}
	return nil
}

// syncDir makes what was renamed or removed in a directory last. File systems that cannot do so say that they can't, and are left alone.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // it was only read
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}
