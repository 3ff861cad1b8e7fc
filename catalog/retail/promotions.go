package retail

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// Names of price rule types, as the reference configuration has them.
const (
	weeklyCut      = "weekly_cut"
	flashSale      = "flash_sale"
	exclusivePrice = "exclusive_price"
	liveStream     = "live_stream_price"
	flexibleStream = "flexible_live_stream_price"
	welcomePackage = "welcome_package"
)

// A promotion's id is its model's, and six digits behind it: the day of its start as 170208, or a number that no day has.
const (
	idSpace       = 1_000_000
	memberDigits  = 990_001
	welcomeDigits = 970_001
	streamDigits  = 800_000
)

// cutLimit is how many units a household may buy at a model's weekly cuts, 0: any. One model in ten has a limit.
func cutLimit(model int64) int64 {
	if !one(10, "purchase limit", model) {
		return 0
	}
	return 2 + int64(draw("limit", model)%4)
}

func (m *maker) cutID(c cut) int64 { return c.model*idSpace + m.day(c.start) }

// weeklyCuts are the cuts of the data, at their prices and in their weeks.
func (m *maker) weeklyCuts() {
	for _, c := range m.cuts {
		r := row{
			"promotion_id": number(m.cutID(c)), "model_id": number(c.model), "price_rule_type": weeklyCut,
			"pre_tax_price": number(c.price), "start": m.date(c.start), "end": m.date(c.end),
		}
		if limit := cutLimit(c.model); limit > 0 {
			r["purchase_limit"] = number(limit)
		}
		m.add("promotions", r)
	}
}

// drawn are at most n SKUs that fit, in the order of a draw.
func (m *maker) drawn(purpose string, n int, fits func(*sku) bool) []*sku {
	var all []*sku
	for i := range m.skus {
		if fits(&m.skus[i]) {
			all = append(all, &m.skus[i])
		}
	}
	slices.SortFunc(all, func(a, b *sku) int {
		return cmp.Or(cmp.Compare(draw(purpose, a.model), draw(purpose, b.model)), cmp.Compare(a.model, b.model))
	})
	return all[:min(n, len(all))]
}

// flashSales last a day and are for everybody, so they are for models without weekly cuts only: no weekly cut loses to one.
func (m *maker) flashSales() {
	const perDay = 4
	models := m.drawn("flash sale", 120, func(k *sku) bool { return k.cutWeeks == 0 && k.price >= 100 && stockOf(k.model) > 0 })
	if len(models) < perDay {
		return
	}
	for d, midnight := range m.days() {
		noon := time.Date(Year, midnight.Month(), midnight.Day(), 12, 0, 0, 0, m.zone).Format(time.RFC3339)
		start, end := midnight.Format(time.DateOnly), midnight.AddDate(0, 0, 1).Format(time.DateOnly)
		for i := range perDay {
			k := models[(d*perDay+i)%len(models)]
			id := k.model*idSpace + m.day(midnight.UnixNano())
			stock := 20 + int64(draw("flash stock", id)%100)
			if one(15, "flash sold out", id) {
				stock = 0
			}
			m.add("promotions", row{
				"promotion_id": number(id), "model_id": number(k.model), "price_rule_type": flashSale, "pre_tax_price": number(share(k.price, 70)),
				"start": start, "end": end, "stock": number(stock), "purchase_limit": "2",
			})
			for _, slot := range []struct {
				start, end string
				stock      int64
			}{{start, noon, stock / 2}, {noon, end, stock - stock/2}} {
				m.add("timeslots", row{
					"model_id": number(k.model), "promotion_id": number(id), "start": slot.start, "end": slot.end, "stock": number(slot.stock),
				})
			}
		}
	}
}

// memberPrices are for the users of a segment, all the year: always below what anybody else can get.
func (m *maker) memberPrices() {
	audiences := []string{"new_user", "age_65_plus", "income_under_15k", "kids_3_plus", "household_size_5_plus", "homeowner", "renter"}
	for i := range m.skus {
		k := &m.skus[i]
		if one(20, "exclusive", k.model) {
			m.add("promotions", row{
				"promotion_id": number(k.model*idSpace + memberDigits), "model_id": number(k.model), "price_rule_type": exclusivePrice,
				"pre_tax_price": number(share(k.lowest, 90)), "audience": audiences[draw("audience", k.model)%uint64(len(audiences))],
			})
		}
	}
	for _, k := range m.drawn("welcome", 150, func(k *sku) bool { return k.price <= 500 }) {
		m.add("promotions", row{
			"promotion_id": number(k.model*idSpace + welcomeDigits), "model_id": number(k.model), "price_rule_type": welcomePackage,
			"pre_tax_price": number(share(k.lowest, 50)), "purchase_limit": "1",
		})
	}
}

// channel is the streamer whose sessions follow each other all the year; the others have an evening each in turn.
const (
	channel  = 501
	evenings = 4
)

// liveStreams gives each week of the data a session that is always on and one on its Friday evening.
func (m *maker) liveStreams() {
	models := m.drawn("live stream", 60, func(k *sku) bool { return k.price >= 200 })
	const each = 6
	if len(models) < 2*each {
		return
	}
	start := time.Date(Year-1, time.December, 28, 0, 0, 0, 0, m.zone)
	for week := range 53 {
		from := start.AddDate(0, 0, 7*week)
		friday := time.Date(from.Year(), from.Month(), from.Day()+2, 19, 0, 0, 0, m.zone)
		m.session(models, week, 1, channel, each, from.Format(time.DateOnly), from.AddDate(0, 0, 7).Format(time.DateOnly))
		m.session(models, week, 2, channel+1+int64(week%evenings), each, friday.Format(time.RFC3339), friday.Add(2*time.Hour).Format(time.RFC3339))
	}
}

// session is one live stream: two of its promotions in six are flexible, and one of these two is sold out.
func (m *maker) session(models []*sku, week, kind int, streamer int64, each int, start, end string) {
	id := int64(10*(week+1) + kind)
	m.add("live_stream_sessions", row{
		"session_id": number(id), "streamer_id": number(streamer), "start": start, "end": end,
		"discount_token": "demo-" + number(id) + "-" + strconv.FormatUint(draw("token", id), 36),
	})
	for i := range each {
		k := models[((2*week+kind)*each+i)%len(models)]
		r := row{
			"promotion_id": number(k.model*idSpace + streamDigits + id), "model_id": number(k.model), "price_rule_type": liveStream,
			"pre_tax_price": number(share(k.lowest, 85)), "start": start, "end": end, "stock": "40", "session_id": number(id),
		}
		if i >= each-2 {
			r["price_rule_type"] = flexibleStream
		}
		if i == each-1 {
			r["stock"] = "0"
		}
		m.add("promotions", r)
	}
}
