package policy

import (
	"math"
	"sync/atomic"
	"time"

	"proscenium/engine/policy/breaker"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/traffic"
)

// breakerKey names the state of a breaker. Scene is empty for all scenes together.
type breakerKey struct {
	class          traffic.Class
	command, scene string
	downgraded     bool
}

// String is how refusals name the breaker.
func (k breakerKey) String() string {
	switch {
	case k.scene == "":
		return k.command
	case k.downgraded:
		return k.command + "@" + k.scene + "/downgraded"
	default:
		return k.command + "@" + k.scene
	}
}

// breakerState is a breaker with what it stands for. It stays the same over reloads.
type breakerState struct {
	key     breakerKey
	name    string
	rule    breaker.Rule
	breaker atomic.Pointer[breaker.Breaker] // another one only after a purge
	refused atomic.Int64
}

// of is the breaker; nil where there is none.
func (b *breakerState) of() *breaker.Breaker {
	if b == nil {
		return nil
	}
	return b.breaker.Load()
}

// breakerRule is a rule as configured. The second result is false where nothing would ever open the breaker.
func breakerRule(spec *configv1.Breaker) (breaker.Rule, bool) {
	rule := breaker.Rule{
		ErrorPercent:    int(spec.GetErrorPercentThreshold()),
		SlowPercent:     int(spec.GetTimeoutPercentThreshold()),
		SlowAfter:       time.Duration(math.Round(spec.GetTimeoutThresholdSeconds() * float64(time.Second))),
		MinimumCalls:    int(spec.GetMinimumNumberOfCalls()),
		Window:          spec.GetWindow().AsDuration(),
		Open:            spec.GetOpen().AsDuration(),
		HalfOpenCalls:   int(spec.GetHalfOpenCalls()),
		HalfOpenMaxWait: spec.GetHalfOpenMaxWait().AsDuration(),
	}.WithDefaults()
	return rule, rule.ErrorPercent > 0 || rule.SlowPercent > 0
}

// status tells how the breaker is now.
func (b *breakerState) status(r *Registry) BreakerStatus {
	s := b.of().Status(r.nanos())
	out := BreakerStatus{
		Command: b.key.command, Scene: b.key.scene, Class: b.key.class, Downgraded: b.key.downgraded,
		State: s.State.String(), Calls: s.Calls, Errors: s.Errors, Slow: s.Slow, Opened: s.Opened, Refused: b.refused.Load(),
	}
	if s.Since != 0 {
		out.Since = r.wall(s.Since)
	}
	if s.OpenUntil != 0 {
		out.OpenUntil = r.wall(s.OpenUntil)
	}
	return out
}
