package retail

import (
	"slices"
	"strings"
	"time"
)

const privateBrand = "Private"

// stockOf is the stock of a model: one in fifty has none.
func stockOf(model int64) int64 {
	if one(50, "sold out", model) {
		return 0
	}
	return 5 + int64(draw("stock", model)%496)
}

func (k *sku) categories() []string {
	var path []string
	for _, name := range []string{k.department, k.category, k.kind} {
		if s := slug(name); s != "" && !slices.Contains(path, s) {
			path = append(path, s)
		}
	}
	return path
}

// bestSellers are the items with the highest revenue, one in twenty.
func (m *maker) bestSellers() map[int64]bool {
	revenue := map[int64]int64{}
	for i := range m.skus {
		revenue[m.skus[i].item] += m.skus[i].revenue
	}
	items := make([]int64, 0, len(revenue))
	for id := range revenue {
		items = append(items, id)
	}
	slices.SortFunc(items, func(a, b int64) int {
		if revenue[a] != revenue[b] {
			return int(revenue[b] - revenue[a])
		}
		return int(a - b)
	})
	best := map[int64]bool{}
	for _, id := range items[:len(items)/20] {
		best[id] = revenue[id] > 0
	}
	return best
}

func (m *maker) items() {
	best := m.bestSellers()
	sellers := map[int64]string{}
	for _, s := range m.shops {
		switch {
		case !s.public:
			sellers[s.id] = "official"
		case len(s.skus) >= 50:
			sellers[s.id] = "mall"
		default:
			sellers[s.id] = "local"
		}
	}
	var last int64
	for i := range m.skus {
		k := &m.skus[i]
		if k.item == last {
			continue
		}
		last = k.item
		m.add("items", row{
			"item_id": number(k.item), "shop_id": number(k.shop), "name": k.name(), "brand": k.brand,
			"categories": strings.Join(k.categories(), "/"), "seller_type": sellers[k.shop], "labels": strings.Join(k.labels(best[k.item]), " "),
		})
	}
}

// name is that of the type, or else of the category or the department, in words.
func (k *sku) name() string {
	name := k.department
	for _, better := range []string{k.category, k.kind} {
		if better != "" {
			name = better
		}
	}
	words := strings.Fields(strings.ToLower(name))
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	if k.brand == privateBrand {
		return strings.Join(words, " ") + " (store brand)"
	}
	return strings.Join(words, " ")
}

func (k *sku) labels(best bool) []string {
	var all []string
	if k.brand == privateBrand {
		all = append(all, "private_label")
	}
	text := k.department + " " + k.category + " " + k.kind
	for _, l := range []struct {
		name  string
		words []string
	}{
		{"fresh", []string{"PRODUCE", "SALAD BAR", "FLORAL"}},
		{"frozen", []string{"FROZEN", "FRZN", "ICE CREAM"}},
		{"organic", []string{"ORGANIC"}},
		{"baby", []string{"BABY", "INFANT", "DIAPERS"}},
		{"pet", []string{"CAT FOOD", "DOG FOOD", "PET CARE"}},
		{"adult_only", []string{"CIGARETTES", "TOBACCO", "BEERS", "WINE", "SPIRITS", "LIQUOR"}},
	} {
		if slices.ContainsFunc(l.words, func(w string) bool { return strings.Contains(text, w) }) {
			all = append(all, l.name)
		}
	}
	if best {
		all = append(all, "best_seller")
	}
	return all
}

func (m *maker) models() {
	for i := range m.skus {
		k := &m.skus[i]
		stock := stockOf(k.model)
		m.add("models", row{
			"model_id": number(k.model), "item_id": number(k.item), "pre_tax_price": number(k.price), "stock": number(stock), "gmv": number(k.revenue),
		})
		if stock == 0 || !one(10, "locations", k.model) {
			continue
		}
		east := stock * 40 / 100
		central := stock * 35 / 100
		for _, place := range []struct {
			name  string
			stock int64
		}{{"east", east}, {"central", central}, {"west", stock - east - central}} {
			m.add("stock_locations", row{"model_id": number(k.model), "location": place.name, "stock": number(place.stock)})
		}
	}
}

// days are the local midnights of the year.
func (m *maker) days() []time.Time {
	var all []time.Time
	for t := time.Date(Year, time.January, 1, 0, 0, 0, 0, m.zone); t.Year() == Year; t = t.AddDate(0, 0, 1) {
		all = append(all, t)
	}
	return all
}
