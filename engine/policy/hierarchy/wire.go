package hierarchy

import (
	"encoding/binary"
	"errors"

	"proscenium/engine/policy/hierarchy/share"
)

// report is what a process says of itself.
type report struct {
	// epoch, leader and version name the grant that the process runs; all zero: none. Versions grow within an epoch and a leader.
	epoch, leader, version uint64
	resources              []resourceReport
}

type resourceReport struct {
	key    uint64
	queues []queueReport
}

type queueReport struct {
	key      uint64
	want     share.Rate
	starving bool
	used     share.Rate
	// grant and safe are what is in force; grant is 0 when its lease is over.
	grant, safe share.Rate
	// promised is what the process was told last of the safe shares of others.
	promised share.Rate
}

// grants is what the allocator says to one process.
type grants struct {
	epoch, leader, version uint64
	// answers is the number of the report that this answers: the lease begins when that was sent.
	answers uint64
	// hold says: keep what you have, where that is less.
	hold bool
	// instances are the processes of the fleet.
	instances int
	resources []resourceGrants
}

type resourceGrants struct {
	key    uint64
	queues []queueGrant
}

type queueGrant struct {
	key         uint64
	grant, safe share.Rate
	// safeBound is the most that the process may have as safe share, for the allocator that comes next; at least safe.
	safeBound share.Rate
	// promised is the most that the safe shares of all other processes may add up to. Should the exchange lose its memory, this is how the next allocator
	// learns of those who are cut off.
	promised share.Rate
}

const wireVersion = 1

var errWire = errors.New("a message of the hierarchical limiter is malformed or of another version")

func (r *report) encode() []byte {
	b := append(make([]byte, 0, 512), wireVersion)
	b = binary.AppendUvarint(b, r.epoch)
	b = binary.LittleEndian.AppendUint64(b, r.leader)
	b = binary.AppendUvarint(b, r.version)
	b = binary.AppendUvarint(b, uint64(len(r.resources)))
	for i := range r.resources {
		res := &r.resources[i]
		b = binary.LittleEndian.AppendUint64(b, res.key)
		b = binary.AppendUvarint(b, uint64(len(res.queues)))
		for k := range res.queues {
			q := &res.queues[k]
			b = binary.LittleEndian.AppendUint64(b, q.key)
			want := uint64(q.want) << 1
			if q.starving {
				want |= 1
			}
			b = binary.AppendUvarint(b, want)
			b = binary.AppendUvarint(b, uint64(q.used))
			b = binary.AppendUvarint(b, uint64(q.grant))
			b = binary.AppendUvarint(b, uint64(q.safe))
			b = binary.AppendUvarint(b, uint64(q.promised))
		}
	}
	return b
}

// parse reads a report into r, whose memory it uses again.
func (r *report) parse(b []byte) error {
	d := decoder{b: b}
	d.version()
	r.epoch, r.leader, r.version = d.uvarint(), d.fixed(), d.uvarint()
	r.resources = resize(r.resources, d.count())
	for i := range r.resources {
		res := &r.resources[i]
		res.key = d.fixed()
		res.queues = resize(res.queues, d.count())
		for k := range res.queues {
			q := &res.queues[k]
			q.key = d.fixed()
			want := d.uvarint()
			q.starving = want&1 == 1
			q.want, q.used, q.grant, q.safe, q.promised = rateOf(want>>1), d.rate(), d.rate(), d.rate(), d.rate()
		}
	}
	return d.end()
}

func (g *grants) encode() []byte {
	b := append(make([]byte, 0, 512), wireVersion)
	b = binary.AppendUvarint(b, g.epoch)
	b = binary.LittleEndian.AppendUint64(b, g.leader)
	b = binary.AppendUvarint(b, g.version)
	b = binary.AppendUvarint(b, g.answers)
	hold := uint64(g.instances) << 1
	if g.hold {
		hold |= 1
	}
	b = binary.AppendUvarint(b, hold)
	b = binary.AppendUvarint(b, uint64(len(g.resources)))
	for i := range g.resources {
		res := &g.resources[i]
		b = binary.LittleEndian.AppendUint64(b, res.key)
		b = binary.AppendUvarint(b, uint64(len(res.queues)))
		for k := range res.queues {
			q := &res.queues[k]
			b = binary.LittleEndian.AppendUint64(b, q.key)
			b = binary.AppendUvarint(b, uint64(q.grant))
			b = binary.AppendUvarint(b, uint64(q.safe))
			b = binary.AppendUvarint(b, uint64(max(q.safeBound-q.safe, 0)))
			b = binary.AppendUvarint(b, uint64(q.promised))
		}
	}
	return b
}

// parse reads grants into g, whose memory it uses again.
func (g *grants) parse(b []byte) error {
	d := decoder{b: b}
	d.version()
	g.epoch, g.leader, g.version, g.answers = d.uvarint(), d.fixed(), d.uvarint(), d.uvarint()
	hold := d.uvarint()
	g.hold, g.instances = hold&1 == 1, int(min(hold>>1, 1<<31-1))
	g.resources = resize(g.resources, d.count())
	for i := range g.resources {
		res := &g.resources[i]
		res.key = d.fixed()
		res.queues = resize(res.queues, d.count())
		for k := range res.queues {
			q := &res.queues[k]
			q.key, q.grant, q.safe = d.fixed(), d.rate(), d.rate()
			q.safeBound = min(q.safe+d.rate(), share.MaxRate)
			q.promised = d.rate()
		}
	}
	return d.end()
}

// decoder reads what encode wrote. After the first fault it reads zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) version() {
	if len(d.b) == 0 || d.b[0] != wireVersion {
		d.fail()
		return
	}
	d.b = d.b[1:]
}

func (d *decoder) fail() { d.b, d.bad = nil, true }

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) fixed() uint64 {
	if len(d.b) < 8 {
		d.fail()
		return 0
	}
	v := binary.LittleEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

// count is of things that take at least nine bytes each, so that a bad number cannot ask for much memory.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.b))/9 {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) rate() share.Rate { return rateOf(d.uvarint()) }

func (d *decoder) end() error {
	if d.bad || len(d.b) > 0 {
		return errWire
	}
	return nil
}

func rateOf(v uint64) share.Rate { return share.Rate(min(v, uint64(share.MaxRate))) }

// resize is a slice of n elements; what their own slices have allocated is used again.
func resize[T any](s []T, n int) []T {
	if n <= cap(s) {
		return s[:n]
	}
	return append(s[:cap(s)], make([]T, n-cap(s))...)
}
