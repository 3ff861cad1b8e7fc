package hierarchy

import (
	"slices"

	"proscenium/engine/policy/hierarchy/share"
)

// setAside gives safe shares: what is granted, up to the safe share that is due, and beyond out of what nobody is to be granted. All that is given to
// one was promised before to all others who are heard of, so that whoever allocates next can learn of it from any of them.
func (l *ledger) setAside(now int64, instances int, aside, free share.Rate) {
	left := l.resource.Share.Max - aside
	var lacking share.Rate
	for _, a := range l.parties {
		for q := range l.keys {
			due := l.resource.safeTarget(q, instances, a.target[q])
			left -= a.target[q]
			lacking += max(due-a.target[q], 0)
		}
	}
	left = max(left, 0)
	due := func(a *account, q int) share.Rate {
		due := l.resource.safeTarget(q, instances, a.target[q])
		return min(due, a.target[q]+portion(max(due-a.target[q], 0), min(left, lacking), lacking))
	}
	l.promise(now, due)
	for q := range l.keys {
		told := l.leastTold(q)
		outstanding := l.outstanding(q, now)
		for k, a := range l.parties {
			if !l.ready[k] {
				continue
			}
			room := told.besides(k) - outstanding
			// What may be in force anyway can be safe too; more has to be free.
			bound := a.safeBound(q)
			most := max(a.reserved[q], a.grant[q])
			if !l.last.pending {
				most += free
			}
			safe := min(due(a, q), most, bound+max(room, 0))
			free -= max(safe-max(a.reserved[q], a.grant[q]), 0)
			outstanding += max(safe-bound, 0)
			a.safe[q] = safe
		}
	}
}

// promise works out what to tell of the safe shares of all: what may be out, and what is due. Everyone is told but its own.
func (l *ledger) promise(now int64, due func(*account, int) share.Rate) {
	l.promised = resize(l.promised, len(l.keys))
	for q := range l.keys {
		l.promised[q] = l.outstanding(q, now)
		for _, a := range l.parties {
			bound := a.safeBound(q)
			a.own[q] = max(bound, due(a, q))
			l.promised[q] += a.own[q] - bound
		}
	}
}

// outstanding is the most that the safe shares of a queue may add up to.
func (l *ledger) outstanding(q int, now int64) (sum share.Rate) {
	for _, a := range l.accounts {
		sum += a.safeBound(q)
	}
	if now < l.unknownUntil {
		sum += l.unknown[q]
	}
	return sum
}

// promisedTo is what an account's process is told of the safe shares of others.
func (l *ledger) promisedTo(a *account) []share.Rate {
	out := make([]share.Rate, len(l.keys))
	for q := range out {
		out[q] = max(l.promised[q]-a.own[q], 0)
	}
	return out
}

// leastTold finds who was told, with its own, the least of the safe shares of a queue.
func (l *ledger) leastTold(q int) told {
	t := told{least: share.MaxRate, second: share.MaxRate, by: -1}
	for k, a := range l.parties {
		switch v := a.witness(q) + a.safeBound(q); {
		case v < t.least:
			t = told{least: v, by: k, second: t.least}
		case v < t.second:
			t.second = v
		}
	}
	return t
}

// told is the least that anybody knows of, who that is, and the least of all others.
type told struct {
	least, second share.Rate
	by            int
}

// besides is the least that anybody but one knows of: what one has itself, others have to tell when it is cut off.
func (t told) besides(party int) share.Rate {
	if t.by == party {
		return t.second
	}
	return t.least
}

// missStrangers works out what is missing between the safe shares that are known and what those who are heard of were told.
func (l *ledger) missStrangers(until int64) {
	l.unknownUntil = until
	for q := range l.keys {
		l.unknown[q] = l.told[q]
		for id, a := range l.accounts {
			if id != l.newestID {
				l.unknown[q] -= min(l.unknown[q], a.safeBound(q))
			}
		}
	}
}

// inherit takes over what a predecessor noted of strangers.
func (l *ledger) inherit(noted *grants, until int64) {
	if noted == nil {
		return
	}
	l.unknownUntil = until
	for i := range noted.resources {
		if noted.resources[i].key != l.key {
			continue
		}
		for _, g := range noted.resources[i].queues {
			if q := slices.Index(l.keys, g.key); q >= 0 {
				l.unknown[q] = g.safeBound
			}
		}
	}
}

// strange is what is kept for strangers.
func (l *ledger) strange(now int64) (sum share.Rate) {
	if now >= l.unknownUntil {
		return 0
	}
	for _, v := range l.unknown {
		sum += v
	}
	return sum
}

func (l *ledger) encodeStrangers(out *resourceGrants) {
	out.key, out.queues = l.key, out.queues[:0]
	for q, key := range l.keys {
		out.queues = append(out.queues, queueGrant{key: key, safeBound: l.unknown[q]})
	}
}
