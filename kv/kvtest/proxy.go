package kvtest

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between a store and its Redis, and disturbs what passes.
type Proxy struct {
	t        testing.TB
	target   string
	listener net.Listener
	handlers sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed when what follows changes
	stalled bool
	mute    bool
	delay   time.Duration
	open    map[net.Conn]struct{}
	ended   bool
	dropped int
}

// Through starts a proxy to an address, for the time of a test.
func Through(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{t: t, target: target, listener: l, changed: make(chan struct{}), open: map[net.Conn]struct{}{}}
	p.handlers.Go(p.accept)
	t.Cleanup(func() {
		p.change(func() { p.ended = true })
		_ = l.Close()
		p.Cut()
		p.handlers.Wait()
	})
	return p
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Delay holds each reply back for a while; 0 ends it.
func (p *Proxy) Delay(d time.Duration) { p.change(func() { p.delay = d }) }

// Stall holds everything back, in both directions, until Flow.
func (p *Proxy) Stall() { p.change(func() { p.stalled = true }) }

// Mute passes what is asked on and swallows the replies, until Flow: what was asked is carried out, and nobody hears of it.
func (p *Proxy) Mute() { p.change(func() { p.mute = true }) }

// Flow ends Stall, Mute and Delay. What was held back passes; swallowed replies are gone.
func (p *Proxy) Flow() { p.change(func() { p.stalled, p.mute, p.delay = false, false, 0 }) }

// Cut breaks all connections. New ones are taken.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close()
	}
}

// Connections is how many clients are connected.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open) / 2
}

// Dropped is how many bytes of replies were swallowed.
func (p *Proxy) Dropped() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dropped
}

func (p *Proxy) change(how func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	how()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", p.target)
		if err != nil {
			_ = client.Close() // there is no server: the client learns it as it would without the proxy
			continue
		}
		p.mu.Lock()
		p.open[client], p.open[server] = struct{}{}, struct{}{}
		ended := p.ended
		p.mu.Unlock()
		if ended {
			p.Cut()
		}
		var both sync.WaitGroup
		both.Go(func() { p.pass(server, client, false) })
		both.Go(func() { p.pass(client, server, true) })
		p.handlers.Go(func() {
			both.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.open, client)
			delete(p.open, server)
		})
	}
}

// pass copies until either end closes, and closes both.
func (p *Proxy) pass(to, from net.Conn, replies bool) {
	defer to.Close()   //nolint:errcheck // the other side of the copy may have closed it
	defer from.Close() //nolint:errcheck // as above
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && p.admit(n, replies) {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// admit waits for as long as n bytes are held back, and says whether they pass.
func (p *Proxy) admit(n int, reply bool) bool {
	for {
		p.mu.Lock()
		stalled, changed, delay, mute := p.stalled && !p.ended, p.changed, p.delay, p.mute
		if !stalled && reply && mute {
			p.dropped += n
		}
		p.mu.Unlock()
		if stalled {
			<-changed
			continue
		}
		if reply && delay > 0 {
			select {
			case <-time.After(delay):
			case <-changed:
				continue
			}
		}
		return !reply || !mute
	}
}
