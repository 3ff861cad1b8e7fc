package scenes

import (
	"fmt"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/rules"
	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// rules finds rules and pools that match everything or nothing.
func (c *checker) rules() {
	for i, r := range c.bundle.GetExclusionRules() {
		at := c.root.Field("exclusion_rules").Index(i)
		c.promoRule(promoRule{
			kind: "exclusion rule", name: r.GetName(), listed: r.GetExcludedPriceRuleTypes(), written: r.GetWhen() != "", when: c.exprs.exclusions[i],
			at: at, types: "excluded_price_rule_types", never: "drops nothing",
		})
		c.matchesAll(r, i, at)
	}
	for i, r := range c.bundle.GetInclusionRules() {
		c.promoRule(promoRule{
			kind: "inclusion rule", name: r.GetName(), listed: r.GetIncludedPriceRuleTypes(), written: r.GetWhen() != "", when: c.exprs.inclusions[i],
			at: c.root.Field("inclusion_rules").Index(i), types: "included_price_rule_types", never: "keeps nothing, also not the original price",
		})
	}
	for i, p := range c.bundle.GetVoucherPools() {
		at := c.root.Field("voucher_pools").Index(i).Field("when")
		c.constant(c.exprs.pools[i], at, true, "voucher pool "+p.GetName()+" has no voucher", "every voucher is in it")
	}
	for i, r := range c.bundle.GetEligibilityRules() {
		at := c.root.Field("eligibility_rules").Index(i).Field("when")
		c.constant(c.exprs.eligibility[i], at, true, "nobody passes "+r.GetCommand(), "everybody passes "+r.GetCommand())
	}
}

// promoRule is an exclusion or an inclusion rule.
type promoRule struct {
	kind, name string
	listed     []string
	written    bool // there is a condition; when is nil if it is wrong
	when       *rules.Rule
	at         *source.Place
	types      string // the field of listed
	never      string // what a rule that matches nothing does
}

func (c *checker) promoRule(r promoRule) {
	if !r.written || r.when == nil {
		return
	}
	if _, is := r.when.Constant(); is {
		c.constant(r.when, r.at.Field("when"), false, fmt.Sprintf("%s %s %s", r.kind, r.name, r.never), "it says no more than the types")
		return
	}
	for i, name := range r.listed {
		if !r.when.Allows("promo.type", name) {
			c.report(r.at.Field(r.types).Index(i).Warning(diag.MatchesNothing,
				fmt.Sprintf("%s %s lists %s, but its when asks for another type", r.kind, r.name, name), "take it out of the list, or mend when"))
		}
	}
}

// constant reports a condition that is always the same. Where a condition is required, true by itself is how one says "all".
func (c *checker) constant(when *rules.Rule, at *source.Place, required bool, never, always string) {
	if when == nil {
		return
	}
	switch value, is := when.Constant(); {
	case !is:
	case !value:
		c.report(at.Warning(diag.MatchesNothing, "the condition is never true: "+never, "its parts contradict each other, or one of them is false: compare with what you mean"))
	case required && when.Text() == "true":
	case required:
		c.report(at.Warning(diag.AlwaysTrue, "the condition is always true: "+always, "write true if that is meant, or && between parts that must all hold"))
	default:
		c.report(at.Warning(diag.AlwaysTrue, "the condition is always true: "+always, "leave it out if that is meant, or write && between parts that must all hold"))
	}
}

// matchesAll finds exclusion rules that leave no price.
func (c *checker) matchesAll(r *configv1.ExclusionRule, i int, at *source.Place) {
	if !c.excludesAlways(i) || at.Field("when").Bad() || at.Field("excluded_price_rule_types").Bad() {
		return
	}
	if len(r.GetExcludedPriceRuleTypes()) == 0 {
		c.report(at.Field("name").Warning(diag.MatchesAll, fmt.Sprintf("exclusion rule %s drops every promotion, also the original price", r.GetName()),
			"list excluded_price_rule_types, or write a condition in when"))
		return
	}
	if c.original && c.links.types.whole && len(c.left(r.GetExcludedPriceRuleTypes(), nil)) == 0 {
		c.report(at.Field("excluded_price_rule_types").Warning(diag.MatchesAll, fmt.Sprintf("exclusion rule %s lists every price rule type, also the original price", r.GetName()),
			"take those out that shall have a price, or write a condition in when"))
	}
}

// excludesAlways says whether an exclusion rule drops each promotion of its types.
func (c *checker) excludesAlways(i int) bool {
	if c.bundle.GetExclusionRules()[i].GetWhen() == "" {
		return true
	}
	when := c.exprs.exclusions[i]
	if when == nil {
		return false // it is wrong, and was reported
	}
	value, is := when.Constant()
	return is && value
}

// left are the price rule types that are not excluded, and included if any is listed.
func (c *checker) left(excluded, included []string) map[string]bool {
	out := map[string]bool{}
	for name := range c.links.types.byName {
		out[name] = len(included) == 0
	}
	for _, name := range included {
		out[name] = true
	}
	for _, name := range excluded {
		out[name] = false
	}
	for name, kept := range out {
		if !kept {
			delete(out, name)
		}
	}
	return out
}
