// Package metrics counts what the engine and the server do, for Prometheus.
//
// Every label is bounded by the configuration or by the program. What a request counts is resolved when a configuration is applied, or the
// first time it happens: counting looks no label up and allocates nothing.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"proscenium/engine"
)

// latencies are the upper bounds of the buckets of durations, in seconds.
var latencies = [...]float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}

// Metrics is the engine's and the server's observer. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	families []Family

	scenes sceneMetrics
	config configMetrics
	// recording counts the requests that are kept, which is off by default.
	recording recordingMetrics

	stages     [len(engine.StageNames)]prometheus.Observer
	calls      [len(engine.CommandNames)][len(engine.OutcomeNames)]prometheus.Counter
	callTimes  [len(engine.CommandNames)]prometheus.Observer
	cacheHits  [len(engine.CacheNames)]prometheus.Counter
	cacheMiss  [len(engine.CacheNames)]prometheus.Counter
	ruleErrors *children[string]
	rpcErrors  *children[[2]string]
}

var _ engine.Observer = (*Metrics)(nil)

// Family is one metric, as the documentation lists it.
type Family struct {
	Name, Type, Help string
	Labels           []string
}

// Bounds of labels that grow as things happen; what is beyond is counted under "other".
const (
	maxRules     = 10_000
	maxRPCErrors = 1_000
)

// New makes metrics on a registry of their own, with those of the Go runtime and the process.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.scenes.register(m)

	stages := m.histogram("proscenium_stage_duration_seconds", "Time that a stage of a plan took.", "stage")
	for i, name := range engine.StageNames {
		m.stages[i] = stages.WithLabelValues(name)
	}
	calls := m.counter("proscenium_dependency_calls_total", "Calls to dependencies, by how they ended.", "command", "outcome")
	callTimes := m.histogram("proscenium_dependency_duration_seconds", "Time that a call to a dependency took, all attempts together.", "command")
	for i, command := range engine.CommandNames {
		m.callTimes[i] = callTimes.WithLabelValues(command)
		for j, outcome := range engine.OutcomeNames {
			m.calls[i][j] = calls.WithLabelValues(command, outcome)
		}
	}
	caches := m.counter("proscenium_cache_requests_total", "Price records looked for in a cache, by result: hit or miss.", "cache", "result")
	for i, name := range engine.CacheNames {
		m.cacheHits[i], m.cacheMiss[i] = caches.WithLabelValues(name, "hit"), caches.WithLabelValues(name, "miss")
	}
	ruleErrors := m.counter("proscenium_rule_errors_total", "Evaluations of a rule that ended in an error, and so in the safe answer of its place.", "rule")
	m.ruleErrors = newChildren(maxRules, "other", func(rule string) prometheus.Counter { return ruleErrors.WithLabelValues(rule) })
	rpcErrors := m.counter("proscenium_rpc_errors_total",
		"Calls that ended in an error, by Connect code. Those that were refused before their scene was known are only here.", "procedure", "code")
	m.rpcErrors = newChildren(maxRPCErrors, [2]string{"other", "other"}, func(k [2]string) prometheus.Counter { return rpcErrors.WithLabelValues(k[0], k[1]) })

	m.config.register(m)
	m.recording.register(m)
	return m
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.InstrumentMetricHandler(m.registry, promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry}))
}

// Families lists the metrics of Proscenium in the order of the documentation.
func (m *Metrics) Families() []Family { return m.families }

// Stage counts the time that a stage took.
func (m *Metrics) Stage(stage engine.Stage, d time.Duration) { m.stages[stage].Observe(d.Seconds()) }

// Call counts a call to a dependency.
func (m *Metrics) Call(command engine.Command, outcome engine.Outcome, d time.Duration) {
	m.calls[command][outcome].Inc()
	m.callTimes[command].Observe(d.Seconds())
}

// Cache counts lookups in a cache.
func (m *Metrics) Cache(cache engine.CacheName, hits, misses int) {
	m.cacheHits[cache].Add(float64(hits))
	m.cacheMiss[cache].Add(float64(misses))
}

// RuleError counts an evaluation that failed.
func (m *Metrics) RuleError(rule string) { m.ruleErrors.get(rule).Inc() }

// Refused counts a call that ended in an error.
func (m *Metrics) Refused(procedure, code string) { m.rpcErrors.get([2]string{procedure, code}).Inc() }

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.add(vec, Family{Name: name, Type: "counter", Help: help, Labels: labels})
	return vec
}

func (m *Metrics) histogram(name, help string, labels ...string) *prometheus.HistogramVec {
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: latencies[:]}, labels)
	m.add(vec, Family{Name: name, Type: "histogram", Help: help, Labels: labels})
	return vec
}

func (m *Metrics) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	m.add(vec, Family{Name: name, Type: "gauge", Help: help, Labels: labels})
	return vec
}

func (m *Metrics) add(c prometheus.Collector, f Family) {
	m.registry.MustRegister(c)
	m.families = append(m.families, f)
}
