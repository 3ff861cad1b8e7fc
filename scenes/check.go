package scenes

import (
	"fmt"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// check looks at whether the parts of a bundle make sense together. linked says that every reference was understood.
func check(parsed source.Parsed, links links, linked bool, now time.Time) []diag.Diagnostic {
	c := &checker{bundle: parsed.Bundle, root: parsed.Root, whole: parsed.Whole, links: links, now: now}
	c.regions()
	c.types()
	c.rules()
	c.scenes()
	c.downgrades()
	if linked {
		c.unused()
	}
	return c.findings.All()
}

type checker struct {
	bundle   *configv1.Bundle
	root     *source.Place
	whole    bool
	links    links
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
	for i, t := range c.bundle.GetPriceRuleTypes() {
		at := c.root.Field("price_rule_types").Index(i)
		if t.GetFlexibleLiveStream() && t.GetExclusivity() != configv1.Exclusivity_EXCLUSIVITY_LIVE_STREAM && !at.Field("exclusivity").Bad() {
			c.report(at.Field("flexible_live_stream").Error(diag.NeedsLiveStream, "flexible_live_stream is for live-stream promotions only",
				"write exclusivity: LIVE_STREAM, or take flexible_live_stream out"))
		}
		if !t.GetIsOriginalPrice() {
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
	if original == nil && c.whole && !c.root.Field("price_rule_types").Bad() {
		c.report(c.root.Field("price_rule_types").Error(diag.OriginalPriceMissing, "no price rule type is the original price",
			"write is_original_price: true on the type of list prices"))
	}
}

// rules finds rules that say nothing.
func (c *checker) rules() {
	for i, r := range c.bundle.GetExclusionRules() {
		if at := c.root.Field("exclusion_rules").Index(i); r.GetWhen() == "" && len(r.GetExcludedPriceRuleTypes()) == 0 && !at.Field("when").Bad() {
			c.report(at.Field("name").Warning(diag.MatchesAll, fmt.Sprintf("exclusion rule %s drops every promotion, also the original price", r.GetName()),
				"list excluded_price_rule_types, or write a condition in when"))
		}
	}
}

func (c *checker) downgrades() {
	for i, d := range c.bundle.GetDowngrades() {
		if at := c.root.Field("downgrades").Index(i).Field("until"); d.GetUntil() != nil && !d.GetUntil().AsTime().After(c.now) {
			c.report(at.Warning(diag.DowngradeEnded, "this downgrade has ended", "take it out, or set a later time"))
		}
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
	for name, i := range c.links.scenarios.byName {
		if !c.links.scenarios.used[name] && !c.bundle.GetScenarios()[i].GetRetired() {
			c.report(c.root.Field("scenarios").Index(i).Field("name").Warning(diag.Unused, fmt.Sprintf("no scene runs scenario %s", name),
				"take it out, or mark it retired: true to reserve its id and name"))
		}
	}
}
