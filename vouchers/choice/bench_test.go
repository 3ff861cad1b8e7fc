package choice_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"proscenium/facts"
	"proscenium/vouchers/choice"
)

// marketplace draws vouchers as a marketplace has them: most are for few models or items, some for a shop, a category or a label, a few for everything.
func marketplace(n int) []facts.Voucher {
	random := rand.New(rand.NewPCG(1, 1))
	vouchers := make([]facts.Voucher, n)
	for i := range vouchers {
		v := &vouchers[i]
		*v = shop(int64(i+1), 50+random.Int64N(500), from(random.Int64N(20)*100), until(2000+random.Int64N(9)))
		if random.IntN(2) == 0 {
			v.Kind, v.Value, v.CapPerUnit = facts.DiscountPercent, 1000*(1+random.Int64N(30)), 1000
		}
		if random.IntN(4) == 0 {
			v.UserCondition = fmt.Sprintf("'campaign_%d' in user.segments", random.IntN(27))
		}
		switch k := random.IntN(100); {
		case k < 50:
			v.Layer = facts.Layer(random.IntN(2))
			for range 20 {
				v.Models = append(v.Models, random.Int64N(20_000))
			}
		case k < 70:
			v.ShopID = random.Int64N(300)
		case k < 85:
			v.ShopID = random.Int64N(300)
			v.Items = []int64{random.Int64N(6000), random.Int64N(6000)}
		case k < 98:
			v.Layer = facts.LayerPlatform
			v.Categories = []string{"category_" + strconv.Itoa(random.IntN(200))}
		default:
			v.Layer = facts.LayerPlatform
		}
	}
	return vouchers
}

// everywhere draws vouchers that all apply to everything: the worst that can happen to an index.
func everywhere(n int, terms func(random *rand.Rand, v *facts.Voucher)) []facts.Voucher {
	random := rand.New(rand.NewPCG(2, 2))
	vouchers := make([]facts.Voucher, n)
	for i := range vouchers {
		vouchers[i] = platform(int64(i+1), 1+random.Int64N(5000), from(random.Int64N(20_000)), until(2000+random.Int64N(9)))
		terms(random, &vouchers[i])
	}
	return vouchers
}

// mixed draws any kind of discount.
func mixed(random *rand.Rand, v *facts.Voucher) {
	switch random.IntN(3) {
	case 0:
		v.Kind, v.Value, v.CapPerUnit = facts.DiscountPercent, random.Int64N(100_000), 1+random.Int64N(5000)
	case 1:
		v.Kind, v.Value = facts.DiscountNewPrice, random.Int64N(20_000)
		v.CapPerUnit = 1 + random.Int64N(5000)
	}
}

// models are 10 items of 3 models each.
func models() (items []facts.Item, list []facts.Model, prices []int64) {
	random := rand.New(rand.NewPCG(3, 3))
	for i := range 10 {
		items = append(items, facts.Item{
			ID: random.Int64N(6000), ShopID: random.Int64N(300), Labels: []string{"fresh"},
			Categories: []string{"category_" + strconv.Itoa(random.IntN(200)), "category_" + strconv.Itoa(random.IntN(200))},
		})
		for range 3 {
			list = append(list, facts.Model{ID: random.Int64N(20_000), ItemID: items[i].ID, ShopID: items[i].ShopID})
			prices = append(prices, 200+random.Int64N(10_000))
		}
	}
	return items, list, prices
}

func benchmark(b *testing.B, vouchers []facts.Voucher, change func(*choice.Query)) {
	b.Helper()
	m := newMarket(b)
	index, problems := choice.NewIndex(vouchers)
	if len(problems) > 0 {
		b.Fatal(problems)
	}
	question := cheese(0)
	question.user = &facts.User{ID: 5, Segments: []string{"campaign_3", "campaign_8"}}
	query := question.query(m)
	query.NeedBest, query.NeedNext, query.NeedHighest, query.NeedBeside, query.Explain = false, false, false, false, false
	if change != nil {
		change(&query)
	}
	items, list, prices := models()
	chosen := 0
	index.Chooser(query).Close() // builds what configurations share
	b.ReportAllocs()
	for b.Loop() {
		c := index.Chooser(query)
		for i := range list {
			if answer := c.Choose(&items[i/3], &list[i], prices[i]); answer.Shop.Voucher != nil || answer.Platform.Voucher != nil {
				chosen++
			}
		}
		c.Close()
	}
	b.ReportMetric(float64(chosen)/float64(b.N), "chosen")
}

// BenchmarkChoose is a request of 30 models.
func BenchmarkChoose(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("marketplace/%d", n), func(b *testing.B) { benchmark(b, marketplace(n), nil) })
	}
	const many = 10_000
	for name, vouchers := range map[string][]facts.Voucher{
		"everywhere_mixed": everywhere(many, mixed),
		"everywhere_stairs": everywhere(many, func(_ *rand.Rand, v *facts.Voucher) {
			v.Value = v.MinSpend / 10
		}),
		"everywhere_equal": everywhere(many, func(_ *rand.Rand, v *facts.Voucher) {
			v.Value, v.MinSpend = 100, 100
		}),
		"everywhere_pairs": everywhere(many, func(random *rand.Rand, v *facts.Voucher) {
			mixed(random, v)
			v.Layer = facts.Layer(random.IntN(2))
		}),
		"everywhere_pairs_in_groups": everywhere(many, func(random *rand.Rand, v *facts.Voucher) {
			mixed(random, v)
			v.Layer = facts.Layer(random.IntN(2))
			v.Group = []string{"", "a", "b", "c"}[random.IntN(4)]
		}),
		"everywhere_for_few": everywhere(many, func(random *rand.Rand, v *facts.Voucher) {
			mixed(random, v)
			v.UserCondition = fmt.Sprintf("'campaign_%d' in user.segments", random.IntN(100))
		}),
	} {
		b.Run(fmt.Sprintf("%s/%d", name, many), func(b *testing.B) { benchmark(b, vouchers, nil) })
	}
	b.Run("marketplace_all_needs/10000", func(b *testing.B) {
		benchmark(b, marketplace(many), func(q *choice.Query) { q.NeedBest, q.NeedNext, q.NeedHighest, q.NeedBeside = true, true, true, true })
	})
	b.Run("everywhere_all_needs/10000", func(b *testing.B) {
		benchmark(b, everywhere(many, mixed), func(q *choice.Query) { q.NeedBest, q.NeedNext, q.NeedHighest, q.NeedBeside = true, true, true, true })
	})
	b.Run("marketplace_explained/1000", func(b *testing.B) {
		benchmark(b, marketplace(1000), func(q *choice.Query) { q.Explain = true })
	})
}

// BenchmarkIndex is what a new set of definitions costs before the first answer.
func BenchmarkIndex(b *testing.B) {
	m := newMarket(b)
	vouchers := marketplace(10_000)
	question := cheese(0)
	for b.Loop() {
		index, _ := choice.NewIndex(vouchers)
		index.Chooser(question.query(m)).Close()
	}
}
