package metrics

import "github.com/prometheus/client_golang/prometheus"

// recordingMetrics tell what becomes of requests that were sampled to be recorded.
type recordingMetrics struct {
	recorded, dropped, failed prometheus.Counter
	bytes                     prometheus.Counter
	errors                    prometheus.Counter
}

func (r *recordingMetrics) register(m *Metrics) {
	requests := m.counter("proscenium_recording_requests_total",
		"Requests that were sampled to be recorded, by outcome: recorded, dropped (more came than can be written) or failed (they could not be written).", "outcome")
	r.recorded, r.dropped, r.failed = requests.WithLabelValues("recorded"), requests.WithLabelValues("dropped"), requests.WithLabelValues("failed")
	r.bytes = m.counter("proscenium_recording_written_bytes_total", "Bytes of recordings that were written.").WithLabelValues()
	r.errors = m.counter("proscenium_recording_errors_total", "Errors of the files of recordings, as of a full disk.").WithLabelValues()
}

// RequestsRecorded counts requests that are in a file, and their bytes.
func (m *Metrics) RequestsRecorded(requests, bytes int) {
	m.recording.recorded.Add(float64(requests))
	m.recording.bytes.Add(float64(bytes))
}

// RequestDropped counts a sampled request that was not recorded because too many were waiting.
func (m *Metrics) RequestDropped() { m.recording.dropped.Inc() }

// RecordingFailed counts an error of files, and the requests that it cost.
func (m *Metrics) RecordingFailed(requests int) {
	m.recording.errors.Inc()
	m.recording.failed.Add(float64(requests))
}
