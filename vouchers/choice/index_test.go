package choice_test

import (
	"reflect"
	"strings"
	"sync"
	"testing"

	"proscenium/facts"
	"proscenium/rules"
	"proscenium/scenes"
	"proscenium/vouchers/choice"
)

func TestFaultyDefinitionsAreReportedAndNeverChosen(t *testing.T) {
	for _, c := range []struct {
		name          string
		change        term
		field, reason string
	}{
		{"an unknown name", applies("nobody.knows == 1"), "applies_when", "RULE_ERROR"},
		{"a condition that is no bool", condition("1 + 1"), "user_condition", "RULE_ERROR"},
		{"a negative amount", func(v *facts.Voucher) { v.Value = -1 }, "value", "INVALID_DEFINITION"},
		{"more than all", func(v *facts.Voucher) { v.Kind, v.Value = facts.DiscountPercent, 100_001 }, "value", "INVALID_DEFINITION"},
		{"a negative cap", func(v *facts.Voucher) { v.CapPerUnit = -1 }, "cap_per_unit", "INVALID_DEFINITION"},
		{"a negative minimum spend", func(v *facts.Voucher) { v.MinSpend = -1 }, "min_spend", "INVALID_DEFINITION"},
		{"a rebate above the discount", func(v *facts.Voucher) { v.RebateShare = 100_001 }, "rebate_share", "INVALID_DEFINITION"},
		{"a reward type that there is not", func(v *facts.Voucher) { v.RewardType = 15 }, "reward_type", "INVALID_DEFINITION"},
		{"a negative reward type", func(v *facts.Voucher) { v.RewardType = -1 }, "reward_type", "INVALID_DEFINITION"},
		{"a kind that there is not", func(v *facts.Voucher) { v.Kind = 3 }, "kind", "INVALID_DEFINITION"},
		{"a layer that there is not", func(v *facts.Voucher) { v.Layer = 2 }, "layer", "INVALID_DEFINITION"},
		{"an empty window", func(v *facts.Voucher) { v.Start, v.End = 2000, 2000 }, "end", "INVALID_DEFINITION"},
	} {
		t.Run(c.name, func(t *testing.T) {
			index, problems := choice.NewIndex([]facts.Voucher{shop(1, 100), shop(2, 900, c.change)})
			if len(problems) != 1 || problems[0].VoucherID != 2 || problems[0].Field != c.field || problems[0].Message == "" {
				t.Fatalf("problems are %v, want one of voucher 2 in %s", problems, c.field)
			}
			if text := problems[0].String(); !strings.Contains(text, "voucher 2: "+c.field+": ") {
				t.Errorf("the problem reads %q, without voucher and field", text)
			}
			question := cheese(1000)
			got := question.in(newMarket(t), index)
			if verdict := verdictOn(t, got, 2); id(got.Shop) != 1 || verdict.Reason != c.reason {
				t.Errorf("chose %d, and voucher 2 has the reason %q, want 1 and %s", id(got.Shop), verdict.Reason, c.reason)
			}
		})
	}
}

func TestOfTwoVouchersWithOneIDTheFirstStays(t *testing.T) {
	index, problems := choice.NewIndex([]facts.Voucher{shop(1, 100), shop(1, 900)})
	if len(problems) != 1 || problems[0].Field != "voucher_id" {
		t.Fatalf("problems are %v, want one about voucher_id", problems)
	}
	question := cheese(1000)
	if got := question.in(newMarket(t), index); got.Shop.Discount != 100 {
		t.Errorf("the discount is %d, want that of the first, 100", got.Shop.Discount)
	}
}

func TestAPoolThatCannotJudgeAVoucherLeavesItOut(t *testing.T) {
	m := newMarket(t)
	index, _ := choice.NewIndex([]facts.Voucher{shop(1, 100, categories("cheese")), shop(2, 50, categories("toys", "cheese"))})
	question := cheese(1000)
	query := question.query(m)
	query.ShopPool = &scenes.VoucherPool{Name: "ODD", When: rule(t, rules.VoucherPool, "1 / (voucher.id - 1) >= 0")}
	c := index.Chooser(query)
	defer c.Close()
	if got := c.Choose(&question.item, &question.model, 1000); id(got.Shop) != 2 {
		t.Errorf("chose %d, want 2", id(got.Shop))
	}
}

// TestConfigurationsComeAndGo asks under many configurations, more than are kept, from many goroutines at once: each sees its own pools.
func TestConfigurationsComeAndGo(t *testing.T) {
	index, _ := choice.NewIndex([]facts.Voucher{shop(1, 100), shop(2, 200, func(v *facts.Voucher) { v.Hidden = true }), platform(3, 10)})
	var work sync.WaitGroup
	for i := range 8 {
		m := newMarket(t)
		want := int64(1)
		if i%2 == 0 {
			m.visible, want = m.all, 2
		}
		question := cheese(1000)
		for range 4 {
			work.Go(func() {
				for range 50 {
					question := question
					if got := question.in(m, index); id(got.Shop) != want || id(got.Platform) != 3 {
						t.Errorf("chose %d and %d, want %d and 3", id(got.Shop), id(got.Platform), want)
						return
					}
				}
			})
		}
	}
	work.Wait()
}

func TestAWarmIndexAnswersTheSame(t *testing.T) {
	m := newMarket(t)
	m.snap.Scenes = []*scenes.Scene{
		{Scenario: &scenes.Scenario{ShopPool: m.visible, PlatformPool: m.all}, DowngradedShopPool: m.all},
		{},
	}
	vouchers := []facts.Voucher{shop(1, 100), shop(2, 200, func(v *facts.Voucher) { v.Hidden = true })}
	cold, _ := choice.NewIndex(vouchers)
	warm, _ := choice.NewIndex(vouchers)
	warm.Warm(m.snap)
	question := cheese(1000)
	if want, got := question.in(m, cold), question.in(m, warm); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAnUnknownItemHasNeitherCategoriesNorLabels(t *testing.T) {
	m := newMarket(t)
	index, _ := choice.NewIndex([]facts.Voucher{shop(1, 100, categories("cheese")), shop(2, 50, func(v *facts.Voucher) { v.Items = []int64{10} })})
	question := cheese(1000)
	c := index.Chooser(question.query(m))
	defer c.Close()
	for range 2 {
		if got := c.Choose(nil, &question.model, 1000); id(got.Shop) != 2 {
			t.Errorf("chose %d, want 2", id(got.Shop))
		}
	}
}

func TestChoosingDoesNotAllocate(t *testing.T) {
	m := newMarket(t)
	index, _ := choice.NewIndex(marketplace(1000))
	question := cheese(0)
	query := question.query(m)
	query.NeedBeside, query.Explain = false, false
	items, list, prices := models()
	c := index.Chooser(query)
	defer c.Close()
	got := testing.AllocsPerRun(20, func() {
		for i := range list {
			c.Choose(&items[i/3], &list[i], prices[i])
		}
	})
	if got != 0 {
		t.Errorf("%v allocations for %d models, want none", got, len(list))
	}
}
