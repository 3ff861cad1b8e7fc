package history

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"proscenium/scenes/source"
)

// A version on disk is one file, so that it is there whole or not at all:
//
//	proscenium-config 1 SHA256     of all that follows the line
//	{"source": ..., "files": ...}  the header, in one line
//	the contents of the files, one behind the other
const (
	magic = "proscenium-config 1 "
	// maxHeader bounds what is read of a damaged file before it is given up.
	maxHeader = 16 << 20
	// maxKept and maxTurn are more than any version has: what has more is damaged.
	maxKept = maxHeader + 128<<20
	maxTurn = 1 << 53
)

// kept is the header of a version on disk.
type kept struct {
	// Source is whose it is: another one's is never served.
	Source string `json:"source"`
	Version
	// Turn counts when it last began to serve: clocks go back at times.
	Turn  int64      `json:"turn"`
	Parts []keptFile `json:"parts"`
}

type keptFile struct {
	Name string `json:"name"`
	Size int    `json:"size"`
}

func (k *kept) bytes() int {
	total := 0
	for _, f := range k.Parts {
		total += f.Size
	}
	return total
}

var (
	errDamaged   = errors.New("it is damaged")
	errTruncated = errors.New("its end is missing")
	errNoFile    = errors.New("it is no regular file")
)

// encode writes a version as it is on disk.
func encode(k kept, files []source.File) ([]byte, error) {
	k.Parts = make([]keptFile, len(files))
	for i, f := range files {
		k.Parts[i] = keptFile{Name: f.Name, Size: len(f.Data)}
	}
	header, err := json.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("write the header: %w", err)
	}
	var body bytes.Buffer
	body.Grow(len(header) + 1 + k.bytes())
	body.Write(header)
	body.WriteByte('\n')
	for _, f := range files {
		body.Write(f.Data)
	}
	sum := sha256.Sum256(body.Bytes())
	first := magic + hex.EncodeToString(sum[:]) + "\n"
	return append([]byte(first), body.Bytes()...), nil
}

// decode reads what encode wrote, and refuses everything else.
func decode(data []byte) (kept, []source.File, error) {
	first, body, _ := bytes.Cut(data, []byte("\n"))
	sum := sha256.Sum256(body)
	if string(first) != magic+hex.EncodeToString(sum[:]) {
		return kept{}, nil, errDamaged
	}
	k, size, err := decodeHeader(bytes.NewReader(data))
	if err != nil {
		return kept{}, nil, err
	}
	rest := data[size:]
	files := make([]source.File, 0, len(k.Parts))
	for _, f := range k.Parts {
		if f.Size < 0 || f.Size > len(rest) {
			return kept{}, nil, errTruncated
		}
		if !fs.ValidPath(f.Name) || !source.IsPart(f.Name) {
			return kept{}, nil, errDamaged // who gets the files may write them below a directory
		}
		files = append(files, source.File{Name: f.Name, Data: rest[:f.Size:f.Size]})
		rest = rest[f.Size:]
	}
	return k, files, nil
}

// decodeHeader reads the first lines, and says how many bytes they have. What follows is not looked at.
func decodeHeader(r io.Reader) (k kept, size int, err error) {
	lines := bufio.NewReader(io.LimitReader(r, maxHeader))
	first, err := lines.ReadBytes('\n')
	if err != nil || !bytes.HasPrefix(first, []byte(magic)) {
		return kept{}, 0, errDamaged
	}
	second, err := lines.ReadBytes('\n')
	if err != nil {
		return kept{}, 0, errTruncated
	}
	if err := json.Unmarshal(second, &k); err != nil {
		return kept{}, 0, errDamaged
	}
	return k, len(first) + len(second), nil
}
