package policy

import (
	"math/bits"
	"sync/atomic"
	"time"

	"proscenium/engine/policy/hierarchy"
	"proscenium/engine/policy/hierarchy/share"
	"proscenium/engine/policy/limit"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/scenes"
	"proscenium/traffic"
)

// queueKey names a queue of a resource.
type queueKey struct {
	class           traffic.Class
	resource, queue string
}

func (k queueKey) String() string { return k.resource + "/" + k.queue }

// queueState is a queue in this process.
type queueState struct {
	key    queueKey
	name   string
	member *hierarchy.Member
	number int
	fleet  *hierarchy.Fleet
	// gone says that no configuration has the queue any more: requests that began under one that had it are not held up.
	gone             atomic.Bool
	allowed, refused atomic.Int64
}

// take takes a cost from the queue, or says when to try again.
func (q *queueState) take(cost int64) (retryAfter time.Duration, ok bool) {
	if q.gone.Load() {
		return 0, true
	}
	ok, retryAfter = q.member.Take(q.number, q.fleet.Now(), cost)
	if ok {
		q.allowed.Add(1)
	} else {
		q.refused.Add(1)
	}
	return retryAfter, ok
}

// shareOf is a dimension of a limit that takes from what the fleet granted this process.
type shareOf struct {
	limit, dimension string
	allows           int64
	window           time.Duration
	dryRun           bool
	queue            *queueState // nil: there is no fleet
}

func (s *shareOf) take(_, cost int64) limit.Verdict {
	v := limit.Verdict{
		Name: s.limit, Dimension: s.dimension, Source: limit.FromShare, DryRun: s.dryRun, Limit: s.allows, Window: s.window, Remaining: s.allows,
	}
	if s.queue == nil {
		return v
	}
	if after, ok := s.queue.take(cost); !ok {
		v.Outcome, v.Remaining, v.Reset = limit.Refused, 0, after
	}
	return v
}

func (s *shareOf) tell(out *LimitStatus) {
	if s.queue == nil {
		return
	}
	out.Allowed, out.Refused = s.queue.allowed.Load(), s.queue.refused.Load()
	s.queue.tell(out)
}

// tell fills in what the queue is granted.
func (q *queueState) tell(out *LimitStatus) {
	for _, s := range q.member.Status(q.fleet.Now()) {
		if s.Queue == q.key.queue {
			out.Granted, out.Wanted, out.Used, out.State = int64(s.Granted), int64(s.Wanted), int64(s.Used), s.State.String()
		}
	}
}

// Resources of limits that are counted by shares have names that no configured resource can have, and one queue.
const (
	limitResource = "limit:"
	limitQueue    = "all"
)

// starvingTimeout is that of limits that are counted by shares.
const starvingTimeout = 2 * time.Second

// resourcesOf are the resources of a class: those configured, and one for each dimension of a limit that is counted by shares.
func resourcesOf(p *scenes.Policies, class traffic.Class) []hierarchy.Resource {
	var out []hierarchy.Resource
	for _, name := range sortedKeys(p.Resources) {
		if rule := &p.Resources[name].Of[class]; len(rule.Queues) > 0 {
			out = append(out, resourceOf(name, class, rule))
		}
	}
	for _, name := range sortedKeys(p.Limits) {
		rule := &p.Limits[name].Of[class]
		for i := range rule.Dimensions {
			if d := &rule.Dimensions[i]; d.Spec.GetPrecision() == configv1.LimitPrecision_LIMIT_PRECISION_APPROXIMATE {
				out = append(out, limitResourceOf(name, class, d))
			}
		}
	}
	return out
}

func resourceOf(name string, class traffic.Class, rule *scenes.ResourceRule) hierarchy.Resource {
	r := hierarchy.Resource{Name: name, Class: class, Share: share.Resource{Max: share.Rate(rule.Max)}, SafeMode: safeModes[rule.SafeMode]}
	if rule.Suppressed {
		r.Share.Activation, r.Share.Step = share.Rate(rule.Activation), share.Rate(rule.Step)
	}
	for i := range rule.Queues {
		q := &rule.Queues[i]
		r.Share.Queues = append(r.Share.Queues, share.Queue{
			Name: q.Name, Guaranteed: share.Rate(q.Guaranteed), Priority: q.Priority, Burst: q.Burst, StarvingTimeout: q.StarvingTimeout,
		})
	}
	return r
}

// safeModes is indexed by configv1.SafeMode.
var safeModes = [...]hierarchy.SafeMode{
	configv1.SafeMode_SAFE_MODE_UNSPECIFIED:      hierarchy.Zero,
	configv1.SafeMode_SAFE_MODE_GUARANTEED_SHARE: hierarchy.GuaranteedShare,
	configv1.SafeMode_SAFE_MODE_ZERO:             hierarchy.Zero,
	configv1.SafeMode_SAFE_MODE_KEEP_LAST:        hierarchy.KeepLast,
	configv1.SafeMode_SAFE_MODE_UNLIMITED:        hierarchy.Unlimited,
}

// limitResourceOf shares a limit as a rate. Cut off from the fleet, a process has its part of it for live traffic and nothing for shadow traffic.
func limitResourceOf(name string, class traffic.Class, d *scenes.LimitDimension) hierarchy.Resource {
	rate := rateOf(d.Spec.GetLimit(), d.Window)
	mode := hierarchy.GuaranteedShare
	if class == traffic.Shadow {
		mode = hierarchy.Zero
	}
	return hierarchy.Resource{Name: limitResource + name + "/" + d.Name, Class: class, SafeMode: mode, Share: share.Resource{
		Max: rate, Queues: []share.Queue{{Name: limitQueue, Guaranteed: rate, Burst: d.Spec.GetBurst(), StarvingTimeout: starvingTimeout}},
	}}
}

// rateOf is the rate of so many in a window, rounded down to a thousandth a second.
func rateOf(limit int64, window time.Duration) share.Rate {
	if limit <= 0 || window <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(limit), uint64(share.PerSecond)*uint64(time.Second))
	if hi >= uint64(window) {
		return share.MaxRate
	}
	rate, _ := bits.Div64(hi, lo, uint64(window))
	return share.Rate(min(rate, uint64(share.MaxRate)))
}
