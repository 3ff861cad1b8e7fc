package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"proscenium/engine"
	"proscenium/engine/policy"
	"proscenium/traffic"
)

// maxRules bounds the rules of a class that are counted one by one; what is beyond is counted under "other".
const maxRules = 10_000

// refusalLabels are those of a refusal within its class.
type refusalLabels struct {
	layer  policy.Layer
	name   string
	dryRun bool
}

// maxPolicies bounds the policies of a class that are counted one by one.
const maxPolicies = 10_000

// class counts what the engine does for one class of traffic: the same families for all, so that they can be compared.
type class struct {
	scenes sceneMetrics
	cacheMetrics

	stages     [len(engine.StageNames)]prometheus.Observer
	calls      [len(engine.CommandNames)][len(engine.OutcomeNames)]prometheus.Counter
	callTimes  [len(engine.CommandNames)]prometheus.Observer
	ruleErrors *children[string]
	refusals   *children[refusalLabels]
}

var _ engine.TrafficObserver = (*class)(nil)

// Traffic is the observer of a class.
func (m *Metrics) Traffic(class traffic.Class) engine.TrafficObserver { return &m.classes[class] }

func (m *Metrics) registerClasses() {
	scenes := newSceneFamilies(m)
	stages := m.histogram("proscenium_stage_duration_seconds", "Time that a stage of a plan took.", "stage", "traffic")
	calls := m.counter("proscenium_dependency_calls_total",
		"Calls to dependencies, by how they ended. Those that a policy kept from being made are in proscenium_policy_refusals_total.", "command", "outcome", "traffic")
	callTimes := m.histogram("proscenium_dependency_duration_seconds", "Time that a call to a dependency took, all attempts together.", "command", "traffic")
	caches := newCacheFamilies(m)
	ruleErrors := m.counter("proscenium_rule_errors_total",
		"Evaluations of a rule that ended in an error, and so in the safe answer of its place.", "rule", "traffic")
	refusals := m.counter("proscenium_policy_refusals_total",
		"Requests and calls that a policy kept from happening, by layer (quota, limit, queue, load_shedding, breaker, bulkhead) and name; "+
			"with dry_run they happened nevertheless.", "layer", "policy", "dry_run", "traffic")
	for _, t := range traffic.All() {
		c, label := &m.classes[t], t.String()
		c.scenes.init(scenes, label)
		for i, name := range engine.StageNames {
			c.stages[i] = stages.WithLabelValues(name, label)
		}
		for i, command := range engine.CommandNames {
			c.callTimes[i] = callTimes.WithLabelValues(command, label)
			for j, outcome := range engine.OutcomeNames {
				c.calls[i][j] = calls.WithLabelValues(command, outcome, label)
			}
		}
		c.initCaches(caches, label)
		c.refusals = newChildren(maxPolicies, refusalLabels{name: "other"}, func(l refusalLabels) prometheus.Counter {
			return refusals.WithLabelValues(l.layer.String(), l.name, strconv.FormatBool(l.dryRun), label)
		})
		c.ruleErrors = newChildren(maxRules, "other", func(rule string) prometheus.Counter { return ruleErrors.WithLabelValues(rule, label) })
	}
}

// Stage counts the time that a stage took.
func (c *class) Stage(stage engine.Stage, d time.Duration) { c.stages[stage].Observe(d.Seconds()) }

// Call counts a call to a dependency.
func (c *class) Call(command engine.Command, outcome engine.Outcome, d time.Duration) {
	c.calls[command][outcome].Inc()
	c.callTimes[command].Observe(d.Seconds())
}

// RuleError counts an evaluation that failed.
func (c *class) RuleError(rule string) { c.ruleErrors.get(rule).Inc() }

// Refused counts what a policy kept from happening.
func (c *class) Refused(layer policy.Layer, name string, dryRun bool) {
	c.refusals.get(refusalLabels{layer, name, dryRun}).Inc()
}

// Scene is the handle for requests of a scene.
func (c *class) Scene(labels engine.SceneLabels) engine.SceneObserver { return c.scenes.scene(labels) }
