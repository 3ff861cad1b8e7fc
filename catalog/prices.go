package catalog

import (
	"slices"

	"proscenium/facts"
	"proscenium/scenes"
)

// keptPeriods bounds the periods for which prices, vouchers and schedules are kept at once; keptBooks the configurations.
const (
	keptPeriods = 6
	keptBooks   = 2
)

// Prices are the records of all models in a period, with the type ids of one configuration.
type Prices struct {
	catalog *Catalog
	models  []facts.Model // as Catalog.models
}

// Models are the models of an item or, with a model id other than 0, that model of the item; nil if unknown. The record of the
// original price comes first, then the promotions in the order of the file.
func (p *Prices) Models(itemID, modelID int64) []facts.Model {
	c := p.catalog
	if modelID == 0 {
		i, known := c.itemIndex[itemID]
		if !known {
			return nil
		}
		part := c.items[i].models
		return p.models[part.first:part.end:part.end]
	}
	i, known := c.modelIndex[modelID]
	if !known || p.models[i].ItemID != itemID {
		return nil
	}
	return p.models[i : i+1 : i+1]
}

// bookKey is a configuration, with the ids that it gives to the catalog's types of price rules; -1 for types that it does not have.
type bookKey struct {
	snap *scenes.Snapshot
	ids  []int32
}

// book is what depends on the type ids of a configuration.
type book struct {
	ids         []int32
	prices      kept[period, *Prices]
	decorations map[decorationKey]facts.Decoration
}

// Prices are the records as of an instant, with the type ids of the configuration. Promotions of types that the configuration does not have
// are left out.
func (c *Catalog) Prices(at int64, snap *scenes.Snapshot) *Prices {
	b := c.book(snap)
	return b.prices.get(
		func(p period) bool { return p.contains(at) },
		func() (period, *Prices) {
			p := c.priceTimes.period(at)
			return p, c.buildPrices(p, b.ids)
		},
	)
}

// Warm builds what queries at an instant under a configuration need, so that the first of them need not.
func (c *Catalog) Warm(at int64, snap *scenes.Snapshot) {
	c.Prices(at, snap)
	c.schedule(at)
	c.Vouchers(at)
}

func (c *Catalog) book(snap *scenes.Snapshot) *book {
	return c.books.get(
		func(k *bookKey) bool { return k.snap == snap },
		func() (*bookKey, *book) {
			key := &bookKey{snap: snap, ids: c.typeIDs(snap)}
			// A reload rarely changes ids: then what was built stays.
			if e := c.books.find(func(k *bookKey) bool { return slices.Equal(k.ids, key.ids) }); e != nil {
				return key, e.value
			}
			b := &book{ids: key.ids, decorations: c.buildDecorations(key.ids)}
			b.prices.limit = keptPeriods
			return key, b
		},
	)
}

func (c *Catalog) typeIDs(snap *scenes.Snapshot) []int32 {
	ids := make([]int32, len(c.types))
	for i, t := range c.types {
		ids[i] = -1
		for _, known := range snap.Types {
			if known != nil && known.Original == (i == 0) && (i == 0 || known.Name == t.name) {
				ids[i] = known.ID
			}
		}
	}
	return ids
}

func (c *Catalog) buildPrices(p period, ids []int32) *Prices {
	runs := c.priceTimes.runs(p)
	records := make([]facts.Promo, 0, len(c.models)+len(c.promos)) // never grows: models hold parts of it
	models := make([]facts.Model, len(c.models))
	for i := range c.models {
		m, first := &c.models[i], len(records)
		if ids[0] >= 0 {
			records = append(records, facts.Promo{
				Type: ids[0], PreTax: m.preTax, PostTax: m.postTax, Start: facts.Always, End: facts.Never,
				SoldOut: m.stock == 0, Stock: max(0, m.stock),
			})
		}
		for j := m.promos.first; j < m.promos.end; j++ {
			promo := &c.promos[j]
			run := runs[promo.window]
			if ids[promo.Type] < 0 || run.empty() {
				continue
			}
			records = append(records, promo.Promo)
			added := &records[len(records)-1]
			added.Type, added.Start, added.End = ids[promo.Type], run.start, run.end
		}
		item := &c.items[m.item]
		models[i] = facts.Model{ID: m.id, ItemID: item.ID, ShopID: item.ShopID, Promos: records[first:len(records):len(records)]}
	}
	return &Prices{catalog: c, models: models}
}

type decoration struct {
	facts.Decoration
	kind      int32 // index of Catalog.types; 0: by promotion
	promotion int64
	teaser    bool
}

// decorationKey names a promotion, or with promotion 0 a type by its id.
type decorationKey struct {
	promotion int64
	kind      int32
	teaser    bool
}

func (c *Catalog) buildDecorations(ids []int32) map[decorationKey]facts.Decoration {
	all := make(map[decorationKey]facts.Decoration, len(c.decorations))
	for _, d := range c.decorations {
		key := decorationKey{promotion: d.promotion, teaser: d.teaser}
		if d.promotion == 0 {
			if key.kind = ids[d.kind]; key.kind < 0 {
				continue
			}
		}
		all[key] = d.Decoration
	}
	return all
}

// Decoration is that of the promotion, else that of its type, whose id is the configuration's.
func (c *Catalog) Decoration(snap *scenes.Snapshot, promotionID int64, kind int32, teaser bool) facts.Decoration {
	all := c.book(snap).decorations
	if promotionID != 0 {
		if d, known := all[decorationKey{promotion: promotionID, teaser: teaser}]; known {
			return d
		}
	}
	return all[decorationKey{kind: kind, teaser: teaser}]
}
