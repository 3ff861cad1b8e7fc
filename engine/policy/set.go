package policy

import (
	"proscenium/engine/policy/shed"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/scenes"
	"proscenium/traffic"
)

// Set are the policies of one configuration, resolved. It does not change. A nil Set has none.
type Set struct {
	registry *Registry
	snap     *scenes.Snapshot

	breakers   map[breakerKey]*breakerState
	limits     map[limitKey]*limitHandle
	queues     map[queueKey]*queueState
	bulkheads  map[bulkheadKey]*bulkhead
	queueRules map[queueKey]queueRule
	shedder    Shedder // nil: load shedding is off
	usedBy     map[string][]string
}

// Registry is where the state of the set is kept; nil for a nil Set.
func (s *Set) Registry() *Registry {
	if s == nil {
		return nil
	}
	return s.registry
}

// Outbound are the policies around the calls of a command in a scene; nil where there are none. It is asked for when a configuration is compiled.
func (s *Set) Outbound(class traffic.Class, command string, scene *scenes.Scene) *Outbound {
	return s.outbound(class, command, scene, false)
}

// Downgraded is Outbound for calls to the downgraded voucher pools of a scene: they have a breaker of the scene of their own.
func (s *Set) Downgraded(class traffic.Class, scene *scenes.Scene) *Outbound {
	return s.outbound(class, vouchers, scene, true)
}

func (s *Set) outbound(class traffic.Class, command string, scene *scenes.Scene, downgraded bool) *Outbound {
	if s == nil {
		return nil
	}
	of := s.registry.class(class)
	o := &Outbound{
		registry: s.registry, command: command, subject: "command:" + command,
		breaker:  s.breakers[breakerKey{class: of, command: command}],
		scene:    s.breakers[breakerKey{class: of, command: command, scene: scene.Name, downgraded: downgraded}],
		bulkhead: s.bulkheads[bulkheadKey{of, command}],
		queue:    s.queue(of, s.snap.DependencyQueues[command]),
	}
	for _, l := range s.snap.DependencyLimits[command] {
		if h := s.limits[limitKey{of, l.Name}]; h != nil {
			o.limits = append(o.limits, h)
		}
	}
	if o.breaker == nil && o.scene == nil && !o.Limited() {
		return nil
	}
	return o
}

// Inbound are the policies around the requests of a client to a scene; nil where there are none. client may be nil. It is asked for when a configuration
// is compiled.
func (s *Set) Inbound(class traffic.Class, client *scenes.Client, scene *scenes.Scene) *Inbound {
	if s == nil {
		return nil
	}
	of := s.registry.class(class)
	in := &Inbound{registry: s.registry, class: of, scene: "scene:" + scene.Name, queue: s.queue(of, scene.Queue), shedder: s.shedder}
	if client != nil && client.Quota != nil {
		in.add(s, Quota, "client:"+client.Name, client.Quota)
	}
	for _, l := range s.snap.Policies.Inbound {
		in.add(s, Limit, "service", l)
	}
	for _, l := range scene.Limits {
		in.add(s, Limit, in.scene, l)
	}
	in.priority = priorityOf(client, scene)
	if len(in.limits) == 0 && in.queue == nil && in.shedder == nil {
		return nil
	}
	return in
}

func (in *Inbound) add(s *Set, layer Layer, subject string, l *scenes.Limit) {
	if h := s.limits[limitKey{in.class, l.Name}]; h != nil {
		in.limits = append(in.limits, inboundLimit{h, layer, subject})
	}
}

func (s *Set) queue(class traffic.Class, ref *scenes.QueueRef) *queueState {
	if ref == nil {
		return nil
	}
	return s.queues[queueKey{class, ref.Resource.Name, ref.Queue}]
}

// priorityOf is the scene's, else the client's, else normal.
func priorityOf(client *scenes.Client, scene *scenes.Scene) shed.Priority {
	said := scene.Priority
	if said == configv1.Priority_PRIORITY_UNSPECIFIED && client != nil {
		said = client.Priority
	}
	switch said {
	case configv1.Priority_PRIORITY_LOW:
		return shed.Low
	case configv1.Priority_PRIORITY_HIGH:
		return shed.High
	case configv1.Priority_PRIORITY_CRITICAL:
		return shed.Critical
	default:
		return shed.Normal
	}
}
