package catalog_test

import (
	"testing"

	"proscenium/catalog"
)

func TestOnlyWindowsAndClocksMakeACatalogDependOnTime(t *testing.T) {
	const (
		manifest = "regions,time_zone,repeats_yearly_from\nUS,America/New_York,2017\n"
		items    = "item_id,shop_id\n10,1\n"
		models   = "model_id,item_id,pre_tax_price\n100,10,500\n"
		vouchers = "voucher_id,layer,discount_kind,value,start,end,user_condition\n"
		cuts     = "promotion_id,model_id,price_rule_type,pre_tax_price,start,end\n"
		sessions = "session_id,streamer_id,start,end\n"
	)
	for name, c := range map[string]struct {
		tables map[string]string
		want   bool
	}{
		"prices alone":        {map[string]string{}, false},
		"open promotion":      {map[string]string{"promotions.csv": cuts + "1,100,weekly_cut,450,,\n"}, false},
		"promotion begins":    {map[string]string{"promotions.csv": cuts + "1,100,weekly_cut,450,2017-03-08,\n"}, true},
		"promotion ends":      {map[string]string{"promotions.csv": cuts + "1,100,weekly_cut,450,,2017-03-08\n"}, true},
		"session":             {map[string]string{"live_stream_sessions.csv": sessions + "70,7,2017-12-29,2018-01-02\n"}, true},
		"open voucher":        {map[string]string{"vouchers.csv": vouchers + "9,PLATFORM,AMOUNT,5,,,user.id > 1\n"}, false},
		"voucher ends":        {map[string]string{"vouchers.csv": vouchers + "9,PLATFORM,AMOUNT,5,,2017-03-08,\n"}, true},
		"voucher reads clock": {map[string]string{"vouchers.csv": vouchers + "9,PLATFORM,AMOUNT,5,,,hour(request.time) < 9\n"}, true},
	} {
		c.tables["catalog.csv"], c.tables["items.csv"], c.tables["models.csv"] = manifest, items, models
		cat, err := catalog.Load(files(c.tables))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := cat.DependsOnTime(); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
