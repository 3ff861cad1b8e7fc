package server

import (
	"compress/gzip"
	"errors"
	"io"

	"connectrpc.com/connect"
)

// errInflated ends the reading of a body that grows too large when it is decompressed.
var errInflated = errors.New("the decompressed message is too large")

// boundedGzip stops inflating at a bound: the handler reads a refused message to its end to tell its size, which for four megabytes of
// hostile gzip are four gigabytes.
type boundedGzip struct {
	gzip.Reader
	max, left int64
}

func (r *boundedGzip) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, errInflated
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

// withBoundedGzip is gzip for requests of at most max bytes once decompressed. A larger one is found out within twice of that.
func withBoundedGzip(maxBytes int64) connect.HandlerOption {
	return connect.WithCompression("gzip",
		func() connect.Decompressor { return &boundedGzip{max: 2 * maxBytes} },
		func() connect.Compressor { return gzip.NewWriter(io.Discard) },
	)
}
