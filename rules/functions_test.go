package rules

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"proscenium/facts"
)

// TestClocksShowTheRegionsTime includes both changes of the clock in New York: on 2026-03-08 from 2:00 to 3:00, on 2026-11-01 back.
func TestClocksShowTheRegionsTime(t *testing.T) {
	for _, c := range []struct {
		name, at string
		zone     *time.Location
		want     string
	}{
		{"winter", "2026-01-31T04:59:59.5Z", newYork(), "hour 23 minute 59 weekday 5 time_of_day 23h59m59.5s date 2026-01-30"},
		{"before the hour that is not there", "2026-03-08T06:59:59Z", newYork(), "hour 1 minute 59 weekday 0 time_of_day 1h59m59s date 2026-03-08"},
		{"after it", "2026-03-08T07:00:00Z", newYork(), "hour 3 minute 0 weekday 0 time_of_day 3h0m0s date 2026-03-08"},
		{"the first time at half past one", "2026-11-01T05:30:00Z", newYork(), "hour 1 minute 30 weekday 0 time_of_day 1h30m0s date 2026-11-01"},
		{"the second time", "2026-11-01T06:30:00Z", newYork(), "hour 1 minute 30 weekday 0 time_of_day 1h30m0s date 2026-11-01"},
		{"a zone with minutes", "2026-12-31T18:30:00Z", time.FixedZone("", 5*3600+1800), "hour 0 minute 0 weekday 5 time_of_day 0s date 2027-01-01"},
		{"no zone but UTC", "2026-02-28T23:59:59Z", time.UTC, "hour 23 minute 59 weekday 6 time_of_day 23h59m59s date 2026-02-28"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, c.at)
			if err != nil {
				t.Fatal(err)
			}
			in := &Input{User: &facts.User{}, Request: &facts.Request{At: at.UnixNano()}, Zone: c.zone}
			got := ""
			for _, f := range clocks() {
				got += " " + f.name + " " + showClock(t, f, in)
			}
			if got[1:] != c.want {
				t.Errorf("got %s, want %s", got[1:], c.want)
			}
		})
	}
}

// showClock finds what the expression shows, as closures and interpreter see it.
func showClock(t *testing.T, f clock, in *Input) string {
	t.Helper()
	expr := "string(" + f.name + "(request.time))"
	closures, interpreter := bothWays(t, ExperimentUnit, expr)
	if f.name == "time_of_day" {
		d := f.of.(func(time.Time) time.Duration)(time.Unix(0, in.Request.At).In(in.Zone))
		want := "time_of_day(request.time) == duration('" + d.String() + "') ? '" + d.String() + "' : 'another'"
		closures, interpreter = bothWays(t, ExperimentUnit, want)
	}
	compareBoth(t, closures, interpreter, in)
	return answer(closures, in)
}

// TestDaysCompareAsTheyAreWritten: also those of open ends, in zones where they are in the year 0 or 10000.
func TestDaysCompareAsTheyAreWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]*time.Location{time.UTC, time.FixedZone("east", 14*3600), time.FixedZone("west", -12*3600), newYork()}).Draw(t, "zone")
		a, b := timeOf(drawInstant(t)).In(zone), timeOf(drawInstant(t)).In(zone)
		if (date(a) < date(b)) != (day(a) < day(b)) || (date(a) == date(b)) != (day(a) == day(b)) {
			t.Fatalf("%s and %s compare unlike %d and %d", date(a), date(b), day(a), day(b))
		}
		if n, is := dayOf(date(a)); !is || n != day(a) {
			t.Fatalf("%s is day %d, %t, want %d", date(a), n, is, day(a))
		}
		if y := a.Year(); y >= 1 && y <= 9999 && date(a) != a.Format(time.DateOnly) {
			t.Fatalf("%v is %s", a, date(a))
		}
	})
}

func TestTextsThatAreNoDays(t *testing.T) {
	for _, text := range []string{"", "2026", "2026-1-1", "2026-02-30", "2026-11-11 ", "0000-01-01", "10000-01-01", "2026-11-11T00:00:00Z"} {
		if n, is := dayOf(text); is {
			t.Errorf("%q is day %d", text, n)
		}
	}
}

func TestOnlyASCIILettersChangeTheirCase(t *testing.T) {
	for in, want := range map[string][2]string{
		"":        {"", ""},
		"aZ9":     {"az9", "AZ9"},
		"ÄÖé ΣςK": {"ÄÖé Σςk", "ÄÖé ΣςK"},
		"@[`{":    {"@[`{", "@[`{"},
	} {
		if got := [2]string{lowerASCII(in), upperASCII(in)}; got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
