package retail

import (
	"maps"
	"slices"
	"strings"
)

// couponVouchers are the coupons, for the households of their campaign. A coupon comes in several campaigns, so that the voucher's id is the
// coupon's with two digits for the campaign behind it. One whose models are all of one shop is that shop's, any other the platform's.
func (m *maker) couponVouchers() {
	for _, c := range m.coupons {
		window := m.campaigns[c.campaign]
		r := row{
			"voucher_id": number(c.upc*100 + c.campaign), "code": "C" + number(c.upc) + "-" + number(c.campaign), "name": "Coupon " + number(c.upc),
			"layer": "PLATFORM", "market_type": "COUPON", "discount_kind": "AMOUNT", "value": number(c.discount), "model_ids": numbers(c.models),
			"user_condition": "'" + campaignSegment(c.campaign) + "' in user.segments", "start": m.date(window.start), "end": m.date(window.end),
		}
		shops := map[int64]bool{}
		for _, id := range c.models {
			shops[m.skus[m.skuByModel[id]].shop] = true
		}
		if len(shops) == 1 {
			r["layer"], r["shop_id"] = "SHOP", number(slices.Collect(maps.Keys(shops))[0])
		}
		m.add("vouchers", r)
	}
}

// platformVouchers show each way to restrict a voucher. Most are for everybody, so that guests see vouchers too.
func (m *maker) platformVouchers() {
	for i, r := range []row{
		{"code": "SAVE5", "name": "5% off from 20.00", "discount_kind": "PERCENT", "value": "5000", "cap_per_unit": "200", "min_spend": "2000", "rebate_share": "50000"},
		{"code": "QUARTER", "name": "0.25 off from 5.00", "discount_kind": "AMOUNT", "value": "25", "min_spend": "500"},
		{"code": "PSST", "name": "0.30 off, not announced", "discount_kind": "AMOUNT", "value": "30", "min_spend": "550", "hidden": "true"},
		{"code": "COINS", "name": "1% back in coins", "reward_type": "COIN_CASHBACK", "discount_kind": "PERCENT", "value": "1000", "cap_per_unit": "100", "min_spend": "300"},
		{"code": "BIGONE", "name": "1.20 off, with no other voucher", "discount_kind": "AMOUNT", "value": "120", "min_spend": "1200", "exclusive": "true"},
		{"code": "INAPP", "name": "0.35 off in the app", "discount_kind": "AMOUNT", "value": "35", "min_spend": "500", "client_platforms": "app_android app_ios"},
		{"code": "TABLET", "name": "2% off on tablets", "discount_kind": "PERCENT", "value": "2000", "cap_per_unit": "50", "device_types": "tablet"},
		{
			"code": "CREATOR", "name": "0.40 off from a creator's video", "discount_kind": "AMOUNT", "value": "40", "min_spend": "400",
			"user_paths": "video", "video_creator_ids": "7001 7002",
		},
		{"code": "BANNER", "name": "0.20 off from an ad", "discount_kind": "AMOUNT", "value": "20", "min_spend": "300", "ads_ids": "9001"},
		{"code": "ONAIR", "name": "4% off in the channel's live stream", "discount_kind": "PERCENT", "value": "4000", "cap_per_unit": "100", "streamer_ids": number(channel)},
		{"code": "HELLO", "name": "1.00 off for new users", "discount_kind": "AMOUNT", "value": "100", "min_spend": "300", "user_condition": "'new_user' in user.segments"},
		{
			"code": "FAMILY", "name": "3% off for large families", "discount_kind": "PERCENT", "value": "3000", "cap_per_unit": "80",
			"user_condition": "'kids_3_plus' in user.segments || 'household_size_5_plus' in user.segments",
		},
		{"code": "SHIPFREE", "name": "Free shipping from 10.00", "reward_type": "FREE_SHIPPING", "discount_kind": "AMOUNT", "value": "399", "min_spend": "1000"},
		{"code": "MORE10", "name": "0.60 off from 10.00", "discount_kind": "AMOUNT", "value": "60", "min_spend": "1000", "group": "more"},
		{"code": "MORE15", "name": "1.10 off from 15.00", "discount_kind": "AMOUNT", "value": "110", "min_spend": "1500", "group": "more"},
		{"code": "LOCAL", "name": "0.10 off in one market", "market_type": "LOCAL", "discount_kind": "AMOUNT", "value": "10", "min_spend": "200"},
		{
			"code": "ORGANIC", "name": "3% off organic food of national brands", "discount_kind": "PERCENT", "value": "3000",
			"applies_when": "'organic' in item.labels && item.seller_type != 'official'",
		},
	} {
		r["voucher_id"], r["layer"] = number(int64(i+1)), "PLATFORM"
		m.general(r)
	}
}

// shopVouchers are of the largest shops, for everybody.
func (m *maker) shopVouchers() {
	largest := slices.Clone(m.shops)
	slices.SortStableFunc(largest, func(a, b shop) int { return len(b.skus) - len(a.skus) })
	for i, s := range largest[:min(30, len(largest))] {
		code, own := "SHOP"+number(s.id), s.id*10+1000
		amount := row{"name": "0.15 off from 2.00", "discount_kind": "AMOUNT", "value": "15", "min_spend": "200"}
		percent := row{"name": "4% off from 3.00", "discount_kind": "PERCENT", "value": "4000", "cap_per_unit": "100", "min_spend": "300"}
		all := []row{amount, percent}
		if i < 5 {
			all = append(all,
				row{"name": "0.50 off from 10.00", "discount_kind": "AMOUNT", "value": "50", "min_spend": "1000"},
				row{"name": "0.12 off, not announced", "discount_kind": "AMOUNT", "value": "12", "hidden": "true"},
				row{"name": "2% back in coins", "reward_type": "COIN_CASHBACK", "discount_kind": "PERCENT", "value": "2000", "min_spend": "100"},
			)
		}
		if k := s.skus[0]; k.lowest > 1 {
			all = append(all, row{"name": "The first for less", "discount_kind": "NEW_PRICE", "value": number(share(k.lowest, 95)), "model_ids": number(k.model)})
		}
		for j, r := range all {
			r["voucher_id"], r["code"] = number(own+int64(j)), code+"-"+number(int64(j+1))
			r["layer"], r["shop_id"], r["market_type"] = "SHOP", number(s.id), "SHOP"
			m.general(r)
		}
	}
}

// general adds a voucher for the whole year that is not for goods which must not be promoted.
func (m *maker) general(r row) {
	r["start"], r["end"] = number(Year)+"-01-01", number(Year+1)+"-01-01"
	if r["market_type"] == "" {
		r["market_type"] = "GLOBAL"
	}
	if m.has("adult_only") && r["model_ids"] == "" {
		r["not_labels"] = "adult_only"
	}
	if strings.Contains(r["applies_when"], "'organic'") && !m.has("organic") {
		return
	}
	m.add("vouchers", r)
}

// has says whether an item has the label: a label that no item has is a mistake in a voucher.
func (m *maker) has(label string) bool {
	return slices.ContainsFunc(m.skus, func(k sku) bool { return slices.Contains(k.labels(false), label) })
}
