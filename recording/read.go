// Package recording keeps a sample of the requests that a server answers, to price them again: under an edited configuration, or on another
// server.
//
// A recording is a file of JSON lines, each a proscenium.pricing.v1.RecordedRequest. User ids are pseudonyms in it. A [Recorder] writes
// recordings, [Lines] reads them, and a [Restorer] gives known users their ids back.
package recording

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protojson"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// MaxLine bounds a line of a recording, in bytes: a request may have 4 MiB on the wire, and JSON is larger.
const MaxLine = 32 << 20

// ErrTorn is wrapped by the error of a last line that was cut short, as a process leaves it that was killed while it wrote. All lines before
// it were read.
var ErrTorn = errors.New("the last line is cut short; its writer ended while it wrote")

// scanner reads lines, and knows which has no end.
type scanner struct {
	*bufio.Scanner
	cut bool
}

func newScanner(r io.Reader) *scanner {
	s := &scanner{Scanner: bufio.NewScanner(r)}
	s.Buffer(nil, MaxLine)
	s.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		advance, line, err := bufio.ScanLines(data, atEOF)
		s.cut = line != nil && advance == len(data) && data[advance-1] != '\n'
		return advance, line, err
	})
	return s
}

// cause is why the line that was read last is wrong, where parsing it gave err.
func (s *scanner) cause(line []byte, err error) error {
	switch {
	case s.cut && s.Err() != nil: // of the reader, as of compressed data that ends too early
		return s.Err()
	case s.cut && !json.Valid(line):
		return fmt.Errorf("%w: %w", ErrTorn, err)
	default:
		return err
	}
}

func parse(line []byte) (*pricingv1.RecordedRequest, error) {
	record := &pricingv1.RecordedRequest{}
	if err := protojson.Unmarshal(line, record); err != nil {
		return nil, err
	}
	if record.GetRequest() == nil {
		return nil, errors.New(`it has no field request; write {"recorded_at": ..., "request": {...}}`)
	}
	return record, nil
}

// decompressed undoes gzip, which no text begins like.
func decompressed(r io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(r)
	if head, _ := buffered.Peek(2); !bytes.Equal(head, []byte{0x1f, 0x8b}) {
		return buffered, nil
	}
	unzipped, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return unzipped, nil
}
