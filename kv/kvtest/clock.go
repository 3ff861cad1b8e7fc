package kvtest

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"proscenium/kv"
)

// Clock is the clock of an embedded server.
type Clock struct {
	server *miniredis.Miniredis
	now    time.Time
}

// Steered opens stores on an embedded server whose clock stands still until it is set.
func Steered(t testing.TB, start time.Time, change ...func(*kv.Options)) (*kv.KV, *Clock) {
	t.Helper()
	m := miniredis.RunT(t)
	m.ClockTTL(true)
	c := &Clock{server: m}
	c.Set(start)
	return At(t, m.Addr(), change...), c
}

// Now is what the clock shows.
func (c *Clock) Now() time.Time { return c.now }

// Set sets the clock, forward or back; keys expire by it.
func (c *Clock) Set(to time.Time) {
	c.now = to
	c.server.SetTime(to)
}

// Advance sets the clock forward, or back.
func (c *Clock) Advance(d time.Duration) { c.Set(c.now.Add(d)) }

// Addr is HOST:PORT of the server.
func (c *Clock) Addr() string { return c.server.Addr() }
