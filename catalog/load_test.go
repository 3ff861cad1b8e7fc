package catalog_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"proscenium/catalog"
	"proscenium/catalog/table"
)

func TestWrongTablesAreExplained(t *testing.T) {
	const promotions = "promotion_id,model_id,price_rule_type,pre_tax_price,start,end\n"
	const vouchers = "voucher_id,layer,shop_id,discount_kind,value,model_ids,labels\n"
	for _, c := range []struct {
		name string
		fsys fstest.MapFS
		want string
	}{
		{"a misspelt table", with("promotion.csv", "x\n"), `promotion.csv: unknown table "promotion" (did you mean promotions?)`},
		{"a misspelt column", with("users.csv", "user_id,segmnts\n"), `users.csv:1:9: unknown column "segmnts" (did you mean segments?)`},
		{"a column that stands twice", with("users.csv", "user_id,segments,segments\n"), `users.csv:1:18: column "segments" stands twice (remove one of them)`},
		{"a missing column", with("users.csv", "segments\na\n"), `users.csv:1:1: column "user_id" is missing (the first line names the columns)`},
		{"a missing cell", with("users.csv", "user_id,segments\n5\n"), `users.csv:2: the row has 1 cells, the header has 2 (write every comma, also for empty cells, and put cells that contain one in double quotes)`},
		{"an open quote", with("users.csv", "user_id,segments\n5,\"a\n"), `users.csv:2:6: extraneous or missing " in quoted-field (put a cell that contains a quote in double quotes, and write the quote twice)`},
		{"an empty file", with("users.csv", ""), `users.csv: the file is empty (its first line names the columns)`},
		{"another encoding", with("users.csv", "user_id,segments\n5,\xff\n"), `users.csv: the file is not UTF-8 (save it as UTF-8)`},
		{"a file that is not packed", with("users.csv.gz", "user_id\n5\n"), `users.csv.gz: users.csv is there too (remove one of them)`},
		{"no items", files(without(small(), "items.csv")), `items.csv: the file is missing (a catalog needs items.csv or items.csv.gz)`},

		{"no manifest", files(without(small(), "catalog.csv")), `catalog.csv: the file is missing (a catalog needs catalog.csv or catalog.csv.gz)`},
		{"an empty manifest", with("catalog.csv", "regions,time_zone\n"), `catalog.csv: the row is missing (such as US,America/New_York,)`},
		{"two manifests", with("catalog.csv", "regions,time_zone\nUS,UTC\nMX,UTC\n"), `catalog.csv:3:1: regions: a catalog has one row here (remove one of them)`},
		{"a region in small letters", with("catalog.csv", "regions,time_zone\nus,UTC\n"), `catalog.csv:2:1: regions: "us" is not a region (two capital letters, such as US)`},
		{"an unknown zone", with("catalog.csv", "regions,time_zone\nUS,New York\n"), `catalog.csv:2:4: time_zone: unknown time zone "New York" (an IANA name, such as America/New_York)`},
		{"a year out of reach", with("catalog.csv", "regions,time_zone,repeats_yearly_from\nUS,UTC,17\n"), `catalog.csv:2:8: repeats_yearly_from: 17 is out of range (from 1970 to 2200)`},

		{"an amount with a point", with("promotions.csv", promotions+"1,100,weekly_cut,4.50,,\n"), `promotions.csv:2:18: pre_tax_price: "4.50" is not a whole number (amounts are in minor units: 199 for 1.99; rates are in 1e-5: 5000 for 5%)`},
		{"a negative price", with("promotions.csv", promotions+"1,100,weekly_cut,-1,,\n"), `promotions.csv:2:18: pre_tax_price: -1 is out of range (at least 0)`},
		{"a price beyond 64 bits", with("promotions.csv", promotions+"1,100,weekly_cut,9223372036854775808,,\n"), `promotions.csv:2:18: pre_tax_price: 9223372036854775808 is out of range (at least 0)`},
		{"no price", with("promotions.csv", promotions+"1,100,weekly_cut,,,\n"), `promotions.csv:2:18: pre_tax_price: there is no price (fill in pre_tax_price, post_tax_price or both)`},
		{"no id", with("promotions.csv", promotions+",100,weekly_cut,5,,\n"), `promotions.csv:2:1: promotion_id: a value is missing`},
		{"an id of 0", with("promotions.csv", promotions+"0,100,weekly_cut,5,,\n"), `promotions.csv:2:1: promotion_id: 0 is out of range (at least 1)`},
		{"an unknown model", with("promotions.csv", promotions+"9,999,weekly_cut,5,,\n"), `promotions.csv:2:3: model_id: there is no model 999 (add it to models.csv)`},
		{"a promotion twice", with("promotions.csv", promotions+"1,100,weekly_cut,5,,\n1,100,flash_sale,4,,\n"), `promotions.csv:3:1: promotion_id: this key stands in line 2 already (remove one of them)`},
		{"an unknown session", with("promotions.csv", "promotion_id,model_id,price_rule_type,pre_tax_price,session_id\n1,100,live,5,72\n"), `promotions.csv:2:14: session_id: there is no session 72 (add it to live_stream_sessions.csv)`},
		{"a day that does not exist", with("promotions.csv", promotions+"1,100,weekly_cut,5,2017-02-29,\n"), `promotions.csv:2:20: start: "2017-02-29" is not a date or time (write a date as 2017-02-28, or a time as 2017-02-28T18:00:00-05:00)`},
		{"a date out of reach", with("promotions.csv", promotions+"1,100,weekly_cut,5,,9999-12-31\n"), `promotions.csv:2:21: end: 9999-12-31 is out of range (years from 1678 to 2261)`},
		{"an empty window", with("promotions.csv", promotions+"1,100,weekly_cut,5,2017-03-08,2017-03-08\n"), `promotions.csv:2:31: end: the end is not after the start (an end is the first instant that does not belong to the window)`},
		{"a window that overlaps its next run", with("promotions.csv", promotions+"1,100,weekly_cut,5,2017-03-08,2018-03-09\n"), `promotions.csv:2:31: end: the window touches 2017, which repeats every year, and is longer than a year (leave the end empty, or end within a year)`},

		{"an item twice", with("items.csv", "item_id,shop_id\n10,1\n11,1\n10,2\n"), `items.csv:4:1: item_id: this key stands in line 2 already (remove one of them)`},
		{"a model of no item", with("models.csv", "model_id,item_id,pre_tax_price\n100,12,5\n"), `models.csv:2:5: item_id: there is no item 12 (add it to items.csv)`},
		{"a model twice", with("models.csv", "model_id,item_id,pre_tax_price\n100,10,5\n100,11,5\n"), `models.csv:3:1: model_id: this key stands in line 2 already (remove one of them)`},
		{"a session twice", with("live_stream_sessions.csv", "session_id,streamer_id,start,end\n70,7,,\n70,7,,\n"), `live_stream_sessions.csv:3:1: session_id: this key stands in line 2 already (remove one of them)`},
		{"a user twice", with("users.csv", "user_id\n5\n5\n"), `users.csv:3:1: user_id: this key stands in line 2 already (remove one of them)`},

		{"a misspelt layer", with("vouchers.csv", vouchers+"1,PLATTFORM,,AMOUNT,5,,\n"), `vouchers.csv:2:3: layer: unknown value "PLATTFORM" (did you mean PLATFORM?)`},
		{"a shop voucher without a shop", with("vouchers.csv", vouchers+"1,SHOP,,AMOUNT,5,,\n"), `vouchers.csv:2:8: shop_id: layer and shop_id do not fit together (a SHOP voucher has a shop_id, a PLATFORM voucher has none)`},
		{"an unknown shop", with("vouchers.csv", vouchers+"1,SHOP,9,AMOUNT,5,,\n"), `vouchers.csv:2:8: shop_id: there is no shop 9 (items.csv names the shops)`},
		{"more than everything", with("vouchers.csv", vouchers+"1,PLATFORM,,PERCENT,100001,,\n"), `vouchers.csv:2:21: value: 100001 is out of range (from 1 to 100000)`},
		{"a discount of nothing", with("vouchers.csv", vouchers+"1,PLATFORM,,AMOUNT,0,,\n"), `vouchers.csv:2:20: value: 0 is out of range (at least 1)`},
		{"a model listed twice", with("vouchers.csv", vouchers+"1,PLATFORM,,AMOUNT,5,100 101|100,\n"), `vouchers.csv:2:22: model_ids: 100 stands twice (remove one of them)`},
		{"an unknown model in a list", with("vouchers.csv", vouchers+"1,PLATFORM,,AMOUNT,5,100 102,\n"), `vouchers.csv:2:22: model_ids: there is no model 102 (add it to models.csv)`},
		{"an unknown item in a list", with("vouchers.csv", "voucher_id,layer,discount_kind,value,item_ids\n1,PLATFORM,AMOUNT,5,10 12\n"), `vouchers.csv:2:21: item_ids: there is no item 12 (add it to items.csv)`},
		{"a misspelt label", with("vouchers.csv", vouchers+"1,PLATFORM,,AMOUNT,5,,frsh\n"), `vouchers.csv:2:23: labels: no item has "frsh" (did you mean fresh?)`},
		{"a voucher of another region", with("vouchers.csv", "voucher_id,layer,region,discount_kind,value\n1,PLATFORM,MX,AMOUNT,5\n"), `vouchers.csv:2:12: region: unknown region "MX" (there are these regions in catalog.csv: US)`},
		{"a misspelt truth", with("vouchers.csv", "voucher_id,layer,hidden,discount_kind,value\n1,PLATFORM,yes,AMOUNT,5\n"), `vouchers.csv:2:12: hidden: "yes" is not a truth value (write true or false)`},

		{"locations that do not add up", with("stock_locations.csv", "model_id,location,stock\n100,east,6\n100,west,5\n"), `stock_locations.csv:3: stock: the locations of model 100 add up to 11, its stock is 10 (they are parts of it)`},
		{"a location twice", with("stock_locations.csv", "model_id,location,stock\n100,east,6\n100,east,4\n"), `stock_locations.csv:3:5: location: this key stands in line 2 already (remove one of them)`},
		{"locations of a stock that is the model's", with("stock_locations.csv", "model_id,promotion_id,location,stock\n100,1,east,10\n"), `stock_locations.csv:2:5: promotion_id: promotion 1 has no stock of its own (give it a stock in promotions.csv, or leave promotion_id empty)`},
		{"a slot of another model's promotion", with("timeslots.csv", "model_id,promotion_id,start,end,stock\n101,1,,,5\n"), `timeslots.csv:2:5: promotion_id: model 101 has no promotion 1 (add it to promotions.csv)`},
		{"nothing bought", with("purchases.csv", "user_id,model_id,promotion_id,quantity\n5,100,1,0\n"), `purchases.csv:2:9: quantity: 0 is out of range (at least 1)`},

		{"a tax of no category", with("taxes.csv", "category,rate\nchedar,0\n"), `taxes.csv:2:1: category: no item has "chedar" (did you mean cheddar?)`},
		{"a tax twice", with("taxes.csv", "region,category,rate\nUS,,5\n,,6\n"), `taxes.csv:3:2: category: this key stands in line 2 already (remove one of them)`},
		{"no tax rate", with("taxes.csv", "category,rate\ncheddar,\n"), `taxes.csv:2:9: rate: a value is missing`},
		{"a rebate of two scopes", with("rebates.csv", "model_id,item_id,rate\n100,10,5\n"), `rebates.csv:2:1: model_id: 2 of four scopes are filled in (fill in one of model_id, item_id, shop_id and category)`},
		{"a rebate of nothing", with("rebates.csv", "model_id,rate,amount\n100,,\n"), `rebates.csv:2:5: rate: one of rate and amount is needed (fill in rate or amount)`},
		{"an empty decoration", with("decorations.csv", "price_rule_type,label\nweekly_cut,\n"), `decorations.csv:2:12: label: the decoration is empty (fill in label, color or image_url)`},
		{"a decoration of nothing", with("decorations.csv", "promotion_id,label\n77,x\n"), `decorations.csv:2:1: promotion_id: there is no promotion 77 (add it to promotions.csv)`},
		{"a package of one", with("packages.csv", "package_id,name,model_ids,price\n1,x,100,5\n"), `packages.csv:2:5: model_ids: a package has at least two models (list them with blanks between them)`},
		{"a package that costs more", with("packages.csv", "package_id,name,model_ids,price\n1,x,100 101,1401\n"), `packages.csv:2:13: price: 1401 is more than the original price 1400 (a package costs at most what its models cost one by one)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := catalog.Load(c.fsys)
			if err == nil {
				t.Fatalf("loads; want %s", c.want)
			}
			if err.Error() != c.want {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
		})
	}
}

func TestEverythingWrongIsReportedAtOnce(t *testing.T) {
	tables := without(small(), "purchases.csv")
	tables["promotions.csv"] = "promotion_id,model_id,price_rule_type,pre_tax_price,start,end\nx,999,,1.5,soon,later\n"
	tables["timeslots.csv"] = "model_id,promotion_id,start,end,stock\n"
	tables["decorations.csv"] = "price_rule_type,label\nweekly_cut,x\n"
	tables["users.csv"] = "user_id\n0\n"
	_, err := catalog.Load(files(tables))
	var wrong *table.Error
	if !errors.As(err, &wrong) {
		t.Fatalf("got %v", err)
	}
	var got []string
	for _, d := range wrong.Findings {
		got = append(got, fmt.Sprintf("%s:%d %s %s", d.File, d.Line, d.Path, d.Code))
	}
	want := []string{
		"promotions.csv:2 model_id UNKNOWN_REFERENCE",
		"promotions.csv:2 promotion_id WRONG_TYPE",
		"promotions.csv:2 price_rule_type MISSING_FIELD",
		"promotions.csv:2 pre_tax_price WRONG_TYPE",
		"promotions.csv:2 start BAD_TIMESTAMP",
		"promotions.csv:2 end BAD_TIMESTAMP",
		"users.csv:2 user_id OUT_OF_RANGE",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if excerpt := wrong.Findings[0].Excerpt; excerpt != "x,999,,1.5,soon,later" {
		t.Errorf("the source line is %q", excerpt)
	}
}

func TestWhatRefersToAWrongRowIsNotAtFault(t *testing.T) {
	for _, c := range []struct{ name, table, text, want string }{
		{"a wrong row", "models.csv", "model_id,item_id,pre_tax_price,stock\n100,10,x,10\n101,10,900,0\n110,11,5,\n", `models.csv:2:8: pre_tax_price: "x" is not a whole number (digits only)`},
		{"a row whose id is not known", "models.csv", "model_id,item_id,pre_tax_price,stock\nx,10,5,10\n", `models.csv:2:1: model_id: "x" is not a whole number (digits only)`},
		{"a wrong header", "items.csv", "itemid,shop_id\n10,1\n", "items.csv:1:1: unknown column \"itemid\" (did you mean item_id?)\nitems.csv:1:1: column \"item_id\" is missing (the first line names the columns)"},
		{"a session that is wrong", "live_stream_sessions.csv", "session_id,streamer_id,start,end\n70,,,\n", `live_stream_sessions.csv:2:4: streamer_id: a value is missing`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tables := small()
			tables[c.table] = c.text
			if _, err := catalog.Load(files(tables)); err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestFindingsAreBoundedAndCounted(t *testing.T) {
	var rows strings.Builder
	rows.WriteString("user_id\n")
	for range 250 {
		rows.WriteString("x\n")
	}
	_, err := catalog.Load(with("users.csv", rows.String()))
	var wrong *table.Error
	if !errors.As(err, &wrong) {
		t.Fatalf("got %v", err)
	}
	if n := len(wrong.Findings); n != 101 {
		t.Errorf("%d findings", n)
	}
	if last := wrong.Findings[len(wrong.Findings)-1].Message; last != "150 more findings are not shown" {
		t.Errorf("the last finding is %q", last)
	}
}

func TestOptionalTablesMayBeMissing(t *testing.T) {
	tables := small()
	c := load(t, map[string]string{
		"catalog.csv": tables["catalog.csv"], "items.csv": "item_id,shop_id\n10,1\n", "models.csv": "model_id,item_id,pre_tax_price\n100,10,500\n",
	})
	models := c.Prices(at(t, "2017-06-01"), snapshot()).Models(10, 0)
	if len(models) != 1 || len(models[0].Promos) != 1 || models[0].Promos[0].PreTax != 500 || models[0].Promos[0].SoldOut {
		t.Errorf("got %+v", models)
	}
	if _, known := c.Stock(10, 100, 0); known {
		t.Error("a stock that the files do not tell is known")
	}
	if tax := c.Tax("US", 10); tax.Known {
		t.Errorf("tax %+v", tax)
	}
	if n := len(c.Vouchers(0).Vouchers); n != 0 {
		t.Errorf("%d vouchers", n)
	}
}

func TestSpreadsheetsMayWriteAMarkAndWindowsLineEnds(t *testing.T) {
	tables := small()
	tables["users.csv"] = "\ufeffuser_id,segments\r\n5,a b\r\n"
	c := load(t, tables)
	if got := c.User(5).Segments; len(got) != 2 || got[1] != "b" {
		t.Errorf("segments %q", got)
	}
}
