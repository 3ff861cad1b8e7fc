package recording

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const (
	someKey  = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	otherKey = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
)

func keyOf(t *testing.T, digits string) Key {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(digits), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestAKeyIsMadeOnceForTheOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", KeyFile)
	first, err := OpenKey(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := OpenKey(path)
	if err != nil || *second.secret != *first.secret {
		t.Errorf("the key changed: %v", err)
	}
	loaded, err := LoadKey(path)
	if err != nil || *loaded.secret != *first.secret {
		t.Errorf("the key is not what was made: %v", err)
	}
	for name, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700 | fs.ModeDir} {
		if info, err := os.Stat(name); err != nil || info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("beside the key there is %v", left)
	}
}

func TestProcessesThatMakeAKeyAtOnceAgreeOnOne(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), KeyFile)
		keys := make([]Key, 16)
		var group sync.WaitGroup
		for i := range keys {
			group.Go(func() {
				key, err := OpenKey(path)
				if err != nil {
					t.Error(err)
					return
				}
				keys[i] = key
			})
		}
		group.Wait()
		if t.Failed() {
			return
		}
		for _, key := range keys {
			if *key.secret != *keys[0].secret {
				t.Fatal("two keys")
			}
		}
	}
}

func TestWhatIsNoKeyIsRefusedWithoutShowingIt(t *testing.T) {
	for name, content := range map[string]string{
		"nothing":           "",
		"a half":            someKey[:32],
		"more than one":     someKey + someKey,
		"no digits":         strings.Repeat("sesame", 10) + "open",
		"zeros":             strings.Repeat("0", 64),
		"one digit too few": someKey[:63],
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), KeyFile)
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, read := range []func(string) (Key, error){LoadKey, OpenKey} {
				_, err := read(path)
				if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "openssl rand -hex 32") {
					t.Fatalf("error %v; want one that names the file and the fix", err)
				}
				if strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), someKey[:16]) {
					t.Errorf("error %q shows the content", err)
				}
			}
			if kept, err := os.ReadFile(path); err != nil || string(kept) != content {
				t.Errorf("the file was changed to %q", kept)
			}
		})
	}
	if _, err := LoadKey(filepath.Join(t.TempDir(), KeyFile)); err == nil {
		t.Error("no error without a file")
	}
}

func TestAKeyNeverShowsItself(t *testing.T) {
	key := keyOf(t, someKey)
	holder := struct{ Key Key }{key}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", slog.Any("key", key), slog.Any("holder", holder))
	asJSON, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(key, &key, holder), fmt.Sprintf("%v %+v %#v %x %X %s %d %q", key, key, key, key, key, key, key, key),
		fmt.Sprintf("%v %+v %#v %x", holder, holder, holder, holder), log.String(), string(asJSON),
		fmt.Sprintf("%v %+v", *NewPseudonyms(key), NewPseudonyms(key)),
	} {
		for _, secret := range []string{"aabbcc", "AABBCC", "170 187", "0xaa", "0 17 34"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q shows the key", text)
			}
		}
	}
}
