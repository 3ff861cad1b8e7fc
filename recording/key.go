package recording

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// KeyFile is the name of the key in the directory of a process's data, where the settings name no other file.
const KeyFile = "recording.key"

const keyBytes = 32

// Key is the secret that pseudonyms are made with: who has it can find the users of a recording again, as long as their ids are known
// elsewhere; without it nobody can. It never shows itself: not in logs, not in formatted text, not in JSON. It comes from [LoadKey] or [OpenKey].
type Key struct {
	// A pointer is what formatting shows of a key that is an unexported field, where methods are not asked.
	secret *[keyBytes]byte
}

// shownKey stands for a key wherever one would be written.
const shownKey = "[key]"

// String hides the key.
func (Key) String() string { return shownKey }

// Format hides the key under every verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(shownKey)) }

// LogValue hides the key.
func (Key) LogValue() slog.Value { return slog.StringValue(shownKey) }

// MarshalText hides the key.
func (Key) MarshalText() ([]byte, error) { return []byte(shownKey), nil }

// LoadKey reads the key in a file: 64 hexadecimal digits, and white space around them. Errors never show what the file holds.
func LoadKey(path string) (Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fmt.Errorf("key of recordings: %w", err)
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) != keyBytes {
		return Key{}, fmt.Errorf("key of recordings: %s holds no key, which is 64 hexadecimal digits; make one with: openssl rand -hex %d", path, keyBytes)
	}
	key := Key{(*[keyBytes]byte)(secret)}
	if *key.secret == [keyBytes]byte{} {
		return Key{}, fmt.Errorf("key of recordings: %s holds nothing but zeros; make a key with: openssl rand -hex %d", path, keyBytes)
	}
	return key, nil
}

// OpenKey reads the key in a file, and makes a new one, which only the owner can read, where there is none. Processes that do so at the same
// time end up with the same key, and none sees a part of one.
func OpenKey(path string) (Key, error) {
	key, err := LoadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := makeKey(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return Key{}, fmt.Errorf("make a key of recordings: %w; or name a file that has one with recording.user_key_file", err)
	}
	return LoadKey(path)
}

// makeKey writes the key beside its place and links it there: unlike a rename, a link never replaces what another process made meanwhile.
func makeKey(path string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // readable for the owner only
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	var secret [keyBytes]byte
	_, _ = rand.Read(secret[:]) // never fails
	_, err = f.WriteString(hex.EncodeToString(secret[:]) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}
