package limit

import (
	"math"
	"math/bits"
)

// grain is the part of a request in which flows are counted.
const grain = 1 << 20

// tally is what one process counts by one rule, for one key. Times are nanoseconds of a monotonic clock.
type tally struct {
	at    int64 // the latest reading: those of concurrent callers come out of order
	count int64 // requests in the window
	start int64 // of a fixed window
	// Of a flow: the levels of its bucket and of its soft bucket, in grains, now and when something came last. Only then what is less than a grain is
	// lost, and not with each question.
	level, marks, levelThen, marksThen int64
	then                               int64
	// held requests count, and may be given back; the other tallies of their decision are still asked.
	held int64
	// slots is a ring, from the oldest; those of a sliding window.
	slots       []slot
	first, size int
	edge        int64 // the end of the slice that the newest is in
}

// slot is requests of a sliding window, the last of them at a time.
type slot struct{ at, count int64 }

// reading is what a count says of a request.
type reading struct {
	outcome Outcome
	used    int64
	reset   int64 // nanoseconds
}

// settle forgets what counts no longer. The reading of the clock that counts is t.at.
func (t *tally) settle(r *rule, now int64) {
	if now <= t.at {
		return
	}
	t.at = now
	switch r.kind {
	case sliding:
		for t.size > 0 && t.slots[t.first].at+r.window <= now {
			t.count -= t.slots[t.first].count
			t.first++
			if t.first == len(t.slots) {
				t.first = 0
			}
			t.size--
		}
	case fixed:
		if t.count > 0 && t.start+r.window <= now {
			t.count = 0
		}
	case flow:
		t.level = drain(t.levelThen, now-t.then, r.Limit, r.window)
		if t.marksThen > 0 {
			t.marks = drain(t.marksThen, now-t.then, r.Soft, r.window)
		}
	}
}

// drain is what is left of a level after a time, at rate requests in a window.
func drain(level, elapsed, rate, window int64) int64 {
	if level == 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(elapsed), uint64(rate)*grain)
	if hi >= uint64(window) {
		return 0
	}
	if gone, _ := bits.Div64(hi, lo, uint64(window)); gone < uint64(level) {
		return level - int64(gone)
	}
	return 0
}

func (t *tally) idle() bool { return t.count == 0 && t.level == 0 && t.marks == 0 && t.held == 0 }

// ask decides on n requests, of a tally that has settled.
func (t *tally) ask(r *rule, n int64) reading {
	var a reading
	if r.kind == flow {
		full, level := r.burst*grain, t.level+t.held*grain
		a.used = (level + grain - 1) / grain
		switch {
		case level+n*grain > full || r.Limit == 0:
			a.outcome, a.reset = Refused, max(r.flows(t.levelThen+(t.held+n)*grain-full)-(t.at-t.then), 1)
		case r.Soft > 0 && t.marks+(t.held+n)*grain > full:
			a.outcome = Soft
		}
		if a.outcome != Refused {
			a.reset = r.flows(min(level, grain))
		}
		return a
	}
	a.used = t.count + t.held
	switch {
	case a.used+n > r.Limit:
		a.outcome, a.reset = Refused, t.leaves(r, a.used+n-r.Limit)
		return a
	case r.Soft > 0 && a.used+n > r.Soft:
		a.outcome = Soft
	}
	a.reset = t.leaves(r, 1)
	return a
}

// flows is how long grains take to drain.
func (r *rule) flows(grains int64) int64 {
	if r.Limit == 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(max(grains, 0)), uint64(r.window))
	if hi >= uint64(r.Limit)*grain>>1 {
		return math.MaxInt64
	}
	q, rest := bits.Div64(hi, lo, uint64(r.Limit)*grain)
	if rest > 0 {
		q++
	}
	return int64(q)
}

// leaves is how long it takes until n of the requests that count no longer do; held ones count as of now.
func (t *tally) leaves(r *rule, n int64) int64 {
	if t.count == 0 {
		if t.held > 0 {
			return r.window
		}
		return 0
	}
	if r.kind == fixed {
		return t.start + r.window - t.at
	}
	for i, sum := 0, int64(0); i < t.size; i++ {
		s := t.slots[(t.first+i)%len(t.slots)]
		if sum += s.count; sum >= n {
			return s.at + r.window - t.at
		}
	}
	return r.window
}

// add counts n requests, of a tally that has settled.
func (t *tally) add(r *rule, n int64) {
	switch r.kind {
	case sliding:
		t.count += n
		t.push(r, n)
	case fixed:
		if t.count == 0 {
			t.start = t.at
		}
		t.count += n
	case flow:
		if r.Soft > 0 && t.marks+n*grain <= r.burst*grain {
			t.marks += n * grain
		}
		t.level += n * grain
		t.levelThen, t.marksThen, t.then = t.level, t.marks, t.at
	}
}

func (t *tally) push(r *rule, n int64) {
	if t.size > 0 {
		last := t.first + t.size - 1
		if last >= len(t.slots) {
			last -= len(t.slots)
		}
		if s := &t.slots[last]; t.at < t.edge {
			s.at = t.at
			s.count += n
			return
		}
	}
	if t.size == len(t.slots) {
		grown := make([]slot, max(4, 2*len(t.slots)))
		moved := copy(grown, t.slots[t.first:])
		copy(grown[moved:], t.slots[:t.first])
		t.slots, t.first = grown, 0
	}
	next := t.first + t.size
	if next >= len(t.slots) {
		next -= len(t.slots)
	}
	t.slots[next] = slot{t.at, n}
	t.size++
	t.edge = t.at + 1
	if r.slice > 1 {
		t.edge = t.at - t.at%r.slice + r.slice
	}
}
