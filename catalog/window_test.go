package catalog

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"proscenium/facts"
)

func newYork(t interface {
	Helper()
	Fatal(...any)
},
) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// local is an instant from a date, or a date and time, in the zone.
func local(t *testing.T, zone *time.Location, s string) int64 {
	t.Helper()
	for _, layout := range []string{time.DateOnly, time.DateTime} {
		if at, err := time.ParseInLocation(layout, s, zone); err == nil {
			return at.UnixNano()
		}
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixNano()
}

func TestWindowOfAYear(t *testing.T) {
	zone := newYork(t)
	for _, c := range []struct {
		name       string
		start, end string // of the file
		at         string
		runs       [2]string // as seen at that time
	}{
		{"the year itself is as the file has it", "2017-02-08", "2017-02-15", "2017-07-01", [2]string{"2017-02-08", "2017-02-15"}},
		{"earlier years see the file's windows", "2017-02-08", "2017-02-15", "2011-07-01", [2]string{"2017-02-08", "2017-02-15"}},
		{"a later year sees its own run", "2017-02-08", "2017-02-15", "2026-07-01", [2]string{"2026-02-08", "2026-02-15"}},
		{"the last nanosecond of the year belongs to it", "2017-02-08", "2017-02-15", "2017-12-31T23:59:59.999999999-05:00", [2]string{"2017-02-08", "2017-02-15"}},
		{"the first nanosecond of the next year belongs to that", "2017-02-08", "2017-02-15", "2018-01-01", [2]string{"2018-02-08", "2018-02-15"}},
		{"the year ends by the catalog's clock", "2017-02-08", "2017-02-15", "2018-01-01T04:59:59Z", [2]string{"2017-02-08", "2017-02-15"}},
		{"a window that begins before daylight saving keeps its dates", "2017-03-08", "2017-03-15", "2026-03-09", [2]string{"2026-03-08", "2026-03-15"}},
		{"a run from the year before keeps its distance", "2016-12-28", "2017-01-04", "2026-06-01", [2]string{"2025-12-28", "2026-01-04"}},
		{"in January the run of the year before is on", "2017-12-27", "2018-01-03", "2026-01-02", [2]string{"2025-12-27", "2026-01-03"}},
		{"its last nanosecond is on", "2017-12-27", "2018-01-03", "2026-01-02T23:59:59.999999999-05:00", [2]string{"2025-12-27", "2026-01-03"}},
		{"when it ended the coming run is announced", "2017-12-27", "2018-01-03", "2026-01-03", [2]string{"2026-12-27", "2027-01-03"}},
		{"the first January after the year has the original run", "2017-12-27", "2018-01-03", "2018-01-02", [2]string{"2017-12-27", "2018-01-03"}},
		{"the year's own January does not have a run from before", "2017-12-27", "2018-01-03", "2017-01-02", [2]string{"2017-12-27", "2018-01-03"}},
		{"a long run over the year's end", "2017-09-20", "2018-02-28", "2028-02-27", [2]string{"2027-09-20", "2028-02-28"}},
		{"a week that ends in a leap year's March has a day more", "2017-02-22", "2017-03-01", "2028-02-29", [2]string{"2028-02-22", "2028-03-01"}},
		{"a whole year follows itself", "2017-01-01", "2018-01-01", "2020-02-29", [2]string{"2020-01-01", "2021-01-01"}},
		{"a window of another year stays", "2026-11-01", "2026-11-02", "2026-07-01", [2]string{"2026-11-01", "2026-11-02"}},
		{"a window that ends as the year begins stays", "2016-12-01", "2017-01-01", "2026-07-01", [2]string{"2016-12-01", "2017-01-01"}},
		{"a window that begins as the year ends stays", "2018-01-01", "2018-01-08", "2026-07-01", [2]string{"2018-01-01", "2018-01-08"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			times := calendar{zone: zone, from: 2017}
			i, ok := times.add(local(t, zone, c.start), local(t, zone, c.end))
			if !ok {
				t.Fatal("the window is refused")
			}
			at := local(t, zone, c.at)
			p := times.period(at)
			if !p.contains(at) {
				t.Fatalf("the period %v does not contain its instant", p)
			}
			got := times.runs(p)[i]
			if want := (span{local(t, zone, c.runs[0]), local(t, zone, c.runs[1])}); got != want {
				t.Errorf("run from %s to %s", time.Unix(0, got.start).In(zone), time.Unix(0, got.end).In(zone))
			}
		})
	}
}

func TestFebruary29HasNoRunInOtherYears(t *testing.T) {
	zone := newYork(t)
	times := calendar{zone: zone, from: 2016}
	alone, _ := times.add(local(t, zone, "2016-02-29"), local(t, zone, "2016-03-01"))
	ending, _ := times.add(local(t, zone, "2016-02-22"), local(t, zone, "2016-02-29"))
	runs := times.runs(times.period(local(t, zone, "2017-06-01")))
	if !runs[alone].empty() {
		t.Errorf("a window of February 29 has the run %v in 2017", runs[alone])
	}
	if want := (span{local(t, zone, "2017-02-22"), local(t, zone, "2017-03-01")}); runs[ending] != want {
		t.Errorf("a window up to February 29 has the run %v in 2017, want %v", runs[ending], want)
	}
	runs = times.runs(times.period(local(t, zone, "2020-06-01")))
	if want := (span{local(t, zone, "2020-02-29"), local(t, zone, "2020-03-01")}); runs[alone] != want {
		t.Errorf("a window of February 29 has the run %v in 2020, want %v", runs[alone], want)
	}
}

func TestDaysOfDaylightSavingKeepTheirMidnights(t *testing.T) {
	zone := newYork(t)
	times := calendar{zone: zone, from: 2017}
	// Clocks change on March 12 and November 5 in 2017, on March 8 and November 1 in 2026.
	for _, c := range []struct {
		start, end string
		hours      int // of the run in 2026
	}{
		{"2017-03-12", "2017-03-13", 24},
		{"2017-03-08", "2017-03-09", 23},
		{"2017-11-05", "2017-11-06", 24},
		{"2017-11-01", "2017-11-02", 25},
	} {
		i, _ := times.add(local(t, zone, c.start), local(t, zone, c.end))
		run := times.runs(times.period(local(t, zone, "2026-06-01")))[i]
		if got := time.Duration(run.end - run.start); got != time.Duration(c.hours)*time.Hour {
			t.Errorf("%s lasts %s in 2026, want %d hours", c.start, got, c.hours)
		}
	}
}

func TestWindowsLongerThanAYearAreRefused(t *testing.T) {
	zone := newYork(t)
	at := func(s string) int64 { return local(t, zone, s) }
	times := calendar{zone: zone, from: 2017}
	for _, c := range []struct {
		name       string
		start, end int64
		ok         bool
	}{
		{"a year", at("2017-03-01"), at("2018-03-01"), true},
		{"a day more", at("2017-03-01"), at("2018-03-02"), false},
		{"open at the end", at("2017-03-01"), facts.Never, true},
		{"open at the start", facts.Always, at("2017-03-01"), true},
		{"years before", at("2011-01-01"), at("2015-01-01"), true},
	} {
		if _, ok := times.add(c.start, c.end); ok != c.ok {
			t.Errorf("%s: accepted %t, want %t", c.name, ok, c.ok)
		}
	}
	open := calendar{zone: zone}
	if _, ok := open.add(at("2017-03-01"), at("2020-03-02")); !ok {
		t.Error("without repetition a window may be long")
	}
}

func TestOpenWindowsStay(t *testing.T) {
	zone := newYork(t)
	times := calendar{zone: zone, from: 2017}
	always, _ := times.add(facts.Always, facts.Never)
	since, _ := times.add(local(t, zone, "2017-03-01"), facts.Never)
	for _, at := range []int64{facts.Always, 0, local(t, zone, "2017-06-01"), local(t, zone, "2100-06-01"), facts.Never} {
		p := times.period(at)
		if !p.contains(at) {
			t.Errorf("the period %v does not contain %d", p, at)
		}
		runs := times.runs(p)
		if runs[always] != (span{facts.Always, facts.Never}) || runs[since] != (span{local(t, zone, "2017-03-01"), facts.Never}) {
			t.Errorf("open windows have the runs %v at %d", runs, at)
		}
	}
}

// A calendar answers as if each window were asked about alone: the run of the year before until that ended, then that of the year.
func TestPeriodsAgreeWithEachWindowAlone(t *testing.T) {
	zones := []*time.Location{time.UTC, newYork(t)}
	rapid.Check(t, func(t *rapid.T) {
		times := calendar{zone: rapid.SampledFrom(zones).Draw(t, "zone"), from: rapid.IntRange(2015, 2020).Draw(t, "from")}
		type drawn struct {
			index      int32
			start, end time.Time
		}
		var windows []drawn
		for range rapid.IntRange(1, 6).Draw(t, "windows") {
			start := time.Date(times.from, 1, 1, 0, 0, 0, 0, times.zone).AddDate(0, 0, rapid.IntRange(-400, 800).Draw(t, "day"))
			end := start.AddDate(0, 0, rapid.IntRange(1, 365).Draw(t, "days"))
			i, ok := times.add(start.UnixNano(), end.UnixNano())
			if !ok {
				t.Fatalf("%s to %s is refused", start, end)
			}
			windows = append(windows, drawn{i, start, end})
		}
		year := rapid.IntRange(times.from-2, times.from+12).Draw(t, "year")
		at := time.Date(year, 1, 1, rapid.IntRange(0, 24*366).Draw(t, "hour"), 0, 0, 0, times.zone)
		p := times.period(at.UnixNano())
		if !p.contains(at.UnixNano()) {
			t.Fatalf("the period %v does not contain %s", p, at)
		}
		runs := times.runs(p)
		newYear := time.Date(times.from, 1, 1, 0, 0, 0, 0, times.zone)
		for _, w := range windows {
			want := span{w.start.UnixNano(), w.end.UnixNano()}
			touches := w.start.Before(newYear.AddDate(1, 0, 0)) && w.end.After(newYear)
			if n := at.Year() - times.from; n > 0 && touches {
				moved := func(t time.Time, n int) int64 {
					return time.Date(t.Year()+n, t.Month(), t.Day(), 0, 0, 0, 0, times.zone).UnixNano()
				}
				if w.end.After(newYear.AddDate(1, 0, 0)) && moved(w.end, n-1) > at.UnixNano() {
					n--
				}
				want = span{moved(w.start, n), moved(w.end, n)}
			}
			if runs[w.index] != want {
				t.Fatalf("%s to %s at %s: run %v, want %v", w.start, w.end, at, runs[w.index], want)
			}
		}
		// Everywhere in the period the answer is the same, and right outside of it another period begins.
		for _, other := range []int64{p.from, p.to - 1} {
			if other != facts.Always && times.period(other) != p {
				t.Fatalf("%d belongs to %v, not to %v", other, times.period(other), p)
			}
		}
		if p.to != facts.Never && times.period(p.to).from != p.to {
			t.Fatalf("the period behind %v is %v", p, times.period(p.to))
		}
	})
}

func TestEqualWindowsShareOneEntry(t *testing.T) {
	zone := newYork(t)
	times := calendar{zone: zone, from: 2017}
	a, _ := times.add(1, 2)
	b, _ := times.add(2, 3)
	c, _ := times.add(1, 2)
	if a != c || a == b || len(times.windows) != 2 {
		t.Errorf("indexes %v of %d windows", []int32{a, b, c}, len(times.windows))
	}
	if !slices.IsSortedFunc(times.windows, func(x, y window) int { return int(x.start - y.start) }) {
		t.Error("windows are not in the order in which they came")
	}
}
