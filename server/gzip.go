package server

import (
	"compress/gzip"
	"io"

	"connectrpc.com/connect"
)

// boundedGzip stops inflating at a bound: four megabytes of hostile gzip are four gigabytes.
type boundedGzip struct {
	gzip.Reader
	max, left int64
	// refuse makes the error of a message that goes beyond.
	refuse func() error
}

func (r *boundedGzip) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, r.refuse()
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.Reader.Read(p)
	r.left -= int64(n)
	return n, err
}

// Reset prepares the reader for another message.
func (r *boundedGzip) Reset(src io.Reader) error {
	r.left = r.max
	return r.Reader.Reset(src)
}

// withBoundedGzip is gzip for requests of at most max bytes once decompressed. Of a larger one, one byte more is read before it is refused.
func withBoundedGzip(maxBytes int64, refuse func() error) connect.HandlerOption {
	return connect.WithCompression("gzip",
		func() connect.Decompressor { return &boundedGzip{max: maxBytes + 1, refuse: refuse} },
		func() connect.Compressor { return gzip.NewWriter(io.Discard) },
	)
}
