package operations

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// folder is the directory that operations keep their files in. It is made when there is something to keep, and only its owner can read it. Processes may
// share one.
type folder struct {
	path string
	// reached is called before each step of a write; nil outside of tests.
	reached func(step string)
}

func (f *folder) step(name string) {
	if f.reached != nil {
		f.reached(name)
	}
}

// lockFile is held by the process that changes something in the folder.
const lockFile = "lock"

// locked calls do while no other process changes the folder.
func (f *folder) locked(do func() error) (err error) {
	if err := os.MkdirAll(f.path, 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(f.path, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }() // and so unlocked
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return &fs.PathError{Op: "lock", Path: lock.Name(), Err: err}
	}
	return do()
}

// read is a file's content, nil where there is none.
func (f *folder) read(name string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(f.path, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// replace puts a file into the folder, whole or not at all, also where the process or the machine ends in the middle of it. The folder is locked.
func (f *folder) replace(name string, data []byte) (err error) {
	target := filepath.Join(f.path, name)
	temporary := target + ".new" // one is enough: the folder is locked
	f.step("create")
	out, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = out.Close()
			_ = os.Remove(temporary)
		}
	}()
	f.step("write")
	if _, err := out.Write(data); err != nil {
		return err
	}
	f.step("sync")
	if err := out.Sync(); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	f.step("rename")
	if err := os.Rename(temporary, target); err != nil {
		return err
	}
	f.step("sync folder")
	return f.sync()
}

// sync makes what was renamed last. File systems that cannot do so say that they can't, and are left alone.
func (f *folder) sync() error {
	d, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // it was only read
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}
