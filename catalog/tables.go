package catalog

import "proscenium/catalog/table"

// Tables are the tables of a catalog, as docs/reference/catalog.md documents them.
func Tables() []table.Spec {
	return []table.Spec{
		manifestTable(), itemTable(), modelTable(), promotionTable(), sessionTable(), userTable(), voucherTable(), locationTable(), timeslotTable(),
		purchaseTable(), taxTable(), rebateTable(), decorationTable(), packageTable(),
	}
}

func must(name string) table.Column { return table.Column{Name: name, Required: true} }
func may(name string) table.Column  { return table.Column{Name: name} }

const (
	manifestRegions = iota
	manifestZone
	manifestRepeats
)

func manifestTable() table.Spec {
	return table.Spec{Name: "catalog", Required: true, Columns: []table.Column{must("regions"), must("time_zone"), may("repeats_yearly_from")}}
}

const (
	itemID = iota
	itemShop
	itemName
	itemBrand
	itemCategories
	itemSeller
	itemLabels
)

func itemTable() table.Spec {
	return table.Spec{Name: "items", Required: true, Columns: []table.Column{
		must("item_id"), must("shop_id"), may("name"), may("brand"), may("categories"), may("seller_type"), may("labels"),
	}}
}

const (
	modelID = iota
	modelItem
	modelPreTax
	modelPostTax
	modelStock
	modelGMV
)

func modelTable() table.Spec {
	return table.Spec{Name: "models", Required: true, Columns: []table.Column{
		must("model_id"), must("item_id"), may("pre_tax_price"), may("post_tax_price"), may("stock"), may("gmv"),
	}}
}

const (
	promotionID = iota
	promotionModel
	promotionType
	promotionPreTax
	promotionPostTax
	promotionStart
	promotionEnd
	promotionStock
	promotionSoldOut
	promotionLimit
	promotionAudience
	promotionSession
)

func promotionTable() table.Spec {
	return table.Spec{Name: "promotions", Columns: []table.Column{
		must("promotion_id"), must("model_id"), must("price_rule_type"), may("pre_tax_price"), may("post_tax_price"), may("start"), may("end"),
		may("stock"), may("sold_out"), may("purchase_limit"), may("audience"), may("session_id"),
	}}
}

const (
	sessionID = iota
	sessionStreamer
	sessionStart
	sessionEnd
	sessionToken
)

func sessionTable() table.Spec {
	return table.Spec{Name: "live_stream_sessions", Columns: []table.Column{
		must("session_id"), must("streamer_id"), must("start"), must("end"), may("discount_token"),
	}}
}

const (
	userID = iota
	userSegments
)

func userTable() table.Spec {
	return table.Spec{Name: "users", Columns: []table.Column{must("user_id"), may("segments")}}
}

const (
	voucherID = iota
	voucherCode
	voucherName
	voucherRegion
	voucherLayer
	voucherShop
	voucherReward
	voucherMarket
	voucherKind
	voucherValue
	voucherCap
	voucherMinSpend
	voucherRebateShare
	voucherModels
	voucherItems
	voucherCategories
	voucherLabels
	voucherNotModels
	voucherNotItems
	voucherNotCategories
	voucherNotLabels
	voucherAppliesWhen
	voucherUserCondition
	voucherStart
	voucherEnd
	voucherHidden
	voucherExclusive
	voucherGroup
	voucherUserPaths
	voucherPlatforms
	voucherDevices
	voucherStreamers
	voucherCreators
	voucherAds
)

func voucherTable() table.Spec {
	return table.Spec{Name: "vouchers", Columns: []table.Column{
		must("voucher_id"), may("code"), may("name"), may("region"), must("layer"), may("shop_id"), may("reward_type"), may("market_type"),
		must("discount_kind"), must("value"), may("cap_per_unit"), may("min_spend"), may("rebate_share"),
		may("model_ids"), may("item_ids"), may("categories"), may("labels"),
		may("not_model_ids"), may("not_item_ids"), may("not_categories"), may("not_labels"), may("applies_when"), may("user_condition"),
		may("start"), may("end"), may("hidden"), may("exclusive"), may("group"), may("user_paths"), may("client_platforms"), may("device_types"),
		may("streamer_ids"), may("video_creator_ids"), may("ads_ids"),
	}}
}

const (
	locationModel = iota
	locationPromotion
	locationName
	locationStock
)

func locationTable() table.Spec {
	return table.Spec{Name: "stock_locations", Columns: []table.Column{must("model_id"), may("promotion_id"), must("location"), must("stock")}}
}

const (
	slotModel = iota
	slotPromotion
	slotStart
	slotEnd
	slotStock
)

func timeslotTable() table.Spec {
	return table.Spec{Name: "timeslots", Columns: []table.Column{must("model_id"), may("promotion_id"), must("start"), must("end"), must("stock")}}
}

const (
	purchaseUser = iota
	purchaseModel
	purchasePromotion
	purchaseQuantity
)

func purchaseTable() table.Spec {
	return table.Spec{Name: "purchases", Columns: []table.Column{must("user_id"), must("model_id"), must("promotion_id"), must("quantity")}}
}

const (
	taxRegion = iota
	taxCategory
	taxRate
)

func taxTable() table.Spec {
	return table.Spec{Name: "taxes", Columns: []table.Column{may("region"), may("category"), must("rate")}}
}

const (
	rebateModel = iota
	rebateItem
	rebateShop
	rebateCategory
	rebateRate
	rebateAmount
)

func rebateTable() table.Spec {
	return table.Spec{Name: "rebates", Columns: []table.Column{
		may("model_id"), may("item_id"), may("shop_id"), may("category"), may("rate"), may("amount"),
	}}
}

const (
	decorationType = iota
	decorationPromotion
	decorationTeaser
	decorationLabel
	decorationColor
	decorationImage
)

func decorationTable() table.Spec {
	return table.Spec{Name: "decorations", Columns: []table.Column{
		may("price_rule_type"), may("promotion_id"), may("teaser"), may("label"), may("color"), may("image_url"),
	}}
}

const (
	packageID = iota
	packageName
	packageModels
	packagePrice
	packageOriginal
)

func packageTable() table.Spec {
	return table.Spec{Name: "packages", Columns: []table.Column{
		must("package_id"), must("name"), must("model_ids"), must("price"), may("original_price"),
	}}
}
