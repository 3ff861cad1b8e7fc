package catalog_test

import (
	"errors"
	"testing"
	"time"

	"proscenium/catalog"
	"proscenium/catalog/table"
	"proscenium/facts"
)

// Whatever the tables hold, loading ends with a catalog that answers, or with findings.
func FuzzLoad(f *testing.F) {
	tables := small()
	f.Add(tables["catalog.csv"], tables["promotions.csv"], tables["vouchers.csv"], int64(0))
	f.Add("regions,time_zone\nUS,UTC\n", "promotion_id,model_id,price_rule_type,post_tax_price\n1,100,x,9223372036854775807\n", "voucher_id,layer,discount_kind,value\n", int64(1)<<62)
	f.Add("regions,time_zone,repeats_yearly_from\nUS,Asia/Kathmandu,2200\n",
		"promotion_id,model_id,price_rule_type,pre_tax_price,start,end\n1,100,x,0,2200-02-28,2201-02-28\n", "\ufeff\"voucher_id\"\n", facts.Never)
	f.Fuzz(func(t *testing.T, manifest, promotions, vouchers string, at int64) {
		tables := small()
		tables["catalog.csv"], tables["promotions.csv"], tables["vouchers.csv"] = manifest, promotions, vouchers
		for _, name := range []string{"stock_locations.csv", "timeslots.csv", "purchases.csv", "decorations.csv"} {
			delete(tables, name)
		}
		c, err := catalog.Load(files(tables))
		if err != nil {
			var wrong *table.Error
			if !errors.As(err, &wrong) || len(wrong.Findings) == 0 || len(wrong.Findings) > 101 {
				t.Fatalf("an error without findings: %v", err)
			}
			return
		}
		for _, instant := range []int64{at, 0, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(), facts.Always, facts.Never} {
			for _, m := range c.Prices(instant, snapshot()).Models(10, 0) {
				for _, p := range m.Promos {
					if p.Start >= p.End || p.PreTax < 0 && p.PostTax < 0 || p.Stock < 0 {
						t.Fatalf("a malformed record: %+v", p)
					}
				}
			}
			for _, v := range c.Vouchers(instant).Vouchers {
				if v.ID <= 0 || v.Start >= v.End || v.Value < 0 {
					t.Fatalf("a malformed voucher: %+v", v)
				}
			}
		}
	})
}
