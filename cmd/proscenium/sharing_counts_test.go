package main

import (
	"cmp"
	"slices"
	"testing"
	"time"
)

// apart is how far the clocks of two processes may run apart in the windows that the tests look at: that of Redis is corrected by the network.
const apart = time.Millisecond

// mostIn is how many requests at most were decided in one window of a length: those count that were sent after its beginning and answered before its
// end. More than these may lie in it, none fewer do. The requests are sorted by when they were sent.
func mostIn(of []asked, window time.Duration) (most int, at time.Duration) {
	for i := range of {
		end, n := of[i].sent+window, 0
		for j := i; j < len(of) && of[j].sent < end; j++ {
			if of[j].answered < end {
				n++
			}
		}
		if n > most {
			most, at = n, of[i].sent
		}
	}
	return most, at
}

// late is for how long Redis may carry out what a process asked that died or went on without the answer.
const late = time.Second

// fewestBefore looks at the windows of a length that end with a refusal, and says how few were counted in one of them at most: all those that may lie in it
// count. A limit that refuses only what is too much has as many as it allows in each.
func fewestBefore(refusals, counted []asked, window time.Duration) (fewest int, at time.Duration) {
	sent, answered := make([]time.Duration, len(counted)), make([]time.Duration, len(counted))
	for i := range counted {
		sent[i], answered[i] = counted[i].sent, counted[i].answered
		if counted[i].decided == unknown || counted[i].by < sharedLimit {
			answered[i] += late
		}
	}
	slices.Sort(sent)
	slices.Sort(answered)
	fewest = len(counted)
	for i := range refusals {
		begun, _ := slices.BinarySearchFunc(sent, refusals[i].answered, cmp.Compare[time.Duration])
		over, _ := slices.BinarySearchFunc(answered, refusals[i].sent-window, cmp.Compare[time.Duration])
		if n := begun - over; n < fewest {
			fewest, at = n, refusals[i].sent
		}
	}
	return fewest, at
}

// spanOf is the time from before the first decision to after the last.
func spanOf(of []asked) time.Duration {
	if len(of) == 0 {
		return 0
	}
	end := of[0].answered
	for i := range of {
		end = max(end, of[i].answered)
	}
	return end - of[0].sent
}

// evenly makes requests at a distance from each other, each answered after a while.
func evenly(n int, distance, taking time.Duration) []asked {
	out := make([]asked, n)
	for i := range out {
		out[i].sent = time.Duration(i) * distance
		out[i].answered, out[i].by = out[i].sent+taking, sharedLimit
	}
	return out
}

func TestWhatIsCertainlyInAWindowIsCounted(t *testing.T) {
	for _, c := range []struct {
		name string
		of   []asked
		want int
	}{
		{"nothing", nil, 0},
		{"one", evenly(1, 1, time.Millisecond), 1},
		{"all at once", evenly(1001, 0, time.Millisecond), 1001},
		{"a thousand a second, answered at once", evenly(5000, time.Millisecond, 0), 1000},
		{"a thousand and one", append(evenly(1, 1, 0), evenly(1000, 999*time.Microsecond, 0)...), 1001},
		{"what is answered after the end may lie behind it", evenly(5000, time.Millisecond, 10*time.Millisecond), 990},
		{"what takes longer than the window is nowhere for certain", evenly(100, 0, 2*time.Second), 0},
	} {
		if got, _ := mostIn(c.of, time.Second); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestWhatMayLieBeforeARefusalIsCounted(t *testing.T) {
	refusal := func(at time.Duration) []asked { return []asked{{sent: at, answered: at, decided: denied}} }
	lost := []asked{{sent: 0, answered: 0, decided: unknown}}
	for _, c := range []struct {
		name     string
		refusals []asked
		counted  []asked
		want     int
	}{
		{"no refusals", nil, evenly(5, 1, 0), 5},
		{"nothing was counted", refusal(0), nil, 0},
		{"all of them just now", refusal(999 * time.Millisecond), evenly(1000, 1, 0), 1000},
		{"a second ago", refusal(2 * time.Second), evenly(1000, 1, 0), 0},
		{"one of a thousand too early", refusal(time.Second + 1), evenly(1000, time.Millisecond, 0), 999},
		{"one under way", refusal(time.Second + 1), evenly(1000, time.Millisecond, 1), 1000},
		{"one that may be counted late", refusal(1500 * time.Millisecond), lost, 1},
		{"one whose process died long ago", refusal(2500 * time.Millisecond), lost, 0},
	} {
		if got, _ := fewestBefore(c.refusals, c.counted, time.Second); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
