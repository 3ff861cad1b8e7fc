package bench

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"proscenium/scenes/reload"
)

// window is a time, in Unix nanoseconds.
type window struct{ begin, end int64 }

func (w window) length() time.Duration { return time.Duration(w.end - w.begin) }

// figures are what callers saw of reloads.
type figures struct {
	loads, requests int
	// load is the median of the times from the first read of the directory until the snapshot serves or is refused.
	load time.Duration
	// during is of the requests of which some part fell into a load; behind of those in as much time right behind a load; quiet of those in
	// as much time between two loads. All are chosen alike: a long request is likelier to be found in a window than a short one.
	during, behind, quiet []time.Duration
	// ratios has, of each load, its 99th percentile against that of the quiet around it, sorted: of something else that keeps the machine busy
	// for a moment only some of them are spoiled.
	ratios []float64
}

// figuresOf sorts requests by the loads. Loads before the traffic began, or behind its end, do not count.
func figuresOf(loads []load, samples []sample) figures {
	slices.SortFunc(samples, func(a, b sample) int { return cmp.Compare(a.start, b.start) })
	first, last := samples[0].start, samples[len(samples)-1].end
	f := figures{requests: len(samples)}
	var busy []window
	for _, l := range loads {
		if l.Begin > first && l.End < last {
			busy = append(busy, window{l.Begin, l.End})
		}
	}
	f.loads = len(busy)
	lengths := make([]time.Duration, 0, len(busy))
	for i, w := range busy {
		lengths = append(lengths, w.length())
		during := latencies(samples, w)
		f.during = append(f.during, during...)
		if i+1 == len(busy) {
			break
		}
		// Three windows of the same length in the pause behind: at its start, and twice in its middle, where nothing is left of this load
		// and no file is edited for the next.
		pause := window{w.end, busy[i+1].begin}
		if pause.length() < 6*w.length() {
			continue
		}
		long := int64(w.length())
		f.behind = append(f.behind, latencies(samples, window{pause.begin, pause.begin + long})...)
		middle := pause.begin + int64(pause.length())/2
		quiet := slices.Concat(latencies(samples, window{middle - long, middle}), latencies(samples, window{middle, middle + long}))
		f.quiet = append(f.quiet, quiet...)
		if len(during) > 0 && len(quiet) > 0 {
			slices.Sort(during)
			slices.Sort(quiet)
			f.ratios = append(f.ratios, ratio(quantile(during, .99), quantile(quiet, .99)))
		}
	}
	slices.Sort(lengths)
	if len(lengths) > 0 {
		f.load = lengths[len(lengths)/2]
	}
	slices.Sort(f.during)
	slices.Sort(f.behind)
	slices.Sort(f.quiet)
	slices.Sort(f.ratios)
	return f
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// longest is more than any request takes: those that began earlier are not looked for.
const longest = 5 * time.Second

// latencies are those of the requests that were under way in the window. samples are in the order of their start.
func latencies(samples []sample, w window) []time.Duration {
	from, _ := slices.BinarySearchFunc(samples, w.begin-int64(longest), func(s sample, at int64) int { return cmp.Compare(s.start, at) })
	var out []time.Duration
	for _, s := range samples[from:] {
		if s.start >= w.end {
			break
		}
		if s.end > w.begin {
			out = append(out, time.Duration(s.end-s.start))
		}
	}
	return out
}

// checkApplied is an error if a state that was applied was never answered, or a request that was sent behind its load was answered by an older one.
func checkApplied(loads []load, samples []sample, states []*state) error {
	index := make(map[string]int32, len(states))
	for i, s := range states {
		index[s.version] = int32(i)
	}
	seen := make([]bool, len(states))
	for _, s := range samples {
		seen[s.state] = true
	}
	for _, l := range loads {
		if l.Outcome != reload.Applied {
			continue
		}
		at := index[l.Version]
		if !seen[at] && states[at].whole {
			return fmt.Errorf("version %s was applied and never answered", l.Version)
		}
		for _, s := range samples {
			if s.start > l.End && s.state < at {
				return fmt.Errorf("%v behind the load of version %s, version %s was answered", time.Duration(s.start-l.End), l.Version, states[s.state].version)
			}
		}
	}
	return nil
}
