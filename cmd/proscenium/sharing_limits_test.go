package main

import (
	"testing"
	"time"
)

// verdicts counts what was decided, by who decided.
func verdicts(of []asked) (redis, local, unknowns []asked) {
	for i := range of {
		switch {
		case of[i].decided == unsent:
		case of[i].decided == unknown:
			unknowns = append(unknowns, of[i])
		case of[i].by == sharedLimit:
			redis = append(redis, of[i])
		default:
			local = append(local, of[i])
		}
	}
	return redis, local, unknowns
}

// waitForAdmitted waits until Redis let so many requests more of a scene through that were sent from an instant on.
func (f *sharing) waitForAdmitted(scene string, from time.Duration, n int) {
	f.t.Helper()
	waitFor(f.t, scene+" to be let through", func() bool {
		redis, _, _ := verdicts(f.load.since(from, scene))
		return len(only(redis, isAdmitted)) >= n && len(only(redis, isDenied)) > 0
	})
}

// A limit of the fleet is exact over three processes, though one of them is killed and starts anew: Redis keeps the count. The windows are of the test's
// clock, so that what no order of events could have allowed is an error, on the fastest and on the busiest machine:
//   - above: no window in which more than the limit certainly were let through;
//   - below: no refusal before which fewer than the limit can have been counted.
func TestThreeProcessesShareALimitExactlyWhileOneIsKilled(t *testing.T) {
	f := newSharing(t)
	if f == nil {
		return
	}
	for _, c := range []struct {
		scene string
		// windows of a length, in which there are at most so many: those of a fixed window are anywhere, and two of them meet in one of ours.
		most int
		// counts is how long something counts at most: what is reserved counts for a twentieth longer, and may be given out as much later.
		counts time.Duration
		// lost is how many at most may have been reserved and then not used, by the processes that had them.
		lost int
	}{
		{scene: "sliding", most: sharedLimit, counts: time.Second},
		{scene: "fixed", most: 2 * sharedLimit, counts: time.Second},
		{scene: "reserved", most: sharedLimit, counts: time.Second * 11 / 10, lost: lostReserves},
	} {
		from := f.load.now()
		stop := f.load.begin(c.scene, 8)
		f.waitForAdmitted(c.scene, from, 3*sharedLimit/2)
		f.crash(1)
		restarted := f.load.now()
		f.waitForAdmitted(c.scene, restarted, 3*sharedLimit/2)
		waitFor(t, "the new process to have its part", func() bool {
			return len(only(f.load.since(restarted, c.scene), func(a *asked) bool { return a.process == 1 && a.decided == admitted })) > 0
		})
		stop()

		all := f.load.since(from, c.scene)
		redis, local, unknowns := verdicts(all)
		through := only(redis, isAdmitted)
		most, at := mostIn(through, time.Second-apart)
		if most > c.most {
			t.Errorf(c.scene+": %d were let through in one second, from %v on; want at most %d", most, at, c.most)
		}
		// The first window begins with the first request, and each other one a second or more after the one before.
		windows := int(spanOf(through)/(time.Second-apart)) + 1
		if len(through) > windows*sharedLimit {
			t.Errorf(c.scene+": %d were let through in %v, want at most %d", len(through), spanOf(through), windows*sharedLimit)
		}
		counted := append(append(through[:len(through):len(through)], unknowns...), only(local, mayBeCounted)...)
		fewest, at := fewestBefore(only(redis, isDenied), counted, c.counts+apart)
		if fewest < sharedLimit-c.lost {
			t.Errorf(c.scene+": a request was refused at %v when at most %d were counted, want %d", at, fewest, sharedLimit-c.lost)
		}
		f.checkLocal(local, c.most/sharedLimit)
		t.Logf("%s: %d let through in %v by Redis, at most %d in a second (want at most %d); at least %d before each of %d refusals (want %d); %d unknown; without Redis %d of %d",
			c.scene, len(through), spanOf(through).Round(time.Millisecond), most, c.most, fewest, len(only(redis, isDenied)), sharedLimit-c.lost, len(unknowns),
			len(only(local, isAdmitted)), len(local))
	}
	f.end()
}

// lostReserves is what processes may have taken ahead and lost within the time in which it counts: less than a chunk of ten, each time one has not used it
// up in a twentieth of a second.
const lostReserves = fleetSize * 9 * 23

// mayBeCounted says that Redis may have counted a request that was decided without its answer: one that waited for it.
func mayBeCounted(a *asked) bool { return a.answered-a.sent > 40*time.Millisecond }

// checkLocal checks what processes decided without Redis, since it did not answer in time: each by its part of the limit, so many times in a second.
func (f *sharing) checkLocal(local []asked, times int) (parts int) {
	f.t.Helper()
	for process := range fleetSize {
		of := only(local, func(a *asked) bool { return a.process == process })
		part := 0
		for i := range of {
			part = max(part, int(of[i].by))
		}
		if part > sharedLimit/fleetSize {
			f.t.Errorf("process %d decided by %d of %d without Redis, though they are %d", process, part, sharedLimit, fleetSize)
		}
		if most, at := mostIn(only(of, isAdmitted), time.Second-apart); most > times*part {
			f.t.Errorf("process %d let %d through without Redis in one second, from %v on; want at most %d", process, most, at, times*part)
		}
		parts += part
	}
	return parts
}

// While Redis is gone each process decides by its part of the limit, as many as it knew that they are. What Redis had counted is gone with it, for it keeps
// nothing on disk, so that the bound of a window of one second in which both count is the sum: the limit as Redis counted it and, from all processes,
// once more as much without it. Before, between and after, the limit itself holds.
func TestThreeProcessesShareALimitWhileRedisIsRestarted(t *testing.T) {
	f := newSharing(t)
	if f == nil {
		return
	}
	const scene = "sliding"
	stop := f.load.begin(scene, 8)
	defer stop()
	f.waitForAdmitted(scene, 0, 2*sharedLimit)
	f.waitUntilAllKnowAll()

	gone := f.load.now()
	f.redis.Stop()
	stopped := f.load.now()
	waitFor(t, "every process to decide without Redis for more than a second", func() bool {
		_, local, _ := verdicts(f.load.since(stopped+time.Second+200*time.Millisecond, scene))
		for process := range fleetSize {
			of := func(a *asked) bool { return a.process == process }
			if len(only(only(local, of), isAdmitted)) == 0 || len(only(only(local, of), isDenied)) == 0 {
				return false
			}
		}
		return true
	})
	back := f.load.now()
	f.redis.Restart()
	restarted := f.load.now()
	f.waitForAdmitted(scene, restarted, 2*sharedLimit)
	waitFor(t, "every process to count in Redis again", func() bool {
		redis, _, _ := verdicts(f.load.since(restarted, scene))
		for process := range fleetSize {
			if len(only(redis, func(a *asked) bool { return a.process == process && a.decided == admitted })) == 0 {
				return false
			}
		}
		return true
	})
	stop()

	all := f.load.since(0, scene)
	redis, local, unknowns := verdicts(all)
	if len(unknowns) > 0 {
		t.Errorf("%d requests without an answer, though no process died: the first %+v", len(unknowns), unknowns[0])
	}
	parts := f.checkLocal(local, 1)
	if parts > sharedLimit {
		t.Errorf("the processes have %d together without Redis, want at most %d", parts, sharedLimit)
	}
	if between := only(redis, func(a *asked) bool { return a.decided == admitted && a.sent > stopped && a.answered < back }); len(between) > 0 {
		t.Errorf("a process was told by Redis, which was gone: %+v", between[0])
	}
	mayCount := only(local, func(a *asked) bool { return mayBeCounted(a) || a.sent < stopped && a.answered > gone })
	for _, life := range []struct {
		name         string
		let, denials []asked
	}{
		{
			"before the restart",
			only(redis, func(a *asked) bool { return a.decided == admitted && a.sent < back }),
			only(redis, func(a *asked) bool { return a.decided == denied && a.answered < back }), // also those that still knew it of Redis
		},
		{
			"after the restart",
			only(redis, func(a *asked) bool { return a.decided == admitted && a.sent >= back }),
			only(redis, func(a *asked) bool { return a.decided == denied && a.sent >= restarted }),
		},
	} {
		most, at := mostIn(life.let, time.Second-apart)
		if most > sharedLimit {
			t.Errorf("%s: %d were let through by Redis in one second, from %v on", life.name, most, at)
		}
		fewest, at := fewestBefore(life.denials, append(mayCount[:len(mayCount):len(mayCount)], life.let...), time.Second+apart)
		if fewest < sharedLimit {
			t.Errorf("%s: a request was refused at %v when at most %d were counted", life.name, at, fewest)
		}
		t.Logf("%s: %d let through by Redis, at most %d in a second; at least %d before each of %d refusals", life.name, len(life.let), most, fewest, len(life.denials))
	}
	let := only(all, isAdmitted)
	most, at := mostIn(let, time.Second-apart)
	if most > sharedLimit+parts {
		t.Errorf("%d were let through in one second, from %v on; want at most %d, with and without Redis", most, at, sharedLimit+parts)
	}
	alone, at := mostIn(only(let, func(a *asked) bool { return a.sent > stopped && a.answered < back && a.by < sharedLimit }), time.Second-apart)
	if alone > parts || alone == 0 {
		t.Errorf("%d were let through in one second without Redis, from %v on; want 1 to %d", alone, at, parts)
	}
	t.Logf("Redis gone from %v to %v: without it %d of %d let through, at most %d in a second by parts of %d together; at most %d in any second (want at most %d)",
		gone.Round(time.Millisecond), restarted.Round(time.Millisecond), len(only(local, isAdmitted)), len(local), alone, parts, most, sharedLimit+parts)
	f.end()
}
