package catalog

import (
	"fmt"
	"slices"

	"proscenium/facts"
	"proscenium/rules"
	"proscenium/scenes"
	"proscenium/scenes/diag"
)

// typeRef is the name of a price rule type, and the place where it stands first. The first of a catalog is the original price, without a name.
type typeRef struct {
	name, file   string
	line, column int
}

// Expressions are the CEL expressions of the vouchers, each once, in the order of the file.
func (c *Catalog) Expressions() []Expression { return slices.Clone(c.expressions) }

// CheckExpressions compiles each expression of the vouchers, and reports those that do not.
func (c *Catalog) CheckExpressions() []diag.Diagnostic {
	var all []diag.Diagnostic
	for _, e := range c.expressions {
		_, problems := rules.Compile(e.Place, e.Source)
		for _, p := range problems {
			part := e.Source[p.Offset:min(len(e.Source), p.Offset+p.Length)]
			all = append(all, diag.Diagnostic{
				Code: diag.Code(p.Code), Severity: diag.Error, File: e.File, Line: e.Line, Column: e.Column, Path: e.Path, Excerpt: e.Source,
				Message: fmt.Sprintf("%s: %s, at %q", e.Path, p.Message, part), Hint: p.Hint,
			})
		}
	}
	return all
}

// DependsOnTime says whether answers from the catalog can differ from one instant to another: something begins or ends, or an expression reads
// the clock. It is false only where no answer can.
func (c *Catalog) DependsOnTime() bool {
	for _, times := range []*calendar{&c.priceTimes, &c.scheduleTimes, &c.voucherTimes} {
		if slices.ContainsFunc(times.windows, func(w window) bool { return w.start != facts.Always || w.end != facts.Never }) {
			return true
		}
	}
	return slices.ContainsFunc(c.expressions, func(e Expression) bool {
		rule, problems := rules.Compile(e.Place, e.Source)
		return len(problems) > 0 || rule.Uses("request.time")
	})
}

// CheckTypes warns of names of price rule types that promotions have and the configuration has not: those promotions are left out.
func (c *Catalog) CheckTypes(snap *scenes.Snapshot) []diag.Diagnostic {
	var names []string
	for _, t := range snap.Types {
		if t != nil && !t.Original {
			names = append(names, t.Name)
		}
	}
	var all []diag.Diagnostic
	for _, t := range c.types[1:] {
		if !slices.Contains(names, t.name) {
			all = append(all, diag.Diagnostic{
				Code: diag.UnknownReference, Severity: diag.Warning, File: t.file, Line: t.line, Column: t.column, Path: "price_rule_type",
				Message: "the configuration has no price rule type \"" + t.name + "\": its promotions are left out",
				Hint:    diag.Suggest(t.name, "price rule types", names),
			})
		}
	}
	return all
}
