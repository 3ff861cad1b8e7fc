package hierarchy

import (
	"proscenium/engine/policy/hierarchy/share"
)

// station is a process in its fleet: it reports, runs what it is granted, stands for election and allocates when elected. It does nothing by itself:
// next says what to ask the exchange now, done takes the answer. One request is under way at a time; the answer to one that was given up is never
// passed to done. Times are those of the process's own monotonic clock. It is not safe for concurrent use; its members are.
type station struct {
	timing    *Timing
	id        uint64
	hold      int64 // see Timing.hold
	alone     bool
	allocate  func() divider
	resources []Resource
	members   []*Member // of resources, in their order

	seq    uint64
	sent   [sentKept]int64 // when the latest reports were sent
	due    int64           // the next report is
	began  int64
	known  running // the grant that runs; its epoch is the highest heard of
	floor  uint64  // the highest epoch heard of
	elect  bool    // nobody allocates
	office *allocator

	scratch report
	told    grants
}

const sentKept = 64

// divider works out who gets what; see [share.Allocator].
type divider interface {
	Allocate(r *share.Resource, effective share.Rate, demands [][]share.Demand, out [][]share.Rate) share.Rate
}

func newStation(now int64, id uint64, timing *Timing, alone bool) *station {
	return &station{
		timing: timing, id: id, hold: timing.hold(), alone: alone, due: now, began: now, known: running{instances: 1},
		allocate: func() divider { return &share.Allocator{} },
	}
}

// configure makes the process share these resources, through these members.
func (s *station) configure(resources []Resource, members []*Member) {
	s.resources, s.members = resources, members
	if s.office != nil {
		s.office.configure(resources)
	}
}

// instances is how many processes the fleet has, as far as this one was told.
func (s *station) instances() int { return max(s.known.instances, 1) }

// next is what to ask now, or nil and when to look again.
func (s *station) next(now int64) (*request, int64) {
	if s.office != nil && now >= s.office.validUntil {
		s.office = nil // by now there may be another
	}
	if s.elect && s.office == nil {
		s.elect = false
		return &request{op: opElect, id: s.id, floor: s.floor}, now
	}
	wake := s.due
	if a := s.office; a != nil {
		if r := a.next(now); r != nil {
			return r, now
		}
		wake = min(wake, a.due)
	}
	if now >= s.due {
		return s.reportNow(now), now
	}
	return nil, wake
}

func (s *station) reportNow(now int64) *request {
	s.due = now + int64(s.timing.Period)
	if s.known.epoch == 0 && now-s.began < 2*s.timing.hold() {
		s.due = now + s.timing.soon()
	}
	s.seq++
	s.sent[s.seq%sentKept] = now
	r := &s.scratch
	r.epoch, r.leader, r.version = s.known.epoch, s.known.leader, s.known.version
	r.resources = resize(r.resources, len(s.members))
	for i, m := range s.members {
		m.report(now, &r.resources[i])
	}
	return &request{op: opReport, id: s.id, seq: s.seq, report: r.encode()}
}

// done takes the answer to a request that was made at asked; nil: there was none.
func (s *station) done(now, asked int64, q *request, r *response) {
	switch q.op {
	case opReport:
		if r != nil {
			// Whose election got no answer may be elected and not know the epoch.
			s.elect = s.office == nil && (r.leader == 0 || r.leader == s.id)
			s.granted(now, r.grant)
		}
	case opElect:
		if r != nil && r.ok {
			s.floor = max(s.floor, r.epoch)
			s.office = newAllocator(now, asked, r, s)
		}
	case opCollect, opPublish:
		s.officeDone(now, asked, q, r)
	case opLeave:
	}
}

func (s *station) officeDone(now, asked int64, q *request, r *response) {
	a := s.office
	if a == nil || q.epoch != a.epoch || r == nil {
		return
	}
	if !r.ok {
		s.office = nil
		return
	}
	a.heard(asked)
	if q.op != opCollect {
		return
	}
	if highest := a.collected(now, r); highest > a.epoch || a.disputed {
		// The exchange lost its memory, and somebody runs grants that look younger than ours: a new term above them.
		s.floor = max(s.floor, highest)
		s.office, s.elect = nil, true
	}
}

// granted runs grants, if they are younger than those that run.
func (s *station) granted(now int64, b []byte) {
	g := &s.told
	if b == nil || g.parse(b) != nil {
		return
	}
	s.floor = max(s.floor, g.epoch)
	younger := g.epoch > s.known.epoch || g.epoch == s.known.epoch && g.leader == s.known.leader && g.version > s.known.version
	if !younger || g.answers > s.seq || g.answers+sentKept <= s.seq {
		return
	}
	instances := max(g.instances, 1)
	if g.hold {
		instances = max(instances, s.known.instances) // the allocator has not heard of all of them yet
	}
	s.known = running{epoch: g.epoch, leader: g.leader, version: g.version, instances: instances}
	until := s.sent[g.answers%sentKept] + int64(s.timing.Lease)
	for i := range g.resources {
		for _, m := range s.members {
			if m.key == g.resources[i].key {
				m.apply(now, until, &g.resources[i], s.known, g.hold)
			}
		}
	}
}

// leave stops the members and is the goodbye to the exchange.
func (s *station) leave(now int64) *request {
	for _, m := range s.members {
		m.stop(now)
	}
	r := &request{op: opLeave, id: s.id}
	if s.office != nil {
		r.epoch = s.office.epoch
	}
	s.office = nil
	return r
}
