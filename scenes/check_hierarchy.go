package scenes

import (
	"fmt"
	"math"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

const (
	// thousandths are the parts of a request a second, and of a multiplier, that count.
	thousandths = 1000
	// mostRequests is the largest capacity, in requests a second.
	mostRequests = 1_000_000_000
	// defaultStarvingTimeout is that of queues which name none.
	defaultStarvingTimeout = 2 * time.Second
)

// inThousandths is a multiplier as a whole number; false if it has finer parts. 0 is 1.
func inThousandths(multiplier float64) (int64, bool) {
	if multiplier == 0 {
		return thousandths, true
	}
	whole := math.Round(multiplier * thousandths)
	// The number that is nearest to so many thousandths is what a file with that decimal fraction holds.
	return int64(whole), whole/thousandths == multiplier
}

// hierarchies finds capacities and queues that contradict each other.
func (c *checker) hierarchies() {
	all := c.bundle.GetHierarchyLimits()
	c.liveTwins("hierarchy_limits", sortedKeys(all), "hierarchical limit", "only shadow traffic takes from it")
	for _, name := range sortedKeys(all) {
		at := c.root.Field("hierarchy_limits").Key(name)
		c.scale(all[name], at)
		c.guarantees(name, all[name].GetRootQueue(), at.Field("root_queue"))
		c.suppressor(all[name].GetRootQueue(), at.Field("root_queue"))
		c.floors(name, all[name], at.Field("root_queue").Field("sub_queues"))
	}
}

func (c *checker) scale(h *configv1.HierarchyLimit, at *source.Place) {
	factor, exact := inThousandths(h.GetMultiplier())
	switch most := h.GetRootQueue().GetMaxLimit(); {
	case at.Field("multiplier").Bad():
	case !exact:
		c.report(at.Field("multiplier").Error(diag.Constraint, fmt.Sprintf("multiplier cannot be %v: it has more than three decimals", h.GetMultiplier()), "round it to thousandths"))
	case most <= mostRequests && most*factor > mostRequests*thousandths:
		c.report(at.Field("multiplier").Error(diag.Constraint, fmt.Sprintf("multiplier cannot be %v: it makes max_limit more than %d", h.GetMultiplier(), mostRequests), "make it smaller"))
	}
}

// guarantees must fit into the capacity: otherwise they are none.
func (c *checker) guarantees(name string, root *configv1.RootQueue, at *source.Place) {
	sum := int64(0)
	for i, q := range root.GetSubQueues() {
		if at.Field("sub_queues").Index(i).Field("guaranteed_limit").Bad() {
			return
		}
		sum += q.GetGuaranteedLimit()
	}
	if most := at.Field("max_limit"); sum > root.GetMaxLimit() && root.GetMaxLimit() > 0 && !most.Bad() && !at.Field("sub_queues").Bad() {
		c.report(most.Error(diag.GuaranteesExceed, fmt.Sprintf("the queues of %s are guaranteed %d requests a second together, more than max_limit %d", name, sum, root.GetMaxLimit()),
			fmt.Sprintf("lower guaranteed_limit of some queues, or raise max_limit to %d", sum)))
	}
}

func (c *checker) suppressor(root *configv1.RootQueue, at *source.Place) {
	s, here := root.GetSurgeSuppressor(), at.Field("surge_suppressor")
	if s == nil || root.GetMaxLimit() == 0 {
		return
	}
	if s.GetActivationRate() >= root.GetMaxLimit() {
		c.report(here.Field("activation_rate").Warning(diag.NoEffect, fmt.Sprintf("nothing is ever suppressed: the total cannot exceed max_limit %d", root.GetMaxLimit()),
			"make activation_rate smaller than max_limit, or take surge_suppressor out"))
	} else if s.GetMaxIncrementStep() >= root.GetMaxLimit() {
		c.report(here.Field("max_increment_step").Warning(diag.NoEffect, fmt.Sprintf("nothing is ever suppressed: the total may grow to max_limit %d in a second", root.GetMaxLimit()),
			"make max_increment_step a small part of max_limit, or take surge_suppressor out"))
	}
}

// floors finds queues whose processes are promised more than there is.
func (c *checker) floors(name string, h *configv1.HierarchyLimit, queues *source.Place) {
	factor, _ := inThousandths(h.GetMultiplier())
	for i, q := range h.GetRootQueue().GetSubQueues() {
		timeout := starvingTimeout(q)
		capacity := float64(h.GetRootQueue().GetMaxLimit()) * float64(factor) / thousandths
		if at := queues.Index(i).Field("per_instance").Field("burst"); !at.Bad() && capacity > 0 && float64(q.GetPerInstance().GetBurst())/timeout.Seconds() > capacity {
			c.report(at.Warning(diag.LimitsContradict,
				fmt.Sprintf("one process that starves is promised %d requests within %s, more than all of %s has", q.GetPerInstance().GetBurst(), timeout, name),
				"make burst smaller, or starving_timeout longer"))
		}
	}
}

// starvingTimeout is that of a queue.
func starvingTimeout(q *configv1.SubQueue) time.Duration {
	return orElse(q.GetPerInstance().GetWantEstimation().GetStarvingTimeout(), defaultStarvingTimeout)
}

// inbound finds settings of load shedding that do nothing.
func (c *checker) inbound() {
	s, at := c.bundle.GetInbound().GetLoadShedding(), c.root.Field("inbound").Field("load_shedding")
	if at.Field("enabled").Bad() {
		return
	}
	if !s.GetEnabled() {
		for _, setting := range []struct {
			on    bool
			field string
		}{
			{s.GetMaxConcurrent() > 0, "max_concurrent"},
			{s.GetTargetLatency() != nil, "target_latency"},
			{s.GetShadowMaxConcurrent() > 0, "shadow_max_concurrent"},
		} {
			if setting.on {
				c.noEffect(at.Field(setting.field), setting.field, "enabled")
			}
		}
		return
	}
	c.shadowRoom(s.GetMaxConcurrent(), s.GetShadowMaxConcurrent(), at)
}

// shadowRoom finds bounds that leave more room for shadow traffic than for live traffic.
func (c *checker) shadowRoom(live, shadow int32, at *source.Place) {
	if live > 0 && shadow > live {
		c.report(at.Field("shadow_max_concurrent").Warning(diag.LimitsContradict, fmt.Sprintf("shadow traffic may have %d at once, live traffic %d only", shadow, live), "are the two exchanged?"))
	}
}

// unusedPolicies finds limits, queues and breakers that nothing asks. All references are good.
func (c *checker) unusedPolicies() {
	report := func(at *source.Place, what string) {
		c.report(at.Warning(diag.Unused, "nothing uses "+what, "take it out, or name it where it is meant to act"))
	}
	for _, name := range sortedKeys(c.bundle.GetLimits()) {
		if !isTwin(name) && !c.links.limits.used[name] {
			report(c.root.Field("limits").Key(name), "limit "+name)
		}
	}
	for _, name := range sortedKeys(c.bundle.GetHierarchyLimits()) {
		if isTwin(name) {
			continue
		}
		at := c.root.Field("hierarchy_limits").Key(name)
		if !c.links.resources.used[name] {
			report(at, "hierarchical limit "+name)
			continue
		}
		for _, queue := range sortedKeys(c.links.queues[name]) {
			i := c.links.queues[name][queue]
			if !c.links.usedQueues[queueName{name, queue}] {
				report(at.Field("root_queue").Field("sub_queues").Index(i).Field("queue"), "queue "+queue+" of "+name)
			}
		}
	}
	c.unusedBreakers()
}
