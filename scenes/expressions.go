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
}

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
		key := expression{place, text(e)}
		result, known := c.done[key]
		if !known {
			if result, known = c.before[key]; !known {
				result.rule, result.problems = rules.Compile(place, text(e))
			}
			c.done[key] = result
		}
		out[i] = result.rule
		at := c.root.Field(list).Index(i).Field(field)
		for _, p := range result.problems {
			c.findings.Add(at.ErrorInside(p.Offset, p.Length, diag.Code(p.Code), p.Message, p.Hint))
		}
	}
	return out
}
