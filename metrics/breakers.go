package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"proscenium/engine/policy"
	"proscenium/traffic"
)

// breakerLabels are those of a transition.
type breakerLabels struct {
	breaker, to string
	class       traffic.Class
}

// maxBreakers bounds the transitions of breakers that are counted one by one.
const maxBreakers = 30_000

func (m *Metrics) registerBreakers() {
	transitions := m.counter("proscenium_breaker_transitions_total",
		"Changes of breakers, by the command or command@scene that they guard and the state that they went to: closed, open or half_open.", "breaker", "to", "traffic")
	m.breakers = newChildren(maxBreakers, breakerLabels{breaker: "other", to: "other"}, func(l breakerLabels) prometheus.Counter {
		return transitions.WithLabelValues(l.breaker, l.to, l.class.String())
	})
}

// BreakerChanged counts a change of a breaker.
func (m *Metrics) BreakerChanged(t policy.Transition) {
	m.breakers.get(breakerLabels{t.Breaker, t.To, t.Class}).Inc()
}
