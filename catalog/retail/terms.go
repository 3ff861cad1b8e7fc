package retail

import "slices"

// taxes are by department; some categories differ from theirs. Food is free or low.
func (m *maker) taxes() {
	m.add("taxes", row{"region": Region, "rate": "6500"})
	present := map[string]bool{}
	for i := range m.skus {
		for _, c := range m.skus[i].categories() {
			present[c] = true
		}
	}
	for _, t := range []struct {
		rate       string
		categories []string
	}{
		{"0", []string{"grocery", "produce", "meat", "meat_pckgd", "nutrition", "seafood", "seafood_pckgd", "frozen_grocery", "baby_foods", "infant_formula"}},
		{"2000", []string{"deli", "pastry"}},
		{"6000", []string{"soft_drinks", "bag_snacks", "candy_packaged", "candy_checklane", "salad_bar", "restaurant", "chef_shoppe", "floral"}},
		{"7000", []string{"drug_gm", "garden_center", "household_cleang_needs", "paper_housewares", "cat_food", "dog_foods"}}, //nolint:misspell // a name of the data
		{"7250", []string{"cosmetics"}},
		{"8000", []string{"spirits", "beers_ales", "domestic_wine", "imported_wine", "cigarettes"}},
	} {
		for _, c := range t.categories {
			if present[c] {
				m.add("taxes", row{"region": Region, "category": c, "rate": t.rate})
			}
		}
	}
}

// rebates are paid by the ten largest shops, for a category, and for some items and models.
func (m *maker) rebates() {
	largest := slices.Clone(m.shops)
	slices.SortStableFunc(largest, func(a, b shop) int { return len(b.skus) - len(a.skus) })
	for i, s := range largest[:min(10, len(largest))] {
		m.add("rebates", row{"shop_id": number(s.id), "rate": number(int64(1000 + 250*i))})
	}
	if slices.ContainsFunc(m.skus, func(k sku) bool { return slices.Contains(k.categories(), "coffee") }) {
		m.add("rebates", row{"category": "coffee", "rate": "3000"})
	}
	var last int64
	for i := range m.skus {
		k := &m.skus[i]
		if k.item != last && one(100, "item rebate", k.item) {
			m.add("rebates", row{"item_id": number(k.item), "amount": number(5 + int64(draw("rebate", k.item)%20))})
		}
		last = k.item
		if one(300, "model rebate", k.model) {
			m.add("rebates", row{"model_id": number(k.model), "rate": "5000"})
		}
	}
}

func (m *maker) decorations() {
	for _, d := range []struct{ kind, label, teaser, color string }{
		{weeklyCut, "Weekly cut", "Cut next week", "#d0021b"},
		{flashSale, "Flash sale", "Flash sale soon", "#f5a623"},
		{exclusivePrice, "Your price", "", "#4a90e2"},
		{liveStream, "Live price", "Live soon", "#bd10e0"},
		{flexibleStream, "Live price", "Live soon", "#bd10e0"},
		{welcomePackage, "Welcome", "", "#417505"},
	} {
		m.add("decorations", row{"price_rule_type": d.kind, "label": d.label, "color": d.color})
		if d.teaser != "" {
			m.add("decorations", row{"price_rule_type": d.kind, "teaser": "true", "label": d.teaser, "color": d.color})
		}
	}
}

// packages bind three models of a shop together, for an eighth less than their list prices.
func (m *maker) packages() {
	for _, s := range m.shops {
		if len(s.skus) < 6 || !one(2, "package", s.id) {
			continue
		}
		var ids []int64
		var sum int64
		for i := range 3 {
			k := s.skus[(int(draw("part", s.id)%uint64(len(s.skus)))+i)%len(s.skus)]
			ids = append(ids, k.model)
			sum += k.price
		}
		m.add("packages", row{
			"package_id": number(s.id), "name": "Three of shop " + number(s.id), "model_ids": numbers(ids), "price": number(sum - sum/8),
		})
	}
}
