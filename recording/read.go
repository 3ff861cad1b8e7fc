// Package recording keeps a sample of the requests that a server answers, to price them again: under an edited configuration, or on another
// server.
//
// A recording is a file of JSON lines, each a proscenium.pricing.v1.RecordedRequest. User ids are pseudonyms in it.
package recording

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"google.golang.org/protobuf/encoding/protojson"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// MaxLine bounds a line of a recording, in bytes: a request may have 4 MiB on the wire, and JSON is larger.
const MaxLine = 32 << 20

// Read reads a recording, line by line; empty lines are passed over. It ends with the first error, which names the line.
func Read(r io.Reader) iter.Seq2[*pricingv1.RecordedRequest, error] {
	return func(yield func(*pricingv1.RecordedRequest, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, MaxLine)
		n := 0
		for lines.Scan() {
			n++
			text := bytes.TrimSpace(lines.Bytes())
			if len(text) == 0 {
				continue
			}
			record := &pricingv1.RecordedRequest{}
			err := protojson.Unmarshal(text, record)
			if err == nil && record.GetRequest() == nil {
				err = errors.New(`it has no field request; write {"recorded_at": ..., "request": {...}}`)
			}
			if err != nil {
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
