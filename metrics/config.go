package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"proscenium/scenes/history"
	"proscenium/scenes/reload"
)

// configMetrics tell which configuration serves, and what became of the last one read.
type configMetrics struct {
	info      *prometheus.GaugeVec
	loads     *prometheus.CounterVec
	lastLoad  prometheus.Gauge
	outOfSync prometheus.Gauge
	origins   *prometheus.GaugeVec
	rollbacks *prometheus.CounterVec
	kept      prometheus.Gauge
	unsaved   prometheus.Gauge

	mu      sync.Mutex
	version string
}

func (c *configMetrics) register(m *Metrics) {
	c.info = m.gauge("proscenium_config_info", "1; the label is the version of the configuration that serves.", "version")
	c.loads = m.counter("proscenium_config_loads_total", "Configurations read that were new, by outcome: applied, same (as what serves), invalid, refused (by this process), unreadable or held (back by a rollback).", "outcome")
	for _, outcome := range []reload.Outcome{reload.Applied, reload.Same, reload.Invalid, reload.Refused, reload.Unreadable, reload.Held} {
		c.loads.WithLabelValues(string(outcome))
	}
	c.lastLoad = m.gauge("proscenium_config_last_load_timestamp_seconds", "When a new configuration was read last, whatever became of it.").WithLabelValues()
	c.outOfSync = m.gauge("proscenium_config_out_of_sync", "1 while the files are not what serves: something is wrong with them, or a rollback serves.").WithLabelValues()
	c.origins = m.gauge("proscenium_config_origin", "1 for where the configuration that serves came from: source, last_good (of an earlier run) or rollback.", "origin")
	for _, origin := range history.Origins() {
		c.origins.WithLabelValues(string(origin))
	}
	c.rollbacks = m.counter("proscenium_config_rollbacks_total", "Rollbacks that were asked for: done, or refused.", "outcome")
	c.rollbacks.WithLabelValues("done")
	c.rollbacks.WithLabelValues("refused")
	c.kept = m.gauge("proscenium_config_history_versions", "Versions of the configuration that the process can go back to, the one that serves included.").WithLabelValues()
	c.unsaved = m.gauge("proscenium_config_history_unsaved", "1 while not all of these are on disk, because they cannot be written.").WithLabelValues()
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
	for class := range m.classes {
		m.classes[class].scenes.endOld()
	}
}

// Loaded counts a configuration that was read.
func (m *Metrics) Loaded(status reload.Status) {
	m.config.loads.WithLabelValues(string(status.Outcome)).Inc()
	m.config.lastLoad.Set(float64(status.LoadedAt.UnixNano()) / float64(time.Second))
}

// ConfigChanged notes the state of the configuration.
func (m *Metrics) ConfigChanged(status reload.Status) {
	m.config.outOfSync.Set(oneIf(status.Stale))
	for _, origin := range history.Origins() {
		m.config.origins.WithLabelValues(string(origin)).Set(oneIf(origin == status.Origin))
	}
	m.config.kept.Set(float64(status.History.Len()))
	m.config.unsaved.Set(oneIf(status.HistoryErr != nil))
}

// RolledBack counts a rollback that was asked for.
func (m *Metrics) RolledBack(r reload.Rollback) {
	outcome := "done"
	if r.Err != nil {
		outcome = "refused"
	}
	m.config.rollbacks.WithLabelValues(outcome).Inc()
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
