package embedded_test

import (
	"context"
	"os"
	"testing"
	"time"

	"proscenium/catalog"
	"proscenium/engine"
	"proscenium/facts"
	"proscenium/providers/embedded"
	"proscenium/scenes"
)

// thirty are ten items of the reference catalog, and what a query about three models of each is made of.
type thirty struct {
	providers engine.Providers
	call      *engine.Call
	items     []int64
	prices    []engine.PriceKey
	promos    []engine.PromoKey
}

func reference(tb testing.TB) *thirty {
	tb.Helper()
	cat, err := catalog.Load(os.DirFS("../../configs/catalog"))
	if err != nil {
		tb.Fatal(err)
	}
	q := &thirty{providers: embedded.Providers(cat)}
	snap := &scenes.Snapshot{Types: []*facts.PriceRuleType{nil, {ID: 1, Name: "original_price", Original: true}, {ID: 2, Name: "weekly_cut"}}}
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, cat.Zone()).UnixNano()
	q.call = &engine.Call{
		Request: &facts.Request{Region: "US", UserID: 1, At: at}, Region: &scenes.Region{Code: "US", Zone: cat.Zone()}, Snap: snap,
		StockBreakdown: true, StockTimeslots: true, StockPurchased: true,
	}
	cat.Warm(at, snap)
	for id := int64(1000); len(q.items) < 10; id++ {
		models := cat.Prices(at, snap).Models(id, 0)
		if len(models) < 3 {
			continue
		}
		q.items = append(q.items, id)
		for _, m := range models[:3] {
			q.prices = append(q.prices, engine.PriceKey{ItemID: id, ModelID: m.ID})
			q.promos = append(q.promos, engine.PromoKey{ItemID: id, ModelID: m.ID, PromotionID: m.Promos[len(m.Promos)-1].ID})
		}
	}
	return q
}

// ask queries every provider but those of eligibility about the thirty models.
func (q *thirty) ask(ctx context.Context, out *answers) error {
	return firstError(
		q.providers.Price.Query(ctx, q.call, q.prices, out.models[:]),
		q.providers.Stock.Query(ctx, q.call, q.promos, out.stocks[:]),
		q.providers.Items.Query(ctx, q.call, q.items, out.items[:]),
		q.providers.Labels.Query(ctx, q.call, q.items, out.labels[:]),
		q.providers.Tax.Query(ctx, q.call, q.prices, out.taxes[:]),
		q.providers.GMV.Query(ctx, q.call, q.prices, out.gmv[:]),
		q.providers.Package.Query(ctx, q.call, q.items, out.packages[:]),
	)
}

type answers struct {
	models   [30][]facts.Model
	stocks   [30]facts.Stock
	items    [10]*facts.Item
	labels   [10][]string
	taxes    [30]facts.TaxRate
	gmv      [30]int64
	packages [10][]facts.Package
}

func firstError(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestEveryProviderAnswersForTheReferenceCatalog(t *testing.T) {
	q, out := reference(t), &answers{}
	if err := q.ask(context.Background(), out); err != nil {
		t.Fatal(err)
	}
	for i, key := range q.prices {
		models := out.models[i]
		if len(models) != 1 || models[0].ID != key.ModelID || models[0].Promos[0].PreTax <= 0 {
			t.Errorf("models of %v: %+v", key, models)
		}
		if !out.stocks[i].Known || !out.taxes[i].Known {
			t.Errorf("stock and tax of %v: %+v, %+v", key, out.stocks[i], out.taxes[i])
		}
	}
	for i, id := range q.items {
		if it := out.items[i]; it == nil || it.ID != id || it.Name == "" || len(it.Categories) == 0 {
			t.Errorf("item %d: %+v", id, it)
		}
	}
}

func TestAllAnswerFromMemoryAndOnlyVouchersAreLeftOut(t *testing.T) {
	p := reference(t).providers
	for name, provider := range map[string]any{
		"price": p.Price, "stock": p.Stock, "exclusive price": p.ExclusivePrice, "live stream": p.LiveStream, "welcome package": p.WelcomePackage,
		"items": p.Items, "labels": p.Labels, "tax": p.Tax, "rebate": p.Rebate, "gmv": p.GMV, "decoration": p.Decoration, "package": p.Package,
	} {
		if _, ok := provider.(engine.FromMemory); !ok {
			t.Errorf("%s does not answer from memory", name)
		}
	}
	if p.Voucher != nil {
		t.Error("vouchers are the caller's")
	}
}

func TestAnswersDoNotAllocate(t *testing.T) {
	q, out := reference(t), &answers{}
	if n := testing.AllocsPerRun(100, func() { _ = q.ask(context.Background(), out) }); n != 0 {
		t.Errorf("%.0f allocations", n)
	}
}

func BenchmarkThirtyModels(b *testing.B) {
	q, out := reference(b), &answers{}
	b.ReportAllocs()
	for b.Loop() {
		if err := q.ask(context.Background(), out); err != nil {
			b.Fatal(err)
		}
	}
}
