package scenes

import (
	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/rules"
	"proscenium/scenes/diag"
	"proscenium/scenes/pace"
	"proscenium/scenes/source"
)

// expressions are the compiled rules of a bundle, by the index of the entity that they belong to; nil where it has none.
type expressions struct {
	exclusions, inclusions, pools, eligibility, units []*rules.Rule
	// keys are those of limits, by limit and dimension.
	keys map[dimensionName]*rules.Rule
}

// dimensionName names a dimension of a limit, live or shadow.
type dimensionName struct{ limit, dimension string }

// compiledRules are the expressions of a load, with what became of each.
type compiledRules map[expression]compiled

// compileExpressions compiles all CEL of the bundle, but for what the load before had too, and returns what it made for the next one. What is
// wrong in an expression is reported at its place in the file.
func compileExpressions(parsed source.Parsed, before compiledRules, turns *pace.Pace) (expressions, compiledRules, []diag.Diagnostic) {
	c := &celCompiler{root: parsed.Root, before: before, done: compiledRules{}, pace: turns}
	b := parsed.Bundle
	exprs := expressions{
		exclusions:  compileEach(c, rules.PromoRule, "exclusion_rules", "when", b.GetExclusionRules(), (*configv1.ExclusionRule).GetWhen),
		inclusions:  compileEach(c, rules.PromoRule, "inclusion_rules", "when", b.GetInclusionRules(), (*configv1.InclusionRule).GetWhen),
		pools:       compileEach(c, rules.VoucherPool, "voucher_pools", "when", b.GetVoucherPools(), (*configv1.VoucherPool).GetWhen),
		eligibility: compileEach(c, rules.Eligibility, "eligibility_rules", "when", b.GetEligibilityRules(), (*configv1.EligibilityRule).GetWhen),
		units:       compileEach(c, rules.ExperimentUnit, "experiments", "unit", b.GetExperiments(), (*configv1.Experiment).GetUnit),
		keys:        compileKeys(c, b.GetLimits()),
	}
	return exprs, c.done, c.findings.All()
}

// celCompiler compiles each expression once: copies of rules often share theirs.
type celCompiler struct {
	root         *source.Place
	before, done compiledRules
	pace         *pace.Pace
	findings     diag.List
}

type expression struct {
	place rules.Place
	text  string
}

type compiled struct {
	rule     *rules.Rule
	problems []rules.Problem
}

func compileEach[E any](c *celCompiler, place rules.Place, list, field string, entities []E, text func(E) string) []*rules.Rule {
	out := make([]*rules.Rule, len(entities))
	for i, e := range entities {
		c.pace.Step()
		if text(e) == "" {
			continue
		}
		out[i] = c.compile(place, text(e), func() *source.Place { return c.root.Field(list).Index(i).Field(field) })
	}
	return out
}

func compileKeys(c *celCompiler, limits map[string]*configv1.Limit) map[dimensionName]*rules.Rule {
	out := map[dimensionName]*rules.Rule{}
	eachDimension(limits, func(name dimensionName, d *configv1.LimitDimension) {
		c.pace.Step()
		if d.GetKey() != "" {
			out[name] = c.compile(rules.LimitKey, d.GetKey(), func() *source.Place { return dimensionAt(c.root, name).Field("key") })
		}
	})
	return out
}

// eachDimension visits the dimensions of all limits, in the order of their names.
func eachDimension(limits map[string]*configv1.Limit, visit func(dimensionName, *configv1.LimitDimension)) {
	for _, limit := range sortedKeys(limits) {
		dimensions := limits[limit].GetDimensions()
		for _, name := range sortedKeys(dimensions) {
			visit(dimensionName{limit, name}, dimensions[name])
		}
	}
}

func dimensionAt(root *source.Place, name dimensionName) *source.Place {
	return root.Field("limits").Key(name.limit).Field("dimensions").Key(name.dimension)
}

// compile compiles an expression, or takes what it became before; nil if there is a problem, which is reported.
func (c *celCompiler) compile(place rules.Place, text string, at func() *source.Place) *rules.Rule {
	key := expression{place, text}
	result, known := c.done[key]
	if !known {
		if result, known = c.before[key]; !known {
			result.rule, result.problems = rules.Compile(place, text)
		}
		c.done[key] = result
	}
	for _, p := range result.problems {
		c.findings.Add(at().ErrorInside(p.Offset, p.Length, diag.Code(p.Code), p.Message, p.Hint))
	}
	return result.rule
}
