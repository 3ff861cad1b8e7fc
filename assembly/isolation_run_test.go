package assembly_test

import (
	"bytes"
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

// isolationRun is a run of the subject's steps, with or without others between them.
type isolationRun struct {
	subject traffic.Class
	steps   []isolationStep
	// others are made before each step by the other class; nil: nobody.
	others [][]isolationStep
	// atOnce makes them in other goroutines while the subject goes on.
	atOnce bool
	join   func(testing.TB, *isolationStage) // nil: all is apart
}

// gap is the time between two steps of the subject: none meets what happens each 50 ms.
const gap = 97_123_457 * time.Nanosecond

// steeredConfig has short windows, for a Redis with the clock of the process.
func steeredConfig() string {
	return strings.NewReplacer("SHORT", "2s", "LONG", "1h", "QUOTA", "220", "HALF", "4", "FEW", "3", "MEMORY", "1s", "CACHED", "1m").Replace(isolationConfig)
}

// playSteered makes a run in a process and on a Redis that share one clock, which only moves when everything waits: nothing is left to chance, and nothing needs to be
// left out of the transcript but random texts.
func playSteered(t *testing.T, run isolationRun) (lines, strange []string) {
	t.Helper()
	_, clock := kvtest.Steered(t, time.Unix(946_684_800, 0))
	prefix := "test-" + strings.ReplaceAll(t.Name(), "/", "-")
	prefix = prefix[:min(len(prefix), 60)]
	synctest.Test(t, func(t *testing.T) {
		dialer := &steeredDialer{clock: clock}
		stores := kvtest.At(t, clock.Addr(), func(o *kv.Options) { o.Dial, o.Connections, o.Prefix = dialer.dial, 300, prefix })
		s := &isolationStage{subject: run.subject, now: time.Now, exact: true, queues: true, stores: stores, market: &isolationMarket{wait: time.Sleep}}
		openStage(t, s, steeredConfig(), run.join)
		ctx, stop := context.WithCancel(t.Context())
		var work, crowd sync.WaitGroup
		for _, f := range s.fleets {
			work.Go(func() { f.Run(ctx) })
		}
		began := time.Now()
		for i := range run.steps {
			time.Sleep(time.Until(began.Add(time.Duration(i+1) * gap)))
			if run.others != nil {
				for j := range run.others[i] {
					crowd.Go(func() { s.disturb(t.Context(), &run.others[i][j]) })
					if !run.atOnce {
						synctest.Wait()
					}
				}
			}
			s.act(t.Context(), i, &run.steps[i])
			synctest.Wait()
		}
		time.Sleep(time.Until(began.Add(time.Duration(len(run.steps)+10) * gap)))
		crowd.Wait()
		synctest.Wait()
		s.status("")
		dialer.tick()
		keys, err := keysOf(t.Context(), clock.Addr(), prefix+":"+run.subject.String()+":", true)
		if err != nil {
			t.Fatal(err)
		}
		lines, strange = slices.Concat(s.lines, keys), s.strange
		stop()
		work.Wait()
	})
	return lines, strange
}

// steeredDialer sets the clock of Redis to that of the process with every command. Connections that wait for messages wait by that clock: Redis is not asked, for
// all there would be is what other processes purge.
type steeredDialer struct {
	mu    sync.Mutex
	clock *kvtest.Clock
}

func (d *steeredDialer) tick() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clock.Set(time.Now())
}

func (d *steeredDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	return &steeredConn{Conn: conn, dialer: d}, err
}

type steeredConn struct {
	net.Conn
	dialer  *steeredDialer
	waiting atomic.Bool
}

func (c *steeredConn) Write(b []byte) (int, error) {
	c.dialer.tick()
	if bytes.Contains(b[:min(len(b), 20)], []byte("xread\r\n")) {
		c.waiting.Store(true)
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// Deadlines are by the clock of the machine, which goes on while that of the process waits for Redis: there are none.
func (*steeredConn) SetDeadline(time.Time) error      { return nil }
func (*steeredConn) SetReadDeadline(time.Time) error  { return nil }
func (*steeredConn) SetWriteDeadline(time.Time) error { return nil }

func (c *steeredConn) Read(b []byte) (int, error) {
	if c.waiting.Swap(false) {
		time.Sleep(200 * time.Millisecond)
		return copy(b, "*-1\r\n"), nil
	}
	return c.Conn.Read(b)
}

// kindsThatDiffer are the first words of the lines that two transcripts do not have in common, and the first of those lines.
func kindsThatDiffer(alone, among []string) (kinds []string, first string) {
	count := map[string]int{}
	for _, l := range alone {
		count[l]++
	}
	for _, l := range among {
		count[l]--
	}
	note := func(lines []string) {
		for _, l := range lines {
			kind, _, _ := strings.Cut(strings.TrimPrefix(l, "now "), " ")
			if count[l] != 0 && !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
		}
	}
	note(alone)
	note(among)
	slices.Sort(kinds)
	for i := range min(len(alone), len(among)) {
		if alone[i] != among[i] {
			return kinds, "line " + alone[i] + "\n  is " + among[i]
		}
	}
	return kinds, "one is shorter"
}
