package scenes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/rules"
	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// literals finds texts in expressions that a variable is compared with and never has: the names of price rule types, regions, scenes, scenarios
// and clients are all in the bundle.
func literals(parsed source.Parsed, links links, exprs expressions) []diag.Diagnostic {
	l := literalCheck{root: parsed.Root, sets: map[string]*index{
		"promo.type": links.types, "request.region": links.regions, "request.scene": links.scenes, "request.scenario": links.scenarios, "request.client": links.clients,
	}}
	l.each("exclusion_rules", "when", exprs.exclusions)
	l.each("inclusion_rules", "when", exprs.inclusions)
	l.each("voucher_pools", "when", exprs.pools)
	l.each("eligibility_rules", "when", exprs.eligibility)
	l.each("experiments", "unit", exprs.units)
	eachDimension(parsed.Bundle.GetLimits(), func(name dimensionName, _ *configv1.LimitDimension) {
		l.check(exprs.keys[name], func() *source.Place { return dimensionAt(l.root, name).Field("key") })
	})
	return l.findings.All()
}

type literalCheck struct {
	root     *source.Place
	sets     map[string]*index // by variable
	findings diag.List
}

func (l *literalCheck) each(list, field string, compiled []*rules.Rule) {
	for i, rule := range compiled {
		l.check(rule, func() *source.Place { return l.root.Field(list).Index(i).Field(field) })
	}
}

func (l *literalCheck) check(rule *rules.Rule, at func() *source.Place) {
	if rule == nil {
		return
	}
	for _, literal := range rule.Literals() {
		set := l.sets[literal.Variable]
		if set == nil || !set.whole || len(set.byName) == 0 {
			continue
		}
		if _, known := set.byName[literal.Value]; known {
			continue
		}
		l.findings.Add(at().ErrorInside(literal.Offset, literal.Length, diag.CELValue,
			fmt.Sprintf("%s is never '%s': there is no such %s", literal.Variable, literal.Value, set.kind), set.suggest(literal.Value)))
	}
}

// suggest is a hint for a name that the index does not have, while it may still guess.
func (x *index) suggest(name string) string {
	if x.guesses <= 0 {
		return "see " + strings.ReplaceAll(x.plural, " ", "_") + " for those that there are"
	}
	x.guesses--
	return diag.Suggest(name, x.plural, slices.Sorted(maps.Keys(x.byName)))
}
