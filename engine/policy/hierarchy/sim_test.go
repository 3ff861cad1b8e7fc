package hierarchy

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"proscenium/engine/policy/hierarchy/share"
)

const (
	ms  = int64(time.Millisecond)
	sec = int64(time.Second)
)

// world is a fleet with an exchange, in virtual time: stations as they are in production, and around them a network, clocks and crashes made of one
// seed. Everything happens in one goroutine.
type world struct {
	rng      *rand.Rand
	now      int64 // true time
	events   events
	serial   int
	timing   Timing
	resource Resource
	exchange *memory
	down     bool // nothing reaches the exchange
	loss     float64
	late     bool // some messages take seconds
	nodes    []*node
	nextID   uint64
	divide   func() divider
	noHold   bool // hand over at once
	goOn     bool // after an invariant is broken
	check    *checker
}

// node is a process.
type node struct {
	w          *world
	id         uint64
	speed      int64 // parts in a million by which its clock is fast
	offset     int64
	born       int64
	station    *station
	member     *Member
	dead, left bool
	cutOff     bool
	deaf       bool // it is heard, and hears nothing
	paused     bool
	asking     int // the request that is under way; 0: none
	asked      int64
	serial     int
	offered    []int64 // by queue, in requests a second
	due        []int64 // thousandths of a request that are due, by queue
}

type event struct {
	at     int64
	serial int
	do     func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, k int) bool {
	return e[i].at < e[k].at || e[i].at == e[k].at && e[i].serial < e[k].serial
}
func (e events) Swap(i, k int) { e[i], e[k] = e[k], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	old[len(old)-1] = event{}
	*e = old[:len(old)-1]
	return last
}

func newWorld(seed uint64, timing Timing, r Resource, loss float64) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 0x5eed)), timing: timing, resource: r, loss: loss}
	w.exchange = newMemory(func() int64 { return w.now }, timing.Term)
	w.check = &checker{w: w, admitted: map[*slot]int64{}}
	return w
}

func (w *world) at(t int64, do func()) {
	w.serial++
	heap.Push(&w.events, event{at: max(t, w.now), serial: w.serial, do: do})
}

func (w *world) after(d int64, do func()) { w.at(w.now+d, do) }

// run runs until a time and says what was broken first.
func (w *world) run(until int64) error {
	for len(w.events) > 0 && w.events[0].at <= until {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
		if w.check.broken != nil && !w.goOn {
			return fmt.Errorf("at %s: %w", time.Duration(w.now), w.check.broken)
		}
	}
	w.now = until
	return nil
}

func (w *world) between(least, most int64) int64 { return least + w.rng.Int64N(most-least+1) }

// start begins a process that offers so many requests a second to each queue.
func (w *world) start(offered ...int64) *node {
	w.nextID++
	drift := int64(w.timing.Drift) * 10_000
	n := &node{
		w: w, id: w.nextID*1000 + uint64(w.rng.IntN(1000)), speed: w.between(-drift, drift), offset: w.between(0, 1000*sec), born: w.now,
		offered: offered, due: make([]int64, len(offered)),
	}
	n.station = newStation(n.clock(), n.id, &w.timing, false)
	if w.divide != nil {
		n.station.allocate = w.divide
	}
	if w.noHold {
		n.station.hold = 0
	}
	n.member = newMember(w.resource.Name, n.clock, &w.timing)
	r := w.resource
	n.member.configure(n.clock(), &r)
	n.station.configure([]Resource{r}, []*Member{n.member})
	w.nodes = append(w.nodes, n)
	w.after(0, n.pump)
	w.after(w.between(0, 50*ms), n.traffic)
	return n
}

func (n *node) clock() int64 { return n.offset + n.w.now + n.w.now/1_000_000*n.speed }

// trueTime is when the node's clock shows at least t.
func (n *node) trueTime(t int64) int64 {
	d := t - n.clock()
	return n.w.now + max(d, 0)*1_000_000/(1_000_000+n.speed) + 1000
}

// pump makes the next request, or waits until there is one.
func (n *node) pump() {
	if n.dead || n.paused || n.asking != 0 {
		return
	}
	now := n.clock()
	q, wake := n.station.next(now)
	if q == nil {
		n.serial++
		mine := n.serial
		n.w.at(n.trueTime(wake), func() {
			if mine == n.serial {
				n.pump()
			}
		})
		return
	}
	n.ask(now, q)
}

const patience = 50 * ms

func (n *node) ask(now int64, q *request) {
	n.serial++
	mine := n.serial
	n.asking, n.asked = mine, now
	// What is sent is what it is now, whatever memory is used again later.
	sent := *q
	sent.grants = append([]row(nil), q.grants...)
	sent.forget = append([]uint64(nil), q.forget...)
	n.w.send(n, func() {
		r, _ := n.w.exchange.do(context.Background(), &sent)
		if !n.deaf {
			n.w.send(n, func() { n.answer(mine, &sent, r) })
		}
	})
	n.w.after(patience, func() { n.answer(mine, &sent, nil) })
}

func (n *node) answer(mine int, q *request, r *response) {
	if n.dead || n.asking != mine {
		return
	}
	if n.paused {
		n.w.after(10*ms, func() { n.answer(mine, q, r) })
		return
	}
	n.asking = 0
	// Rates change when an answer comes, and when a lease ends, which shows until the next answer.
	n.w.check.instant()
	n.station.done(n.clock(), n.asked, q, r)
	n.w.check.instant()
	if r != nil && q.op == opCollect && n.station.office != nil {
		n.w.check.tick(n.station.office)
	}
	n.pump()
}

// send carries a message between a node and the exchange: late, lost, or twice.
func (w *world) send(n *node, deliver func()) {
	copies := 1
	switch p := w.rng.Float64(); {
	case p < w.loss:
		return
	case p > 0.98:
		copies = 2
	}
	for range copies {
		delay := w.between(ms/5, 5*ms)
		switch p := w.rng.Float64(); {
		case p < 0.1:
			delay = w.between(ms, 20*ms)
		case w.late && p < 0.12:
			delay = w.between(ms, 4*sec)
		}
		if n.cutOff || w.down {
			continue
		}
		w.after(delay, func() {
			if !w.down {
				deliver()
			}
		})
	}
}

// traffic offers what is due, every 100 ms.
func (n *node) traffic() {
	if n.dead || n.left {
		return
	}
	const beat = 100 * ms
	now := n.clock()
	for q := range n.offered {
		n.due[q] += n.offered[q] * 1000 * beat / sec
		for ; n.due[q] >= 1000; n.due[q] -= 1000 {
			n.member.Take(q, now, 1)
		}
	}
	n.w.after(beat, n.traffic)
}

func (n *node) crash() { n.dead = true }

// leave says goodbye, which may be lost.
func (n *node) leave() {
	n.left = true
	q := n.station.leave(n.clock())
	n.w.send(n, func() { _, _ = n.w.exchange.do(context.Background(), q) })
	n.dead = true
}

// inForce is what the node may let through now, by queue and in all.
func (n *node) inForce() (sum share.Rate) {
	if n.dead {
		return 0
	}
	now := n.clock()
	for _, s := range *n.member.slots.Load() {
		sum += s.bucket.read(now).rate
	}
	return sum
}

func (w *world) alive() []*node {
	var out []*node
	for _, n := range w.nodes {
		if !n.dead {
			out = append(out, n)
		}
	}
	return out
}

func (w *world) leader() *node {
	for _, n := range w.nodes {
		if !n.dead && n.station.office != nil {
			return n
		}
	}
	return nil
}
