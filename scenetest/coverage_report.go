package scenetest

import (
	"cmp"
	"slices"
	"strings"

	"proscenium/scenes/source"
)

// report tells what was exercised so far.
func (c *coverage) report() *Coverage {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &coverageReport{root: c.root}
	b := c.snap.Bundle
	for i, s := range b.GetScenes() {
		r.add(KindScene, s.GetName(), r.at("scenes", i, "name"), reached(c.scenes[s.GetName()], "no request was answered"))
	}
	for i, e := range b.GetExclusionRules() {
		c.promoRule(r, "exclusion_rules", i, e.GetName(), e.GetWhen() != "")
	}
	for i, e := range b.GetInclusionRules() {
		c.promoRule(r, "inclusion_rules", i, e.GetName(), e.GetWhen() != "")
	}
	for i, p := range b.GetVoucherPools() {
		seen := c.pools[p.GetName()]
		r.add(KindPool, p.GetName(), r.at("voucher_pools", i, "name"), reached(seen != nil, "no vouchers were chosen from it"))
		if p.GetWhen() != "" {
			r.condition(KindPool+" "+p.GetName(), r.at("voucher_pools", i, "when"), seen != nil && seen.matched, seen != nil && seen.missed)
		}
	}
	for i, e := range b.GetBypassRules() {
		r.add(KindBypass, e.GetName(), r.at("bypass_rules", i, "name"), reached(c.bypasses[e.GetName()], "no vouchers were chosen under it"))
	}
	for i, e := range b.GetEligibilityRules() {
		p := c.eligible[e.GetCommand()]
		if p == nil {
			continue
		}
		r.add(KindEligibility, e.GetCommand(), r.at("eligibility_rules", i, "command"), reached(p.True.Load()+p.False.Load() > 0, "no promotion was checked"))
		r.condition(KindEligibility+" "+e.GetCommand(), r.at("eligibility_rules", i, "when"), p.True.Load() > 0, p.False.Load() > 0)
	}
	for i, x := range b.GetExperiments() {
		for j, g := range x.GetGroups() {
			at := c.root.Field("experiments").Index(i).Field("groups").Index(j).Field("name")
			r.add(KindGroup, x.GetName()+"."+g.GetName(), at, reached(c.groups[[2]string{x.GetName(), g.GetName()}], "no request is in it"))
		}
		if p := c.units[x.GetName()]; p != nil {
			r.add(KindExpression, "experiment "+x.GetName()+", unit", r.at("experiments", i, "unit"), reached(p.True.Load() > 0, "never evaluated"))
		}
	}
	return r.done()
}

// promoRule reports a rule, and its condition.
func (c *coverage) promoRule(r *coverageReport, list string, i int, name string, conditional bool) {
	p := c.rules[list+name]
	if p == nil {
		p = &probedRule{} // no scene uses it
	}
	r.add(KindRule, name, r.at(list, i, "name"), reached(p.probe.True.Load() > 0, "it matched no promotion"))
	if conditional {
		r.condition(KindRule+" "+name, r.at(list, i, "when"), p.probe.True.Load() > 0, p.probe.False.Load() > 0)
	}
}

// coverageReport collects entries.
type coverageReport struct {
	root    *source.Place
	entries []Covered
}

// point is something to exercise.
type point struct {
	reached bool
	missing string // what to say where it was not
}

func reached(is bool, missing string) point { return point{is, missing} }

func (r *coverageReport) at(list string, i int, field string) *source.Place {
	return r.root.Field(list).Index(i).Field(field)
}

func (r *coverageReport) add(kind, name string, at *source.Place, points ...point) {
	span := at.KeySpan()
	e := Covered{Kind: kind, Name: name, File: span.File, Line: span.Line, Points: len(points)}
	for _, p := range points {
		if p.reached {
			e.Reached++
		} else {
			e.Missing = append(e.Missing, p.missing)
		}
	}
	r.entries = append(r.entries, e)
}

func (r *coverageReport) condition(of string, at *source.Place, yes, no bool) {
	r.add(KindExpression, of, at, reached(yes, "never true"), reached(no, "never false"))
}

func (r *coverageReport) done() *Coverage {
	order := map[string]int{}
	for i, kind := range Kinds() {
		order[kind] = i
	}
	slices.SortStableFunc(r.entries, func(a, b Covered) int {
		return cmp.Or(cmp.Compare(order[a.Kind], order[b.Kind]), strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return &Coverage{Entries: r.entries}
}
