package hierarchy

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"proscenium/engine/policy/hierarchy/share"
	"proscenium/traffic"
)

// perOp is how long a call takes.
func perOp(n int, call func()) float64 {
	began := time.Now()
	for range n {
		call()
	}
	return float64(time.Since(began)) / float64(n)
}

func BenchmarkTake(b *testing.B) {
	began := time.Now()
	clock := func() int64 { return int64(time.Since(began)) }
	m := newMember("r", clock, new(DefaultTiming()))
	m.configure(0, new(contended()))
	grant := func(r share.Rate) {
		m.apply(0, never, &resourceGrants{key: m.key, queues: []queueGrant{{key: keyOf("high"), grant: r}}}, running{epoch: 1}, false)
	}
	for _, c := range []struct {
		name  string
		rate  share.Rate
		limit rate.Limit
	}{{"let through", share.MaxRate, 1e9}, {"refused", 1, 0.001}} {
		b.Run(c.name, func(b *testing.B) {
			grant(c.rate)
			limiter := rate.NewLimiter(c.limit, 2)
			base := perOp(200_000, func() { limiter.Allow() })
			// A request reads the clock once for all its policies: Take is given the time.
			given := perOp(200_000, func() { limiter.AllowN(began, 1) })
			now := clock()
			b.ReportAllocs()
			for b.Loop() {
				now++
				m.Take(0, now, 1)
			}
			own := float64(b.Elapsed()) / float64(b.N)
			b.ReportMetric(own/base, "x-Allow")
			b.ReportMetric(own/given, "x-AllowN")
		})
	}
	b.Run("parallel", func(b *testing.B) {
		grant(share.MaxRate)
		var at atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			now := at.Add(1)
			for pb.Next() {
				now++
				m.Take(0, now, 1)
			}
		})
	})
}

// largeFleet is an allocator of 20 queues, and reports of 50 processes for it.
func largeFleet(tb testing.TB) (*station, *allocator, *response) {
	tb.Helper()
	r := Resource{Name: "large", Class: traffic.Live, Share: share.Resource{Max: rps(12_000)}}
	for q := range 20 {
		r.Share.Queues = append(r.Share.Queues, share.Queue{
			Name: fmt.Sprintf("shadow_dispatch_voucher_%02d_queue", q), Guaranteed: rps(500), Priority: int32(q % 3), Burst: 25, StarvingTimeout: 2 * time.Second,
		})
	}
	s := newStation(0, 1, new(DefaultTiming()), true)
	s.configure([]Resource{r}, nil)
	s.office = newAllocator(0, 0, &response{ok: true, epoch: 1}, s)
	reports := &response{ok: true}
	for i := range 50 {
		reports.reports = append(reports.reports, row{id: uint64(i) + 1})
	}
	return s, s.office, reports
}

// file makes every process report wants, having run the grants of a version.
func file(a *allocator, reports *response, seq uint64) {
	l := a.resources[0]
	for i := range reports.reports {
		said := report{epoch: a.epoch, leader: a.id, version: a.version, resources: []resourceReport{{key: l.key}}}
		for q, key := range l.keys {
			said.resources[0].queues = append(said.resources[0].queues, queueReport{
				key: key, want: share.Rate((i*7919+q*104729+int(seq)*31)%20_000) + 1, starving: (i+q)%17 == 0, used: 9_000, grant: 9_000, safe: 5_000,
			})
		}
		reports.reports[i].seq, reports.reports[i].data = seq, said.encode()
	}
}

func BenchmarkTick(b *testing.B) {
	_, a, reports := largeFleet(b)
	now, seq := int64(0), uint64(0)
	var out, in int
	// Reports come in two sets, so that making them is no part of a tick; their numbers are given anew.
	for b.Loop() {
		b.StopTimer()
		now, seq = now+int64(a.timing.Period), seq+1
		file(a, reports, seq)
		b.StartTimer()
		a.collected(now, reports)
		if q := a.next(now); q == nil || len(q.grants) != 50 {
			b.Fatal("nothing was published")
		}
		b.StopTimer()
		out, in = 0, len(reports.reports[0].data)
		for _, g := range a.rows {
			out += len(g.data)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(in), "B/report")
	b.ReportMetric(float64(out)/50, "B/grants")
}
