package catalog

import (
	"math"
	"slices"
	"time"

	"proscenium/facts"
)

// window is a stretch of time [start, end) as the files have it.
type window struct {
	start, end int64
	// repeats says that the window touches the year that repeats; spans, that it also reaches into the year after.
	repeats, spans bool
}

// calendar turns the windows of the files into those of a year. With a repeated year Y0, each window that touches Y0 has a run in every later
// year: the same local dates and times, so many years later. Every other window has one run, its own. A window is shown with one run at a
// time: one that reaches over the end of the year shows the run that began in the year before until that ended.
type calendar struct {
	zone    *time.Location
	from    int // Y0; 0: nothing repeats
	windows []window
	index   map[[2]int64]int32
}

// period is a stretch of time [from, to) during which every window shows the same run.
type period struct {
	from, to int64
	years    int // after Y0; 0: windows are as the files have them
}

func (p period) contains(at int64) bool { return p.from <= at && (at < p.to || p.to == facts.Never) }

// span is a run of a window; it is empty where the run does not exist, such as that of a February 29 alone.
type span struct{ start, end int64 }

func (s span) empty() bool { return s.start >= s.end }

// add keeps a window and returns its index; equal windows share one. It is false for a window that repeats and is longer than a year.
func (c *calendar) add(start, end int64) (int32, bool) {
	key := [2]int64{start, end}
	if i, known := c.index[key]; known {
		return i, true
	}
	w := window{start: start, end: end}
	if c.from != 0 && start != facts.Always && end != facts.Never {
		w.repeats = start < c.newYear(c.from+1) && end > c.newYear(c.from)
		w.spans = w.repeats && end > c.newYear(c.from+1)
		if w.repeats && end > c.shift(start, 1) {
			return 0, false
		}
	}
	i := int32(len(c.windows))
	c.windows = append(c.windows, w)
	if c.index == nil {
		c.index = map[[2]int64]int32{}
	}
	c.index[key] = i
	return i, true
}

// period is the one that contains at.
func (c *calendar) period(at int64) period {
	if c.from == 0 {
		return period{from: facts.Always, to: facts.Never}
	}
	year := time.Unix(0, at).In(c.zone).Year()
	if year <= c.from {
		return period{from: facts.Always, to: c.newYear(c.from + 1)}
	}
	p := period{from: c.newYear(year), to: c.newYear(year + 1), years: year - c.from}
	for _, w := range c.windows {
		if !w.spans {
			continue
		}
		// The end of the run that began in the year before.
		if end := c.shift(w.end, p.years-1); end <= at {
			p.from = max(p.from, end)
		} else {
			p.to = min(p.to, end)
		}
	}
	return p
}

// runs are the runs of all windows in a period, by the index of the window.
func (c *calendar) runs(p period) []span {
	runs := make([]span, len(c.windows))
	for i, w := range c.windows {
		years := p.years
		if !w.repeats {
			years = 0
		} else if w.spans && years > 0 && c.shift(w.end, years-1) > p.from {
			years--
		}
		runs[i] = span{start: c.shift(w.start, years), end: c.shift(w.end, years)}
	}
	return runs
}

// shift moves an instant by years to the same local date and time; a February 29 becomes March 1 where there is none.
func (c *calendar) shift(at int64, years int) int64 {
	if years == 0 {
		return at
	}
	t := time.Unix(0, at).In(c.zone)
	return nanos(time.Date(t.Year()+years, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), c.zone))
}

func (c *calendar) newYear(year int) int64 {
	return nanos(time.Date(year, time.January, 1, 0, 0, 0, 0, c.zone))
}

// nanos clamps what Unix nanoseconds cannot express to Always and Never.
func nanos(t time.Time) int64 {
	const limit = math.MaxInt64 / int64(time.Second)
	switch sec := t.Unix(); {
	case sec >= limit:
		return facts.Never
	case sec <= -limit:
		return facts.Always
	default:
		return t.UnixNano()
	}
}

// compact drops what is needed for loading only.
func (c *calendar) compact() {
	c.windows = slices.Clip(c.windows)
	c.index = nil
}
