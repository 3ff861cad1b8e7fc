// Package catalog holds what embedded providers know: items, prices, stock, promotions, vouchers and users, read from a directory of CSV files.
//
// A Catalog never changes after Load and is safe for concurrent use. What it hands out is shared: nobody may change it. Windows may repeat
// every year (see docs/reference/catalog.md); what depends on the time is built once for each stretch of time in which it is the same.
package catalog

import (
	"crypto/subtle"
	"slices"
	"time"

	"proscenium/facts"
)

// Catalog is the content of a directory of CSV files.
type Catalog struct {
	regions []string
	zone    *time.Location

	items      []item
	itemIndex  map[int64]int32
	models     []model // those of an item stand together, in the order of the file
	modelIndex map[int64]int32
	promos     []promo // likewise those of a model
	types      []typeRef
	users      []facts.User
	userIndex  map[int64]int32

	sessions     []session
	sessionIndex map[int64]int32
	timeslots    []timeslot
	slotsOf      map[stockKey]extent
	locations    []facts.LocationStock
	placesOf     map[stockKey]extent
	purchases    map[purchaseKey]int64

	taxes       map[string][]facts.TaxRate // by region, then by index of the item
	decorations []decoration
	packages    []facts.Package
	vouchers    []voucher
	expressions []Expression

	priceTimes, scheduleTimes, voucherTimes calendar

	books       kept[*bookKey, *book]
	schedules   kept[period, *schedule]
	voucherSets kept[period, *facts.VoucherSet]
}

// extent is a part of a slice.
type extent struct{ first, end int32 }

type item struct {
	facts.Item
	labels   []string
	models   extent
	packages []facts.Package
}

type model struct {
	id              int64
	item            int32
	preTax, postTax int64
	stock           int64 // unknown: -1
	gmv             int64
	rebate          Rebate
	promos          extent
}

// unknown stands for a stock that the files do not tell.
const unknown = -1

// promo is a promotion as the file has it: Type is an index of Catalog.types, the window stands in Catalog.priceTimes.
type promo struct {
	facts.Promo
	window   int32
	ownStock bool
}

type stockKey struct {
	model     int32
	promotion int64
}

type purchaseKey struct{ user, model, promotion int64 }

type session struct {
	streamer int64
	token    string
	window   int32
}

type timeslot struct {
	window    int32
	available int64
}

// Rebate is what somebody else pays back of a price: an amount, or a rate in 1e5. The zero value is none.
type Rebate struct{ Amount, Rate int64 }

// Serves says whether the catalog is that of the region.
func (c *Catalog) Serves(region string) bool { return slices.Contains(c.regions, region) }

// Zone is the time zone that dates of the files are in.
func (c *Catalog) Zone() *time.Location { return c.zone }

// Size says how many items, models, promotions, vouchers and users there are.
func (c *Catalog) Size() (items, models, promotions, vouchers, users int) {
	return len(c.items), len(c.models), len(c.promos), len(c.vouchers), len(c.users)
}

// Item is the item, without labels; nil if unknown.
func (c *Catalog) Item(id int64) *facts.Item {
	i, known := c.itemIndex[id]
	if !known {
		return nil
	}
	return &c.items[i].Item
}

// Labels are the labels of an item; nil if there are none.
func (c *Catalog) Labels(itemID int64) []string {
	i, known := c.itemIndex[itemID]
	if !known {
		return nil
	}
	return c.items[i].labels
}

// Packages are the package promotions that have a model of the item, in the order of the file.
func (c *Catalog) Packages(itemID int64) []facts.Package {
	i, known := c.itemIndex[itemID]
	if !known {
		return nil
	}
	return c.items[i].packages
}

// Tax is the rate of an item in a region: that of its most specific category that has one, else the region's.
func (c *Catalog) Tax(region string, itemID int64) facts.TaxRate {
	rates := c.taxes[region]
	i, known := c.itemIndex[itemID]
	if !known || rates == nil {
		return facts.TaxRate{}
	}
	return rates[i]
}

// Rebate is that of a model: the most specific of model, item, shop and category.
func (c *Catalog) Rebate(itemID, modelID int64) Rebate {
	m := c.model(itemID, modelID)
	if m == nil {
		return Rebate{}
	}
	return m.rebate
}

// GMV is the gross merchandise value of a model, 0 if unknown.
func (c *Catalog) GMV(itemID, modelID int64) int64 {
	m := c.model(itemID, modelID)
	if m == nil {
		return 0
	}
	return m.gmv
}

// User is the user of that id. One that the files do not name belongs to no segments; 0 is a guest.
func (c *Catalog) User(id int64) *facts.User {
	if i, known := c.userIndex[id]; known {
		return &c.users[i]
	}
	return &facts.User{ID: id}
}

// model is nil if there is no such model of the item.
func (c *Catalog) model(itemID, modelID int64) *model {
	i, known := c.modelIndex[modelID]
	if !known || c.items[c.models[i].item].ID != itemID {
		return nil
	}
	return &c.models[i]
}

// Vouchers are the definitions as of an instant. The set is the same pointer for as long as no window changes.
func (c *Catalog) Vouchers(at int64) *facts.VoucherSet {
	return c.voucherSets.get(
		func(p period) bool { return p.contains(at) },
		func() (period, *facts.VoucherSet) {
			p := c.voucherTimes.period(at)
			return p, c.buildVouchers(p)
		},
	)
}

func (c *Catalog) buildVouchers(p period) *facts.VoucherSet {
	runs := c.voucherTimes.runs(p)
	set := &facts.VoucherSet{Vouchers: make([]facts.Voucher, 0, len(c.vouchers))}
	for i := range c.vouchers {
		v := &c.vouchers[i]
		run := runs[v.window]
		if run.empty() {
			continue
		}
		set.Vouchers = append(set.Vouchers, v.Voucher)
		added := &set.Vouchers[len(set.Vouchers)-1]
		added.Start, added.End = run.start, run.end
	}
	return set
}

type voucher struct {
	facts.Voucher
	window int32
}

// Session is a live-stream session in its run of an instant.
type Session struct {
	StreamerID int64
	// Ongoing says that the session is on at the instant asked for.
	Ongoing bool
	token   string
}

// Accepts says whether the token was given out by the session. It takes the same time for every token of the right length.
func (s Session) Accepts(token string) bool {
	return s.token != "" && subtle.ConstantTimeCompare([]byte(s.token), []byte(token)) == 1
}

// Session finds a session; the zero value is one that is never on and accepts no token.
func (c *Catalog) Session(id, at int64) Session {
	i, known := c.sessionIndex[id]
	if !known {
		return Session{}
	}
	s, run := &c.sessions[i], c.schedule(at).sessions[i]
	return Session{StreamerID: s.streamer, Ongoing: run.start <= at && at < run.end, token: s.token}
}
