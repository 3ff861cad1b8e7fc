package engine

import (
	"maps"
	"slices"
	"strings"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes"
	"proscenium/traffic"
)

// Switch is a downgrade that operators threw, beside those of the configuration.
type Switch struct {
	Feature configv1.DowngradeFeature
	// Regions and Scenes narrow it down, both together to their intersection; empty: all. Names that the configuration does not have match nothing.
	Regions, Scenes []string
	Until           time.Time // zero: open
}

// SetSwitches makes these the switches that are thrown, instead of those before. The next request sees them, and so does every configuration that is
// applied later.
func (e *Engine) SetSwitches(switches []Switch) {
	e.applying.Lock()
	defer e.applying.Unlock()
	e.switches = nil
	for _, s := range switches {
		if s.Feature <= 0 || int(s.Feature) >= len(featureNames) {
			continue // of a later version
		}
		s.Regions, s.Scenes = slices.Clone(s.Regions), slices.Clone(s.Scenes)
		e.switches = append(e.switches, s)
	}
	if p := e.program.Load(); p != nil {
		next := *p
		next.throw(e.switches)
		e.program.Store(&next)
	}
}

// throw resolves switches to the scenes of the program, which nobody uses yet.
func (p *program) throw(switches []Switch) {
	p.thrown = nil
	for i := range switches {
		d := downgradeOf(&switches[i], p.snap)
		for _, s := range p.snap.Scenes {
			if d.Scenes != nil && !d.Scenes[s] {
				continue
			}
			if p.thrown == nil {
				p.thrown = map[*scenes.Scene][]*scenes.Downgrade{}
			}
			p.thrown[s] = append(p.thrown[s], d)
		}
	}
}

// downgradeOf is a switch as the configuration would have it.
func downgradeOf(s *Switch, snap *scenes.Snapshot) *scenes.Downgrade {
	d := &scenes.Downgrade{Feature: s.Feature, Until: s.Until, Scope: scopeOf(s.Regions, s.Scenes)}
	if len(s.Regions) > 0 {
		d.Regions = make(map[string]bool, len(s.Regions))
		for _, code := range s.Regions {
			d.Regions[code] = true
		}
	}
	if len(s.Scenes) > 0 {
		d.Scenes = make(map[*scenes.Scene]bool, len(s.Scenes))
		for _, name := range s.Scenes {
			if scene := snap.ScenesByName[name]; scene != nil {
				d.Scenes[scene] = true
			}
		}
	}
	return d
}

// scopeOf names where a downgrade holds, as those of the configuration are named.
func scopeOf(regions, scenes []string) string {
	var parts []string
	for _, code := range slices.Sorted(slices.Values(regions)) {
		parts = append(parts, "region:"+code)
	}
	for _, name := range slices.Sorted(slices.Values(scenes)) {
		parts = append(parts, "scene:"+name)
	}
	if len(parts) == 0 {
		return "all"
	}
	return strings.Join(parts, ",")
}

// DowngradeOrigin is who turned a feature off.
type DowngradeOrigin uint8

// The origins.
const (
	FromConfiguration DowngradeOrigin = iota
	FromSwitch
	FromBreaker
)

// Downgraded is a feature that is off.
type Downgraded struct {
	Feature configv1.DowngradeFeature
	// Regions and Scenes narrow it down; empty: all.
	Regions, Scenes []string
	// Scope is how answers name that.
	Scope  string
	Origin DowngradeOrigin
	Reason string    // of the configuration
	Until  time.Time // zero: open
	// Breaker is the one that is open, and Class whose traffic it is about, where it is the origin.
	Breaker string
	Class   traffic.Class
}

// Downgrades lists what is off now: by the configuration, by a switch, and by an open breaker of this process.
func (e *Engine) Downgrades() []Downgraded {
	e.applying.Lock()
	p, switches := e.program.Load(), e.switches
	e.applying.Unlock()
	if p == nil {
		return nil
	}
	now := e.deps.Now()
	var out []Downgraded
	for _, d := range p.snap.Downgrades {
		if inForce(d.Until, now) {
			all := Downgraded{Feature: d.Feature, Regions: slices.Sorted(maps.Keys(d.Regions)), Scope: d.Scope, Reason: d.Reason, Until: d.Until}
			for s := range d.Scenes {
				all.Scenes = append(all.Scenes, s.Name)
			}
			slices.Sort(all.Scenes)
			out = append(out, all)
		}
	}
	for _, s := range p.snap.Scenes {
		if s.Spec.GetDowngrade().GetIsDowngraded() {
			out = append(out, Downgraded{Feature: configv1.DowngradeFeature_DOWNGRADE_FEATURE_SCENE, Scenes: []string{s.Name}, Scope: "scene:" + s.Name})
		}
	}
	for i := range switches {
		s := &switches[i]
		if inForce(s.Until, now) {
			out = append(out, Downgraded{Feature: s.Feature, Regions: s.Regions, Scenes: s.Scenes, Scope: scopeOf(s.Regions, s.Scenes), Origin: FromSwitch, Until: s.Until})
		}
	}
	return append(out, byBreakers(p)...)
}

// byBreakers are the scenes that go on with their downgraded pools because the breaker of their vouchers is not closed.
func byBreakers(p *program) []Downgraded {
	registry := p.policies.Registry()
	if registry == nil {
		return nil
	}
	var out []Downgraded
	for _, b := range registry.Breakers() {
		if b.Command != BestVouchers.String() || b.Scene == "" || b.Downgraded || b.State == breakerClosed {
			continue
		}
		if s := p.snap.ScenesByName[b.Scene]; s == nil || !p.scenes[s].base.vouchers {
			continue
		}
		out = append(out, Downgraded{
			Feature: configv1.DowngradeFeature_DOWNGRADE_FEATURE_PRICE_AFTER_VOUCHER, Scenes: []string{b.Scene}, Scope: "scene:" + b.Scene,
			Origin: FromBreaker, Breaker: b.Command + "@" + b.Scene, Class: b.Class,
		})
	}
	return out
}

// breakerClosed is the state of a breaker that lets everything pass.
const breakerClosed = "closed"

func inForce(until, now time.Time) bool { return until.IsZero() || now.Before(until) }
