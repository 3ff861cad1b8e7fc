package catalog_test

import (
	"maps"
	"testing"
	"testing/fstest"
	"time"

	"proscenium/catalog"
	"proscenium/facts"
	"proscenium/scenes"
)

// small is a catalog with one of everything.
func small() map[string]string {
	return map[string]string{
		"catalog.csv": "regions,time_zone,repeats_yearly_from\nUS,America/New_York,2017\n",
		"items.csv": "item_id,shop_id,name,brand,categories,seller_type,labels\n" +
			"10,1,Cheddar,Acme,grocery/cheese/cheddar,official,fresh best_seller\n" +
			"11,2,\"Mop, large\",,household/mops,local,\n",
		"models.csv": "model_id,item_id,pre_tax_price,post_tax_price,stock,gmv\n" +
			"100,10,500,,10,9000\n" +
			"110,11,,2140,,\n" +
			"101,10,900,945,0,100\n",
		"promotions.csv": "promotion_id,model_id,price_rule_type,pre_tax_price,start,end,stock,sold_out,purchase_limit,audience,session_id\n" +
			"1,100,weekly_cut,450,2017-03-08,2017-03-15,,,3,,\n" +
			"2,100,live_stream_price,400,2017-12-29,2018-01-02,5,,,,70\n" +
			"3,101,exclusive_price,800,,,,,,new_user,\n" +
			"4,100,flash_sale,420,2017-11-05T01:30:00-04:00,2017-11-05T01:30:00-05:00,0,,,,\n",
		"live_stream_sessions.csv": "session_id,streamer_id,start,end,discount_token\n70,7,2017-12-29,2018-01-02,secret\n71,8,2017-06-01,2017-06-02,\n",
		"users.csv":                "user_id,segments\n5,new_user age_65_plus\n",
		"vouchers.csv": "voucher_id,code,layer,shop_id,discount_kind,value,min_spend,model_ids,user_condition,start,end\n" +
			"900,SAVE,PLATFORM,,PERCENT,5000,2000,,,2017-01-01,2018-01-01\n" +
			"901,CHEESE,SHOP,1,AMOUNT,50,,100 101,'new_user' in user.segments,2017-12-15,2018-01-15\n",
		"stock_locations.csv": "model_id,location,stock\n100,east,6\n100,west,4\n",
		"timeslots.csv":       "model_id,promotion_id,start,end,stock\n100,2,2017-12-29,2017-12-30,3\n100,2,2017-12-30,2018-01-02,2\n",
		"purchases.csv":       "user_id,model_id,promotion_id,quantity\n5,100,1,2\n",
		"taxes.csv":           "category,rate\n,7000\ngrocery,0\ncheddar,2500\n",
		"rebates.csv":         "model_id,item_id,shop_id,category,rate,amount\n,,1,,1000,\n,,,mops,,7\n101,,,,,30\n",
		"decorations.csv":     "price_rule_type,promotion_id,teaser,label,color\nweekly_cut,,,Cut,#f00\nweekly_cut,,true,Soon,#f00\n,1,,Best cut,#0f0\n",
		"packages.csv":        "package_id,name,model_ids,price\n300,Both,100 101,1200\n",
	}
}

func files(tables map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range tables {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

// with is the small catalog with another table, and without the tables that refer to it.
func with(name, text string) fstest.MapFS {
	tables := small()
	referring := map[string][]string{
		"promotions.csv": {"stock_locations.csv", "timeslots.csv", "purchases.csv", "decorations.csv"},
		"models.csv":     {"vouchers.csv", "rebates.csv", "packages.csv", "promotions.csv"},
		"items.csv":      {"taxes.csv", "models.csv"}, "live_stream_sessions.csv": {"promotions.csv"},
	}
	for gone := referring[name]; len(gone) > 0; gone = gone[1:] {
		if gone[0] != "models.csv" {
			delete(tables, gone[0])
		}
		gone = append(gone, referring[gone[0]]...)
	}
	tables[name] = text
	return files(tables)
}

func load(t *testing.T, tables map[string]string) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Load(files(tables))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The ids that the configuration of the tests gives to price rule types.
const (
	originalType = 1 + iota
	weeklyType
	flashType
	streamType
	exclusiveType
)

func snapshot() *scenes.Snapshot {
	s := &scenes.Snapshot{Types: []*facts.PriceRuleType{
		nil,
		{ID: originalType, Name: "original_price", Original: true},
		{ID: weeklyType, Name: "weekly_cut"},
		{ID: flashType, Name: "flash_sale"},
		{ID: streamType, Name: "live_stream_price"},
		{ID: exclusiveType, Name: "exclusive_price"},
	}}
	s.OriginalType = s.Types[originalType]
	return s
}

// at is an instant, written as a date or a local time of the catalog, or as RFC 3339.
func at(tb testing.TB, s string) int64 {
	tb.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		tb.Fatal(err)
	}
	for _, layout := range []string{time.DateOnly, time.DateTime, time.RFC3339Nano} {
		if instant, err := time.ParseInLocation(layout, s, zone); err == nil {
			return instant.UnixNano()
		}
	}
	tb.Fatalf("%q is not a time", s)
	return 0
}

func without(tables map[string]string, names ...string) map[string]string {
	rest := maps.Clone(tables)
	for _, n := range names {
		delete(rest, n)
	}
	return rest
}
