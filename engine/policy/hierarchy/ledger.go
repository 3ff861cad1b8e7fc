package hierarchy

import (
	"math/bits"
	"slices"

	"proscenium/engine/policy/hierarchy/share"
)

// ledger is what an allocator knows of one resource: who may have what in force, and who should.
type ledger struct {
	resource *Resource
	key      uint64
	keys     []uint64 // of the queues
	order    []int    // of queues: larger priority first, then by name
	surge    share.Surge
	divider  divider
	accounts map[uint64]*account
	last     tick
	// promised is what is told of the safe shares of all, by queue; see queueGrant.
	promised []share.Rate
	// unknown are safe shares of processes that the exchange forgot, until they are heard of or unknownUntil.
	unknown      []share.Rate
	unknownUntil int64
	// newest is the youngest grant that a report named of another term, newestID whose report, told what that grant told of the safe shares of others.
	newest   running
	newestID uint64
	told     []share.Rate

	// Scratch memory of plan.
	parties []*account // alive, in the order of their ids
	ready   []bool     // of parties: whether they can be published to now
	demands [][]share.Demand
	at      [][]int // of demands: the party
	out     [][]share.Rate
}

// tick is what the latest allocation found.
type tick struct {
	// held says that nothing was allocated, for leases of predecessors may run.
	held bool
	// effective is E; available what is not set aside for those who are not heard of; guarantees those that are wanted; demand what is wanted in all.
	effective, available, guarantees, demand share.Rate
	// target is what is to be granted in all, granted what is, and used what was used of it.
	target, granted, used share.Rate
	// pending says that some of target waits until others have acknowledged less.
	pending bool
}

func newLedger(r *Resource, d divider) *ledger {
	l := &ledger{key: keyOf(r.Name), divider: d, accounts: map[uint64]*account{}}
	l.adopt(r)
	l.unknown, l.told = make([]share.Rate, len(l.keys)), make([]share.Rate, len(l.keys))
	return l
}

func (l *ledger) adopt(r *Resource) {
	l.resource = r
	l.keys = l.keys[:0:0]
	l.order = l.order[:0]
	for i := range r.Share.Queues {
		l.keys = append(l.keys, keyOf(r.Share.Queues[i].Name))
		l.order = append(l.order, i)
	}
	slices.SortStableFunc(l.order, func(i, k int) int { return int(r.Share.Queues[k].Priority) - int(r.Share.Queues[i].Priority) })
}

// configure changes the resource. What was granted of queues that are gone counts until it is over.
func (l *ledger) configure(r *Resource) {
	before := l.keys
	l.adopt(r)
	if slices.Equal(before, l.keys) {
		return
	}
	l.unknown, l.told = l.moved(before, l.unknown), l.moved(before, l.told)
	for _, a := range l.accounts {
		for i := range a.published {
			p := &a.published[i]
			old := *p
			p.grant, p.safe, p.promised = l.moved(before, old.grant), l.moved(before, old.safe), l.moved(before, old.promised)
			for q, key := range before {
				if !slices.Contains(l.keys, key) {
					p.orphan += old.grant[q]
					p.orphanSafe += old.safe[q]
				}
			}
		}
	}
}

// moved is a row by queue, from where the queues were before.
func (l *ledger) moved(before []uint64, row []share.Rate) []share.Rate {
	out := make([]share.Rate, len(l.keys))
	for q, key := range before {
		if at := slices.Index(l.keys, key); at >= 0 {
			out[at] = row[q]
		}
	}
	return out
}

// open begins the account of a process that was not known: with the safe share that it says it runs, or that a predecessor published to it.
func (l *ledger) open(p *peer, inherited *grants) {
	if p.left {
		return
	}
	brought := publication{grant: make([]share.Rate, len(l.keys)), safe: make([]share.Rate, len(l.keys)), promised: make([]share.Rate, len(l.keys))}
	if inherited != nil {
		for i := range inherited.resources {
			if inherited.resources[i].key != l.key {
				continue
			}
			for _, q := range inherited.resources[i].queues {
				if at := slices.Index(l.keys, q.key); at >= 0 {
					brought.safe[at] = q.safeBound
				}
			}
		}
	}
	a := &account{published: []publication{brought}}
	l.accounts[p.id] = a
	l.read(p, 0, 0)
	if inherited != nil {
		return
	}
	for q := range l.unknown {
		l.unknown[q] -= min(l.unknown[q], a.wants[q].safe) // it may be one of those who were unknown
	}
}

// read takes the last report of a process. epoch and leader are those of this term, which a report may acknowledge.
func (l *ledger) read(p *peer, epoch, leader uint64) {
	a := l.accounts[p.id]
	if a == nil {
		return
	}
	a.wants = resize(a.wants, len(l.keys))
	clear(a.wants)
	a.grant, a.safe = resize(a.grant, len(l.keys)), resize(a.safe, len(l.keys))
	a.listed, a.orphan = false, 0
	for i := range p.report.resources {
		r := &p.report.resources[i]
		if r.key != l.key {
			continue
		}
		a.listed = true
		for k := range r.queues {
			q := &r.queues[k]
			at := slices.Index(l.keys, q.key)
			if at < 0 {
				a.orphan += max(q.grant, q.safe)
				continue
			}
			a.wants[at] = want{listed: true, demand: share.Demand{Want: q.want, Starving: q.starving}, used: q.used, grant: q.grant, safe: q.safe, promised: q.promised}
		}
	}
	if epoch != 0 && p.report.epoch == epoch && p.report.leader == leader {
		a.acknowledge(p.report.version)
		return
	}
	// It runs what this term did not publish. Its safe share counts until it runs something of ours.
	first := &a.published[0]
	for q := range a.wants {
		first.safe[q] = max(first.safe[q], a.wants[q].safe)
	}
	if r := &p.report; r.epoch != epoch && (r.epoch > l.newest.epoch || r.epoch == l.newest.epoch && r.version > l.newest.version) {
		l.newest, l.newestID = running{epoch: r.epoch, version: r.version}, p.id
		for q := range a.wants {
			l.told[q] = a.wants[q].promised
		}
	}
}

// plan works out what every process is to be granted. Into the accounts of those who are ready it writes what may be published now.
func (l *ledger) plan(now int64, a *allocator, instances int, holding bool) {
	l.parties, l.ready = l.parties[:0], l.ready[:0]
	var aside share.Rate // for those who are not heard of
	for _, p := range a.peers {
		account := l.accounts[p.id]
		if account == nil {
			continue
		}
		account.reserved, account.own = resize(account.reserved, len(l.keys)), resize(account.own, len(l.keys))
		clear(account.own)
		for q := range l.keys {
			account.reserved[q] = account.reserve(q, now)
		}
		aside += account.reserveOrphans(now)
		if !a.alive(p, now) || !account.listed {
			for _, r := range account.reserved {
				aside += r
			}
			continue
		}
		l.parties = append(l.parties, account)
		l.ready = append(l.ready, !p.bad && p.answered != p.seq)
	}
	if holding && a.lost {
		l.missStrangers(a.strangersUntil)
	}
	aside += l.strange(now)
	l.last = tick{held: holding}
	for _, account := range l.parties {
		for q := range account.wants {
			l.last.used += account.wants[q].used
		}
	}
	if holding {
		l.hold(now)
		l.promise(now, func(a *account, q int) share.Rate { return a.safe[q] })
		if newest := l.accounts[l.newestID]; newest != nil {
			for q := range l.promised {
				l.promised[q] = max(l.promised[q], l.told[q]+newest.safeBound(q))
			}
		}
		return
	}
	l.divide(now, aside)
	free := l.raise(aside)
	l.setAside(now, instances, aside, free)
	l.last.granted = 0
	for k, account := range l.parties {
		for q := range l.keys {
			l.last.granted += account.granted(q, l.ready[k])
		}
	}
	l.surge.Observe(now, l.last.granted, l.last.used)
}

// hold grants what is in force already.
func (l *ledger) hold(now int64) {
	var inForce share.Rate
	for _, a := range l.parties {
		for q := range a.wants {
			a.grant[q], a.safe[q] = a.wants[q].grant, a.wants[q].safe
			inForce += a.wants[q].grant
		}
	}
	l.last.granted = inForce
	l.surge.Observe(now, inForce, l.last.used)
}

// divide works out the target of every party.
func (l *ledger) divide(now int64, aside share.Rate) {
	queues := len(l.keys)
	l.demands, l.at, l.out = resize(l.demands, queues), resize(l.at, queues), resize(l.out, queues)
	r := &l.resource.Share
	for q := range l.keys {
		l.demands[q], l.at[q] = l.demands[q][:0], l.at[q][:0]
		for k, a := range l.parties {
			if !a.wants[q].listed {
				continue
			}
			d := a.wants[q].demand
			d.Instance = k
			l.demands[q] = append(l.demands[q], d)
			l.at[q] = append(l.at[q], k)
			l.last.demand += r.Queues[q].Want(d)
		}
		l.out[q] = resize(l.out[q], len(l.demands[q]))
	}
	l.last.guarantees = r.DemandedGuarantees(l.demands)
	l.last.effective = l.surge.Effective(r, now, l.last.guarantees)
	l.last.available = max(r.Max-aside, 0)
	l.last.target = l.divider.Allocate(r, min(l.last.effective, l.last.available), l.demands, l.out)
	for _, a := range l.parties {
		a.target = resize(a.target, queues)
		clear(a.target)
	}
	for q := range l.keys {
		for i, k := range l.at[q] {
			l.parties[k].target[q] = l.out[q][i]
		}
	}
}

// raise grants everyone the target, as far as others have let go of what they had: first within the guarantees, then by priority. It says how much is
// left that nobody may have in force.
func (l *ledger) raise(aside share.Rate) (free share.Rate) {
	free = l.resource.Share.Max - aside
	for _, a := range l.parties {
		for q := range l.keys {
			free -= a.reserved[q]
			a.grant[q] = min(a.target[q], a.reserved[q])
		}
	}
	free = max(free, 0)
	for q := range l.keys {
		room := l.resource.Share.Queues[q].Guaranteed
		for _, a := range l.parties {
			room -= a.reserved[q]
		}
		free -= l.raiseQueue(q, min(max(room, 0), free))
	}
	for _, q := range l.order {
		free -= l.raiseQueue(q, free)
	}
	for k, a := range l.parties {
		for q := range l.keys {
			l.last.pending = l.last.pending || a.granted(q, l.ready[k]) < a.target[q]
		}
	}
	return free
}

// raiseQueue spends at most a budget on the parties of a queue that lack some of their target, and says how much it spent.
func (l *ledger) raiseQueue(q int, budget share.Rate) (spent share.Rate) {
	var lacking share.Rate
	for k, a := range l.parties {
		if l.ready[k] {
			lacking += a.target[q] - a.grant[q]
		}
	}
	if lacking == 0 || budget == 0 {
		return 0
	}
	for k, a := range l.parties {
		if !l.ready[k] || a.target[q] == a.grant[q] {
			continue
		}
		more := portion(a.target[q]-a.grant[q], min(budget, lacking), lacking)
		a.grant[q] += more
		spent += more
	}
	return spent
}

// granted is what the account's process was granted last of a queue, or is about to be.
func (a *account) granted(queue int, ready bool) share.Rate {
	if ready {
		return a.grant[queue]
	}
	return a.published[len(a.published)-1].grant[queue]
}

// encode writes the grants that were entered last.
func (l *ledger) encode(a *account, out *resourceGrants) {
	out.key, out.queues = l.key, out.queues[:0]
	for q, key := range l.keys {
		if a.wants[q].listed {
			out.queues = append(out.queues, queueGrant{key: key, grant: a.grant[q], safe: a.safe[q], safeBound: a.safeBound(q), promised: a.published[len(a.published)-1].promised[q]})
		}
	}
}

// portion is v * part / whole, rounded down; part is at most whole.
func portion(v, part, whole share.Rate) share.Rate {
	if whole <= 0 || v <= 0 || part <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(v), uint64(part))
	quotient, _ := bits.Div64(hi, lo, uint64(whole))
	return share.Rate(quotient)
}
