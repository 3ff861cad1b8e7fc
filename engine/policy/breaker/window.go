package breaker

import "math"

const buckets = 10

// counts of completed calls. A call can be both an error and slow.
type counts struct{ total, errors, slow int64 }

func (c *counts) add(d counts) {
	c.total += d.total
	c.errors += d.errors
	c.slow += d.slow
}

func (c *counts) subtract(d counts) {
	c.total -= d.total
	c.errors -= d.errors
	c.slow -= d.slow
}

// window counts the calls that completed in the current bucket and in the nine before it.
type window struct {
	width   uint64 // of a bucket, in nanoseconds
	start   int64  // of the current bucket
	current int
	sum     counts
	buckets [buckets]counts
}

// newWindow makes an empty one whose first bucket starts when it is first used.
func newWindow(length int64) window { return window{width: width(length), start: math.MinInt64} }

func width(length int64) uint64 { return max(uint64(length)/buckets, 1) }

// restart empties it, and starts a bucket at now.
func (w *window) restart(now int64) { *w = window{width: w.width, start: now} }

// roll makes the bucket of now the current one and drops what is too old. An instant before the current bucket changes nothing: a clock that goes
// back stands still until it catches up.
func (w *window) roll(now int64) {
	// Unsigned: the difference of any two instants fits.
	elapsed := uint64(now) - uint64(w.start)
	if now < w.start || elapsed < w.width {
		return
	}
	steps := elapsed / w.width
	if steps >= buckets {
		w.restart(now)
		return
	}
	w.start += int64(steps * w.width)
	for range steps {
		w.current = (w.current + 1) % buckets
		w.sum.subtract(w.buckets[w.current])
		w.buckets[w.current] = counts{}
	}
}

// add counts in the current bucket.
func (w *window) add(c counts) {
	w.buckets[w.current].add(c)
	w.sum.add(c)
}
