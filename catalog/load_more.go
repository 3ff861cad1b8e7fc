package catalog

import (
	"math"
	"slices"

	"proscenium/catalog/table"
	"proscenium/facts"
	"proscenium/scenes/diag"
)

func (l *loader) users() {
	r := table.Open(l.fsys, userTable(), l.found)
	c := l.cat
	c.users, c.userIndex = []facts.User{{}}, map[int64]int32{0: 0} // the guest
	seen := first[int64]{}
	for r.Next() {
		u := facts.User{ID: r.ID(userID), Segments: r.Words(userSegments)}
		if r.OK() && seen.unique(r, userID, u.ID) {
			c.userIndex[u.ID] = int32(len(c.users))
			c.users = append(c.users, u)
		}
	}
}

// promotion is the id that the cell names, 0 where it is empty; the model must have the promotion.
func (l *loader) promotion(r *table.Reader, column int, model int32) int64 {
	id := r.OptionalID(column)
	if id == 0 || !r.OK() {
		return id
	}
	if m := &l.cat.models[model]; l.cat.promo(m, id) == nil {
		l.unknown(r, column, promotions, id, "model %d has no promotion %d", m.id, id)
	}
	return id
}

// placesKey names a stock at a location.
type placesKey struct {
	stockKey
	location string
}

func (l *loader) locations() {
	r := table.Open(l.fsys, locationTable(), l.found)
	c := l.cat
	var rows []facts.LocationStock
	var keys []stockKey
	lines := map[stockKey]int{}
	seen := first[placesKey]{}
	whole := true
	for r.Next() {
		key := stockKey{model: l.model(r, locationModel)}
		key.promotion = l.promotion(r, locationPromotion, key.model)
		row := facts.LocationStock{Location: r.RequiredText(locationName), Available: r.Int(locationStock, 0, facts.Never, 0)}
		if !r.OK() || !seen.unique(r, locationName, placesKey{key, row.Location}) {
			whole = false
			continue
		}
		if p := c.promo(&c.models[key.model], key.promotion); p != nil && !p.ownStock {
			r.Fault(locationPromotion, diag.NoEffect, "give it a stock in promotions.csv, or leave promotion_id empty", "promotion %d has no stock of its own", key.promotion)
			continue
		}
		lines[key] = r.Line()
		rows, keys = append(rows, row), append(keys, key)
	}
	c.locations, c.placesOf = collect(rows, keys)
	if !whole || r.Broken() {
		return // with rows left out no sum means anything
	}
	for _, key := range sorted(keys) {
		l.wholeStock(r, key, lines[key])
	}
}

// wholeStock reports locations that do not add up to the stock that they are parts of.
func (l *loader) wholeStock(r *table.Reader, key stockKey, line int) {
	c := l.cat
	m := &c.models[key.model]
	stock := m.stock
	if p := c.promo(m, key.promotion); p != nil {
		stock = p.Stock
	}
	var sum int64
	part := c.placesOf[key]
	for _, place := range c.locations[part.first:part.end] {
		if sum += place.Available; sum < 0 {
			sum = math.MaxInt64
			break
		}
	}
	if sum != stock {
		l.found.Add(diag.Diagnostic{
			Code: diag.Constraint, File: r.File(), Line: line, Path: "stock", Hint: "they are parts of it",
			Message: "stock: the locations of model " + itoa(m.id) + " add up to " + itoa(sum) + ", its stock is " + itoa(max(0, stock)),
		})
	}
}

func (l *loader) timeslots() {
	r := table.Open(l.fsys, timeslotTable(), l.found)
	c := l.cat
	var rows []timeslot
	var keys []stockKey
	for r.Next() {
		key := stockKey{model: l.model(r, slotModel)}
		key.promotion = l.promotion(r, slotPromotion, key.model)
		row := timeslot{window: l.window(r, &c.scheduleTimes, slotStart, slotEnd), available: r.Int(slotStock, 0, facts.Never, 0)}
		if r.OK() {
			rows, keys = append(rows, row), append(keys, key)
		}
	}
	c.timeslots, c.slotsOf = collect(rows, keys)
}

// collect puts rows of equal keys together, in their order otherwise.
func collect[T any](rows []T, keys []stockKey) ([]T, map[stockKey]extent) {
	index := make(map[stockKey]int32)
	owners := make([]int32, len(keys))
	for i, key := range keys {
		o, known := index[key]
		if !known {
			o = int32(len(index))
			index[key] = o
		}
		owners[i] = o
	}
	order, parts := group(owners, len(index))
	all := make([]T, len(rows))
	for to, from := range order {
		all[to] = rows[from]
	}
	extents := make(map[stockKey]extent, len(index))
	for key, o := range index {
		extents[key] = parts[o]
	}
	return all, extents
}

func (l *loader) purchases() {
	r := table.Open(l.fsys, purchaseTable(), l.found)
	c := l.cat
	c.purchases = map[purchaseKey]int64{}
	seen := first[purchaseKey]{}
	for r.Next() {
		m := l.model(r, purchaseModel)
		key := purchaseKey{user: r.ID(purchaseUser), promotion: r.ID(purchasePromotion)}
		l.promotion(r, purchasePromotion, m)
		quantity := r.Int(purchaseQuantity, 1, facts.Never, 1)
		if !r.OK() {
			continue
		}
		key.model = c.models[m].id
		if seen.unique(r, purchaseUser, key) {
			c.purchases[key] = quantity
		}
	}
}

// maxTaxRate is 1,000%.
const maxTaxRate = 10 * facts.RateOne

func (l *loader) taxes() {
	r := table.Open(l.fsys, taxTable(), l.found)
	c := l.cat
	type key struct{ region, category string }
	rates := map[key]int64{}
	seen := first[key]{}
	regions := map[string]bool{}
	for r.Next() {
		k := key{l.region(r, taxRegion), r.Text(taxCategory)}
		if k.category != "" {
			l.known(r, taxCategory, "categories", []string{k.category}, l.categories)
		}
		if !r.Has(taxRate) {
			r.RequiredText(taxRate)
		}
		rate := r.Int(taxRate, 0, maxTaxRate, 0)
		if r.OK() && seen.unique(r, taxCategory, k) {
			rates[k] = rate
			regions[k.region] = true
		}
	}
	c.taxes = make(map[string][]facts.TaxRate, len(regions))
	for region := range regions {
		byItem := make([]facts.TaxRate, len(c.items))
		for i := range c.items {
			path := append([]string{""}, c.items[i].Categories...)
			for _, category := range slices.Backward(path) {
				if rate, known := rates[key{region, category}]; known {
					byItem[i] = facts.TaxRate{Known: true, Rate: rate}
					break
				}
			}
		}
		c.taxes[region] = byItem
	}
}

func (l *loader) rebates() {
	r := table.Open(l.fsys, rebateTable(), l.found)
	type scope struct {
		column int
		id     int64
		name   string
	}
	rebates := map[scope]Rebate{}
	seen := first[scope]{}
	for r.Next() {
		var s scope
		scopes := 0
		for _, column := range []int{rebateModel, rebateItem, rebateShop, rebateCategory} {
			if r.Has(column) {
				s.column = column
				scopes++
			}
		}
		if scopes != 1 {
			r.Fault(rebateModel, diag.ConflictingField, "fill in one of model_id, item_id, shop_id and category", "%d of four scopes are filled in", scopes)
			continue
		}
		switch s.column {
		case rebateModel:
			l.model(r, s.column)
			s.id = r.ID(s.column)
		case rebateItem:
			l.item(r, s.column)
			s.id = r.ID(s.column)
		case rebateShop:
			s.id = l.shop(r, s.column)
		case rebateCategory:
			s.name = r.Text(s.column)
			l.known(r, s.column, "categories", []string{s.name}, l.categories)
		}
		if r.Has(rebateRate) == r.Has(rebateAmount) {
			r.Fault(rebateRate, diag.ConflictingField, "fill in rate or amount", "one of rate and amount is needed")
		}
		rebate := Rebate{Rate: r.Int(rebateRate, 1, facts.RateOne, 0), Amount: r.Int(rebateAmount, 1, facts.Never, 0)}
		if r.OK() && seen.unique(r, s.column, s) {
			rebates[s] = rebate
		}
	}
	for i := range l.cat.items {
		it := &l.cat.items[i]
		rebate, known := rebates[scope{column: rebateItem, id: it.ID}]
		if !known {
			rebate, known = rebates[scope{column: rebateShop, id: it.ShopID}]
		}
		for j := len(it.Categories) - 1; j >= 0 && !known; j-- {
			rebate, known = rebates[scope{column: rebateCategory, name: it.Categories[j]}]
		}
		for j := it.models.first; j < it.models.end; j++ {
			m := &l.cat.models[j]
			m.rebate = rebate
			if own, known := rebates[scope{column: rebateModel, id: m.id}]; known {
				m.rebate = own
			}
		}
	}
}
