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

// sceneFamilies are those that have a scene as a label. Their series end with the scene.
type sceneFamilies struct {
	requests    *prometheus.CounterVec
	durations   *prometheus.HistogramVec
	models      *prometheus.CounterVec
	inaccurate  *prometheus.CounterVec
	degraded    *prometheus.CounterVec
	experiments *prometheus.CounterVec
}

func newSceneFamilies(m *Metrics) *sceneFamilies {
	return &sceneFamilies{
		requests: m.counter("proscenium_requests_total",
			"Price requests, by the scene, the client that owns it, and its scenario; code is OK or the reason of the error.",
			"scene", "client", "scenario", "code", "need_stock", "traffic"),
		durations:   m.histogram("proscenium_request_duration_seconds", "Time in the engine, of answers and errors.", "scene", "traffic"),
		models:      m.counter("proscenium_models_priced_total", "Models in answers.", "scene", "traffic"),
		inaccurate:  m.counter("proscenium_inaccurate_answers_total", "Answers whose prices miss what a dependency did not tell.", "scene", "traffic"),
		degraded:    m.counter("proscenium_degradations_total", "Features left out of answers, by cause.", "scene", "feature", "cause", "traffic"),
		experiments: m.counter("proscenium_experiment_requests_total", "Answers, by the group of the scene's experiment.", "scene", "group", "traffic"),
	}
}

// sceneMetrics are the handles of the scenes, for one class of traffic.
type sceneMetrics struct {
	*sceneFamilies
	traffic string

	mu sync.Mutex
	// known are the handles given out; current those asked for since the last configuration was applied.
	known   map[engine.SceneLabels]*scene
	current map[engine.SceneLabels]bool
}

func (s *sceneMetrics) init(families *sceneFamilies, class string) {
	s.sceneFamilies, s.traffic = families, class
	s.known = make(map[engine.SceneLabels]*scene)
	s.current = make(map[engine.SceneLabels]bool)
}

// scene is the handle for requests of a scene; equal labels have the same one.
func (s *sceneMetrics) scene(labels engine.SceneLabels) *scene {
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
			s.requests.DeleteLabelValues(s.requestLabels(labels, code)...)
		}
		if living[labels.Scene] {
			continue
		}
		s.durations.DeleteLabelValues(labels.Scene, s.traffic)
		s.models.DeleteLabelValues(labels.Scene, s.traffic)
		s.inaccurate.DeleteLabelValues(labels.Scene, s.traffic)
		for _, key := range handle.degraded.keys() {
			s.degraded.DeleteLabelValues(labels.Scene, key[0], key[1], s.traffic)
		}
		for _, group := range handle.groups.keys() {
			s.experiments.DeleteLabelValues(labels.Scene, group, s.traffic)
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
		ok:         s.requests.WithLabelValues(s.requestLabels(labels, codeOK)...),
		duration:   s.durations.WithLabelValues(labels.Scene, s.traffic),
		models:     s.models.WithLabelValues(labels.Scene, s.traffic),
		inaccurate: s.inaccurate.WithLabelValues(labels.Scene, s.traffic),
		failed: newChildren(maxPerScene, "other", func(reason string) prometheus.Counter {
			return s.requests.WithLabelValues(s.requestLabels(labels, reason)...)
		}),
		degraded: newChildren(maxPerScene, [2]string{"other", "other"}, func(k [2]string) prometheus.Counter {
			return s.degraded.WithLabelValues(labels.Scene, k[0], k[1], s.traffic)
		}),
		groups: newChildren(maxPerScene, "other", func(group string) prometheus.Counter {
			return s.experiments.WithLabelValues(labels.Scene, group, s.traffic)
		}),
	}
}

func (s *sceneMetrics) requestLabels(labels engine.SceneLabels, code string) []string {
	return []string{labels.Scene, labels.Client, labels.Scenario, code, strconv.FormatBool(labels.NeedStock), s.traffic}
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
