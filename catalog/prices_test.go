package catalog_test

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"proscenium/catalog"
	"proscenium/facts"
	"proscenium/scenes"
)

func TestRecordsOfAModel(t *testing.T) {
	c := load(t, small())
	got := c.Prices(at(t, "2017-06-01"), snapshot()).Models(10, 100)
	want := []facts.Model{{ID: 100, ItemID: 10, ShopID: 1, Promos: []facts.Promo{
		{Type: originalType, PreTax: 500, PostTax: facts.NoPrice, Start: facts.Always, End: facts.Never, Stock: 10},
		{ID: 1, Type: weeklyType, PreTax: 450, PostTax: facts.NoPrice, Start: at(t, "2017-03-08"), End: at(t, "2017-03-15"), Stock: 10, PurchaseLimit: 3},
		{
			ID: 2, Type: streamType, PreTax: 400, PostTax: facts.NoPrice, Start: at(t, "2017-12-29"), End: at(t, "2018-01-02"), Stock: 5,
			SessionID: 70, StreamerID: 7,
		},
		{
			ID: 4, Type: flashType, SoldOut: true, PreTax: 420, PostTax: facts.NoPrice,
			Start: at(t, "2017-11-05T01:30:00-04:00"), End: at(t, "2017-11-05T01:30:00-05:00"),
		},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestKeysOfItemsAndModels(t *testing.T) {
	c := load(t, small())
	p := c.Prices(at(t, "2017-06-01"), snapshot())
	for _, k := range []struct {
		name        string
		item, model int64
		want        []int64
	}{
		{"all models of an item, in the order of the file", 10, 0, []int64{100, 101}},
		{"one model", 10, 101, []int64{101}},
		{"a model of another item", 11, 101, nil},
		{"an unknown item", 12, 0, nil},
		{"an unknown model", 10, 102, nil},
	} {
		var got []int64
		for _, m := range p.Models(k.item, k.model) {
			got = append(got, m.ID)
		}
		if diff := cmp.Diff(k.want, got); diff != "" {
			t.Errorf("%s: %s", k.name, diff)
		}
	}
	sold := p.Models(10, 101)[0].Promos
	if !sold[0].SoldOut || !sold[1].SoldOut || sold[1].Audience != "new_user" || sold[0].PostTax != 945 {
		t.Errorf("records of a model without stock: %+v", sold)
	}
}

func TestWindowsMoveWithTheYearOfTheInstant(t *testing.T) {
	c := load(t, small())
	window := func(instant string, id int64) [2]int64 {
		for _, p := range c.Prices(at(t, instant), snapshot()).Models(10, 100)[0].Promos {
			if p.ID == id {
				return [2]int64{p.Start, p.End}
			}
		}
		return [2]int64{}
	}
	for _, w := range []struct {
		at         string
		id         int64
		start, end string
	}{
		{"2017-06-01", 1, "2017-03-08", "2017-03-15"},
		{"2026-01-01", 1, "2026-03-08", "2026-03-15"},
		{"2025-12-31 23:59:59", 1, "2025-03-08", "2025-03-15"},
		{"2028-02-29", 2, "2028-12-29", "2029-01-02"},
		{"2028-01-01", 2, "2027-12-29", "2028-01-02"},
	} {
		if got, want := window(w.at, w.id), [2]int64{at(t, w.start), at(t, w.end)}; got != want {
			t.Errorf("promotion %d at %s: %v, want %v", w.id, w.at, got, want)
		}
	}
	// The window of an hour that the clock shows twice has no run in a year where it shows that hour once.
	if got := window("2018-06-01", 4); got != [2]int64{} {
		t.Errorf("promotion 4 has the window %v in 2018", got)
	}
}

func TestTypeIDsAreThoseOfTheSnapshot(t *testing.T) {
	c := load(t, small())
	other := &scenes.Snapshot{Types: []*facts.PriceRuleType{
		{ID: 0, Name: "weekly_cut"}, {ID: 1, Name: "list", Original: true}, {ID: 2, Name: "live_stream_price"}, {ID: 3, Name: "exclusive_price"},
	}}
	kinds := func(s *scenes.Snapshot) (ids []int32) {
		for _, p := range c.Prices(at(t, "2017-06-01"), s).Models(10, 100)[0].Promos {
			ids = append(ids, p.Type)
		}
		return ids
	}
	first := snapshot()
	for range 2 { // alternating, as while a reload is under way
		if diff := cmp.Diff([]int32{originalType, weeklyType, streamType, flashType}, kinds(first)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]int32{1, 0, 2}, kinds(other)); diff != "" {
			t.Errorf("a type that is not configured is left out: %s", diff)
		}
	}
	if c.Prices(0, first) != c.Prices(0, snapshot()) {
		t.Error("a snapshot with the same ids builds prices again")
	}
	warnings := c.CheckTypes(other)
	if len(warnings) != 1 {
		t.Fatalf("warnings %+v", warnings)
	}
	if w := warnings[0]; w.File != "promotions.csv" || w.Line != 5 ||
		w.Message != `the configuration has no price rule type "flash_sale": its promotions are left out` {
		t.Errorf("warning %+v", w)
	}
	if warnings := c.CheckTypes(first); len(warnings) != 0 {
		t.Errorf("warnings %+v", warnings)
	}
}

func TestAPromotionCannotBeTheOriginalPrice(t *testing.T) {
	tables := small()
	tables["promotions.csv"] = "promotion_id,model_id,price_rule_type,pre_tax_price\n1,100,original_price,1\n"
	tables["stock_locations.csv"], tables["timeslots.csv"], tables["purchases.csv"] = "model_id,location,stock\n", "model_id,start,end,stock\n", "user_id,model_id,promotion_id,quantity\n"
	c := load(t, tables)
	if got := c.Prices(0, snapshot()).Models(10, 100)[0].Promos; len(got) != 1 || got[0].PreTax != 500 {
		t.Errorf("records %+v", got)
	}
	if w := c.CheckTypes(snapshot()); len(w) != 1 {
		t.Errorf("warnings %+v", w)
	}
}

func TestVouchersMoveWithTheYear(t *testing.T) {
	c := load(t, small())
	for _, v := range []struct {
		at         string
		index      int
		start, end string
	}{
		{"2017-01-10", 1, "2017-12-15", "2018-01-15"},
		{"2018-01-10", 1, "2017-12-15", "2018-01-15"},
		{"2018-01-15", 1, "2018-12-15", "2019-01-15"},
		{"2026-05-05", 0, "2026-01-01", "2027-01-01"},
	} {
		got := c.Vouchers(at(t, v.at)).Vouchers[v.index]
		if got.Start != at(t, v.start) || got.End != at(t, v.end) {
			t.Errorf("voucher %d at %s: %d to %d", got.ID, v.at, got.Start, got.End)
		}
	}
	want := facts.Voucher{
		ID: 901, Code: "CHEESE", Region: "US", Layer: facts.LayerShop, ShopID: 1, Kind: facts.DiscountAmount, Value: 50, Models: []int64{100, 101},
		UserCondition: "'new_user' in user.segments", Start: at(t, "2017-12-15"), End: at(t, "2018-01-15"),
	}
	if diff := cmp.Diff(want, c.Vouchers(at(t, "2017-06-01")).Vouchers[1]); diff != "" {
		t.Error(diff)
	}
	if c.Vouchers(at(t, "2017-06-01")) != c.Vouchers(at(t, "2017-06-02")) {
		t.Error("the set changes without a change of windows")
	}
}

func TestViewsOfManyYearsAtOnce(t *testing.T) {
	c := load(t, small())
	snaps := []*scenes.Snapshot{snapshot(), snapshot()}
	var wait sync.WaitGroup
	for reader := range 8 {
		wait.Go(func() {
			for i := range 40 {
				year := 2017 + (reader*7+i)%12
				instant := at(t, "2017-06-01") + int64(year-2017)*365*24*3600*1e9
				m := c.Prices(instant, snaps[i%2]).Models(10, 100)[0]
				if got := m.Promos[1].Start; got > instant || instant-got > 100*24*3600*1e9 {
					t.Errorf("in %d the weekly cut starts at %d", year, got)
				}
				v := c.Vouchers(instant).Vouchers[0]
				if v.Start > instant || instant >= v.End {
					t.Errorf("in %d the voucher is not on", year)
				}
				c.Timeslots(instant, 10, 100, 2)
				c.Decoration(snaps[i%2], 1, weeklyType, false)
			}
		})
	}
	wait.Wait()
}

func TestReadersDoNotAllocate(t *testing.T) {
	c := load(t, small())
	snap, instant := snapshot(), at(t, "2026-06-01")
	c.Warm(instant, snap)
	if n := testing.AllocsPerRun(100, func() {
		c.Prices(instant, snap).Models(10, 0)
		c.Vouchers(instant)
		c.User(5)
		c.Stock(10, 100, 2)
		c.Locations(10, 100, 1)
		c.Timeslots(instant, 10, 100, 2)
		c.Purchased(5, 100, 1)
		c.Session(70, instant).Accepts("secret")
		c.Decoration(snap, 1, weeklyType, false)
		c.Tax("US", 10)
		c.Rebate(10, 100)
		c.Packages(10)
	}); n != 0 {
		t.Errorf("%.0f allocations", n)
	}
}

func TestUnknownIDsAreAnsweredWithNothing(t *testing.T) {
	c := load(t, small())
	if c.Item(12) != nil || c.Labels(12) != nil || c.Packages(12) != nil || c.GMV(10, 999) != 0 || c.Rebate(11, 100) != (catalog.Rebate{}) {
		t.Error("an unknown item or model is known")
	}
	if c.Locations(10, 999, 0) != nil || c.Timeslots(0, 10, 999, 0) != nil || c.Purchased(6, 100, 1) != 0 {
		t.Error("an unknown model has stock")
	}
	if s := c.Session(72, at(t, "2017-12-30")); s.Ongoing || s.Accepts("") || s.Accepts("secret") {
		t.Errorf("an unknown session is %+v", s)
	}
	if u := c.User(6); u.ID != 6 || u.Segments != nil {
		t.Errorf("user %+v", u)
	}
	if u := c.User(0); u.LoggedIn() || len(u.Segments) != 0 {
		t.Errorf("the guest is %+v", u)
	}
	if !c.Serves("US") || c.Serves("MX") {
		t.Error("another region is served")
	}
}

func TestSessionsMoveWithTheYear(t *testing.T) {
	c := load(t, small())
	for _, s := range []struct {
		at      string
		ongoing bool
	}{
		{"2017-12-28 23:59:59", false},
		{"2017-12-29", true},
		{"2026-01-01", true}, // from the run that began in 2025
		{"2026-01-02", false},
		{"2026-12-29", true},
		{"2017-01-01", false},
	} {
		if got := c.Session(70, at(t, s.at)); got.Ongoing != s.ongoing || got.StreamerID != 7 || !got.Accepts("secret") || got.Accepts("Secret") {
			t.Errorf("at %s: %+v", s.at, got)
		}
	}
	slots := c.Timeslots(at(t, "2026-12-29"), 10, 100, 2)
	want := []facts.TimeslotStock{
		{Start: at(t, "2026-12-29"), End: at(t, "2026-12-30"), Available: 3}, {Start: at(t, "2026-12-30"), End: at(t, "2027-01-02"), Available: 2},
	}
	if diff := cmp.Diff(want, slots); diff != "" {
		t.Error(diff)
	}
}

func TestExpressionsAreCheckedWithTheirPlaces(t *testing.T) {
	tables := small()
	tables["vouchers.csv"] = "voucher_id,layer,discount_kind,value,applies_when,user_condition\n" +
		"1,PLATFORM,AMOUNT,5,,'vip' in user.segments\n" +
		"2,PLATFORM,AMOUNT,5,item.brnd == 'x',\n" +
		"3,PLATFORM,AMOUNT,5,,'vip' in user.segments\n"
	c := load(t, tables)
	if n := len(c.Expressions()); n != 2 {
		t.Errorf("%d expressions", n)
	}
	found := c.CheckExpressions()
	if len(found) != 1 || found[0].File != "vouchers.csv" || found[0].Line != 3 || found[0].Path != "applies_when" || found[0].Column != 21 {
		t.Errorf("findings %+v", found)
	}
	if found := load(t, small()).CheckExpressions(); len(found) != 0 {
		t.Errorf("findings %+v", found)
	}
}

func BenchmarkPrices(b *testing.B) {
	c := loadReference(b)
	snap, instant := snapshot(), at(b, "2026-06-01")
	c.Warm(instant, snap)
	b.Run("one model", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = c.Prices(instant, snap).Models(1023, 1075313)
		}
	})
	b.Run("a year not seen before", func(b *testing.B) {
		b.ReportAllocs()
		year := 0
		for b.Loop() {
			year = (year + 1) % 200
			_ = c.Prices(instant+int64(year)*366*24*3600*1e9, snap)
		}
	})
}
