package configs_test

import (
	"compress/gzip"
	"encoding/csv"
	"io/fs"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/assembly"
	"proscenium/configs"
	"proscenium/engine"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// marketplace is the reference marketplace as `proscenium serve` runs it, with a clock in the test's hands.
func marketplace(t *testing.T, now *time.Time) *engine.Engine {
	t.Helper()
	data, err := fs.Sub(configs.FS, configs.CatalogDir)
	if err != nil {
		t.Fatal(err)
	}
	system, err := assembly.Open(assembly.Options{Catalog: data, Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(system.Close)
	if err := system.Apply(load(t)); err != nil {
		t.Fatal(err)
	}
	return system.Engine
}

// cut is a weekly cut as the catalog's file has it.
type cut struct {
	start, end time.Time // [start, end) of local midnights
	price      int64
}

// readTable reads a compressed table of the reference catalog.
func readTable(t testing.TB, name string) []map[string]string {
	t.Helper()
	file, err := configs.FS.Open(configs.CatalogDir + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(unzipped).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var table []map[string]string
	for _, row := range rows[1:] {
		entry := make(map[string]string, len(row))
		for i, value := range row {
			entry[rows[0][i]] = value
		}
		table = append(table, entry)
	}
	return table
}

func number(t testing.TB, s string) int64 {
	t.Helper()
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestGuestsPayTheWeeklyCutOnItsDaysAndTheListPriceOutside asks scene 2 for models of the retail data on every day of 2017, at a random time of the
// day, and again for the same date of the present year, in real time: what the file says is the price to the cent.
func TestGuestsPayTheWeeklyCutOnItsDaysAndTheListPriceOutside(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	cuts := map[int64][]cut{}
	day := func(s string) time.Time {
		d, err := time.ParseInLocation(time.DateOnly, s, zone)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, row := range readTable(t, "promotions.csv.gz") {
		if row["price_rule_type"] == "weekly_cut" {
			id := number(t, row["model_id"])
			cuts[id] = append(cuts[id], cut{day(row["start"]), day(row["end"]), number(t, row["pre_tax_price"])})
		}
	}
	type listed struct{ item, model, price int64 }
	var models []listed
	for _, row := range readTable(t, "models.csv.gz") {
		models = append(models, listed{number(t, row["item_id"]), number(t, row["model_id"]), number(t, row["pre_tax_price"])})
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d models, %d with weekly cuts", seed, len(models), len(cuts))
	random := rand.New(rand.NewPCG(seed, 0))

	now := time.Date(2026, 11, 22, 15, 0, 0, 0, zone)
	e := marketplace(t, &now)
	onSale, onList := 0, 0
	for date := day("2017-01-01"); date.Year() == 2017; date = date.AddDate(0, 0, 1) {
		at := time.Date(2017, date.Month(), date.Day(), random.IntN(24), random.IntN(60), random.IntN(60), random.IntN(1e9), zone)
		req := &pricingv1.GetPromotionInfoRequest{Scene: &pricingv1.GetPromotionInfoRequest_SceneId{SceneId: 2}, Region: "US"}
		chosen := map[int64]listed{}
		for len(chosen) < 60 {
			m := models[random.IntN(len(models))]
			if _, twice := chosen[m.item]; !twice {
				chosen[m.item] = m
				req.Items = append(req.Items, &pricingv1.RequestItem{ItemId: m.item, Models: []*pricingv1.RequestModel{{ModelId: m.model}}})
			}
		}
		check := func(when string, instants ...time.Time) {
			resp, err := e.Price(t.Context(), engine.Caller{}, req)
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range resp.Items {
				m := chosen[it.ItemId]
				want, kind := m.price, "original_price"
				for _, c := range cuts[m.model] {
					for _, instant := range instants {
						if !instant.Before(c.start) && instant.Before(c.end) {
							want, kind = c.price, "weekly_cut"
						}
					}
				}
				if kind == "weekly_cut" {
					onSale++
				} else {
					onList++
				}
				main := it.Models[0].MainPromo
				if main.GetPrice() != want || main.GetPriceRuleType() != kind {
					t.Errorf("model %d on %v (%s): %s at %d, want %s at %d", m.model, at, when, main.GetPriceRuleType(), main.GetPrice(), kind, want)
				}
			}
		}
		req.AtTime = timestamppb.New(at)
		check("as it was", at)
		req.AtTime, now = nil, time.Date(2026, at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), zone)
		// A week that began in the December before goes on in January, every year but the first.
		check("in the present year", at, at.AddDate(1, 0, 0))
		if t.Failed() {
			return
		}
	}
	if onSale < 100 || onList < 100 {
		t.Errorf("%d prices of weekly cuts and %d list prices: too few to tell", onSale, onList)
	}
}
