package policy

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"proscenium/engine/policy/limit"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/rules"
	"proscenium/scenes"
	"proscenium/traffic"
)

// limitKey names the state of a limit.
type limitKey struct {
	class traffic.Class
	name  string
}

// limitHandle is a limit of one class as a configuration has it. What it counted goes on to the handle of the next configuration.
type limitHandle struct {
	class traffic.Class
	name  string
	rule  scenes.LimitRule
	// count is another one only after a purge.
	count atomic.Pointer[counting]
	// ruleNames name the keys of dimensions in errors.
	ruleNames []string
	// plain are the keys where no dimension has one.
	plain  []string
	shares []shareOf
}

// counting is what counts a limit: one dimension of this process alone, or any.
type counting struct {
	local *limit.Local
	keyed *limit.Keyed
}

// limitRules are those dimensions that a limit counts by itself; the others take from shares of the fleet.
func limitRules(rule *scenes.LimitRule) (counted []limit.Rule, keys []*rules.Rule) {
	for i := range rule.Dimensions {
		d := &rule.Dimensions[i]
		if d.Spec.GetPrecision() == configv1.LimitPrecision_LIMIT_PRECISION_APPROXIMATE {
			continue
		}
		counted, keys = append(counted, limitRule(d)), append(keys, d.Key)
	}
	return counted, keys
}

// keyless says that there is one count for all.
func keyless(keys []*rules.Rule) bool {
	return !slices.ContainsFunc(keys, func(k *rules.Rule) bool { return k != nil })
}

func limitRule(d *scenes.LimitDimension) limit.Rule {
	r := limit.Rule{
		Dimension: d.Name, Window: d.Window, Limit: d.Spec.GetLimit(), Soft: d.Spec.GetSoftLimit(), Burst: d.Spec.GetBurst(), Fixed: d.Spec.GetFixed(),
		Chunk: d.Spec.GetChunk(),
	}
	switch {
	case d.Spec.GetPrecision() == configv1.LimitPrecision_LIMIT_PRECISION_LOCAL:
		r.Counting = limit.ByProcess
	case d.Spec.GetCounting() == configv1.LimitCounting_LIMIT_COUNTING_RESERVED:
		r.Counting = limit.Reserved
	case d.Spec.GetCounting() == configv1.LimitCounting_LIMIT_COUNTING_FLUSHED:
		r.Counting = limit.Flushed
	}
	return r
}

// sameRule says whether a configuration leaves a limit as it is. The keys are compared by their expressions, which may look at no other configuration.
func sameRule(a, b *scenes.LimitRule) bool {
	if a.DryRun != b.DryRun || a.Inherited != b.Inherited || len(a.Dimensions) != len(b.Dimensions) {
		return false
	}
	for i := range a.Dimensions {
		if a.Dimensions[i].Name != b.Dimensions[i].Name || a.Dimensions[i].Window != b.Dimensions[i].Window || !proto.Equal(a.Dimensions[i].Spec, b.Dimensions[i].Spec) {
			return false
		}
	}
	return true
}

// limitHandle is the handle of a limit under a rule. before is nil for a limit that is new.
func (r *Registry) limitHandle(key limitKey, rule scenes.LimitRule, before *limitHandle, shares []shareOf) *limitHandle {
	h := &limitHandle{class: key.class, name: key.name, rule: rule, shares: shares}
	counted, keys := limitRules(&rule)
	plain := keyless(keys)
	for i := range keys {
		h.ruleNames = append(h.ruleNames, "limit "+key.name+"/"+counted[i].Dimension)
	}
	if plain {
		h.plain = make([]string, len(keys))
	}
	var count *counting
	if before != nil {
		count = before.count.Load()
	}
	h.count.Store(r.counting(key, counted, plain, rule.DryRun, count))
	return h
}

// counting goes on with what was counted before, as far as it was counted in the same place.
func (r *Registry) counting(key limitKey, counted []limit.Rule, plain, dryRun bool, before *counting) *counting {
	switch {
	case len(counted) == 0:
		return &counting{}
	case len(counted) == 1 && plain && counted[0].Counting == limit.ByProcess:
		if before != nil && before.local != nil {
			return &counting{local: before.local.Reconfigured(counted[0], dryRun)}
		}
		return &counting{local: limit.NewLocal(key.name, counted[0], dryRun)}
	case before != nil && before.keyed != nil:
		return &counting{keyed: before.keyed.Reconfigured(counted, dryRun)}
	}
	deps := limit.Deps{Instances: r.instances(key.class), Now: r.nanos, Process: r.deps.Process, Failed: r.deps.Failed}
	if r.deps.KV != nil {
		deps.Store = r.deps.KV.Of(key.class)
	}
	return &counting{keyed: limit.NewKeyed(key.name, key.class, counted, dryRun, deps)}
}

// take decides on a cost and tells the listener. What shares of the fleet gave is used up where another dimension refuses: too much is never let through.
func (h *limitHandle) take(ctx context.Context, now int64, in *rules.Input, cost int64, listener Listener) limit.Verdict {
	v := h.decide(ctx, now, in, cost, listener)
	listener.Decided(v)
	return v
}

func (h *limitHandle) decide(ctx context.Context, now int64, in *rules.Input, cost int64, listener Listener) limit.Verdict {
	keys := h.plain
	if keys == nil {
		var failed int
		var err error
		if keys, failed, err = h.keys(in); err != nil {
			listener.RuleFailed(h.ruleNames[failed], err)
			return h.unknown(failed)
		}
	}
	var shared limit.Verdict
	for i := range h.shares {
		v := h.shares[i].take(now, cost)
		if v.Outcome == limit.Refused {
			return v
		}
		if i == 0 || v.Remaining < shared.Remaining {
			shared = v
		}
	}
	switch count := h.count.Load(); {
	case count.local != nil:
		return tighter(h.shares, shared, count.local.Take(now, cost))
	case count.keyed != nil:
		return tighter(h.shares, shared, count.keyed.Take(ctx, now, keys, cost))
	default:
		return shared
	}
}

// tighter is the verdict to tell of: what refuses or is marked, else the one with the least left.
func tighter(shares []shareOf, shared, counted limit.Verdict) limit.Verdict {
	if len(shares) > 0 && counted.Outcome == limit.OK && shared.Remaining < counted.Remaining {
		return shared
	}
	return counted
}

// keys evaluates the key of each dimension. On an error it says of which.
func (h *limitHandle) keys(in *rules.Input) (keys []string, failed int, err error) {
	keys = make([]string, 0, len(h.ruleNames))
	for i := range h.rule.Dimensions {
		d := &h.rule.Dimensions[i]
		if d.Spec.GetPrecision() == configv1.LimitPrecision_LIMIT_PRECISION_APPROXIMATE {
			continue
		}
		key := ""
		if d.Key != nil {
			if key, err = d.Key.Key(in); err != nil {
				return nil, len(keys), err
			}
		}
		keys = append(keys, key)
	}
	return keys, 0, nil
}

// unknown is the verdict where the key of a dimension cannot be told: whose count it is, nobody knows.
func (h *limitHandle) unknown(counted int) limit.Verdict {
	for i := range h.rule.Dimensions {
		d := &h.rule.Dimensions[i]
		if d.Spec.GetPrecision() == configv1.LimitPrecision_LIMIT_PRECISION_APPROXIMATE {
			continue
		}
		if counted == 0 {
			return limit.Verdict{
				Name: h.name, Dimension: d.Name, Outcome: limit.Refused, Source: limit.FromLocal, DryRun: h.rule.DryRun, Limit: d.Spec.GetLimit(), Window: d.Window,
			}
		}
		counted--
	}
	return limit.Verdict{Name: h.name, Outcome: limit.Refused, Source: limit.FromLocal, DryRun: h.rule.DryRun}
}

// refusal is what a verdict that stops means to the layer that asked.
func refusal(layer Layer, subject string, v *limit.Verdict) *Refusal {
	return &Refusal{Layer: layer, Key: v.Name + "/" + v.Dimension, Subject: subject, RetryAfter: v.Reset, Verdict: *v}
}

// close ends what counts in the background.
func (c *counting) close(ctx context.Context) {
	if c.keyed != nil {
		c.keyed.Close(ctx)
	}
}

// statuses has each dimension of the limit.
func (h *limitHandle) statuses(usedBy []string) []LimitStatus {
	var counted []limit.Status
	switch count := h.count.Load(); {
	case count.local != nil:
		counted = []limit.Status{count.local.Status()}
	case count.keyed != nil:
		counted = count.keyed.Status()
	}
	var out []LimitStatus
	share := 0
	for i := range h.rule.Dimensions {
		d := &h.rule.Dimensions[i]
		s := LimitStatus{
			Name: h.name, Dimension: d.Name, Class: h.class, Window: d.Window, Limit: d.Spec.GetLimit(), Soft: d.Spec.GetSoftLimit(), Burst: d.Spec.GetBurst(),
			DryRun: h.rule.DryRun, Inherited: h.rule.Inherited, UsedBy: usedBy,
		}
		rule := limitRule(d)
		s.Algorithm = rule.Algorithm()
		s.Precision = "PRECISE"
		switch d.Spec.GetPrecision() {
		case configv1.LimitPrecision_LIMIT_PRECISION_LOCAL:
			s.Precision = "LOCAL"
		case configv1.LimitPrecision_LIMIT_PRECISION_APPROXIMATE:
			s.Precision, s.Algorithm = "APPROXIMATE", "hierarchy"
			h.shares[share].tell(&s)
			share++
			out = append(out, s)
			continue
		}
		if len(counted) > 0 {
			c := counted[0]
			counted = counted[1:]
			s.Allowed, s.Marked, s.Refused, s.Fallback = c.Allowed, c.Marked, c.Refused, c.Fallback
		}
		out = append(out, s)
	}
	return out
}

// closing bounds how long a limit that is let go may take to add up what it counted.
const closing = time.Second
