package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"proscenium/scenes/reload"
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

func (c *configMetrics) register(m *Metrics) {
	c.info = m.gauge("proscenium_config_info", "1; the label is the version of the configuration that serves.", "version")
	c.loads = m.counter("proscenium_config_loads_total", "Configurations read that were new, by outcome: applied, same (as what serves), invalid, refused (by this process) or unreadable.", "outcome")
	for _, outcome := range []reload.Outcome{reload.Applied, reload.Same, reload.Invalid, reload.Refused, reload.Unreadable} {
		c.loads.WithLabelValues(string(outcome))
	}
	c.lastLoad = m.gauge("proscenium_config_last_load_timestamp_seconds", "When a new configuration was read last, whatever became of it.").WithLabelValues()
	c.outOfSync = m.gauge("proscenium_config_out_of_sync", "1 while the files are not what serves, because something is wrong with them.").WithLabelValues()
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

// Loaded counts a configuration that was read.
func (m *Metrics) Loaded(status reload.Status) {
	m.config.loads.WithLabelValues(string(status.Outcome)).Inc()
	m.config.lastLoad.Set(float64(status.LoadedAt.UnixNano()) / float64(time.Second))
	if status.Stale {
		m.config.outOfSync.Set(1)
	} else {
		m.config.outOfSync.Set(0)
	}
}
