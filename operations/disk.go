package operations

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// switchesFile holds all switches: a line with the checksum of what follows, then a line for each.
const (
	switchesFile = "switches"
	magic        = "proscenium-switches 1 "
)

var errDamaged = errors.New("the kept switches are damaged")

func encodeAll(entries map[string]*entry) []byte {
	var body bytes.Buffer
	for _, field := range slices.Sorted(maps.Keys(entries)) {
		body.Write(entries[field].text)
		body.WriteByte('\n')
	}
	sum := sha256.Sum256(body.Bytes())
	return append([]byte(magic+hex.EncodeToString(sum[:])+"\n"), body.Bytes()...)
}

// decodeAll reads what encodeAll wrote; nothing is damaged where there is nothing. Lines that are no switch, of a later version say, are left out.
func decodeAll(data []byte) ([]*entry, error) {
	if len(data) == 0 {
		return nil, nil
	}
	first, body, _ := bytes.Cut(data, []byte("\n"))
	sum := sha256.Sum256(body)
	if string(first) != magic+hex.EncodeToString(sum[:]) {
		return nil, errDamaged
	}
	var all []*entry
	for line := range bytes.Lines(body) {
		if e, err := decode(bytes.TrimSuffix(line, []byte("\n"))); err == nil {
			all = append(all, e)
		}
	}
	return all, nil
}

// load reads the kept switches.
func (s *Switches) load() error {
	if s.folder == nil {
		return nil
	}
	data, err := s.folder.read(switchesFile)
	if err != nil {
		return fmt.Errorf("read the kept switches: %w", err)
	}
	kept, err := decodeAll(data)
	if err != nil {
		file := filepath.Join(s.folder.path, switchesFile)
		return errors.Join(fmt.Errorf("%w; they are put aside as %s.damaged", err, file), os.Rename(file, file+".damaged"))
	}
	s.merge(kept)
	return nil
}

// keep brings the folder and what is here in step.
func (s *Switches) keep() error {
	changed, err := s.save()
	if changed {
		s.tell()
	}
	return s.troubles.note(onDisk, err)
}

// save writes what the folder lacks, and takes over what another process that shares it wrote. It says whether that changed anything here.
func (s *Switches) save() (changed bool, err error) {
	if s.folder == nil {
		return false, nil
	}
	s.saving.Lock()
	defer s.saving.Unlock()
	data, err := s.folder.read(switchesFile)
	if err != nil {
		return false, err
	}
	if kept, err := decodeAll(data); err == nil {
		changed = s.merge(kept)
	}
	entries := s.all()
	if len(entries) == 0 && data == nil || bytes.Equal(encodeAll(entries), data) {
		return changed, nil
	}
	err = s.folder.locked(func() error {
		data, err := s.folder.read(switchesFile) // once more: who held the lock may have written
		if err != nil {
			return err
		}
		if kept, err := decodeAll(data); err == nil {
			changed = s.merge(kept) || changed
		}
		return s.folder.replace(switchesFile, encodeAll(s.all()))
	})
	return changed, err
}
