package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	adminv1 "proscenium/gen/proscenium/admin/v1"
	"proscenium/gen/proscenium/admin/v1/adminv1connect"
)

// granted is what the processes say of their queues, in thousandths of a request a second, at one instant or nearly.
type granted struct {
	at     time.Duration
	queues [fleetSize]map[string]*adminv1.LimitStatus
}

func (g *granted) of(queue string) (sum int64) {
	for _, queues := range g.queues {
		sum += queues[queue].GetGrantedMilli()
	}
	return sum
}

func (g *granted) total() int64 { return g.of("high") + g.of("low") }

// all says whether every queue of every process is in a state.
func (g *granted) all(state string) bool {
	for _, queues := range g.queues {
		if queues["high"].GetState() != state || queues["low"].GetState() != state {
			return false
		}
	}
	return true
}

func (g *granted) String() string {
	var states []string
	for _, queues := range g.queues {
		states = append(states, fmt.Sprintf("%s %d+%d", queues["high"].GetState(), queues["high"].GetGrantedMilli()/1000, queues["low"].GetGrantedMilli()/1000))
	}
	return fmt.Sprintf("%v: %d+%d (%s)", g.at.Round(10*time.Millisecond), g.of("high")/1000, g.of("low")/1000, strings.Join(states, ", "))
}

// grants asks all processes at once.
func (f *sharing) grants() *granted {
	f.t.Helper()
	g := &granted{at: f.load.now()}
	var asking sync.WaitGroup
	var errs [fleetSize]error
	for i := range f.processes {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(f.t.Context(), 20*time.Second)
			defer cancel()
			client := adminv1connect.NewOperationsServiceClient(http.DefaultClient, f.processes[i].admin)
			res, err := client.ListLimits(ctx, connect.NewRequest(&adminv1.ListLimitsRequest{NamePrefix: "readers"}))
			if err != nil {
				errs[i] = err
				return
			}
			g.queues[i] = map[string]*adminv1.LimitStatus{}
			for _, l := range res.Msg.GetLimits() {
				if l.GetTraffic() == adminv1.Traffic_TRAFFIC_LIVE {
					g.queues[i][l.GetDimension()] = l
				}
			}
		})
	}
	asking.Wait()
	for i, err := range errs {
		if err != nil {
			f.t.Fatalf("process %d: %v", i, err)
		}
		if len(g.queues[i]) != 2 {
			f.t.Fatalf("process %d has the queues %v", i, g.queues[i])
		}
	}
	return g
}

// together is true of two answers that say the same, so close to each other that no grant can have changed and changed back between: then all that they
// say was so at one instant. A process reports, and learns of grants, four times a second.
func together(a, b *granted, now time.Duration) bool {
	if now-a.at > 150*time.Millisecond {
		return false
	}
	for i := range a.queues {
		for queue, status := range a.queues[i] {
			if again := b.queues[i][queue]; again.GetGrantedMilli() != status.GetGrantedMilli() || again.GetState() != status.GetState() {
				return false
			}
		}
	}
	return true
}

// watchGrants asks until something holds of grants at one instant, whose sum is never more than the capacity.
func (f *sharing) watchGrants(what string, done func(*granted) bool) *granted {
	f.t.Helper()
	var held *granted
	instants, most := 0, int64(0)
	before := f.grants()
	deadline := time.Now().Add(60 * time.Second)
	for held == nil {
		g := f.grants()
		if together(before, g, f.load.now()) {
			instants++
			most = max(most, g.total())
			if g.total() > capacity*1000 {
				f.t.Fatalf("the grants in force are more than the capacity of %d: %v", capacity, g)
			}
			if done(g) {
				held = g
			}
		}
		before = g
		<-time.After(10 * time.Millisecond)
		if time.Now().After(deadline) {
			f.t.Fatalf("waited in vain for %s; the last grants: %v", what, g)
		}
	}
	f.t.Logf("%s: %v; at %d instants since the last stage at most %.1f were granted", what, held, instants, float64(most)/1000)
	return held
}

// silentShare is what is kept free for a process that was killed, for two minutes, as it did not say goodbye: its part of the guarantees, at which it may
// go on somewhere, cut off.
const silentShare = (highGuaranteed + lowGuaranteed) / fleetSize

// full says that all but some is granted, and nobody has less than what is guaranteed: the larger priority has what is left.
func full(kept int64) func(*granted) bool {
	const rounding = 10 // of shares, in thousandths
	return func(g *granted) bool {
		return g.all("granted") && g.total() >= (capacity-kept)*1000-rounding &&
			g.of("low") >= lowGuaranteed*1000-rounding && g.of("high") >= highGuaranteed*1000-rounding
	}
}

// waitForUse waits until the queues, asked for more, let nearly as much through in a second as they may, of all but some: the smaller priority what is
// guaranteed to it, and the larger one the rest.
func (f *sharing) waitForUse(what string, kept int) {
	f.t.Helper()
	from := f.load.now()
	var high, low int
	waitFor(f.t, what, func() bool {
		end := f.load.now()
		in := func(queue string) int {
			return len(only(f.load.since(from, queue), func(a *asked) bool { return a.decided == admitted && a.answered > end-time.Second }))
		}
		high, low = in("high"), in("low")
		return high >= 8*(capacity-kept-lowGuaranteed)/10 && low >= 8*lowGuaranteed/10
	})
	f.t.Logf("%s: %d and %d let through in the last second", what, high, low)
}

// checkQueue checks what was let through in windows of several lengths: what a rate gives in that time, and the bursts of as many buckets.
func (f *sharing) checkQueue(what string, of []asked, rate, buckets int) {
	f.t.Helper()
	for _, window := range []time.Duration{100 * time.Millisecond, time.Second, 3 * time.Second, 10 * time.Second} {
		want := rate*int(window/time.Millisecond)/1000 + buckets*queueBurst
		most, at := mostIn(of, window-apart)
		if most > want {
			f.t.Errorf("%s: %d were let through in %v, from %v on; want at most %d", what, most, window, at, want)
		}
		if window == time.Second {
			f.t.Logf("%s: at most %d in a second, want at most %d", what, most, want)
		}
	}
}

// Two queues share a capacity over three processes: whatever happens to one of them and to Redis, the rates in force never are more, and each
// bucket adds its burst once. What is guaranteed is met, what is left goes to the larger priority. Without Redis each process goes on at its part of the
// guarantees once its lease of three seconds is over, and when Redis is back, empty, a new allocator waits that long before it grants anything more.
func TestThreeProcessesShareQueuesWhileOneIsKilledAndRedisIsRestarted(t *testing.T) {
	f := newSharing(t)
	if f == nil {
		return
	}
	defer f.load.begin("high", 4)()
	defer f.load.begin("low", 4)()
	f.watchGrants("all is granted", full(0))
	f.waitForUse("all is used", 0)

	f.crash(1)
	f.watchGrants("all is granted, to a new process too", func(g *granted) bool {
		return full(silentShare)(g) && g.queues[1]["high"].GetGrantedMilli() > 0 && g.queues[1]["low"].GetGrantedMilli() > 0
	})
	f.waitForUse("all is used, by a new process too", silentShare)

	f.redis.Stop()
	f.watchGrants("all are in safe mode", func(g *granted) bool { return g.all("safe_mode") })
	alone := f.load.now()
	waitFor(t, "a second in safe mode", func() bool { return f.load.now() > alone+1500*time.Millisecond })
	if g := f.grants(); !g.all("safe_mode") || g.total() != 0 {
		t.Errorf("somebody was granted something without Redis: %v", g)
	}
	back := f.load.now()
	f.redis.Restart()
	f.watchGrants("all is granted again", full(silentShare))
	f.waitForUse("all is used again", silentShare)
	f.load.end()

	all := map[string][]asked{}
	var both []asked
	for _, queue := range []string{"high", "low"} {
		all[queue] = only(f.load.since(0, queue), isAdmitted)
		both = append(both, all[queue]...)
		safe := only(all[queue], func(a *asked) bool { return a.sent > alone && a.answered < back })
		rate := map[string]int{"high": highGuaranteed, "low": lowGuaranteed}[queue]
		f.checkQueue("queue "+queue+" in safe mode", safe, rate, fleetSize)
		if len(safe) == 0 {
			t.Errorf("queue %s lets nothing through in safe mode", queue)
		}
	}
	slices.SortFunc(both, func(a, b asked) int { return cmp.Compare(a.sent, b.sent) })
	// The process that was killed had buckets, too.
	f.checkQueue("both queues", both, capacity, 2*(fleetSize+1))
	f.checkQueue("queue high", all["high"], capacity, fleetSize+1)
	f.checkQueue("queue low", all["low"], capacity, fleetSize+1)
	f.end()
}
