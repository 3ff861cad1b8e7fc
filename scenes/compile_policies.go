package scenes

import (
	"cmp"
	"slices"
	"strings"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/traffic"
)

// policies resolves shadow twins: what is asked later is asked by the live name, for a class.
func (c *compiler) policies() {
	p := c.snap.Policies
	p.Limits = make(map[string]*Limit, len(c.bundle.GetLimits()))
	for name := range c.bundle.GetLimits() {
		p.Limits[liveName(name)] = c.limit(liveName(name))
	}
	p.Resources = make(map[string]*Resource, len(c.bundle.GetHierarchyLimits()))
	for name := range c.bundle.GetHierarchyLimits() {
		p.Resources[liveName(name)] = c.resource(liveName(name))
	}
	p.Breakers = breakerRules(c.bundle.GetBreakers())
	c.allSceneBreakers = breakerRules(c.bundle.GetSceneBreakers())
	p.Inbound = c.limitsOf(c.bundle.GetInbound().GetLimits())
	if c.bundle.GetInbound().GetLoadShedding().GetEnabled() {
		p.Shedding = filled(c.forms, c.bundle.GetInbound()).GetLoadShedding()
	}
}

func (c *compiler) limit(name string) *Limit {
	out := &Limit{Name: name}
	if live := c.bundle.GetLimits()[name]; live != nil {
		out.Of[traffic.Live] = c.limitRule(name, live)
		out.Of[traffic.Shadow] = out.Of[traffic.Live]
		out.Of[traffic.Shadow].Inherited = true
	}
	if twin := c.bundle.GetLimits()[shadowPrefix+name]; twin != nil {
		out.Of[traffic.Shadow] = c.limitRule(shadowPrefix+name, twin)
	}
	return out
}

func (c *compiler) limitRule(name string, l *configv1.Limit) LimitRule {
	full := filled(c.forms, l)
	rule := LimitRule{DryRun: full.GetDryRun()}
	for _, dimension := range sortedKeys(full.GetDimensions()) {
		spec := full.GetDimensions()[dimension]
		rule.Dimensions = append(rule.Dimensions, LimitDimension{
			Name: dimension, Spec: spec, Window: spec.GetWindow().AsDuration(), Key: c.exprs.keys[dimensionName{name, dimension}],
		})
	}
	return rule
}

// limitsOf are the limits that a list names, in its order; nil for none.
func (c *compiler) limitsOf(names []string) []*Limit {
	var out []*Limit
	for _, name := range names {
		out = append(out, c.snap.Policies.Limits[name])
	}
	return out
}

func (c *compiler) resource(name string) *Resource {
	out := &Resource{Name: name}
	if live := c.bundle.GetHierarchyLimits()[name]; live != nil {
		out.Of[traffic.Live] = resourceRule(live, configv1.SafeMode_SAFE_MODE_GUARANTEED_SHARE)
		out.Of[traffic.Shadow] = resourceRule(live, configv1.SafeMode_SAFE_MODE_ZERO)
		out.Of[traffic.Shadow].Inherited = true
	}
	if twin := c.bundle.GetHierarchyLimits()[shadowPrefix+name]; twin != nil {
		out.Of[traffic.Shadow] = resourceRule(twin, configv1.SafeMode_SAFE_MODE_ZERO)
	}
	return out
}

// resourceRule scales a capacity. Nothing of it is rounded: rates and multipliers are thousandths.
func resourceRule(h *configv1.HierarchyLimit, safe configv1.SafeMode) ResourceRule {
	factor, _ := inThousandths(h.GetMultiplier())
	root := h.GetRootQueue()
	rule := ResourceRule{Max: root.GetMaxLimit() * factor, SafeMode: h.GetSafeMode()}
	if rule.SafeMode == configv1.SafeMode_SAFE_MODE_UNSPECIFIED {
		rule.SafeMode = safe
	}
	if s := root.GetSurgeSuppressor(); s != nil {
		rule.Suppressed, rule.Activation, rule.Step = true, s.GetActivationRate()*factor, s.GetMaxIncrementStep()*factor
	}
	for _, q := range root.GetSubQueues() {
		queue := Queue{
			Name: liveName(q.GetQueue()), Guaranteed: q.GetGuaranteedLimit() * factor, Priority: q.GetPriority(),
			Burst: q.GetPerInstance().GetBurst(), StarvingTimeout: starvingTimeout(q),
		}
		if queue.Burst == 0 {
			queue.Burst = max(1, queue.Guaranteed/thousandths/20) // of 50 milliseconds
		}
		rule.Queues = append(rule.Queues, queue)
	}
	slices.SortFunc(rule.Queues, func(a, b Queue) int { return cmp.Compare(a.Name, b.Name) })
	return rule
}

// queueOf is the queue that something takes its share from; nil for none.
func (c *compiler) queueOf(r *configv1.RateLimiter) *QueueRef {
	if r == nil {
		return nil
	}
	return &QueueRef{Resource: c.snap.Policies.Resources[r.GetResource()], Queue: r.GetQueue()}
}

// breakerRules are the rules of both classes by command.
func breakerRules(written map[string]*configv1.Breaker) [traffic.Count]map[string]BreakerRule {
	var out [traffic.Count]map[string]BreakerRule
	for class := range out {
		out[class] = make(map[string]BreakerRule, len(written))
	}
	for key, spec := range written {
		command, shadow := strings.CutPrefix(key, shadowCommand)
		if shadow {
			out[traffic.Shadow][command] = BreakerRule{Spec: spec}
			continue
		}
		out[traffic.Live][command] = BreakerRule{Spec: spec}
		if _, twin := written[shadowCommand+command]; !twin {
			out[traffic.Shadow][command] = BreakerRule{Spec: spec, Inherited: true}
		}
	}
	return out
}

// sceneBreakers are those of a scene: for the commands of its own breakers these, else those that every scene has. A scene's own live breaker holds for
// its shadow traffic too, unless the scene has a twin of its own.
func (c *compiler) sceneBreakers(own map[string]*configv1.Breaker) [traffic.Count]map[string]BreakerRule {
	if len(own) == 0 {
		return c.allSceneBreakers
	}
	out := breakerRules(own)
	for class, all := range c.allSceneBreakers {
		for command, rule := range all {
			if _, replaced := out[class][command]; !replaced {
				out[class][command] = rule
			}
		}
	}
	return out
}
