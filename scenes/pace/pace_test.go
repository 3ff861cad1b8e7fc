package pace_test

import (
	"testing"
	"testing/synctest"
	"time"

	"proscenium/scenes/pace"
)

// work is so much of it, in steps, and returns how long it took.
func work(p *pace.Pace, total, step time.Duration) time.Duration {
	start := time.Now()
	for range total / step {
		p.Step()
		time.Sleep(step) // in a bubble: it works
	}
	return time.Since(start)
}

func TestWorkRestsAndIsDoneAllTheSame(t *testing.T) {
	for name, c := range map[string]struct {
		pace        *pace.Pace
		work        time.Duration
		least, most time.Duration
	}{
		"without a pace there is no rest":        {nil, 10 * time.Millisecond, 10 * time.Millisecond, 10 * time.Millisecond},
		"what is short does not rest":            {new(pace.Pace), 150 * time.Microsecond, 150 * time.Microsecond, 150 * time.Microsecond},
		"a third of the time is work":            {new(pace.Pace), 10 * time.Millisecond, 25 * time.Millisecond, 40 * time.Millisecond},
		"what is long rests for a second in all": {new(pace.Pace), 10 * time.Second, 11 * time.Second, 11*time.Second + time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if took := work(c.pace, c.work, 50*time.Microsecond); took < c.least || took > c.most {
					t.Errorf("%v of work took %v, not %v to %v", c.work, took, c.least, c.most)
				}
			})
		})
	}
}
