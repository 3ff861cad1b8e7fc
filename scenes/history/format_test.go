package history

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"proscenium/scenes/source"
)

// Nothing that is read makes the decoder panic, and what it takes is what encode would have written.
func FuzzDecode(f *testing.F) {
	good, err := encode(kept{Source: "market", Version: Version{Version: "v"}}, []source.File{{Name: "a.yaml", Data: []byte("scenes: []\n")}, {Name: "b.yaml"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(magic + "00\n{}\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _, _ = decodeHeader(bytes.NewReader(data))
		k, files, err := decode(data)
		if err != nil {
			return
		}
		again, err := encode(k, files)
		if err != nil {
			t.Fatal(err)
		}
		_, same, err := decode(again)
		if err != nil || !slices.EqualFunc(files, same, func(a, b source.File) bool { return a.Name == b.Name && bytes.Equal(a.Data, b.Data) }) {
			t.Errorf("%q, %v", same, err)
		}
	})
}

// Who is sent the files of a version may write them below a directory.
func TestAFileOutsideOfTheDirectoryIsNotRead(t *testing.T) {
	for _, name := range []string{"../../etc/cron.d/x.yaml", "/etc/x.yaml", "a//b.yaml", "x.sh", ""} {
		data, err := encode(kept{Source: "market", Version: Version{Version: "v"}}, []source.File{{Name: name}})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := decode(data); !errors.Is(err, errDamaged) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
