package catalog

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"proscenium/catalog/table"
	"proscenium/facts"
	"proscenium/scenes/diag"
)

func (l *loader) decorations() {
	r := table.Open(l.fsys, decorationTable(), l.found)
	c := l.cat
	types := map[string]int32{}
	for i, t := range c.types {
		types[t.name] = int32(i)
	}
	var have map[int64]bool
	seen := first[decorationKey]{}
	for r.Next() {
		if r.Has(decorationType) == r.Has(decorationPromotion) {
			r.Fault(decorationType, diag.ConflictingField, "fill in price_rule_type or promotion_id", "one of price_rule_type and promotion_id is needed")
			continue
		}
		d := decoration{
			Decoration: facts.Decoration{Label: r.Text(decorationLabel), Color: r.Text(decorationColor), ImageURL: r.Text(decorationImage)},
			teaser:     r.Bool(decorationTeaser, false),
		}
		column := decorationPromotion
		if r.Has(decorationType) {
			column = decorationType
			d.kind = l.typeOf(r, column, types)
		} else {
			if have == nil {
				have = make(map[int64]bool, len(c.promos))
				for i := range c.promos {
					have[c.promos[i].ID] = true
				}
			}
			if d.promotion = r.ID(column); r.OK() && !have[d.promotion] {
				l.unknown(r, column, promotions, d.promotion, "there is no promotion %d", d.promotion)
			}
		}
		if d.Decoration == (facts.Decoration{}) {
			r.Fault(decorationLabel, diag.MissingField, "fill in label, color or image_url", "the decoration is empty")
		}
		if r.OK() && seen.unique(r, column, decorationKey{promotion: d.promotion, kind: d.kind, teaser: d.teaser}) {
			c.decorations = append(c.decorations, d)
		}
	}
}

func (l *loader) packages() {
	r := table.Open(l.fsys, packageTable(), l.found)
	c := l.cat
	seen := first[int64]{}
	of := map[int32][]facts.Package{}
	for r.Next() {
		if !r.Has(packagePrice) {
			r.RequiredText(packagePrice)
		}
		p := facts.Package{
			ID: r.ID(packageID), Name: r.RequiredText(packageName), ModelIDs: l.modelIDs(r, packageModels),
			Price: r.Int(packagePrice, 0, facts.Never, 0), OriginalPrice: r.Int(packageOriginal, 0, facts.Never, facts.NoPrice),
		}
		if r.OK() && len(p.ModelIDs) < 2 {
			r.Fault(packageModels, diag.Constraint, "list them with blanks between them", "a package has at least two models")
		}
		if !r.OK() || !seen.unique(r, packageID, p.ID) {
			continue
		}
		if p.OriginalPrice == facts.NoPrice {
			p.OriginalPrice = l.originalPrice(p.ModelIDs)
		}
		if p.Price > p.OriginalPrice {
			r.Fault(packagePrice, diag.OutOfRange, "a package costs at most what its models cost one by one", "%d is more than the original price %d", p.Price, p.OriginalPrice)
			continue
		}
		c.packages = append(c.packages, p)
		var items []int32
		for _, id := range p.ModelIDs {
			if i := c.models[c.modelIndex[id]].item; !slices.Contains(items, i) {
				items = append(items, i)
				of[i] = append(of[i], p)
			}
		}
	}
	for i, packages := range of {
		c.items[i].packages = slices.Clip(packages)
	}
}

// originalPrice is the sum of the models' prices, pre-tax where known; it stays below overflow.
func (l *loader) originalPrice(ids []int64) int64 {
	var sum int64
	for _, id := range ids {
		m := &l.cat.models[l.cat.modelIndex[id]]
		price := m.preTax
		if price == facts.NoPrice {
			price = m.postTax
		}
		if sum += price; sum < 0 {
			return math.MaxInt64
		}
	}
	return sum
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// sorted are the keys without repetition, so that reports have an order.
func sorted(keys []stockKey) []stockKey {
	all := slices.SortedFunc(slices.Values(keys), func(a, b stockKey) int {
		return cmp.Or(cmp.Compare(a.model, b.model), cmp.Compare(a.promotion, b.promotion))
	})
	return slices.Compact(all)
}
