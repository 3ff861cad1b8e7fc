package history

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"proscenium/scenes/source"
)

const (
	extension    = ".config"
	rollbackFile = "rollback.json"
	tempPrefix   = ".tmp-"
	// abandoned is the age from which a half-written file is taken for that of a process which died.
	abandoned = time.Hour
)

// Store keeps the versions of one source below a directory, one file for each. Processes may share a directory: files appear whole, by
// being renamed, and what one process overwrites of another's says the same.
//
// Only their owner can read the files: a configuration may be confidential.
type Store struct {
	dir    string
	source string
	now    func() time.Time
}

// NewStore keeps the versions of a source, known by a name that no other source has, below a directory. Nothing is made before there is
// something to keep.
func NewStore(dir, sourceName string) *Store {
	key := sha256.Sum256([]byte(sourceName))
	return &Store{dir: filepath.Join(dir, hex.EncodeToString(key[:8])), source: sourceName, now: time.Now}
}

// Dir is where the versions of the source are.
func (s *Store) Dir() string { return s.dir }

func (s *Store) path(version string) string { return filepath.Join(s.dir, version+extension) }

// list are the versions on disk, the one that served last first, and what is damaged.
func (s *Store) list() (all []kept, damaged error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the kept configurations: %w", err)
	}
	var problems []error
	for _, entry := range entries {
		version, ok := strings.CutSuffix(entry.Name(), extension)
		if !ok || entry.IsDir() {
			continue
		}
		if !entry.Type().IsRegular() {
			problems = append(problems, fmt.Errorf("the kept configuration %s is ignored: %w", s.path(version), errNoFile))
			continue // to open a pipe would take for ever
		}
		k, err := s.header(version)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another process has dropped it
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("the kept configuration %s is ignored: %w", s.path(version), err))
			continue
		}
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b kept) int {
		return cmp.Or(cmp.Compare(b.Turn, a.Turn), b.Served.Compare(a.Served), strings.Compare(a.Version.Version, b.Version.Version))
	})
	return all, errors.Join(problems...)
}

// header reads what a file says of itself, and checks that all of it is there.
func (s *Store) header(version string) (kept, error) {
	f, err := os.Open(s.path(version))
	if err != nil {
		return kept{}, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return kept{}, err
	}
	k, size, err := decodeHeader(f)
	if err != nil {
		return kept{}, err
	}
	if info.Size() != int64(size+k.bytes()) {
		return kept{}, errTruncated
	}
	if info.Size() > maxKept || k.Turn < 0 || k.Turn > maxTurn {
		return kept{}, errDamaged
	}
	return k, s.own(k, version)
}

// own refuses what was put into the directory by mistake.
func (s *Store) own(k kept, version string) error {
	switch {
	case k.Source != s.source:
		return fmt.Errorf("it is of the source %q, not of %q", k.Source, s.source)
	case k.Version.Version != version:
		return fmt.Errorf("it is of version %q", k.Version.Version)
	}
	return nil
}

// read returns a version whose content is what was written.
func (s *Store) read(version string) (kept, []source.File, error) {
	data, err := os.ReadFile(s.path(version))
	if err != nil {
		return kept{}, nil, err
	}
	k, files, err := decode(data)
	if err == nil {
		err = s.own(k, version)
	}
	if err != nil {
		return kept{}, nil, fmt.Errorf("the kept configuration %s: %w", s.path(version), err)
	}
	return k, files, nil
}

func (s *Store) put(k kept, files []source.File) error {
	k.Source = s.source
	data, err := encode(k, files)
	if err != nil {
		return err
	}
	return s.write(k.Version.Version+extension, data)
}

// keptRollback is a rollback on disk.
type keptRollback struct {
	Source string `json:"source"`
	Rollback
}

// rollback is the one that stands, nil where none does or it cannot be read.
func (s *Store) rollback() (*Rollback, error) {
	name := filepath.Join(s.dir, rollbackFile)
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // none stands, and nothing is wrong
	}
	var data []byte
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = errNoFile
	default:
		data, err = os.ReadFile(name)
	}
	var k keptRollback
	if err == nil {
		err = json.Unmarshal(data, &k)
	}
	if err == nil && (k.Source != s.source || k.Version == "" || k.From == "") {
		err = errDamaged
	}
	if err != nil {
		return nil, fmt.Errorf("the kept rollback %s is ignored: %w", name, err)
	}
	return &k.Rollback, nil
}

func (s *Store) setRollback(r *Rollback) error {
	if r == nil {
		if err := os.Remove(filepath.Join(s.dir, rollbackFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return syncDir(s.dir)
	}
	data, err := json.Marshal(keptRollback{Source: s.source, Rollback: *r})
	if err != nil {
		return err
	}
	return s.write(rollbackFile, append(data, '\n'))
}

// prune drops the versions beyond the bound, those first that did not serve for longest or are damaged, and what dead processes left half
// written. What cannot be dropped now can the next time.
func (s *Store) prune(most int) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return
	}
	all, _ := s.list()
	keep := make(map[string]bool)
	if r, _ := s.rollback(); r != nil {
		keep[r.Version+extension] = true
	}
	for _, k := range all {
		if len(keep) < most {
			keep[k.Version.Version+extension] = true
		}
	}
	surplus := -most
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), extension) {
			surplus++
		}
	}
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case strings.HasPrefix(name, tempPrefix):
			if info, err := entry.Info(); err == nil && s.now().Sub(info.ModTime()) > abandoned {
				_ = os.Remove(filepath.Join(s.dir, name))
			}
		case surplus > 0 && strings.HasSuffix(name, extension) && !keep[name]:
			_ = os.Remove(filepath.Join(s.dir, name))
		}
	}
}
