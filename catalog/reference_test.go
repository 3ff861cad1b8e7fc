package catalog_test

import (
	"compress/gzip"
	"encoding/csv"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"proscenium/catalog"
	"proscenium/facts"
)

func loadReference(tb testing.TB) *catalog.Catalog {
	tb.Helper()
	c, err := catalog.Load(os.DirFS(reference))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// rows reads a packed table of the reference catalog as it stands: maps from column to cell.
func rows(t *testing.T, name string) []map[string]string {
	t.Helper()
	f, err := os.Open(reference + "/" + name + ".csv.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	all, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	table := make([]map[string]string, 0, len(all))
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = cells[i]
		}
		table = append(table, row)
	}
	return table
}

func integer(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// On each day of 2017 a guest sees the weekly cut of the table, and nothing that ranks above it.
func TestWeeklyCutsAreOnInTheirWeeksOnly(t *testing.T) {
	c, snap := loadReference(t), snapshot()
	cuts := map[int64][]map[string]string{}
	for _, r := range rows(t, "promotions") {
		if r["price_rule_type"] == "weekly_cut" {
			id := integer(t, r["model_id"])
			cuts[id] = append(cuts[id], r)
		}
	}
	count := 0
	for i, r := range rows(t, "models") {
		if i%40 != 0 {
			continue
		}
		item, model := integer(t, r["item_id"]), integer(t, r["model_id"])
		for day := time.Date(2017, 1, 1, 0, 0, 0, 0, c.Zone()); day.Year() == 2017; day = day.AddDate(0, 0, 1) {
			date := day.Format(time.DateOnly)
			want := facts.NoPrice
			for _, cut := range cuts[model] {
				if cut["start"] <= date && date < cut["end"] {
					want = integer(t, cut["pre_tax_price"])
				}
			}
			for _, instant := range []int64{day.UnixNano(), day.AddDate(0, 0, 1).UnixNano() - 1} {
				got, flash := facts.NoPrice, false
				for _, p := range c.Prices(instant, snap).Models(item, model)[0].Promos {
					if p.Start <= instant && instant < p.End {
						switch p.Type {
						case weeklyType:
							got = p.PreTax
						case flashType:
							flash = true
						}
					}
				}
				if got != want {
					t.Fatalf("model %d on %s: the weekly cut is %d, want %d", model, date, got, want)
				}
				if flash && len(cuts[model]) > 0 {
					t.Fatalf("model %d has a flash sale and weekly cuts", model)
				}
				count++
			}
		}
	}
	if count < 300_000 {
		t.Errorf("only %d cases", count)
	}
}

func TestNothingForSomeUsersCostsMoreThanTheWeeklyCut(t *testing.T) {
	lowest := map[string]int64{}
	all := rows(t, "promotions")
	for _, r := range all {
		if price := integer(t, r["pre_tax_price"]); r["price_rule_type"] == "weekly_cut" && (lowest[r["model_id"]] == 0 || price < lowest[r["model_id"]]) {
			lowest[r["model_id"]] = price
		}
	}
	for _, r := range all {
		if cut := lowest[r["model_id"]]; r["price_rule_type"] != "weekly_cut" && cut != 0 && integer(t, r["pre_tax_price"]) > cut {
			t.Errorf("promotion %s costs more than a weekly cut of %d", r["promotion_id"], cut)
		}
	}
}

func TestReferenceCatalogIsWhole(t *testing.T) {
	c := loadReference(t)
	items, models, promotions, vouchers, users := c.Size()
	if items != 6061 || models != 20812 || promotions < 29767 || vouchers < 1090 || users < 2327 {
		t.Errorf("%d items, %d models, %d promotions, %d vouchers, %d users", items, models, promotions, vouchers, users)
	}
	if found := c.CheckExpressions(); len(found) != 0 {
		t.Errorf("findings %+v", found)
	}
	ids := map[int64]bool{}
	var kinds []string
	for _, r := range rows(t, "promotions") {
		id := integer(t, r["promotion_id"])
		if ids[id] || id >= 1<<53 {
			t.Errorf("promotion id %d stands twice or is no number in JavaScript", id)
		}
		ids[id] = true
		if kind := r["price_rule_type"]; !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	if want := []string{"exclusive_price", "flash_sale", "flexible_live_stream_price", "live_stream_price", "weekly_cut", "welcome_package"}; !slices.Equal(kinds, want) {
		t.Errorf("types %q", kinds)
	}
}

// On any day of a later year something of each kind is on, so that a demonstration shows it.
func TestEveryDayOfALaterYearHasOffers(t *testing.T) {
	c := loadReference(t)
	var items []int64
	for _, r := range rows(t, "items") {
		items = append(items, integer(t, r["item_id"]))
	}
	snap := snapshot()
	for day := time.Date(2028, 1, 1, 12, 0, 0, 0, c.Zone()); day.Year() == 2028; day = day.AddDate(0, 0, 1) {
		instant := day.UnixNano()
		on := map[int32]int{}
		prices := c.Prices(instant, snap)
		for _, id := range items {
			for _, m := range prices.Models(id, 0) {
				for i, p := range m.Promos {
					if day.Day() == 2 && slices.ContainsFunc(m.Promos[:i], func(o facts.Promo) bool { return o.ID == p.ID }) {
						t.Fatalf("model %d has promotion %d twice on %s", m.ID, p.ID, day)
					}
					if p.Start <= instant && instant < p.End {
						on[p.Type]++
					}
				}
			}
		}
		if on[weeklyType] < 80 || on[streamType] < 4 || on[exclusiveType] < 500 || on[flashType] < 4 {
			t.Errorf("on %s: %v", day, on)
		}
		vouchers := 0
		for _, v := range c.Vouchers(instant).Vouchers {
			if v.Start <= instant && instant < v.End && !v.HasUserCondition() {
				vouchers++
			}
		}
		if vouchers < 50 {
			t.Errorf("on %s guests have %d vouchers", day, vouchers)
		}
	}
}
