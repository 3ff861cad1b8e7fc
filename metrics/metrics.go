// Package metrics counts what the engine and the server do, for Prometheus.
//
// Every label is bounded by the configuration or by the program. What a request counts is resolved when a configuration is applied, or the
// first time it happens: counting looks no label up and allocates nothing.
package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"proscenium/engine"
	"proscenium/traffic"
)

// latencies are the upper bounds of the buckets of durations, in seconds.
var latencies = [...]float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}

// Metrics is the engine's and the server's observer. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	families []Family

	config configMetrics
	// recording counts the requests that are kept, which is off by default.
	recording recordingMetrics

	classes   [traffic.Count]class
	rpcErrors [traffic.Count]*children[[2]string]
	breakers  *children[breakerLabels]
}

var _ engine.Observer = (*Metrics)(nil)

// Family is one metric, as the documentation lists it.
type Family struct {
	Name, Type, Help string
	Labels           []string
}

// maxRPCErrors bounds labels that grow as things happen; what is beyond is counted under "other".
const maxRPCErrors = 1_000

// New makes metrics on a registry of their own, with those of the Go runtime and the process.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registerClasses()
	m.registerBreakers()
	rpcErrors := m.counter("proscenium_rpc_errors_total",
		"Calls that ended in an error, by Connect code. Those that were refused before their scene was known are only here.", "procedure", "code", "traffic")
	for _, class := range traffic.All() {
		m.rpcErrors[class] = newChildren(maxRPCErrors, [2]string{"other", "other"}, func(k [2]string) prometheus.Counter {
			return rpcErrors.WithLabelValues(k[0], k[1], class.String())
		})
	}

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

// Refused counts a call that ended in an error.
func (m *Metrics) Refused(procedure, code string, class traffic.Class) {
	m.rpcErrors[class].get([2]string{procedure, code}).Inc()
}

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
