package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"proscenium/engine"
	"proscenium/facts"
	"proscenium/fault"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

func TestTheTraceTellsWhy(t *testing.T) {
	w := newWorld(noon, model(10,
		promo(0, original, 100), promo(1, weeklyCut, 80), promo(2, exclusive, 50), soldOut(promo(3, flashSale, 10)),
		between(promo(4, flashSale, 20), noon.Add(-2*time.Hour), noon), between(promo(5, flashSale, 30), noon.Add(time.Hour), noon.Add(2*time.Hour)),
		promo(6, welcome, 5), promo(7, 99, 1)))
	w.tax.fault = func(contextT, []engine.PriceKey, []facts.TaxRate) error { return errors.New("tax office closed") }
	w.voucher.answer = func(c *engine.Call, _ engine.VoucherKey) facts.VoucherChoice {
		if !c.Explain {
			t.Error("the provider was not asked for reasons")
		}
		v := &facts.Voucher{ID: 77, Start: facts.Always, End: facts.Never}
		return facts.VoucherChoice{Shop: facts.VoucherUse{Voucher: v, Discount: 7}, Considered: []facts.VoucherVerdict{
			{VoucherID: 77, Applied: true, Discount: 7}, {VoucherID: 78, Reason: "MIN_SPEND", Missing: 20},
		}}
	}
	conf := base + "exclusion_rules: [{id: 1, name: no_welcome, excluded_price_rule_types: [welcome_package]}]\n" +
		"downgrades: [{feature: REBATE, reason: night}]\n" +
		scene("s", "    eligibility: {login_mode: true}\n    voucher: {shop_voucher_pool: SHOP}\n", modelMain+`
    product_promotion: {exclusion_rule: no_welcome}
    voucher: {enabled: true}
    tax: {need_tax_info: true}
    rebate: {need_rebate_info: true}
`)
	req := asUser(request("s", 1), 7)
	req.Explain = true
	resp := ask(t, w.engine(t, conf), req)
	tr := resp.Trace
	if tr.GetScene() != "s" || tr.Scenario != "s" || tr.ConfigVersion != resp.ConfigVersion {
		t.Errorf("got %v", tr)
	}
	want := map[int64]string{
		0: "kept model_display LOST_TO 1 original", 1: "kept   main", 2: "dropped eligibility NOT_ELIGIBLE", 3: "kept model_display SOLD_OUT",
		4: "dropped grouping ENDED", 5: "dropped grouping UPCOMING", 6: "dropped exclusion no_welcome", 7: "dropped grouping UNKNOWN_TYPE",
	}
	got := map[int64]string{}
	for _, p := range tr.Promos {
		kept := "dropped"
		if p.Kept {
			kept = "kept"
		}
		got[p.PromotionId] = strings.TrimRight(strings.Join([]string{kept, p.Stage, p.Reason, strings.Join(p.Roles, ",")}, " "), " ")
	}
	for id, w := range want {
		if got[id] != w {
			t.Errorf("promotion %d: %q, want %q", id, got[id], w)
		}
	}
	if plan := strings.Join(tr.Plan, " "); plan != "price_stock_query rules eligibility tax_selection model_display rebate vouchers final_price result" {
		t.Errorf("plan %q", plan)
	}
	var stages []string
	for _, s := range tr.Stages {
		stages = append(stages, s.Name)
		if s.Duration.AsDuration() < 0 {
			t.Errorf("stage %s took %v", s.Name, s.Duration)
		}
	}
	if slices.Contains(stages, "rebate") || !slices.Contains(stages, "vouchers") {
		t.Errorf("stages %v; the rebate is downgraded", stages)
	}
	calls := map[string]string{}
	for _, c := range tr.Calls {
		calls[c.Command] = c.Outcome + " " + c.Error
	}
	if calls["tax.rates"] != "error tax office closed" || calls["price.query"] != "ok " || calls["voucher.best_vouchers"] != "ok " {
		t.Errorf("calls %v", calls)
	}
	if len(tr.Downgrades) != 1 || tr.Downgrades[0].Feature != "rebate" || tr.Downgrades[0].Cause != "operator" {
		t.Errorf("downgrades %v", tr.Downgrades)
	}
	if len(tr.Vouchers) != 2 || tr.Vouchers[1].Reason != "MIN_SPEND" || tr.Vouchers[1].Missing != 20 || tr.Vouchers[1].ModelId != 10 {
		t.Errorf("vouchers %v", tr.Vouchers)
	}
	if len(tr.Prices) != 1 || tr.Prices[0].Formula != "max(0, 80 - 7 - 0) = 73" {
		t.Errorf("prices %v", tr.Prices)
	}
}

func TestExplainNeedsTheScenesPermission(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100)))
	e := w.engine(t, base+replace(scene("s", "", modelMain), "allow_explain: true", "allow_explain: false"))
	req := request("s", 1)
	if resp := ask(t, e, req); resp.Trace != nil {
		t.Error("a trace nobody asked for")
	}
	req.Explain = true
	if _, err := e.Price(t.Context(), engine.Caller{}, req); fault.Reason(err) != "EXPLAIN_NOT_ALLOWED" {
		t.Errorf("got %v", err)
	}
}

func TestExplainingChangesNothing(t *testing.T) {
	e := fullWorld().engine(t, base+scene("s", fullScenario, full))
	plain := ask(t, e, asUser(request("s", 1), 7))
	req := asUser(request("s", 1), 7)
	req.Explain = true
	explained := ask(t, e, req)
	explained.Trace = nil
	if !equal(plain, explained) {
		t.Errorf("plain     %v\nexplained %v", plain, explained)
	}
}

func equal(a, b *pricingv1.GetPromotionInfoResponse) bool { return a.String() == b.String() }

func TestATraceExplainsTheVouchersOfFiftyModels(t *testing.T) {
	for count, truncated := range map[int64]bool{50: false, 51: true, 120: true} {
		var models []facts.Model
		for id := range count {
			models = append(models, model(id+1, promo(0, original, 100)))
		}
		w := newWorld(noon, models...)
		v := &facts.Voucher{ID: 77, Start: facts.Always, End: facts.Never}
		w.voucher.answer = func(c *engine.Call, k engine.VoucherKey) facts.VoucherChoice {
			if c.Explain != (k.Model.ID <= 50) {
				t.Errorf("model %d: explained %v", k.Model.ID, c.Explain)
			}
			choice := facts.VoucherChoice{Shop: facts.VoucherUse{Voucher: v, Discount: 10}}
			if c.Explain {
				choice.Considered = []facts.VoucherVerdict{{VoucherID: 77, Applied: true, Discount: 10}}
			}
			return choice
		}
		req := request("s", 1)
		req.Explain = true
		resp := ask(t, w.engine(t, base+scene("s", "    voucher: {shop_voucher_pool: SHOP}\n", modelMain+"    voucher: {enabled: true}\n")), req)
		if resp.Trace.Truncated != truncated || len(resp.Trace.Vouchers) != 50 || resp.Trace.Vouchers[49].ModelId != 50 {
			t.Errorf("%d models: %d explained, truncated %v", count, len(resp.Trace.Vouchers), resp.Trace.Truncated)
		}
		if resp.Totals.GetFinalPrice() != 90*count {
			t.Errorf("%d models: total %d; all have their voucher", count, resp.Totals.GetFinalPrice())
		}
	}
}

func TestWhoHasTheFilesGetsTheTraceOfEveryScene(t *testing.T) {
	e := newWorld(noon, model(10, promo(0, original, 100))).engine(t,
		base+replace(scene("s", "", modelMain), "allow_explain: true", "allow_explain: false"))
	resp, err := e.Price(t.Context(), engine.Caller{Trace: true}, request("s", 1))
	if err != nil || resp.Trace.GetScene() != "s" {
		t.Errorf("got %v, %v", resp, err)
	}
	req := request("s", 1)
	req.Explain = true // the caller's own wish is refused as ever
	if _, err := e.Price(t.Context(), engine.Caller{Trace: true}, req); fault.Reason(err) != "EXPLAIN_NOT_ALLOWED" {
		t.Errorf("got %v", err)
	}
}
