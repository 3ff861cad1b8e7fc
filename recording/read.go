package recording

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"google.golang.org/protobuf/encoding/protojson"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// MaxLine bounds a line of a recording, in bytes: a request may have 4 MiB on the wire, and JSON is larger.
const MaxLine = 32 << 20

// ErrTorn is wrapped by the error of a last line that was cut short, as a process leaves it that was killed while it wrote. All lines before
// it were read.
var ErrTorn = errors.New("the last line is cut short; its writer ended while it wrote")

// Read reads a recording, line by line, also one that gzip has compressed; empty lines are passed over. It ends with the first error, which
// names the line.
func Read(r io.Reader) iter.Seq2[*pricingv1.RecordedRequest, error] {
	return func(yield func(*pricingv1.RecordedRequest, error) bool) {
		r, err := decompressed(r)
		if err != nil {
			yield(nil, err)
			return
		}
		lines, n, cut := bufio.NewScanner(r), 0, false
		lines.Buffer(nil, MaxLine)
		lines.Split(func(data []byte, atEOF bool) (int, []byte, error) {
			advance, line, err := bufio.ScanLines(data, atEOF)
			cut = line != nil && advance == len(data) && data[advance-1] != '\n'
			return advance, line, err
		})
		for lines.Scan() {
			n++
			text := bytes.TrimSpace(lines.Bytes())
			if len(text) == 0 {
				continue
			}
			record, err := parse(text)
			if err != nil {
				switch {
				case cut && lines.Err() != nil: // of the reader, as of compressed data that ends too early
					err = lines.Err()
				case cut && !json.Valid(text):
					err = fmt.Errorf("%w: %w", ErrTorn, err)
				}
				yield(nil, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if !yield(record, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(nil, fmt.Errorf("after line %d: %w", n, err))
		}
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
