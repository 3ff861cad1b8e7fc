package engine_test

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"strconv"
	"testing"

	"proscenium/engine"
	"proscenium/facts"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/vouchers/choice"
)

// basketLine is one line that somebody bought, in cents for the whole line: regular price, after the weekly cut, coupon, what the shop added to the
// coupon, paid. The lines are real: 55,000 of the year 2017, of the data set completejourney (CC0).
type basketLine struct{ regular, promo, coupon, match, paid int64 }

// TestReplayOfRetailBaskets prices every line as one unit: the coupon is a shop voucher, the matching part a platform voucher. What the engine
// asks for is what was paid, and nothing where the shop paid out.
func TestReplayOfRetailBaskets(t *testing.T) {
	lines := readBaskets(t)
	if len(lines) != 55_000 {
		t.Fatalf("%d lines, want 55,000", len(lines))
	}
	w := newWorld(noon)
	var batch []basketLine
	var index *choice.Index
	w.price.answer = func(_ *engine.Call, k engine.PriceKey) []facts.Model {
		line := batch[k.ItemID-1]
		return []facts.Model{{ID: k.ItemID, ItemID: k.ItemID, ShopID: 9, Promos: []facts.Promo{
			promo(0, original, line.regular), promo(1, weeklyCut, line.promo),
		}}}
	}
	w.voucher.answer = func(c *engine.Call, k engine.VoucherKey) facts.VoucherChoice {
		chooser := index.Chooser(choice.Query{
			Snap: c.Snap, Region: c.Region, Request: c.Request, ShopPool: c.Vouchers.ShopPool, PlatformPool: c.Vouchers.PlatformPool,
		})
		defer chooser.Close()
		return chooser.Choose(k.Item, k.Model, k.Price)
	}
	e := w.engine(t, base+scene("s", "    voucher: {shop_voucher_pool: SHOP, platform_voucher_pool: PLATFORM}\n", modelMain+"    voucher: {enabled: true}\n"))

	withCoupon := 0
	for from := 0; from < len(lines); from += 100 {
		batch = lines[from:min(from+100, len(lines))]
		var vouchers []facts.Voucher
		req := request("s")
		for i, line := range batch {
			id := int64(i + 1)
			req.Items = append(req.Items, &pricingv1.RequestItem{ItemId: id})
			coupon := facts.Voucher{Region: "US", Models: []int64{id}, Start: facts.Always, End: facts.Never}
			if line.coupon > 0 {
				coupon.ID, coupon.Layer, coupon.ShopID, coupon.Value = 2*id, facts.LayerShop, 9, line.coupon
				vouchers = append(vouchers, coupon)
				withCoupon++
			}
			if line.match > 0 {
				coupon.ID, coupon.Layer, coupon.ShopID, coupon.Value = 2*id+1, facts.LayerPlatform, 0, line.match
				vouchers = append(vouchers, coupon)
			}
		}
		var problems []choice.Problem
		if index, problems = choice.NewIndex(vouchers); len(problems) > 0 {
			t.Fatal(problems)
		}
		for i, it := range ask(t, e, req).Items {
			if got, want := it.Models[0].GetFinalPrice(), max(0, batch[i].paid); got != want {
				t.Errorf("line %d, %+v: final price %d, want %d", from+i+2, batch[i], got, want)
			}
		}
	}
	if withCoupon == 0 {
		t.Fatal("no line has a coupon: nothing was tried")
	}
	t.Logf("%d lines, %d with a coupon", len(lines), withCoupon)
}

func readBaskets(t *testing.T) []basketLine {
	t.Helper()
	file, err := os.Open("testdata/baskets.csv.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	rows := csv.NewReader(unzipped)
	header, err := rows.Read()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range header {
		column[name] = i
	}
	var lines []basketLine
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		cents := func(name string) int64 {
			v, err := strconv.ParseInt(row[column[name]], 10, 64)
			if err != nil {
				t.Fatalf("line %d: %s: %v", len(lines)+2, name, err)
			}
			return v
		}
		lines = append(lines, basketLine{cents("regular_cents"), cents("promo_cents"), cents("coupon_cents"), cents("coupon_match_cents"), cents("paid_cents")})
	}
}
