package recording

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// batchBytes is how much is written at once: whole lines, so that processes that are killed tear the last of a file at most.
const batchBytes = 64 << 10

// file is a file that is open for appending.
type file interface {
	Write([]byte) (int, error)
	Truncate(size int64) error
	Stat() (fs.FileInfo, error)
	Close() error
}

// writer owns the files. One goroutine uses it.
type writer struct {
	opts  Options
	lines lines
	// open makes a file that was not there; tests replace it.
	open func(path string) (file, error)

	batch   []byte
	waiting int // lines in batch

	file   file // nil: none
	path   string
	size   int64
	opened time.Time
	made   int // files, for their names

	kept    time.Time // when the directory was looked after last
	dropped int64     // that were told of
	trouble trouble
}

func newWriter(opts Options) *writer {
	return &writer{
		opts:  opts,
		lines: lines{pseudonyms: opts.Pseudonyms, weight: 1 / opts.SampleRatio},
		open: func(path string) (file, error) {
			return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_WRONLY, 0o600)
		},
		kept:    opts.Now(),
		trouble: trouble{log: opts.Log},
	}
}

// add takes a sample; it is in a file after the next flush.
func (w *writer) add(s sample) {
	before := len(w.batch)
	batch, err := w.lines.append(w.batch, s)
	if size := int64(len(batch) - before); err == nil && size > w.opts.RotateBytes {
		err = fmt.Errorf("a request of %d bytes does not fit into a file", size)
	}
	if err != nil {
		w.batch = batch[:before]
		w.failed(1, err)
		return
	}
	w.batch = batch
	if int64(len(batch)) > min(batchBytes, w.opts.RotateBytes) && before > 0 {
		_ = w.flushFirst(before) // counted and logged there
	}
	w.waiting++
}

// flushFirst writes the lines before the last, which begins at n.
func (w *writer) flushFirst(n int) error {
	last := w.batch[n:]
	w.batch = w.batch[:n]
	err := w.flush()
	w.batch = append(w.batch, last...) // moves it to the front
	return err
}

// flush writes the batch. What cannot be written is lost and counted; the next batch is tried again.
func (w *writer) flush() error {
	if w.waiting == 0 {
		return nil
	}
	err := w.write(w.batch)
	if err != nil {
		w.failed(w.waiting, err)
	} else {
		w.opts.Observer.RequestsRecorded(w.waiting, len(w.batch))
		w.trouble.over(w.opts.Now())
	}
	w.batch, w.waiting = w.batch[:0], 0
	if cap(w.batch) > 4*batchBytes {
		w.batch = nil // after a line that was very long
	}
	return err
}

// write appends to the file, or to a new one where it is full, old or gone.
func (w *writer) write(batch []byte) error {
	if w.file != nil && (w.size+int64(len(batch)) > w.opts.RotateBytes || w.old() || w.gone()) {
		w.endFile()
	}
	if w.file == nil {
		if err := w.next(); err != nil {
			return err
		}
	}
	n, err := w.file.Write(batch)
	if err == nil {
		w.size += int64(n)
		return nil
	}
	// A part of the batch may be there. Without it the file is whole again; if that fails, it ends here, with a torn line.
	if w.file.Truncate(w.size) != nil {
		err = errors.Join(err, w.closeFile())
	}
	return err
}

// next opens a new file, after making room for all that it may hold.
func (w *writer) next() error {
	now := w.opts.Now()
	if err := os.MkdirAll(w.opts.Directory, 0o700); err != nil { // someone may have deleted it
		return err
	}
	if err := makeRoom(w.opts.Directory, "", w.opts.MaxBytes-w.opts.RotateBytes, oldest(now, w.opts.MaxAge)); err != nil {
		return err
	}
	for {
		w.made++
		path := filepath.Join(w.opts.Directory, fileName(now, w.made))
		f, err := w.open(path)
		if errors.Is(err, fs.ErrExist) {
			continue // of another process, that has the same id on another machine
		}
		if err != nil {
			return err
		}
		w.file, w.path, w.size, w.opened = f, path, 0, now
		return nil
	}
}

// old says whether the file has to end, so that its first lines do not outlive the age that is allowed.
func (w *writer) old() bool {
	return w.opts.MaxAge > 0 && w.opts.Now().Sub(w.opened) >= w.opts.MaxAge/agesOfFile
}

// gone says whether someone has deleted the file, or moved it away.
func (w *writer) gone() bool {
	there, err := os.Stat(w.path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	ours, err := w.file.Stat()
	return err == nil && !os.SameFile(there, ours)
}

// endFile closes the file before another takes its place; an error may have cost any of its lines, and stops nothing.
func (w *writer) endFile() {
	if err := w.closeFile(); err != nil {
		w.failed(0, err)
	}
}

func (w *writer) closeFile() error {
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file = nil
	return f.Close()
}

// close writes what is left.
func (w *writer) close() error {
	return errors.Join(w.flush(), w.closeFile())
}

// housekeeping is how often the directory is looked after while no file ends.
const housekeeping = time.Minute

// keepHouse deletes, once in a while, what is too old or, where other processes write to the directory too, too much. It tells of requests
// that were dropped.
func (w *writer) keepHouse(dropped int64) {
	now := w.opts.Now()
	if now.Sub(w.kept) < housekeeping {
		return
	}
	w.kept = now
	if n := dropped - w.dropped; n > 0 {
		w.opts.Log.Warn("requests were not recorded: more came than can be written; lower recording.sample_ratio", slog.Int64("requests", n))
		w.dropped = dropped
	}
	if w.file != nil && w.old() {
		w.endFile()
	}
	own, limit := "", w.opts.MaxBytes
	if w.file != nil {
		own, limit = filepath.Base(w.path), limit-w.opts.RotateBytes
	}
	if err := makeRoom(w.opts.Directory, own, limit, oldest(now, w.opts.MaxAge)); err != nil {
		w.failed(0, err)
	}
}

func (w *writer) failed(requests int, err error) {
	w.opts.Observer.RecordingFailed(requests)
	w.trouble.tell(w.opts.Now(), requests, err)
}
