package retail

import (
	"cmp"
	"io/fs"
	"slices"
	"time"

	"proscenium/catalog/table"
	"proscenium/facts"
	"proscenium/scenes/diag"
)

// maxPrice bounds prices, so that a hundred times one cannot overflow.
const maxPrice = 1 << 50

// source is the data as it is, in the order of the files.
type source struct {
	skus       []sku
	skuByModel map[int64]int
	cuts       []cut // by model, then by start
	campaigns  map[int64]campaign
	members    map[int64][]int64 // campaigns of a household
	coupons    []coupon
	households map[int64]household
	lines      []line
}

type sku struct {
	model, item, shop                 int64
	brand, department, category, kind string
	price                             int64
	lowest                            int64 // of the list price and all weekly cuts
	cutWeeks                          int
	revenue                           int64
}

type cut struct {
	model, start, end, price int64
}

type campaign struct{ start, end int64 }

type coupon struct {
	upc, campaign, discount int64
	models                  []int64
}

type household struct{ age, income, home, marital, size, kids string }

type line struct{ user, model, at, quantity, paid int64 }

func columns(names ...string) []table.Column {
	all := make([]table.Column, len(names))
	for i, n := range names {
		all[i] = table.Column{Name: n, Required: true}
	}
	return all
}

func open(from fs.FS, found *table.Findings, name string, names ...string) *table.Reader {
	return table.Open(from, table.Spec{Name: name, Required: true, Columns: columns(names...)}, found)
}

func readSource(from fs.FS, zone *time.Location, found *table.Findings) *source {
	s := &source{skuByModel: map[int64]int{}, campaigns: map[int64]campaign{}, members: map[int64][]int64{}, households: map[int64]household{}}
	s.readModels(from, found)
	s.readCampaigns(from, zone, found)
	if found.Err() != nil {
		return s // what refers to models and campaigns would seem wrong too
	}
	s.readPromotions(from, zone, found)
	s.readCoupons(from, found)
	s.readHouseholds(from, found)
	s.readBaskets(from, zone, found)
	return s
}

func (s *source) readModels(from fs.FS, found *table.Findings) {
	r := open(from, found, "models",
		"model_id", "item_id", "shop_id", "brand", "department", "category", "type", "package_size", "list_price_cents")
	for r.Next() {
		m := sku{
			model: r.ID(0), item: r.ID(1), shop: r.ID(2),
			brand: r.Text(3), department: r.RequiredText(4), category: r.Text(5), kind: r.Text(6), price: r.Int(8, 1, maxPrice, 0),
		}
		if !r.OK() {
			continue
		}
		m.lowest = m.price
		s.skuByModel[m.model] = len(s.skus)
		s.skus = append(s.skus, m)
	}
	slices.SortFunc(s.skus, func(a, b sku) int { return cmp.Or(cmp.Compare(a.item, b.item), cmp.Compare(a.model, b.model)) })
	for i := range s.skus {
		s.skuByModel[s.skus[i].model] = i
	}
}

// sku is that of the model which the cell names.
func (s *source) sku(r *table.Reader, column int) *sku {
	id := r.ID(column)
	i, known := s.skuByModel[id]
	if !known {
		if id != 0 {
			r.Fault(column, diag.UnknownReference, "add it to models.csv", "there is no model %d", id)
		}
		return nil
	}
	return &s.skus[i]
}

func (s *source) readPromotions(from fs.FS, zone *time.Location, found *table.Findings) {
	r := open(from, found, "promotions", "model_id", "start_date", "end_date", "promo_price_cents")
	for r.Next() {
		m := s.sku(r, 0)
		c := cut{
			start: r.Instant(1, zone, facts.Always), end: r.Instant(2, zone, facts.Never), price: r.Int(3, 0, facts.Never, 0),
		}
		if !r.OK() {
			continue
		}
		c.model = m.model
		m.lowest, m.cutWeeks = min(m.lowest, c.price), m.cutWeeks+1
		s.cuts = append(s.cuts, c)
	}
	slices.SortFunc(s.cuts, func(a, b cut) int { return cmp.Or(cmp.Compare(a.model, b.model), cmp.Compare(a.start, b.start)) })
}

func (s *source) readCampaigns(from fs.FS, zone *time.Location, found *table.Findings) {
	r := open(from, found, "campaigns", "campaign_id", "campaign_type", "start_date", "end_date")
	for r.Next() {
		s.campaigns[r.ID(0)] = campaign{start: r.Instant(2, zone, facts.Always), end: r.Instant(3, zone, facts.Never)}
	}
}

// campaign is the id that the cell names.
func (s *source) campaign(r *table.Reader, column int) int64 {
	id := r.ID(column)
	if _, known := s.campaigns[id]; !known && id != 0 {
		r.Fault(column, diag.UnknownReference, "add it to campaigns.csv", "there is no campaign %d", id)
	}
	return id
}

func (s *source) readCoupons(from fs.FS, found *table.Findings) {
	r := open(from, found, "campaign_households", "campaign_id", "household_id")
	for r.Next() {
		id, user := s.campaign(r, 0), r.ID(1)
		s.members[user] = append(s.members[user], id)
	}
	r = open(from, found, "coupons", "coupon_upc", "campaign_id", "discount_cents", "discount_source", "model_ids")
	for r.Next() {
		c := coupon{upc: r.ID(0), campaign: s.campaign(r, 1), discount: r.Int(2, 1, facts.Never, 0), models: r.IDs(4)}
		for _, id := range c.models {
			if _, known := s.skuByModel[id]; !known && r.OK() {
				r.Fault(4, diag.UnknownReference, "add it to models.csv", "there is no model %d", id)
			}
		}
		if r.OK() {
			s.coupons = append(s.coupons, c)
		}
	}
}

func (s *source) readHouseholds(from fs.FS, found *table.Findings) {
	r := open(from, found, "households", "household_id", "age", "income", "home_ownership", "marital_status", "household_size", "kids_count")
	for r.Next() {
		s.households[r.ID(0)] = household{r.Text(1), r.Text(2), r.Text(3), r.Text(4), r.Text(5), r.Text(6)}
	}
}

func (s *source) readBaskets(from fs.FS, zone *time.Location, found *table.Findings) {
	r := open(from, found, "baskets", "basket_id", "timestamp", "household_id", "store_id", "model_id", "quantity",
		"regular_cents", "promo_cents", "coupon_cents", "coupon_match_cents", "paid_cents")
	for r.Next() {
		m := s.sku(r, 4)
		l := line{user: r.ID(2), quantity: r.Int(5, 1, facts.Never, 0), paid: r.Int(10, -1<<62, facts.Never, 0)}
		at, err := time.ParseInLocation(time.DateTime, r.Text(1), zone)
		if err != nil {
			r.Fault(1, diag.BadTimestamp, "write it as 2017-02-28 18:00:00", "%q is not a time", r.Text(1))
		}
		if !r.OK() {
			continue
		}
		l.model, l.at = m.model, at.UnixNano()
		m.revenue += max(0, l.paid)
		s.lines = append(s.lines, l)
	}
}
