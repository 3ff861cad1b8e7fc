package limit

import "sync"

// reserve has chunks of keys that were counted in Redis ahead. To lose a chunk is to waste it, never to let too much through.
type reserve struct {
	mu     sync.Mutex
	most   int
	chunks map[string]*chunk
}

type chunk struct {
	left  int64
	until int64
	used  int64 // in Redis, this chunk with it
	// filling says that somebody is fetching another one: the others fetch what they need themselves, so that they need not wait, nor fetch too much.
	filling bool
	// number tells this chunk from the one before, to which nothing is given back.
	number uint64
}

func newReserve(most int) *reserve { return &reserve{most: most, chunks: map[string]*chunk{}} }

// drawn is what was taken from a chunk.
type drawn struct {
	chunk  *chunk
	number uint64
}

// draw takes n, if they are there. Otherwise fill says that the caller is to fetch a chunk, and to call filled.
func (r *reserve) draw(key string, now, n int64) (d drawn, used int64, ok, fill bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.chunks[key]
	if c == nil {
		r.makeRoom()
		c = &chunk{}
		r.chunks[key] = c
	}
	if now < c.until && c.left >= n {
		c.left -= n
		return drawn{c, c.number}, c.used - c.left, true, false
	}
	fill = !c.filling
	c.filling = true
	return drawn{c, c.number}, 0, false, fill
}

func (r *reserve) makeRoom() {
	if len(r.chunks) < r.most {
		return
	}
	for key, c := range r.chunks {
		if !c.filling {
			delete(r.chunks, key)
			return
		}
	}
}

// filled ends a fetch, that brought extra requests, or none. What is left of the chunk before may be used for as long as both may.
func (r *reserve) filled(d drawn, now, extra, until, used int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := d.chunk
	c.filling = false
	if extra == 0 {
		return
	}
	if now < c.until && c.left > 0 {
		extra, until = extra+c.left, min(until, c.until)
	}
	c.left, c.until, c.used = extra, until, used
	c.number++
}

// giveBack returns what was drawn, if the chunk is still the one that it was drawn from.
func (r *reserve) giveBack(d drawn, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d.chunk.number == d.number {
		d.chunk.left += n
	}
}
