// Package shed refuses requests that a process has no room for, the lowest priority first.
//
// A process that is asked for more than it can do answers nobody in time. What it can do is not configured but seen: while requests wait longer for a
// processor than a target, it has too much to do, and what it completes is what it can do. So every few moments the shedder sets a cutoff, a level of
// importance below which requests are refused, such that a little less goes in than came out; while nobody waits, it lets a little more in.
//
// The order of levels is shadow traffic below live traffic, in each the priorities, and in each priority a number that each request draws, so that a part
// of a priority can be refused. After the admission control of "Overload Control for Scaling WeChat Microservices" (Zhou et al., SoCC 2018), which lowers
// and raises its cutoff by shares of what it admitted.
package shed

import (
	"sync"
	"sync/atomic"
	"time"

	"proscenium/traffic"
)

// Priority is how important a request is.
type Priority uint8

// The priorities: the lowest is refused first.
const (
	Low Priority = iota
	Normal
	High
	Critical
	priorities
)

// PriorityNames are the names of the priorities in metrics.
var PriorityNames = [priorities]string{"low", "normal", "high", "critical"}

func (p Priority) String() string { return PriorityNames[p] }

const (
	// Draws is how many numbers a request may draw: a priority is refused in steps of one part in so many.
	Draws  = 64
	ranks  = int(traffic.Count) * int(priorities)
	levels = ranks * Draws
)

// level orders requests by importance.
func level(class traffic.Class, p Priority, draw uint8) int {
	rank := int(p)
	if class == traffic.Live {
		rank += int(priorities)
	}
	return rank*Draws + int(draw)%Draws
}

// Rule is what a process has room for.
type Rule struct {
	// Off refuses nobody.
	Off bool
	// MaxConcurrent bounds the live requests under way at once; 0: no bound. The lower priorities may have a part of it: low 70%, normal 80%, high 90%.
	MaxConcurrent int
	// ShadowMaxConcurrent bounds the shadow requests likewise; 0: a quarter of MaxConcurrent.
	ShadowMaxConcurrent int
	// TargetWait is how long requests may wait for a processor; 0: DefaultTargetWait.
	TargetWait time.Duration
}

// DefaultTargetWait is that of a rule which names none.
const DefaultTargetWait = 20 * time.Millisecond

// parts are the shares of MaxConcurrent that the priorities may fill, in percent.
var parts = [priorities]int64{70, 80, 90, 100}

// room is how many requests of a priority find room among most.
func room(most int64, p Priority) int64 {
	if p == Critical {
		return most
	}
	return most * parts[p] / 100
}

// Shedder decides who goes in. It is safe for concurrent use. Live verdicts never depend on how many shadow requests are under way.
type Shedder struct {
	off     atomic.Bool
	cutoff  atomic.Int32
	bounds  [traffic.Count]atomic.Int64 // 0: none
	target  atomic.Int64
	inside  [traffic.Count]atomic.Int64
	done    atomic.Int64
	offered [levels]atomic.Uint32
	refused [traffic.Count][priorities]atomic.Int64

	mu      sync.Mutex // of what follows: one tick at a time
	pending [levels]int64
	since   int64 // when the counts began
	began   bool
}

// New makes a shedder. It refuses nothing for want of processors before the first Tick that sees requests wait.
func New(rule Rule) *Shedder {
	s := &Shedder{}
	s.Reconfigure(rule)
	return s
}

// Reconfigure changes the rule in place: who is under way, and the cutoff, stay.
func (s *Shedder) Reconfigure(rule Rule) {
	if rule.Off {
		rule = Rule{Off: true}
		s.cutoff.Store(0)
	}
	s.off.Store(rule.Off)
	if rule.TargetWait <= 0 {
		rule.TargetWait = DefaultTargetWait
	}
	if rule.ShadowMaxConcurrent == 0 && rule.MaxConcurrent > 0 {
		rule.ShadowMaxConcurrent = max(rule.MaxConcurrent/4, 1)
	}
	s.target.Store(int64(rule.TargetWait))
	s.bounds[traffic.Live].Store(int64(rule.MaxConcurrent))
	s.bounds[traffic.Shadow].Store(int64(rule.ShadowMaxConcurrent))
}

// Early says whether a request should be looked at any further, before that costs anything: p is the highest priority that it could turn out to have.
// Enter decides with the same draw. A request that is refused here is counted.
func (s *Shedder) Early(class traffic.Class, p Priority, draw uint8) bool {
	l := level(class, p, draw)
	if l >= int(s.cutoff.Load()) {
		return true
	}
	s.offered[l].Add(1)
	s.refused[class][p].Add(1)
	return false
}

// Enter lets a request in, or refuses it. Leave ends one that was let in, once.
func (s *Shedder) Enter(class traffic.Class, p Priority, draw uint8) bool {
	l := level(class, p, draw)
	s.offered[l].Add(1)
	if l < int(s.cutoff.Load()) {
		s.refused[class][p].Add(1)
		return false
	}
	inside := s.inside[class].Add(1)
	if bound := s.bounds[class].Load(); bound > 0 && inside > room(bound, p) {
		s.inside[class].Add(-1)
		s.refused[class][p].Add(1)
		return false
	}
	return true
}

// Leave ends a request that Enter let in.
func (s *Shedder) Leave(class traffic.Class) {
	s.inside[class].Add(-1)
	s.done.Add(1)
}

// Status is what operators see of a shedder.
type Status struct {
	// Refused counts since the start, by class and priority.
	Refused [traffic.Count][priorities]int64
	// Inside are under way.
	Inside [traffic.Count]int64
	// Shedding is the share of each priority that is refused now for want of processors, in percent.
	Shedding [traffic.Count][priorities]int
}

// Status is that of now.
func (s *Shedder) Status() Status {
	var out Status
	cutoff := int(s.cutoff.Load())
	for _, class := range traffic.All() {
		out.Inside[class] = s.inside[class].Load()
		for p := range priorities {
			out.Refused[class][p] = s.refused[class][p].Load()
			below := cutoff - level(class, p, 0)
			out.Shedding[class][p] = min(max(below, 0), Draws) * 100 / Draws
		}
	}
	return out
}
