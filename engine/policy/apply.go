package policy

import (
	"fmt"
	"slices"

	"proscenium/engine/policy/hierarchy"
	"proscenium/engine/policy/shed"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/scenes"
	"proscenium/traffic"
)

// vouchers is the command whose scene breakers have a consequence: the scene goes on with its downgraded pools.
const vouchers = "voucher.best_vouchers"

// Apply resolves the policies of a configuration. Those that were there before keep their state: breakers take their new rules in place, and what limits
// counted counts by the new ones. Nothing is dropped before [Registry.Retain]. On an error nothing has changed.
func (r *Registry) Apply(snap *scenes.Snapshot) (*Set, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	set := &Set{
		registry: r, snap: snap, breakers: map[breakerKey]*breakerState{}, limits: map[limitKey]*limitHandle{}, queues: map[queueKey]*queueState{},
		bulkheads: map[bulkheadKey]*bulkhead{}, queueRules: map[queueKey]queueRule{}, usedBy: usersOf(snap),
	}
	if err := r.applyQueues(set); err != nil {
		return nil, err
	}
	for _, class := range r.classes() {
		r.applyBreakers(set, class)
		r.applyLimits(set, class)
		r.applyBulkheads(set, class)
	}
	if r.deps.Shedder != nil {
		rule := shed.Rule{Off: true}
		if spec := snap.Policies.Shedding; spec != nil {
			set.shedder = r.deps.Shedder
			rule = shed.Rule{
				MaxConcurrent: int(spec.GetMaxConcurrent()), ShadowMaxConcurrent: int(spec.GetShadowMaxConcurrent()), TargetWait: spec.GetTargetLatency().AsDuration(),
			}
		}
		r.deps.Shedder.Reconfigure(rule)
	}
	r.applied = set
	return set, nil
}

// classes are those with a state of their own.
func (r *Registry) classes() []traffic.Class {
	if r.joined {
		return []traffic.Class{traffic.Live}
	}
	all := traffic.All()
	return all[:]
}

func (r *Registry) applyBreakers(set *Set, class traffic.Class) {
	for command, rule := range set.snap.Policies.Breakers[class] {
		r.applyBreaker(set, breakerKey{class: class, command: command}, rule.Spec)
	}
	for _, s := range set.snap.Scenes {
		for command, rule := range s.Breakers[class] {
			r.applyBreaker(set, breakerKey{class: class, command: command, scene: s.Name}, rule.Spec)
			if command == vouchers {
				r.applyBreaker(set, breakerKey{class: class, command: command, scene: s.Name, downgraded: true}, rule.Spec)
			}
		}
	}
}

func (r *Registry) applyBreaker(set *Set, key breakerKey, spec *configv1.Breaker) {
	rule, opens := breakerRule(spec)
	if !opens {
		return
	}
	s := r.breakers[key]
	if s == nil {
		s = &breakerState{key: key, name: key.String(), rule: rule}
		s.breaker.Store(r.newBreaker(s))
	} else if s.rule != rule {
		s.rule = rule
		s.of().Reconfigure(rule)
	}
	set.breakers[key] = s
}

func (r *Registry) applyLimits(set *Set, class traffic.Class) {
	for name, l := range set.snap.Policies.Limits {
		key, rule := limitKey{class, name}, l.Of[class]
		if len(rule.Dimensions) == 0 {
			continue
		}
		if before := r.limits[key]; before != nil && sameRule(&before.rule, &rule) {
			set.limits[key] = before
			continue
		}
		var shares []shareOf
		for i := range rule.Dimensions {
			d := &rule.Dimensions[i]
			if d.Spec.GetPrecision() == configv1.LimitPrecision_LIMIT_PRECISION_APPROXIMATE {
				shares = append(shares, shareOf{
					limit: name, dimension: d.Name, allows: d.Spec.GetLimit(), window: d.Window, dryRun: rule.DryRun,
					queue: set.queues[queueKey{class, limitResource + name + "/" + d.Name, limitQueue}],
				})
			}
		}
		set.limits[key] = r.limitHandle(key, rule, r.limits[key], shares)
	}
}

func (r *Registry) applyBulkheads(set *Set, class traffic.Class) {
	for command, d := range set.snap.Dependencies {
		most := int64(d.GetMaxConcurrent())
		if own := int64(d.GetShadowMaxConcurrent()); class == traffic.Shadow && own > 0 {
			most = own
		}
		if most <= 0 {
			continue
		}
		key := bulkheadKey{class, command}
		b := r.bulkheads[key]
		if b == nil {
			b = &bulkhead{command: command}
		}
		b.most.Store(most)
		set.bulkheads[key] = b
	}
}

// queueRule is a queue as configured.
type queueRule struct {
	scenes.Queue
	inherited bool
}

// applyQueues configures the fleets. Queues that are no longer there hold up nobody from then on.
func (r *Registry) applyQueues(set *Set) error {
	var resources [traffic.Count][]hierarchy.Resource
	for _, class := range r.classes() {
		if r.deps.Fleets[class] == nil {
			continue
		}
		resources[class] = resourcesOf(set.snap.Policies, class)
		for i := range resources[class] {
			if err := resources[class][i].Share.Check(); err != nil {
				return fmt.Errorf("hierarchy_limits: %s, %s traffic: %w", resources[class][i].Name, class, err)
			}
		}
	}
	for _, class := range r.classes() {
		fleet := r.deps.Fleets[class]
		if fleet == nil {
			continue
		}
		r.leaveQueues(class, resources[class])
		if err := fleet.Apply(resources[class]); err != nil {
			return fmt.Errorf("hierarchy_limits: %w", err)
		}
		for _, resource := range resources[class] {
			member := fleet.Member(resource.Name)
			for i := range resource.Share.Queues {
				r.applyQueue(set, queueKey{class, resource.Name, resource.Share.Queues[i].Name}, member, fleet)
			}
		}
		for name, resource := range set.snap.Policies.Resources {
			for _, q := range resource.Of[class].Queues {
				set.queueRules[queueKey{class, name, q.Name}] = queueRule{q, resource.Of[class].Inherited}
			}
		}
	}
	return nil
}

func (r *Registry) applyQueue(set *Set, key queueKey, member *hierarchy.Member, fleet *hierarchy.Fleet) {
	number, _ := member.Queue(key.queue) // it was configured just now
	q := r.queues[key]
	if q == nil || q.member != member || q.gone.Load() {
		q = &queueState{key: key, name: key.String(), member: member, number: number, fleet: fleet}
	}
	set.queues[key] = q
}

// leaveQueues lets everyone pass the queues that are not among the resources.
func (r *Registry) leaveQueues(class traffic.Class, resources []hierarchy.Resource) {
	there := map[queueKey]bool{}
	for _, resource := range resources {
		for i := range resource.Share.Queues {
			there[queueKey{class, resource.Name, resource.Share.Queues[i].Name}] = true
		}
	}
	for key, q := range r.queues {
		if key.class == class && !there[key] {
			q.gone.Store(true)
		}
	}
}

// usersOf tells who asks each limit, and each queue by resource/queue.
func usersOf(snap *scenes.Snapshot) map[string][]string {
	users := map[string][]string{}
	use := func(who string, limits []*scenes.Limit, queue *scenes.QueueRef) {
		for _, l := range limits {
			users[l.Name] = append(users[l.Name], who)
		}
		if queue != nil {
			name := queue.Resource.Name + "/" + queue.Queue
			users[name] = append(users[name], who)
		}
	}
	use("inbound", snap.Policies.Inbound, nil)
	for _, name := range sortedKeys(snap.Clients) {
		if quota := snap.Clients[name].Quota; quota != nil {
			use("client:"+name, []*scenes.Limit{quota}, nil)
		}
	}
	for _, s := range snap.Scenes {
		use("scene:"+s.Name, s.Limits, s.Queue)
	}
	for _, command := range sortedKeys(snap.Dependencies) {
		use("command:"+command, snap.DependencyLimits[command], snap.DependencyQueues[command])
	}
	for name := range users {
		users[name] = slices.Compact(users[name])
	}
	return users
}
