package hierarchy

import (
	"maps"
	"testing"

	"proscenium/engine/policy/hierarchy/share"
)

// Situations that the simulation meets seldom, one by one.

func TestAnExchangeThatFallsBackDoesNotBringGrantsBack(t *testing.T) {
	for _, seed := range fewSeeds() {
		w := newWorld(seed, DefaultTiming(), contended(), 0)
		a, b := w.start(0, 0, 0), w.start(0, 0, 0)
		a.wanting(rps(100), 0, 0)
		b.wanting(0, 0, 0)
		must(t, seed, w.run(6*sec))
		// A copy that is left behind, as a replica may be, takes the place of the exchange when b has what a had.
		reports, grants := maps.Clone(w.exchange.reports), maps.Clone(w.exchange.grants)
		a.wanting(0, 0, 0)
		b.wanting(rps(100), 0, 0)
		must(t, seed, w.run(6*sec+w.between(sec/2, 2*sec)))
		w.exchange.wipe()
		w.exchange.reports, w.exchange.grants = reports, grants
		must(t, seed, w.run(w.now+8*sec))
	}
}

func TestWhoIsCutOffWhenTheExchangeLosesItsMemoryKeepsItsSafeShare(t *testing.T) {
	clean := 0
	for _, seed := range seeds() {
		w := newWorld(seed, DefaultTiming(), contended(), 0)
		for range 2 {
			w.start(0, 0, 0).wanting(rps(10), rps(20), rps(5))
		}
		must(t, seed, w.run(6*sec))
		w.start(0, 0, 0).wanting(rps(10), rps(20), rps(5))
		must(t, seed, w.run(w.now+w.between(0, 2*sec)))
		// Nobody has much time to hear of what anybody was given last.
		lost := w.nodes[w.rng.IntN(3)]
		lost.cutOff = true
		w.exchange.wipe()
		for _, n := range w.nodes {
			if n != lost {
				n.wanting(rps(100), rps(100), rps(100))
			}
		}
		must(t, seed, w.run(w.now+12*sec))
		if w.leader() == nil {
			t.Fatalf("-sim.seed %d: nobody allocates", seed)
		}
		lost.cutOff = false
		must(t, seed, w.run(w.now+4*sec))
		if s := (*lost.member.slots.Load())[0].bucket.read(lost.clock()); s.state != Granted {
			t.Fatalf("-sim.seed %d: who is back has %s", seed, s.state)
		}
		if w.leader().station.office.resources[0].strange(0) == 0 {
			clean++
		}
	}
	// Where a safe share was promised and not given yet, that much is kept until it is forgotten.
	t.Logf("in %d of %d nothing is kept for strangers when all are back", clean, len(seeds()))
	if clean == 0 {
		t.Error("something always is")
	}
}

func TestAQueueThatLetsNothingThroughWhileItIsAskedStarves(t *testing.T) {
	timing := DefaultTiming()
	now := int64(0)
	m := newMember("voucher", func() int64 { return now }, &timing)
	m.configure(0, new(contended()))
	var r resourceReport
	starving := func(at int64) bool {
		now = at
		m.report(at, &r)
		return r.queues[0].starving
	}
	ask := func(at int64) bool { ok, _ := m.Take(0, at, 1); return ok }
	if !starving(0) {
		t.Error("a new process starves until it is known what it wants")
	}
	if starving(2 * sec) {
		t.Error("nobody asks")
	}
	for ask(2 * sec) {
	}
	if starving(2*sec + int64(timing.Barren) - 1) {
		t.Error("a moment without is no starving")
	}
	if !starving(2*sec + int64(timing.Barren)) {
		t.Error("nothing was let through for long")
	}
	m.apply(3*sec, 60*sec, &resourceGrants{key: m.key, queues: []queueGrant{{key: keyOf("high"), grant: rps(100)}}}, running{epoch: 1}, false)
	if !ask(3*sec + sec/10) {
		t.Fatal("refused")
	}
	if !starving(3*sec + sec/10) {
		t.Error("its floor is taken away before the burst is served")
	}
	if starving(2*sec + int64(timing.Barren) + sec) {
		t.Error("it starves for longer than the timeout")
	}
}

func TestASlowClockKeepsItsLeaseUntilAFastOneHasCountedIt(t *testing.T) {
	for _, seed := range seeds() {
		w := newWorld(seed, DefaultTiming(), contended(), 0)
		drift := int64(w.timing.Drift) * 10_000
		fast, slow := w.start(0, 0, 0), w.start(0, 0, 0)
		fast.speed, slow.speed = drift, -drift
		fast.wanting(0, 0, 0)
		slow.wanting(rps(100), 0, 0)
		slow.station.due = slow.clock() + 100*sec // until the other is elected
		must(t, seed, w.run(sec))
		slow.station.due = slow.clock()
		slow.pump()
		must(t, seed, w.run(6*sec+w.between(0, sec)))
		if w.leader() != fast || slow.inForce() < rps(90) {
			t.Fatalf("-sim.seed %d: %s", seed, w.describe())
		}
		slow.cutOff = true
		fast.wanting(rps(100), 0, 0)
		must(t, seed, w.run(w.now+5*sec))
		if fast.inForce() < rps(70) {
			t.Fatalf("-sim.seed %d: the capacity does not come back: %s", seed, w.describe())
		}
	}
}

// ledgerWith is a ledger with one process, which was published some grants of the first queue.
func ledgerWith(grants ...share.Rate) (*ledger, *peer, *account) {
	r := contended()
	l := newLedger(&r, &share.Allocator{})
	p := &peer{id: 1, seq: 1}
	p.report.resources = []resourceReport{{key: l.key, queues: []queueReport{{key: l.keys[0]}}}}
	l.open(p, nil)
	a := l.accounts[1]
	for i, g := range grants {
		row := make([]share.Rate, len(l.keys))
		row[0] = g
		a.publish(publication{version: uint64(i) + 1, until: 100, grant: row, safe: make([]share.Rate, len(l.keys)), promised: make([]share.Rate, len(l.keys))})
	}
	return l, p, a
}

func TestWhatCountsAsInForce(t *testing.T) {
	acknowledge := func(l *ledger, p *peer, epoch, leader, version uint64) {
		p.report.epoch, p.report.leader, p.report.version = epoch, leader, version
		l.read(p, 5, 1)
	}
	for _, c := range []struct {
		name string
		most func() share.Rate
		want share.Rate
	}{
		{"the largest of what was published", func() share.Rate { _, _, a := ledgerWith(3, 9, 1); return a.reserve(0, 0) }, 9},
		{"nothing when all leases are over", func() share.Rate { _, _, a := ledgerWith(3, 9, 1); return a.reserve(0, 100) }, 0},
		{"not what is older than what it acknowledged", func() share.Rate {
			l, p, a := ledgerWith(3, 9, 1)
			acknowledge(l, p, 5, 1, 3)
			return a.reserve(0, 0)
		}, 1},
		{"what is younger than what it acknowledged", func() share.Rate {
			l, p, a := ledgerWith(3, 9, 1)
			acknowledge(l, p, 5, 1, 1)
			return a.reserve(0, 0)
		}, 9},
		{"all, where it acknowledges a version of another term", func() share.Rate {
			l, p, a := ledgerWith(3, 9, 1)
			acknowledge(l, p, 4, 1, 3)
			return a.reserve(0, 0)
		}, 9},
		{"all, where it acknowledges another leader's of the same epoch", func() share.Rate {
			l, p, a := ledgerWith(3, 9, 1)
			acknowledge(l, p, 5, 2, 3)
			return a.reserve(0, 0)
		}, 9},
		{"all, where it acknowledges what was never published", func() share.Rate {
			l, p, a := ledgerWith(3, 9, 1)
			acknowledge(l, p, 5, 1, 4)
			return a.reserve(0, 0)
		}, 9},
		{"the largest of many that nobody acknowledges", func() share.Rate {
			_, _, a := ledgerWith(9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 1, 1, 1, 1)
			return a.reserve(0, 0)
		}, 9},
		{"the safe share that a process says it has under another term, without end", func() share.Rate {
			l, p, a := ledgerWith(3)
			p.report.resources[0].queues[0].safe = 7
			acknowledge(l, p, 4, 9, 1)
			return a.reserve(0, 1000)
		}, 7},
		{"what was published of queues that are gone", func() share.Rate {
			l, _, a := ledgerWith(3, 9)
			r := contended()
			r.Share.Queues = r.Share.Queues[1:]
			l.configure(&r)
			return a.reserveOrphans(0) + a.reserve(0, 0)
		}, 9},
		{"what a process says it runs of unknown queues", func() share.Rate {
			l, p, a := ledgerWith()
			p.report.resources[0].queues = append(p.report.resources[0].queues, queueReport{key: 77, grant: 5, safe: 8})
			acknowledge(l, p, 4, 9, 1)
			return a.reserveOrphans(1000)
		}, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.most(); got != c.want {
				t.Errorf("%d count, want %d", got, c.want)
			}
		})
	}
}
