package hierarchy

import (
	"slices"

	"proscenium/engine/policy/hierarchy/share"
)

// account is what one process may have in force of one resource. Rows are by queue of the resource.
type account struct {
	// published are the grants that it may run, the oldest first: the one that it acknowledged last, or what it brought along, and all since.
	published []publication
	// orphan is what it says to run of queues that the allocator does not know.
	orphan share.Rate
	wants  []want
	// listed says that its last report names the resource.
	listed bool

	// What plan works out, by queue: what may be in force, what should be, and what is to be published.
	reserved, target, grant, safe []share.Rate
	// own is what others are told of its safe share.
	own []share.Rate
}

// want is what the last report says of a queue.
type want struct {
	listed      bool
	demand      share.Demand
	used        share.Rate
	grant, safe share.Rate
	promised    share.Rate
}

// publication is a grant as it was published.
type publication struct {
	version uint64
	// until, on the allocator's clock, no lease of it runs any more. Its safe shares do.
	until       int64
	grant, safe []share.Rate
	// promised is what it told of the safe shares of others.
	promised []share.Rate
	// orphan is what was granted of queues that are no longer there.
	orphan, orphanSafe share.Rate
}

// mostPublished bounds an account. What is beyond is merged, to the higher of each.
const mostPublished = 6

// reserve is the most that may be in force of a queue.
func (a *account) reserve(queue int, now int64) share.Rate {
	var most share.Rate
	for i := range a.published {
		p := &a.published[i]
		most = max(most, p.safe[queue])
		if now < p.until {
			most = max(most, p.grant[queue])
		}
	}
	return most
}

// reserveOrphans is the most that may be in force of queues that are not the resource's.
func (a *account) reserveOrphans(now int64) share.Rate {
	most := a.orphan
	for i := range a.published {
		p := &a.published[i]
		most = max(most, p.orphanSafe)
		if now < p.until {
			most = max(most, p.orphan)
		}
	}
	return most
}

// safeBound is the most that the process may have as safe share of a queue.
func (a *account) safeBound(queue int) share.Rate {
	var most share.Rate
	for i := range a.published {
		most = max(most, a.published[i].safe[queue])
	}
	return most
}

// witness is the least that the process may have been told last of the safe shares of others.
func (a *account) witness(queue int) share.Rate {
	least := share.MaxRate
	for i := range a.published {
		least = min(least, a.published[i].promised[queue])
	}
	return least
}

// acknowledge drops what was published before a version: the process runs that or a later one, and never goes back.
func (a *account) acknowledge(version uint64) {
	drop := 0
	for drop < len(a.published) && a.published[drop].version < version {
		drop++
	}
	if drop == len(a.published) {
		return // nothing that was published to it here has that version
	}
	a.published = slices.Delete(a.published, 0, drop)
}

// publish adds a grant.
func (a *account) publish(p publication) {
	if len(a.published) == mostPublished {
		merge(&a.published[1], &a.published[0])
		a.published = a.published[1:]
	}
	a.published = append(a.published, p)
}

// merge makes a publication count for an older one too.
func merge(into, older *publication) {
	into.until = max(into.until, older.until)
	for q := range into.grant {
		into.grant[q] = max(into.grant[q], older.grant[q])
		into.safe[q] = max(into.safe[q], older.safe[q])
		into.promised[q] = min(into.promised[q], older.promised[q])
	}
	into.orphan, into.orphanSafe = max(into.orphan, older.orphan), max(into.orphanSafe, older.orphanSafe)
}
