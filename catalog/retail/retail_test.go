package retail_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"proscenium/catalog"
	"proscenium/catalog/retail"
	"proscenium/catalog/table"
	"proscenium/facts"
	"proscenium/scenes"
)

// sample is a small part of the data: rows as they are.
const sample = "testdata/source"

func imported(t *testing.T) (dir string, c *catalog.Catalog) {
	t.Helper()
	dir = t.TempDir()
	if err := retail.Import(os.DirFS(sample), dir, nil); err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	return dir, c
}

func snapshot() *scenes.Snapshot {
	return &scenes.Snapshot{Types: []*facts.PriceRuleType{
		nil,
		{ID: 1, Name: "original_price", Original: true},
		{ID: 2, Name: "weekly_cut"},
		{ID: 3, Name: "flash_sale"},
		{ID: 4, Name: "live_stream_price"},
		{ID: 5, Name: "flexible_live_stream_price"},
		{ID: 6, Name: "exclusive_price"},
		{ID: 7, Name: "welcome_package"},
	}}
}

func day(t *testing.T, c *catalog.Catalog, date string) int64 {
	t.Helper()
	at, err := time.ParseInLocation(time.DateOnly, date, c.Zone())
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixNano()
}

func TestAModelOfTheDataBecomesARecord(t *testing.T) {
	_, c := imported(t)
	item := c.Item(1002)
	want := &facts.Item{
		ID: 1002, ShopID: 69, Name: "Diet/light Bread (store brand)", Brand: "Private",
		Categories: []string{"grocery", "baked_bread_buns_rolls", "diet_light_bread"}, SellerType: "official",
	}
	if diff := cmp.Diff(want, item); diff != "" {
		t.Error(diff)
	}
	if got := c.Labels(1002); !slices.Contains(got, "private_label") {
		t.Errorf("labels %q", got)
	}
	models := c.Prices(day(t, c, "2017-02-10"), snapshot()).Models(1002, 30049)
	if len(models) != 1 || models[0].Promos[0].PreTax != 159 || models[0].Promos[0].Type != 1 {
		t.Fatalf("got %+v", models)
	}
	cut := models[0].Promos[1]
	if cut.ID != 30049170208 || cut.Type != 2 || cut.PreTax != 119 || cut.Start != day(t, c, "2017-02-08") || cut.End != day(t, c, "2017-02-15") {
		t.Errorf("weekly cut %+v", cut)
	}
	if gmv := c.GMV(1002, 30049); gmv != 238 { // two lines: 119 each
		t.Errorf("gmv %d", gmv)
	}
}

func TestEachWeeklyCutOfTheDataIsThere(t *testing.T) {
	_, c := imported(t)
	source, err := os.ReadFile(filepath.Join(sample, "promotions.csv"))
	if err != nil {
		t.Fatal(err)
	}
	found := &table.Findings{}
	r := table.Open(os.DirFS(sample), table.Spec{Name: "models", Columns: columns(
		"model_id", "item_id", "shop_id", "brand", "department", "category", "type", "package_size", "list_price_cents")}, found)
	items := map[int64]int64{}
	for r.Next() {
		items[r.ID(0)] = r.ID(1)
	}
	p := table.Open(os.DirFS(sample), table.Spec{Name: "promotions", Columns: columns("model_id", "start_date", "end_date", "promo_price_cents")}, found)
	cuts := 0
	for p.Next() {
		model, start, end := p.ID(0), p.Instant(1, c.Zone(), 0), p.Instant(2, c.Zone(), 0)
		records := c.Prices(start, snapshot()).Models(items[model], model)[0].Promos
		if !slices.ContainsFunc(records, func(r facts.Promo) bool {
			return r.Type == 2 && r.Start == start && r.End == end && r.PreTax == p.Int(3, 0, facts.Never, 0)
		}) {
			t.Errorf("the cut of line %d is not among %+v", p.Line(), records)
		}
		cuts++
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(source, []byte{'\n'}) - 1; cuts != lines {
		t.Errorf("%d of %d cuts", cuts, lines)
	}
}

func columns(names ...string) (all []table.Column) {
	for _, n := range names {
		all = append(all, table.Column{Name: n})
	}
	return all
}

func TestCouponsBecomeVouchersOfTheirCampaign(t *testing.T) {
	_, c := imported(t)
	byID := map[int64]facts.Voucher{}
	for _, v := range c.Vouchers(day(t, c, "2017-06-01")).Vouchers {
		byID[v.ID] = v
	}
	for _, want := range []facts.Voucher{
		{ // all models of one shop
			ID: 1000008532027, Code: "C10000085320-27", Name: "Coupon 10000085320", Layer: facts.LayerShop, ShopID: 6210, Value: 100,
			Models: []int64{5578358, 9446386}, UserCondition: "'campaign_27' in user.segments", Start: day(t, c, "2017-02-08"), End: day(t, c, "2017-03-26"),
		},
		{ // models of several shops
			ID: 1000008536508, Code: "C10000085365-8", Name: "Coupon 10000085365", Layer: facts.LayerPlatform, Value: 100,
			Models:        []int64{954966, 979057, 1033403, 1366067, 2408285},
			UserCondition: "'campaign_8' in user.segments", Start: day(t, c, "2017-05-08"), End: day(t, c, "2017-06-25"),
		},
		{ // a coupon that another campaign has too
			ID: 5000054008223, Code: "C50000540082-23", Name: "Coupon 50000540082", Layer: facts.LayerShop, ShopID: 4925, Value: 75,
			Models: []int64{824396, 1007279}, UserCondition: "'campaign_23' in user.segments", Start: day(t, c, "2017-12-28"), End: day(t, c, "2018-02-04"),
		},
	} {
		want.Region, want.MarketType, want.Kind = "US", "COUPON", facts.DiscountAmount
		if diff := cmp.Diff(want, byID[want.ID]); diff != "" {
			t.Error(diff)
		}
	}
	if found := c.CheckExpressions(); len(found) != 0 {
		t.Errorf("findings %+v", found)
	}
}

func TestHouseholdsBecomeUsersWithSegments(t *testing.T) {
	_, c := imported(t)
	want := []string{"age_45_54", "income_100_124k", "homeowner", "married", "household_size_2", "kids_0", "campaign_13", "new_user"}
	if diff := cmp.Diff(want, c.User(18).Segments); diff != "" {
		t.Error(diff)
	}
	if bought := c.Purchased(156, 954966, 954966170614); bought != 2 {
		t.Errorf("household 156 bought %d", bought)
	}
}

// A guest sees no exclusive, live-stream and welcome promotions, so only flash sales could stand above a weekly cut.
func TestNothingForGuestsStandsAboveAWeeklyCut(t *testing.T) {
	_, c := imported(t)
	prices := c.Prices(day(t, c, "2017-06-01"), snapshot())
	flash := 0
	for item := int64(1000); item < 7100; item++ {
		for _, m := range prices.Models(item, 0) {
			has := map[int32]bool{}
			for _, p := range m.Promos {
				has[p.Type] = true
			}
			if has[3] {
				flash++
			}
			if has[2] && has[3] {
				t.Errorf("model %d has weekly cuts and flash sales", m.ID)
			}
		}
	}
	if flash == 0 {
		t.Error("no model has flash sales")
	}
}

func TestTheSameDataGivesTheSameBytes(t *testing.T) {
	first, _ := imported(t)
	second, _ := imported(t)
	count := 0
	for name, a := range contents(t, first) {
		if b := contents(t, second)[name]; !bytes.Equal(a, b) {
			t.Errorf("%s differs", name)
		}
		count++
	}
	if count < 10 {
		t.Errorf("only %d files", count)
	}
}

func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	if err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		all[path] = data
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestImportingAgainReplacesTables(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"items.csv.gz", "models.csv", "README.md"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var steps []string
	if err := retail.Import(os.DirFS(sample), dir, func(step string, done, total int) {
		if done > total {
			t.Errorf("%d of %d", done, total)
		}
		steps = append(steps, step)
	}); err != nil {
		t.Fatal(err)
	}
	if len(steps) < 3 || steps[len(steps)-1] != "done" {
		t.Errorf("steps %q", steps)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "README.md")); err != nil || string(data) != "old" {
		t.Errorf("README.md is %q, %v", data, err)
	}
}

func TestWrongDataIsExplainedAndNothingIsWritten(t *testing.T) {
	for _, c := range []struct{ name, file, find, replace, want string }{
		{"an unknown model", "promotions.csv", "\n30049,", "\n30048,", `promotions.csv:2:1: model_id: there is no model 30048 (add it to models.csv)`},
		{"a missing column", "campaigns.csv", "end_date", "ended", `campaigns.csv:1:38: unknown column "ended" (there are these columns: campaign_id, campaign_type, end_date, start_date)`},
		{"a price of nothing", "models.csv", ",159\n", ",0\n", `models.csv:4:77: list_price_cents: 0 is out of range (from 1 to 1125899906842624)`},
		{"a time that is none", "baskets.csv", "2017-", "2017/", `is not a time (write it as 2017-02-28 18:00:00)`},
		{"a coupon of no campaign", "coupons.csv", ",27,", ",28,", `coupons.csv:2:13: campaign_id: there is no campaign 28 (add it to campaigns.csv)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			source := fstest.MapFS{}
			for name, data := range contents(t, sample) {
				if name == c.file {
					data = bytes.Replace(data, []byte(c.find), []byte(c.replace), 1)
				}
				source[name] = &fstest.MapFile{Data: data}
			}
			dir := filepath.Join(t.TempDir(), "catalog")
			err := retail.Import(source, dir, nil)
			var wrong *table.Error
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Error("something is written")
			}
		})
	}
}
