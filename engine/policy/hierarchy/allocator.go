package hierarchy

import (
	"cmp"
	"slices"
)

// allocator divides for one term. Times are on the clock of its process. It is not safe for concurrent use.
type allocator struct {
	timing     *Timing
	hold       int64 // how long a lease counts
	id, epoch  uint64
	allocate   func() divider
	due        int64 // the next tick is
	validUntil int64 // it may be replaced from then on
	// strangersUntil is when those that nothing but their safe shares is known of are forgotten.
	strangersUntil int64
	holdUntil      int64 // leases of its predecessors may run until then
	fleet          int   // processes that its predecessor counted
	version        uint64
	lost           bool    // the exchange lost its memory before this term
	whole          bool    // whoever is not known to this term runs no lease, and its safe share is noted
	noted          bool    // there is a row of strangers
	known          bool    // what predecessors published was read
	planned        bool    // grants wait to be published
	disputed       bool    // somebody runs grants of this epoch by another leader
	peers          []*peer // by id
	resources      []*ledger
	inherited      map[uint64]*grants // what predecessors published, for resources that are configured later too

	rows   []row
	forget []uint64
	told   grants
}

// peer is a process of the fleet as the allocator knows it.
type peer struct {
	id       uint64
	seq      uint64 // of its last report
	readAt   int64  // when that was read
	answered uint64 // the report that was answered last
	left     bool
	bad      bool // its report cannot be read
	report   report
}

func newAllocator(now, asked int64, elected *response, s *station) *allocator {
	a := &allocator{timing: s.timing, hold: s.hold, id: s.id, epoch: elected.epoch, lost: elected.lost, allocate: s.allocate, fleet: s.instances(), due: now, inherited: map[uint64]*grants{}}
	a.holdUntil = now + s.hold
	if s.alone {
		a.holdUntil = now
	}
	a.heard(asked)
	a.configure(s.resources)
	return a
}

// heard notes that a request made at asked found it in office. The exchange replaces it not before Term has passed since, on a clock that may drift too.
func (a *allocator) heard(asked int64) {
	a.validUntil = max(a.validUntil, asked+int64(a.timing.Term)*int64(100-a.timing.Drift)/int64(100+a.timing.Drift))
}

// configure changes what is shared. Accounts stay.
func (a *allocator) configure(resources []Resource) {
	before := a.resources
	a.resources = make([]*ledger, len(resources))
	for i := range resources {
		at := slices.IndexFunc(before, func(l *ledger) bool { return l.resource.Name == resources[i].Name })
		if at < 0 {
			a.resources[i] = newLedger(&resources[i], a.allocate())
			a.resources[i].inherit(a.inherited[strangers], a.strangersUntil)
			for _, p := range a.peers {
				a.resources[i].open(p, a.inherited[p.id])
			}
			continue
		}
		a.resources[i] = before[at]
		a.resources[i].configure(&resources[i])
		for _, p := range a.peers {
			a.resources[i].read(p, a.epoch, a.id)
		}
	}
}

// next is what to ask of the exchange now, if anything.
func (a *allocator) next(now int64) *request {
	if a.planned {
		a.planned = false
		return &request{op: opPublish, id: a.id, epoch: a.epoch, whole: a.whole, grants: a.rows, forget: a.forget}
	}
	if now < a.due {
		return nil
	}
	a.due = now + int64(a.timing.Period)
	return &request{op: opCollect, id: a.id, epoch: a.epoch, withGrants: !a.known}
}

// collected takes the reports and works out what to publish. It returns the highest epoch that anybody runs.
func (a *allocator) collected(now int64, r *response) uint64 {
	if !a.known {
		a.known = true
		for i := range r.grants {
			var g grants
			if g.parse(r.grants[i].data) == nil {
				a.inherited[r.grants[i].id] = &g
			}
		}
		a.strangersUntil = now + a.timing.hold() + int64(a.timing.Forget)
		for _, l := range a.resources {
			l.inherit(a.inherited[strangers], a.strangersUntil)
		}
	}
	highest := a.epoch
	for i := range r.reports {
		if p := a.hear(now, &r.reports[i]); p != nil {
			highest = max(highest, p.report.epoch)
			a.disputed = a.disputed || p.report.epoch == a.epoch && p.report.leader != a.id
		}
	}
	if highest == a.epoch && !a.disputed {
		a.plan(now)
	}
	return highest
}

// hear takes one report and returns whose it is, nil where it says nothing new.
func (a *allocator) hear(now int64, r *row) *peer {
	at, found := slices.BinarySearchFunc(a.peers, r.id, func(p *peer, id uint64) int { return cmp.Compare(p.id, id) })
	if !found {
		p := &peer{id: r.id, readAt: now, seq: r.seq, left: r.seq == goodbye}
		a.peers = slices.Insert(a.peers, at, p)
		if p.left {
			return nil
		}
		p.bad = p.report.parse(r.data) != nil
		for _, l := range a.resources {
			l.open(p, a.inherited[p.id])
		}
		return p
	}
	p := a.peers[at]
	if p.left || r.seq <= p.seq {
		return nil
	}
	p.seq, p.readAt = r.seq, now
	if r.seq == goodbye {
		p.left = true
		for _, l := range a.resources {
			delete(l.accounts, p.id)
		}
		return nil
	}
	if p.bad = p.report.parse(r.data) != nil; p.bad {
		p.report = report{}
		return nil
	}
	for _, l := range a.resources {
		l.read(p, a.epoch, a.id)
	}
	return p
}

// alive says that a process is heard of. One that is not runs no lease any more.
func (a *allocator) alive(p *peer, now int64) bool {
	return !p.left && now-p.readAt < a.timing.hold()
}

// plan works out the grants to publish: for every process with a report that was not answered yet.
func (a *allocator) plan(now int64) {
	a.forgetSilent(now)
	a.version++
	instances := 0
	for _, p := range a.peers {
		if a.alive(p, now) {
			instances++
		}
	}
	holding := now < a.holdUntil
	if holding {
		instances = max(instances, a.fleet) // some have not reported to this term yet
	}
	a.whole = !holding
	for _, l := range a.resources {
		l.plan(now, a, instances, holding)
	}
	a.rows = a.rows[:0]
	for _, p := range a.peers {
		if p.left || p.bad || p.answered == p.seq {
			continue
		}
		p.answered = p.seq
		a.rows = append(a.rows, row{id: p.id, seq: p.seq, data: a.grantsFor(p, instances, holding)})
	}
	a.noteStrangers(now)
	a.planned = true
}

// grantsFor enters the grants for a process into its accounts, and encodes them.
func (a *allocator) grantsFor(p *peer, instances int, holding bool) []byte {
	g := &a.told
	g.epoch, g.leader, g.version, g.answers, g.hold, g.instances = a.epoch, a.id, a.version, p.seq, holding, instances
	g.resources = g.resources[:0]
	for _, l := range a.resources {
		account := l.accounts[p.id]
		if account == nil {
			continue
		}
		if !account.listed {
			// It has no such resource any more. That takes effect like any smaller grant: when it is acknowledged.
			clear(account.grant)
			clear(account.safe)
		}
		account.publish(publication{version: a.version, until: p.readAt + a.hold, grant: slices.Clone(account.grant), safe: slices.Clone(account.safe), promised: l.promisedTo(account)})
		if account.listed {
			g.resources = resize(g.resources, len(g.resources)+1)
			l.encode(account, &g.resources[len(g.resources)-1])
		}
	}
	return g.encode()
}

// strangers is whose row keeps the safe shares of processes that the exchange forgot, for the next allocator. No process has this number.
const strangers = 0

func (a *allocator) noteStrangers(now int64) {
	g := grants{epoch: a.epoch, leader: a.id, version: a.version}
	for _, l := range a.resources {
		if l.strange(now) > 0 {
			g.resources = resize(g.resources, len(g.resources)+1)
			l.encodeStrangers(&g.resources[len(g.resources)-1])
		}
	}
	if len(g.resources) > 0 {
		a.rows = append(a.rows, row{id: strangers, data: g.encode()})
		a.noted = true
	} else if a.noted || a.inherited[strangers] != nil {
		a.forget = append(a.forget, strangers)
		a.noted = false
		delete(a.inherited, strangers)
	}
}

// forgetSilent drops those who were not heard of for long, and those who left long ago, so that a report of theirs that was under way is not taken for
// a new process.
func (a *allocator) forgetSilent(now int64) {
	a.forget = a.forget[:0]
	a.peers = slices.DeleteFunc(a.peers, func(p *peer) bool {
		if now-p.readAt < int64(a.timing.Forget) {
			return false
		}
		a.forget = append(a.forget, p.id)
		delete(a.inherited, p.id)
		for _, l := range a.resources {
			delete(l.accounts, p.id)
		}
		return true
	})
}
