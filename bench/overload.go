package bench

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// crowd is a client that asks at a fixed rate over connections of its own, whether or not it is answered: as a service does whose users do not wait. A
// request that is due and finds no connection free within poolWait is given up unsent, as by a client whose pool has a timeout.
type crowd struct {
	name        string
	call        []byte
	rate        float64
	connections int
}

const poolWait = 20 * time.Millisecond

// crowdResult counts the requests of a crowd that were due after the warm-up.
type crowdResult struct {
	due, good, late, refused, unsent, failed atomic.Int64
}

// overload lets crowds ask at once for warmup and then d.
func overload(ctx context.Context, address string, crowds []crowd, warmup, d, deadline time.Duration) ([]*crowdResult, error) {
	results := make([]*crowdResult, len(crowds))
	start := time.Now().Add(20 * time.Millisecond)
	var wg sync.WaitGroup
	errs := make(chan error, len(crowds))
	for i := range crowds {
		results[i] = &crowdResult{}
		wg.Go(func() {
			if err := crowds[i].ask(ctx, address, start, warmup, d, deadline, results[i]); err != nil {
				errs <- fmt.Errorf("%s: %w", crowds[i].name, err)
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return nil, err
	default:
		return results, nil
	}
}

func (c crowd) ask(ctx context.Context, address string, start time.Time, warmup, d, deadline time.Duration, out *crowdResult) error {
	total := int64(c.rate * (warmup + d).Seconds())
	interval := float64(time.Second) / c.rate
	var next atomic.Int64
	return onConnections(ctx, address, c.call, c.connections, func(conn *caller) error {
		for {
			i := next.Add(1) - 1
			if i >= total {
				return nil
			}
			after := time.Duration(float64(i) * interval)
			due := start.Add(after)
			if wait := time.Until(due); wait > 0 {
				<-time.After(wait)
			}
			counts := after >= warmup
			if counts {
				out.due.Add(1)
			}
			if time.Since(due) > poolWait {
				if counts {
					out.unsent.Add(1)
				}
				continue
			}
			status, err := conn.status()
			if err != nil {
				return err
			}
			if !counts {
				continue
			}
			switch {
			case status == 429 || status == 503:
				out.refused.Add(1)
			case status != 200:
				out.failed.Add(1)
			case time.Since(due) > deadline:
				out.late.Add(1)
			default:
				out.good.Add(1)
			}
		}
	})
}

// answered is how many requests a second a server answers that has never less than so many to do.
func answered(ctx context.Context, address string, call []byte, connections int, d time.Duration) (rate float64, err error) {
	var n atomic.Int64
	end := time.Now().Add(d)
	err = onConnections(ctx, address, call, connections, func(c *caller) error {
		for time.Now().Before(end) {
			status, err := c.status()
			if err != nil {
				return err
			}
			if status == 200 {
				n.Add(1)
			}
		}
		return nil
	})
	return float64(n.Load()) / d.Seconds(), err
}

// status sends the request, reads the answer whatever it is, and returns its status.
func (c *caller) status() (int, error) {
	if err := c.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := c.conn.Write(c.call); err != nil {
		return 0, err
	}
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(line)
	if len(fields) < 2 {
		return 0, fmt.Errorf("no status in %q", line)
	}
	status, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0, fmt.Errorf("the status of %q: %w", line, err)
	}
	return status, c.body(nil)
}

// callAs is call for a client of the configuration.
func callAs(client, address, procedure string, body []byte) []byte {
	return bytes.Replace(call(address, procedure, body), []byte("\r\n\r\n"), []byte("\r\nX-Proscenium-Client: "+client+"\r\n\r\n"), 1)
}
