package metrics

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"proscenium/engine"
)

// codeOK is the code of an answer; that of an error is its reason.
const codeOK = "OK"

// maxPerScene bounds the reasons, groups and degradations of one scene.
const maxPerScene = 64

// sceneMetrics are those that have a scene as a label. Their series end with the scene.
type sceneMetrics struct {
	requests    *prometheus.CounterVec
	durations   *prometheus.HistogramVec
	models      *prometheus.CounterVec
	inaccurate  *prometheus.CounterVec
	degraded    *prometheus.CounterVec
	experiments *prometheus.CounterVec

	mu sync.Mutex
	// known are the handles given out; current those asked for since the last configuration was applied.
	known   map[engine.SceneLabels]*scene
	current map[engine.SceneLabels]bool
}

func (s *sceneMetrics) register(m *Metrics) {
	s.requests = m.counter("proscenium_requests_total",
		"Price requests, by the scene, the client that owns it, and its scenario; code is OK or the reason of the error.",
		"scene", "client", "scenario", "code", "need_stock", "traffic")
	s.durations = m.histogram("proscenium_request_duration_seconds", "Time in the engine, of answers and errors.", "scene")
	s.models = m.counter("proscenium_models_priced_total", "Models in answers.", "scene")
	s.inaccurate = m.counter("proscenium_inaccurate_answers_total", "Answers whose prices miss what a dependency did not tell.", "scene")
	s.degraded = m.counter("proscenium_degradations_total", "Features left out of answers, by cause.", "scene", "feature", "cause")
	s.experiments = m.counter("proscenium_experiment_requests_total", "Answers, by the group of the scene's experiment.", "scene", "group")
	s.known = make(map[engine.SceneLabels]*scene)
	s.current = make(map[engine.SceneLabels]bool)
}

// Scene is the handle for requests of a scene; equal labels have the same one.
func (m *Metrics) Scene(labels engine.SceneLabels) engine.SceneObserver {
	s := &m.scenes
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current[labels] = true
	if handle, ok := s.known[labels]; ok {
		return handle
	}
	handle := s.newScene(labels)
	s.known[labels] = handle
	return handle
}

// endOld drops the series of scenes that the configuration applied now does not have.
func (s *sceneMetrics) endOld() {
	s.mu.Lock()
	defer s.mu.Unlock()
	living := make(map[string]bool, len(s.current))
	for labels := range s.current {
		living[labels.Scene] = true
	}
	for labels, handle := range s.known {
		if s.current[labels] {
			continue
		}
		delete(s.known, labels)
		for _, code := range append(handle.failed.keys(), codeOK) {
			s.requests.DeleteLabelValues(requestLabels(labels, code)...)
		}
		if living[labels.Scene] {
			continue
		}
		s.durations.DeleteLabelValues(labels.Scene)
		s.models.DeleteLabelValues(labels.Scene)
		s.inaccurate.DeleteLabelValues(labels.Scene)
		for _, key := range handle.degraded.keys() {
			s.degraded.DeleteLabelValues(labels.Scene, key[0], key[1])
		}
		for _, group := range handle.groups.keys() {
			s.experiments.DeleteLabelValues(labels.Scene, group)
		}
	}
	clear(s.current)
}

// scene counts the requests of one scene.
type scene struct {
	ok         prometheus.Counter
	duration   prometheus.Observer
	models     prometheus.Counter
	inaccurate prometheus.Counter
	failed     *children[string]
	degraded   *children[[2]string]
	groups     *children[string]
}

func (s *sceneMetrics) newScene(labels engine.SceneLabels) *scene {
	return &scene{
		ok:         s.requests.WithLabelValues(requestLabels(labels, codeOK)...),
		duration:   s.durations.WithLabelValues(labels.Scene),
		models:     s.models.WithLabelValues(labels.Scene),
		inaccurate: s.inaccurate.WithLabelValues(labels.Scene),
		failed: newChildren(maxPerScene, "other", func(reason string) prometheus.Counter {
			return s.requests.WithLabelValues(requestLabels(labels, reason)...)
		}),
		degraded: newChildren(maxPerScene, [2]string{"other", "other"}, func(k [2]string) prometheus.Counter {
			return s.degraded.WithLabelValues(labels.Scene, k[0], k[1])
		}),
		groups: newChildren(maxPerScene, "other", func(group string) prometheus.Counter {
			return s.experiments.WithLabelValues(labels.Scene, group)
		}),
	}
}

func requestLabels(labels engine.SceneLabels, code string) []string {
	return []string{labels.Scene, labels.Client, labels.Scenario, code, strconv.FormatBool(labels.NeedStock), "live"}
}

// Priced counts an answer.
func (s *scene) Priced(group string, accurate bool, models int, d time.Duration) {
	s.ok.Inc()
	s.duration.Observe(d.Seconds())
	s.models.Add(float64(models))
	if !accurate {
		s.inaccurate.Inc()
	}
	if group != "" {
		s.groups.get(group).Inc()
	}
}

// Failed counts an error.
func (s *scene) Failed(reason string, d time.Duration) {
	s.failed.get(reason).Inc()
	s.duration.Observe(d.Seconds())
}

// Degraded counts a feature that was left out.
func (s *scene) Degraded(feature, cause string) { s.degraded.get([2]string{feature, cause}).Inc() }
