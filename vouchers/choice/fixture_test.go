package choice_test

import (
	"testing"

	"proscenium/facts"
	"proscenium/rules"
	"proscenium/scenes"
	"proscenium/vouchers/choice"
)

// now is the instant priced for.
const now = 1_000

func rule(tb testing.TB, place rules.Place, text string) *rules.Rule {
	tb.Helper()
	r, problems := rules.Compile(place, text)
	if len(problems) > 0 {
		tb.Fatalf("%s: %v", text, problems)
	}
	return r
}

// market is what questions need around the vouchers: a region, reward types 0 and 5 that reduce the price, a pool of everything and one of all that is not hidden.
type market struct {
	snap         *scenes.Snapshot
	us           *scenes.Region
	all, visible *scenes.VoucherPool
}

func newMarket(tb testing.TB) market {
	tb.Helper()
	m := market{
		us:      &scenes.Region{Code: "US", Currency: "USD"},
		all:     &scenes.VoucherPool{Name: "ALL", When: rule(tb, rules.VoucherPool, "true")},
		visible: &scenes.VoucherPool{Name: "VISIBLE", When: rule(tb, rules.VoucherPool, "!voucher.hidden")},
	}
	m.snap = &scenes.Snapshot{Regions: map[string]*scenes.Region{"US": m.us}}
	m.snap.ReducesPrice[0], m.snap.ReducesPrice[5] = true, true
	return m
}

// ask is a question about one model; its zero value with the fixture's market asks all there is to know.
type ask struct {
	item                       facts.Item
	model                      facts.Model
	price                      int64
	request                    facts.Request
	user                       *facts.User
	bypass                     *scenes.BypassRule
	noShopPool, noPlatformPool bool
}

// cheese is the model that the tables ask about.
func cheese(price int64) ask {
	return ask{
		item:  facts.Item{ID: 10, ShopID: 100, Categories: []string{"grocery", "cheese"}, Labels: []string{"fresh"}},
		model: facts.Model{ID: 1, ItemID: 10, ShopID: 100},
		price: price,
		request: facts.Request{
			Region: "US", At: now, Platform: "ios", UserPath: "video", DeviceType: "phone", StreamerID: 7, VideoCreatorID: 8, AdsID: 9,
		},
		user: &facts.User{ID: 5, Segments: []string{"vip"}},
	}
}

func (a *ask) query(m market) choice.Query {
	q := choice.Query{
		Snap: m.snap, Region: m.us, Request: &a.request, User: a.user, ShopPool: m.visible, PlatformPool: m.visible, Bypass: a.bypass,
		NeedBest: true, NeedNext: true, NeedHighest: true, NeedBeside: true, Explain: true,
	}
	if a.noShopPool {
		q.ShopPool = nil
	}
	if a.noPlatformPool {
		q.PlatformPool = nil
	}
	return q
}

func (a *ask) of(tb testing.TB, vouchers ...facts.Voucher) facts.VoucherChoice {
	tb.Helper()
	index, problems := choice.NewIndex(vouchers)
	if len(problems) > 0 {
		tb.Fatalf("definitions have problems: %v", problems)
	}
	return a.in(newMarket(tb), index)
}

func (a *ask) in(m market, index *choice.Index) facts.VoucherChoice {
	c := index.Chooser(a.query(m))
	defer c.Close()
	return c.Choose(&a.item, &a.model, a.price)
}

// term changes a voucher.
type term func(*facts.Voucher)

// shop is a shop voucher that takes an amount off; platform likewise.
func shop(id, amount int64, terms ...term) facts.Voucher {
	return voucher(id, facts.LayerShop, amount, terms)
}

func platform(id, amount int64, terms ...term) facts.Voucher {
	return voucher(id, facts.LayerPlatform, amount, terms)
}

func voucher(id int64, layer facts.Layer, amount int64, terms []term) facts.Voucher {
	v := facts.Voucher{ID: id, Region: "US", Layer: layer, Kind: facts.DiscountAmount, Value: amount, Start: facts.Always, End: facts.Never}
	for _, change := range terms {
		change(&v)
	}
	return v
}

func from(minSpend int64) term { return func(v *facts.Voucher) { v.MinSpend = minSpend } }
func capped(at int64) term     { return func(v *facts.Voucher) { v.CapPerUnit = at } }
func until(end int64) term     { return func(v *facts.Voucher) { v.End = end } }
func group(name string) term   { return func(v *facts.Voucher) { v.Group = name } }
func exclusive(v *facts.Voucher) {
	v.Exclusive = true
}

// percent and newPrice turn the amount into a rate, or into the price that is left.
func percent(v *facts.Voucher)    { v.Kind = facts.DiscountPercent }
func newPrice(v *facts.Voucher)   { v.Kind = facts.DiscountNewPrice }
func reward(kind int32) term      { return func(v *facts.Voucher) { v.RewardType = kind } }
func condition(text string) term  { return func(v *facts.Voucher) { v.UserCondition = text } }
func applies(text string) term    { return func(v *facts.Voucher) { v.AppliesWhen = text } }
func rebated(share int64) term    { return func(v *facts.Voucher) { v.RebateShare = share } }
func categories(n ...string) term { return func(v *facts.Voucher) { v.Categories = n } }

func id(u facts.VoucherUse) int64 {
	if u.Voucher == nil {
		return 0
	}
	return u.Voucher.ID
}

func verdictOn(tb testing.TB, c facts.VoucherChoice, voucherID int64) facts.VoucherVerdict {
	tb.Helper()
	for _, v := range c.Considered {
		if v.VoucherID == voucherID {
			return v
		}
	}
	tb.Fatalf("no verdict on voucher %d in %v", voucherID, c.Considered)
	return facts.VoucherVerdict{}
}
