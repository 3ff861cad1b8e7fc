package breaker_test

import (
	"cmp"
	"math/big"
	"slices"
	"time"

	"proscenium/engine/policy/breaker"
)

// model is a breaker that is obvious: it keeps every call and every bucket that there ever was, and counts them anew for each question. Shares are fractions.
type model struct {
	rule       breaker.Rule
	jitter     func() int // eighths of the width of the jitter
	state      breaker.State
	generation int
	since      int64
	openUntil  int64
	calls      []*modelCall
	starts     []int64 // of the buckets of this generation
	told       []modelChange
}

type modelChange struct {
	From, To breaker.State
	At       int64
}

type modelCall struct {
	generation   int
	probe        bool
	deadline     int64
	reported     bool // by its caller
	over         bool // it is under way no more, for the breaker
	counted      bool
	bucket       int // in which it completed
	failed, slow bool
}

func newModel(rule breaker.Rule, jitter func() int) *model {
	return &model{rule: rule.WithDefaults(), jitter: jitter}
}

// refusesForPause is what a caller sees without a closer look.
func (m *model) refusesForPause(now int64) bool { return m.state == breaker.Open && now < m.openUntil }

// look makes happen what is due, the earliest first.
func (m *model) look(now int64) {
	if m.state == breaker.HalfOpen {
		m.decide(now)
	}
	for {
		switch m.state {
		case breaker.Closed:
			return
		case breaker.Open:
			if now < m.openUntil {
				return
			}
			if m.rule.ErrorPercent == 0 && m.rule.SlowPercent == 0 {
				m.become(breaker.Closed, m.openUntil)
			} else {
				m.become(breaker.HalfOpen, m.openUntil)
			}
		case breaker.HalfOpen:
			underWay := m.underWay()
			if len(underWay) == 0 {
				return
			}
			first := slices.MinFunc(underWay, func(a, b *modelCall) int { return cmp.Compare(a.deadline, b.deadline) })
			if first.deadline > now {
				return
			}
			first.over, first.counted, first.failed, first.slow = true, true, true, m.rule.SlowAfter > 0
			m.decide(first.deadline)
		}
	}
}

func (m *model) underWay() (probes []*modelCall) {
	for _, c := range m.calls {
		if c.probe && c.generation == m.generation && !c.over {
			probes = append(probes, c)
		}
	}
	return probes
}

// counts are the calls of this generation from a bucket on.
func (m *model) counts(from int) (total, failed, slow int64) {
	for _, c := range m.calls {
		if c.generation != m.generation || !c.counted || c.bucket < from {
			continue
		}
		total++
		if c.failed {
			failed++
		}
		if c.slow {
			slow++
		}
	}
	return total, failed, slow
}

func (m *model) reached(failed, slow, total int64) bool {
	is := func(count int64, percent int) bool {
		return percent > 0 && big.NewRat(count, total).Cmp(big.NewRat(int64(percent), 100)) >= 0
	}
	return is(failed, m.rule.ErrorPercent) || is(slow, m.rule.SlowPercent)
}

// decide imagines that all probes that are still missing succeed quickly: if even then a share is reached, the breaker opens.
func (m *model) decide(now int64) {
	total, failed, slow := m.counts(0)
	wanted := int64(m.rule.HalfOpenCalls)
	switch {
	case m.reached(failed, slow, max(total, wanted)):
		m.become(breaker.Open, now)
	case total >= wanted, m.rule.ErrorPercent == 0 && m.rule.SlowPercent == 0:
		m.become(breaker.Closed, now)
	}
}

func (m *model) become(to breaker.State, now int64) {
	if m.generation > 0 {
		now = max(now, m.since)
	}
	m.told = append(m.told, modelChange{m.state, to, now})
	m.state, m.since = to, now
	m.generation++
	m.starts = []int64{now}
	if to == breaker.Open {
		m.openUntil = now + int64(m.rule.Open)*int64(36+m.jitter())/40
	}
}

// bucketOf is the bucket of an instant, and the starts of the buckets up to it.
func (m *model) bucketOf(now int64) (int, []int64) {
	starts := slices.Clone(m.starts)
	if len(starts) == 0 {
		return 0, []int64{now}
	}
	width := max(int64(m.rule.Window)/10, 1)
	if now-starts[len(starts)-1] >= 10*width { // a rest of a whole window: buckets begin anew
		for range 10 {
			starts = append(starts, now)
		}
	}
	for now-starts[len(starts)-1] >= width {
		starts = append(starts, starts[len(starts)-1]+width)
	}
	return len(starts) - 1, starts
}

func (m *model) free() bool {
	switch m.state {
	case breaker.Closed:
		return true
	case breaker.HalfOpen:
		total, _, _ := m.counts(0)
		return total+int64(len(m.underWay())) < int64(m.rule.HalfOpenCalls)
	default:
		return false
	}
}

func (m *model) take(now int64) *modelCall {
	c := &modelCall{generation: m.generation}
	if m.state == breaker.HalfOpen {
		c.probe, c.deadline = true, max(now, m.since)+int64(m.rule.HalfOpenMaxWait)
	}
	m.calls = append(m.calls, c)
	return c
}

func (m *model) allow(now int64) *modelCall {
	if m.state != breaker.Closed && !m.refusesForPause(now) {
		m.look(now)
	}
	if !m.free() {
		return nil
	}
	return m.take(now)
}

func (m *model) done(c *modelCall, started, now int64, outcome breaker.Outcome) {
	if c.reported {
		return
	}
	c.reported = true
	if c.generation != m.generation {
		return
	}
	m.look(now)
	if c.over || c.generation != m.generation {
		return
	}
	c.over = true
	if outcome == breaker.Ignored {
		return
	}
	c.counted = true
	c.failed = outcome == breaker.Failure
	c.slow = m.rule.SlowAfter > 0 && time.Duration(now-started) > m.rule.SlowAfter
	if m.state == breaker.HalfOpen {
		m.decide(now)
		return
	}
	c.bucket, m.starts = m.bucketOf(now)
	if total, failed, slow := m.counts(c.bucket - 9); total >= int64(m.rule.MinimumCalls) && m.reached(failed, slow, total) {
		m.become(breaker.Open, now)
	}
}

func (m *model) status(now int64) breaker.Status {
	m.look(now)
	s := breaker.Status{State: m.state, Since: m.since, Probes: len(m.underWay()), Rule: m.rule}
	from := 0
	switch m.state {
	case breaker.Closed:
		bucket, _ := m.bucketOf(now)
		from = bucket - 9
	case breaker.Open:
		s.OpenUntil = m.openUntil
	}
	s.Calls, s.Errors, s.Slow = m.counts(from)
	for _, change := range m.told {
		if change.To == breaker.Open {
			s.Opened++
		}
	}
	return s
}

func (m *model) retryAfter(now int64) time.Duration {
	m.look(now)
	switch {
	case m.free():
		return 0
	case m.state == breaker.Open:
		return time.Duration(m.openUntil - now)
	}
	wait := m.rule.Open
	for _, c := range m.underWay() {
		wait = min(wait, time.Duration(c.deadline-now))
	}
	return wait
}
