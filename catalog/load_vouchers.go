package catalog

import (
	"proscenium/catalog/table"
	"proscenium/facts"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/rules"
	"proscenium/scenes/diag"
)

// Values of columns, by the numbers of the facts.
var (
	layers = []string{facts.LayerShop: "SHOP", facts.LayerPlatform: "PLATFORM"}
	kinds  = []string{facts.DiscountAmount: "AMOUNT", facts.DiscountPercent: "PERCENT", facts.DiscountNewPrice: "NEW_PRICE"}
)

// rewards are the names of reward types without their prefix, by number.
func rewards() []string {
	names := make([]string, len(configv1.RewardType_name))
	for number, name := range configv1.RewardType_name {
		names[number] = name[len("REWARD_TYPE_"):]
	}
	return names
}

func (l *loader) vouchers() {
	r := table.Open(l.fsys, voucherTable(), l.found)
	c := l.cat
	rewards := rewards()
	seen := first[int64]{}
	expressions := map[Expression]bool{}
	for r.Next() {
		v := voucher{window: l.window(r, &c.voucherTimes, voucherStart, voucherEnd)}
		l.voucherTerms(r, &v.Voucher, rewards)
		l.voucherScope(r, &v.Voucher)
		l.voucherContext(r, &v.Voucher)
		if !r.OK() || !seen.unique(r, voucherID, v.ID) {
			continue
		}
		c.vouchers = append(c.vouchers, v)
		l.expression(r, expressions, rules.VoucherAppliesWhen, voucherAppliesWhen)
		l.expression(r, expressions, rules.VoucherUserCondition, voucherUserCondition)
	}
}

func (l *loader) voucherTerms(r *table.Reader, v *facts.Voucher, rewards []string) {
	v.ID, v.Code, v.Name, v.Region = r.ID(voucherID), r.Text(voucherCode), r.Text(voucherName), l.region(r, voucherRegion)
	r.RequiredText(voucherLayer)
	v.Layer = facts.Layer(r.OneOf(voucherLayer, layers, 0))
	v.ShopID = l.shop(r, voucherShop)
	if r.OK() && (v.Layer == facts.LayerShop) != (v.ShopID != 0) {
		r.Fault(voucherShop, diag.ConflictingField, "a SHOP voucher has a shop_id, a PLATFORM voucher has none", "layer and shop_id do not fit together")
	}
	v.RewardType = int32(r.OneOf(voucherReward, rewards, int(configv1.RewardType_REWARD_TYPE_DISCOUNT)))
	v.MarketType = r.Text(voucherMarket)
	r.RequiredText(voucherKind)
	v.Kind = facts.DiscountKind(r.OneOf(voucherKind, kinds, 0))
	least, most := int64(1), facts.Never
	switch v.Kind {
	case facts.DiscountPercent:
		most = facts.RateOne
	case facts.DiscountNewPrice:
		least = 0
	case facts.DiscountAmount:
	}
	r.RequiredText(voucherValue)
	v.Value = r.Int(voucherValue, least, most, 0)
	v.CapPerUnit = r.Int(voucherCap, 1, facts.Never, 0)
	v.MinSpend = r.Int(voucherMinSpend, 0, facts.Never, 0)
	v.RebateShare = r.Int(voucherRebateShare, 0, facts.RateOne, 0)
}

func (l *loader) voucherScope(r *table.Reader, v *facts.Voucher) {
	v.Models, v.NotModels = l.modelIDs(r, voucherModels), l.modelIDs(r, voucherNotModels)
	v.Items, v.NotItems = l.itemIDs(r, voucherItems), l.itemIDs(r, voucherNotItems)
	v.Categories = l.known(r, voucherCategories, "categories", r.Words(voucherCategories), l.categories)
	v.NotCategories = l.known(r, voucherNotCategories, "categories", r.Words(voucherNotCategories), l.categories)
	v.Labels = l.known(r, voucherLabels, "labels", r.Words(voucherLabels), l.labels)
	v.NotLabels = l.known(r, voucherNotLabels, "labels", r.Words(voucherNotLabels), l.labels)
	v.AppliesWhen, v.UserCondition = r.Text(voucherAppliesWhen), r.Text(voucherUserCondition)
}

func (l *loader) voucherContext(r *table.Reader, v *facts.Voucher) {
	v.Hidden, v.Exclusive, v.Group = r.Bool(voucherHidden, false), r.Bool(voucherExclusive, false), r.Text(voucherGroup)
	v.UserPaths, v.Platforms, v.DeviceTypes = r.Words(voucherUserPaths), r.Words(voucherPlatforms), r.Words(voucherDevices)
	v.StreamerIDs, v.VideoCreators, v.AdsIDs = r.IDs(voucherStreamers), r.IDs(voucherCreators), r.IDs(voucherAds)
}

// Expression is a CEL expression of a voucher, with the place where it stands first.
type Expression struct {
	Place  rules.Place
	Source string
	// File and Line count from the catalog's directory and from 1; Column is in bytes, from 1.
	File         string
	Line, Column int
	// Path is the name of the table's column.
	Path string
}

func (l *loader) expression(r *table.Reader, seen map[Expression]bool, place rules.Place, column int) {
	key := Expression{Place: place, Source: r.Text(column)}
	if key.Source == "" || seen[key] {
		return
	}
	seen[key] = true
	e := key
	e.File, e.Path = r.File(), voucherTable().Columns[column].Name
	e.Line, e.Column = r.Place(column)
	l.cat.expressions = append(l.cat.expressions, e)
}
