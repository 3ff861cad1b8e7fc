// Package bench measures what prices cost, as ratios against a baseline of the same run: run `make bench`.
//
// Servers run as processes of their own, so that what is measured is their CPU and not that of the load.
package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"proscenium/gen/proscenium/pricing/v1/pricingv1connect"
)

const procedure = pricingv1connect.PricingServiceGetPromotionInfoProcedure

// call is an HTTP/1.1 request as it goes over the wire.
func call(address, procedure string, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/proto\r\nConnect-Protocol-Version: 1\r\nContent-Length: %d\r\n\r\n",
		procedure, address, len(body))
	b.Write(body)
	return b.Bytes()
}

// caller sends one request after the other over one connection. It does as little as it can: the load shares the machine with the server.
type caller struct {
	conn   net.Conn
	reader *bufio.Reader
	call   []byte
	part   []byte // of an answer, used again and again
}

func dial(ctx context.Context, address string, call []byte) (*caller, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &caller{conn: conn, reader: bufio.NewReaderSize(conn, 64<<10), call: call}, nil
}

// do sends the request and reads the answer; keep is called with each part of its body, if it is not nil, and must copy what it keeps.
func (c *caller) do(keep func([]byte)) error {
	if _, err := c.conn.Write(c.call); err != nil {
		return err
	}
	status, err := c.reader.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200")) {
		rest, _ := io.ReadAll(io.LimitReader(c.reader, int64(c.reader.Buffered())))
		return fmt.Errorf("the server answered %s %s", bytes.TrimSpace(status), rest)
	}
	return c.body(keep)
}

// body reads the header of an answer and what follows it.
func (c *caller) body(keep func([]byte)) error {
	length, chunked, err := c.header()
	if err != nil {
		return err
	}
	if !chunked {
		return c.take(length, keep)
	}
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return fmt.Errorf("the size of a chunk: %w", err)
		}
		if size > 0 {
			if err := c.take(int(size), keep); err != nil {
				return err
			}
		}
		if _, err := c.reader.Discard(len("\r\n")); err != nil || size == 0 {
			return err
		}
	}
}

// header reads the header of an answer, which tells the length of its body or that it comes in chunks.
func (c *caller) header() (length int, chunked bool, err error) {
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return 0, false, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return length, chunked, nil
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch string(name) {
		case "Content-Length":
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, false, err
			}
		case "Transfer-Encoding":
			chunked = string(value) == "chunked"
		}
	}
}

// take reads a part of a body.
func (c *caller) take(n int, keep func([]byte)) error {
	if keep == nil {
		_, err := c.reader.Discard(n)
		return err
	}
	c.part = slices.Grow(c.part[:0], n)[:n]
	if _, err := io.ReadFull(c.reader, c.part); err != nil {
		return err
	}
	keep(c.part)
	return nil
}

// once asks for one answer.
func once(ctx context.Context, address string, call []byte) ([]byte, error) {
	c, err := dial(ctx, address, call)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.conn.Close() }()
	var answer []byte
	err = c.do(func(part []byte) { answer = append(answer, part...) })
	return answer, err
}

// saturate sends requests over so many connections, each as soon as the one before is answered, and returns how many were answered.
func saturate(ctx context.Context, address string, call []byte, connections int, d time.Duration) (int64, error) {
	var answered atomic.Int64
	end := time.Now().Add(d)
	err := onConnections(ctx, address, call, connections, func(c *caller) error {
		for time.Now().Before(end) {
			if err := c.do(nil); err != nil {
				return err
			}
			answered.Add(1)
		}
		return nil
	})
	return answered.Load(), err
}

// arrive sends requests at a fixed rate, whether or not those before are answered, and returns the latencies, sorted. A latency counts from
// the time when the request was due: a server that stalls is not spared the requests that would have come meanwhile.
func arrive(ctx context.Context, address string, call []byte, connections int, rate float64, d time.Duration) ([]time.Duration, error) {
	total := int64(rate * d.Seconds())
	latencies := make([]time.Duration, total)
	interval := float64(time.Second) / rate
	var next atomic.Int64
	start := time.Now().Add(10 * time.Millisecond)
	err := onConnections(ctx, address, call, connections, func(c *caller) error {
		for {
			i := next.Add(1) - 1
			if i >= total {
				return nil
			}
			due := start.Add(time.Duration(float64(i) * interval))
			if wait := time.Until(due); wait > 0 {
				<-time.After(wait)
			}
			if err := c.do(nil); err != nil {
				return err
			}
			latencies[i] = time.Since(due)
		}
	})
	slices.Sort(latencies)
	return latencies, err
}

func onConnections(ctx context.Context, address string, call []byte, n int, run func(*caller) error) error {
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			c, err := dial(ctx, address, call)
			if err != nil {
				errs[i] = err
				return
			}
			defer func() { _ = c.conn.Close() }()
			errs[i] = run(c)
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// quantile of sorted values.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
