package scenes

import (
	"fmt"
	"slices"
	"strings"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// check looks at whether the parts of a bundle make sense together, which is found out only while values and references are right: otherwise what
// seems to make no sense may only be what was not understood, so no more than single entities are looked at; linked says that they are.
func check(parsed source.Parsed, links links, exprs expressions, linked bool, now time.Time) []diag.Diagnostic {
	c := &checker{bundle: parsed.Bundle, root: parsed.Root, whole: parsed.Whole, links: links, exprs: exprs, now: now}
	c.regions()
	c.types()
	c.rules()
	c.switches()
	c.dependencies()
	c.caches()
	c.limits()
	c.breakers()
	c.hierarchies()
	c.inbound()
	if linked {
		c.scenes()
		c.downgrades()
		c.experiments()
		c.counts()
		c.unusedPolicies()
		c.unused()
	}
	return c.findings.All()
}

// withoutFollowing leaves out the warnings about entities that have an error: what makes no sense there may only be what was not understood.
func withoutFollowing(findings, before []diag.Diagnostic) []diag.Diagnostic {
	wrong := map[string]bool{}
	for _, d := range slices.Concat(before, findings) {
		if d.Severity == diag.Error {
			wrong[entityOf(d.Path)] = true
		}
	}
	if len(wrong) == 0 {
		return findings
	}
	return slices.DeleteFunc(findings, func(d diag.Diagnostic) bool { return d.Severity == diag.Warning && wrong[entityOf(d.Path)] })
}

// entityOf is the part of a path that names an entity: scenes[3] of scenes[3].voucher.enabled, limits.vouchers of limits.vouchers.per_user.window.
func entityOf(path string) string {
	if section, rest, below := strings.Cut(path, "."); below && (section == "limits" || section == "hierarchy_limits") {
		name, _, _ := strings.Cut(rest, ".")
		return section + "." + name
	}
	if i := strings.IndexByte(path, ']'); i >= 0 {
		return path[:i+1]
	}
	section, _, _ := strings.Cut(path, ".")
	return section
}

type checker struct {
	bundle   *configv1.Bundle
	root     *source.Place
	whole    bool
	links    links
	exprs    expressions
	original bool // there is an original price
	now      time.Time
	findings diag.List
}

func (c *checker) report(d diag.Diagnostic) { c.findings.Add(d) }

func (c *checker) regions() {
	if len(c.bundle.GetRegions()) == 0 && c.whole && !c.root.Field("regions").Bad() {
		c.report(c.root.Error(diag.NoRegion, "there is no region", "add one to regions: its code, currency, time_zone and default_tax_mode"))
	}
	for i, r := range c.bundle.GetRegions() {
		at := c.root.Field("regions").Index(i)
		if _, known := CurrencyExponent(r.GetCurrency()); !known && len(r.GetCurrency()) == 3 {
			c.report(at.Field("currency").Error(diag.UnknownCurrency, fmt.Sprintf("there is no currency %s", r.GetCurrency()),
				diag.Suggest(r.GetCurrency(), "currencies", currencyCodes())))
		}
		if r.GetTimeZone() == "" {
			continue
		}
		if _, err := zone(r.GetTimeZone()); err != nil {
			c.report(at.Field("time_zone").Error(diag.UnknownTimeZone, fmt.Sprintf("there is no time zone %q", r.GetTimeZone()),
				"use a name of the IANA database, such as America/New_York or Asia/Singapore"))
		}
	}
}

// zone loads a time zone by its IANA name. Local is none: it would differ from one machine to the next.
func zone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, fmt.Errorf("time zone %s is not the same everywhere", name)
	}
	return time.LoadLocation(name)
}

func (c *checker) types() {
	var original *source.Place
	unread := false // one that may be the original price was not understood
	for i, t := range c.bundle.GetPriceRuleTypes() {
		at := c.root.Field("price_rule_types").Index(i)
		if t.GetFlexibleLiveStream() && t.GetExclusivity() != configv1.Exclusivity_EXCLUSIVITY_LIVE_STREAM && !at.Field("exclusivity").Bad() {
			c.report(at.Field("flexible_live_stream").Error(diag.NeedsLiveStream, "flexible_live_stream is for live-stream promotions only",
				"write exclusivity: LIVE_STREAM, or take flexible_live_stream out"))
		}
		if t.GetIsOriginalPrice() && t.GetExclusivity() > configv1.Exclusivity_EXCLUSIVITY_NONE {
			c.report(at.Field("exclusivity").Warning(diag.ExclusiveOriginal, fmt.Sprintf("original price %s is for some users only: the others have no price at all", t.GetName()),
				"take exclusivity out of the type of list prices"))
		}
		if !t.GetIsOriginalPrice() {
			unread = unread || at.Field("is_original_price").Bad()
			continue
		}
		here := at.Field("is_original_price")
		if original == nil {
			original = here
			continue
		}
		d := here.Error(diag.OriginalPriceTwice, fmt.Sprintf("price rule type %s is a second original price", t.GetName()), "keep is_original_price on one type only")
		d.Related = []diag.Related{original.Span().Related("the first original price")}
		c.report(d)
	}
	c.original = original != nil
	if original == nil && c.whole && !unread && !c.root.Field("price_rule_types").Bad() {
		c.report(c.root.Field("price_rule_types").Error(diag.OriginalPriceMissing, "no price rule type is the original price",
			"write is_original_price: true on the type of list prices"))
	}
}

// unused finds what nothing refers to.
func (c *checker) unused() {
	for _, kind := range []struct {
		list  string
		index *index
	}{
		{"exclusion_rules", c.links.exclusions},
		{"inclusion_rules", c.links.inclusions},
		{"voucher_pools", c.links.pools},
		{"bypass_rules", c.links.bypasses},
	} {
		for name, i := range kind.index.byName {
			if !kind.index.used[name] {
				c.report(c.root.Field(kind.list).Index(i).Field("name").Warning(diag.Unused,
					fmt.Sprintf("nothing uses %s %s", kind.index.kind, name), "take it out, or name it where it is meant to act"))
			}
		}
	}
	c.unusedCommands()
	for name, i := range c.links.scenarios.byName {
		if !c.links.scenarios.used[name] && !c.bundle.GetScenarios()[i].GetRetired() {
			c.report(c.root.Field("scenarios").Index(i).Field("name").Warning(diag.Unused, fmt.Sprintf("no scene runs scenario %s", name),
				"take it out, or mark it retired: true to reserve its id and name"))
		}
	}
}

// unusedCommands finds providers and eligibility rules that nobody asks.
func (c *checker) unusedCommands() {
	for i, d := range c.bundle.GetDependencies() {
		if d.GetCommand() == "" || onlyCatalog(d) || c.called(d.GetCommand()) { // saying what is so anyway does no harm
			continue
		}
		c.report(c.root.Field("dependencies").Index(i).Field("command").Warning(diag.Unused, fmt.Sprintf("no scene needs %s, so its provider is never called", d.GetCommand()),
			"take the dependency out, or let a scene need what it answers"))
	}
	for i, r := range c.bundle.GetEligibilityRules() {
		var why string
		switch {
		case !c.exclusive(r.GetCommand()):
			why = "no price rule type has that exclusivity"
		case !c.asksCatalog(r.GetCommand()):
			why = "the dependency has another provider, which does not read it"
		case !c.called(r.GetCommand()):
			why = "no scene runs a scenario in login_mode"
		default:
			continue
		}
		c.report(c.root.Field("eligibility_rules").Index(i).Field("command").Warning(diag.Unused, fmt.Sprintf("nothing uses the rule for %s: %s", r.GetCommand(), why),
			"take it out, or mend what keeps it from being asked"))
	}
}

func onlyCatalog(d *configv1.Dependency) bool {
	for _, p := range d.GetRegions() {
		if !isCatalog(p) {
			return false
		}
	}
	return d.GetProvider() == nil || isCatalog(d.GetProvider())
}

// exclusive says whether promotions of some type are asked of the command.
func (c *checker) exclusive(command string) bool {
	want := map[string]configv1.Exclusivity{
		"eligibility.exclusive_price": configv1.Exclusivity_EXCLUSIVITY_EXCLUSIVE_PRICE,
		"eligibility.live_stream":     configv1.Exclusivity_EXCLUSIVITY_LIVE_STREAM,
		"eligibility.welcome_package": configv1.Exclusivity_EXCLUSIVITY_WELCOME_PACKAGE,
	}[command]
	return slices.ContainsFunc(c.bundle.GetPriceRuleTypes(), func(t *configv1.PriceRuleType) bool { return t.GetExclusivity() == want })
}
