package rules

import (
	"math"
	"testing"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"proscenium/facts"
)

// TestIntegersOverflowWhereThoseOfCELDo compares every pair of the extremes.
func TestIntegersOverflowWhereThoseOfCELDo(t *testing.T) {
	extremes := []int64{
		0, 1, -1, 2, -2, 3, 7, math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, math.MinInt64 + 1, math.MaxInt64 / 2, math.MinInt64 / 2,
		math.MaxInt64/2 + 1, math.MinInt64/2 - 1, math.MaxInt64 / 3, math.MinInt64 / 3, 1 << 31, 1 << 32, 1<<32 + 1, 3037000499, 3037000500, -3037000500,
		73, 126347562148695559, -126347562148695559, // 73 times that is 2^63 - 1
		27, 341606371735362067, // 27 times that is 2^63 + 1
	}
	operations := map[string]struct {
		ours   func(x, y int64) (int64, error)
		theirs func(x, y types.Int) ref.Val
	}{
		"+": {add, func(x, y types.Int) ref.Val { return x.Add(y) }},
		"-": {subtract, func(x, y types.Int) ref.Val { return x.Subtract(y) }},
		"*": {multiply, func(x, y types.Int) ref.Val { return x.Multiply(y) }},
		"/": {divide, func(x, y types.Int) ref.Val { return x.Divide(y) }},
		"%": {modulo, func(x, y types.Int) ref.Val { return x.Modulo(y) }},
	}
	for name, op := range operations {
		for _, x := range extremes {
			for _, y := range extremes {
				got, err := op.ours(x, y)
				want := op.theirs(types.Int(x), types.Int(y))
				if (err != nil) != types.IsError(want) {
					t.Errorf("%d %s %d: error %v, CEL has %v", x, name, y, err, want)
				} else if err == nil && types.Int(got) != want {
					t.Errorf("%d %s %d = %d, CEL has %v", x, name, y, got, want)
				}
			}
		}
	}
}

func TestTimesEndWhereThoseOfCELDo(t *testing.T) {
	first, last := timeOf(facts.Always), timeOf(facts.Never)
	times := []time.Time{
		first, first.Add(1), first.Add(time.Second), last, last.Add(-1), last.Add(-time.Second),
		time.Unix(0, math.MinInt64).UTC(), time.Unix(0, math.MaxInt64).UTC(), time.Unix(0, 0).UTC(), time.Unix(0, -1).UTC(), time.Unix(1793512799, 999999999).UTC(),
	}
	durations := []time.Duration{0, 1, -1, time.Second, -time.Second, time.Hour, math.MaxInt64, math.MinInt64, math.MinInt64 + 1}
	for _, x := range times {
		for _, d := range durations {
			got, err := later(x, d)
			want := types.Timestamp{Time: x}.Add(types.Duration{Duration: d})
			if (err != nil) != types.IsError(want) {
				t.Errorf("%v + %v: error %v, CEL has %v", x, d, err, want)
			} else if err == nil && !got.Equal(want.(types.Timestamp).Time) {
				t.Errorf("%v + %v = %v, CEL has %v", x, d, got, want)
			}
		}
		for _, y := range times {
			got, err := between(x, y)
			want := types.Timestamp{Time: x}.Subtract(types.Timestamp{Time: y})
			if (err != nil) != types.IsError(want) {
				t.Errorf("%v - %v: error %v, CEL has %v", x, y, err, want)
			} else if err == nil && got != want.(types.Duration).Duration {
				t.Errorf("%v - %v = %v, CEL has %v", x, y, got, want)
			}
		}
	}
}

func TestNanosecondsAndTimestampsOfCELKeepTheirOrder(t *testing.T) {
	instants := []int64{facts.Always, facts.Always + 1, -1, 0, 1, 1793512799999999999, facts.Never - 1, facts.Never}
	for i := range instants[1:] {
		if a, b := timeOf(instants[i]), timeOf(instants[i+1]); !a.Before(b) {
			t.Errorf("%v is not before %v", a, b)
		}
	}
	for _, ns := range []int64{facts.Always, -1, 0, 1, 1793512799999999999, facts.Never} {
		if back, ok := nanosOf(timeOf(ns)); !ok || back != ns {
			t.Errorf("%d comes back as %d, %t", ns, back, ok)
		}
	}
	if _, ok := nanosOf(time.Date(2400, 1, 1, 0, 0, 0, 0, time.UTC)); ok {
		t.Error("the year 2400 has no nanoseconds in int64")
	}
}
