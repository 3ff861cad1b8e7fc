package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// configMetrics tell which configuration serves, and what became of the last one read.
type configMetrics struct {
	info      *prometheus.GaugeVec
	loads     *prometheus.CounterVec
	lastLoad  prometheus.Gauge
	outOfSync prometheus.Gauge

	mu      sync.Mutex
	version string
}

// Outcome is what became of a configuration that was read.
type Outcome string

// The outcomes.
const (
	Applied   Outcome = "applied"
	Rejected  Outcome = "rejected"  // it has errors; the one before serves on
	Unchanged Outcome = "unchanged" // it is what serves already
)

func (c *configMetrics) register(m *Metrics) {
	c.info = m.gauge("proscenium_config_info", "1; the label is the version of the configuration that serves.", "version")
	c.loads = m.counter("proscenium_config_loads_total", "Configurations read, by outcome: applied, rejected or unchanged.", "outcome")
	for _, outcome := range []Outcome{Applied, Rejected, Unchanged} {
		c.loads.WithLabelValues(string(outcome))
	}
	c.lastLoad = m.gauge("proscenium_config_last_load_timestamp_seconds", "When a configuration was read last, whatever became of it.").WithLabelValues()
	c.outOfSync = m.gauge("proscenium_config_out_of_sync", "1 while the files are not what serves, because they have errors.").WithLabelValues()
}

// Applied says that a version serves from now on, and ends the series of scenes that it does not have.
func (m *Metrics) Applied(version string, _ time.Time) {
	m.config.mu.Lock()
	defer m.config.mu.Unlock()
	if m.config.version != version {
		m.config.info.DeleteLabelValues(m.config.version)
		m.config.version = version
	}
	m.config.info.WithLabelValues(version).Set(1)
	m.scenes.endOld()
}

// Loaded counts a configuration that was read. One that was rejected leaves the files and what serves out of step, until another is not.
func (m *Metrics) Loaded(outcome Outcome, at time.Time) {
	m.config.loads.WithLabelValues(string(outcome)).Inc()
	m.config.lastLoad.Set(float64(at.UnixNano()) / float64(time.Second))
	if outcome == Rejected {
		m.config.outOfSync.Set(1)
	} else {
		m.config.outOfSync.Set(0)
	}
}
