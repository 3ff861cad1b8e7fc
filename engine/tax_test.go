package engine_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"proscenium/engine"
	"proscenium/facts"
	"proscenium/fault"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// withTax is a promotion that has both prices.
func withTax(p facts.Promo, post int64) facts.Promo {
	p.PostTax = post
	return p
}

// postOnly is a promotion of which only the price after tax is known.
func postOnly(p facts.Promo) facts.Promo {
	p.PreTax, p.PostTax = facts.NoPrice, p.PreTax
	return p
}

// taxedAt answers every question for a rate with the same one.
func taxedAt(rate int64) func(*engine.Call, engine.PriceKey) facts.TaxRate {
	return func(*engine.Call, engine.PriceKey) facts.TaxRate { return facts.TaxRate{Known: true, Rate: rate} }
}

const (
	needTax       = "    tax: {need_tax_info: true}\n"
	postTax       = "    tax: {selection_mode: POST_TAX}\n"
	propagate     = "    downgrade: {propagate_error_when_final_price_related_dependency_fails: true}\n"
	noWeeklyCut   = "exclusion_rules:\n  - {id: 1, name: no_weekly_cut, excluded_price_rule_types: [weekly_cut]}\n"
	noOriginal    = "exclusion_rules:\n  - {id: 1, name: no_original, excluded_price_rule_types: [original_price]}\n"
	useNoWeekly   = "    product_promotion: {exclusion_rule: no_weekly_cut}\n"
	useNoOriginal = "    product_promotion: {exclusion_rule: no_original}\n"
)

func TestDerivedPricesAreRoundedAsTheRegionRounds(t *testing.T) {
	for _, tt := range []struct {
		rounding string
		post     int64
		want     int64 // post / 1.19
	}{
		{"HALF_UP", 1003, 843}, // 842.86
		{"DOWN", 1003, 842},
		{"UP", 1001, 842}, // 841.18
		{"HALF_UP", 1001, 841},
	} {
		w := newWorld(noon, model(10, postOnly(promo(1, weeklyCut, tt.post))))
		w.tax.answer = taxedAt(19_000)
		conf := replace(base, "default_tax_mode: PRE_TAX", "default_tax_mode: PRE_TAX, rounding: "+tt.rounding)
		if got := onlyModel(t, ask(t, w.engine(t, conf+scene("s", "", modelMain)), request("s", 1))).GetFinalPrice(); got != tt.want {
			t.Errorf("%d before tax, %s: %d, want %d", tt.post, tt.rounding, got, tt.want)
		}
	}
}

func TestAnUnknownRateFailsWhatMustNotBeInaccurate(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100)))
	_, err := w.engine(t, base+scene("s", postTax, modelMain+propagate)).Price(t.Context(), engine.Caller{}, request("s", 1))
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Unavailable || f.Reason != "DEPENDENCY_FAILED" || f.Metadata["command"] != "tax.rates" {
		t.Errorf("got %v, want DEPENDENCY_FAILED of tax.rates", err)
	}
}

func TestTaxRatesAreAtMostTenfold(t *testing.T) {
	for rate, want := range map[int64]bool{0: true, 10 * facts.RateOne: true, 10*facts.RateOne + 1: false, -1: false} {
		w := newWorld(noon, model(10, promo(0, original, 100)))
		w.tax.answer = taxedAt(rate)
		if resp := ask(t, w.engine(t, base+scene("s", postTax, modelMain)), request("s", 1)); resp.GetAccurate() != want {
			t.Errorf("rate %d: accurate %v, want %v", rate, resp.GetAccurate(), want)
		}
	}
}

func TestPricesThatNobodySeesNeedNoRate(t *testing.T) {
	for _, tt := range []struct {
		name, scenario, body, rules string
		promos                      []facts.Promo
	}{
		{"a dropped promotion", postTax, modelMain + useNoWeekly, noWeeklyCut, []facts.Promo{withTax(promo(0, original, 100), 110), promo(1, weeklyCut, 80)}},
		{"a dropped original price that the scene does not show", postTax, "    model_display: {need_model_main_promo: true}\n" + useNoOriginal, noOriginal, []facts.Promo{promo(0, original, 100), withTax(promo(1, weeklyCut, 80), 88)}},
		{"a promotion that is over", postTax, modelMain, "", []facts.Promo{withTax(promo(0, original, 100), 110), between(promo(1, weeklyCut, 80), noon.Add(-2), noon.Add(-1))}},
		{"the price after tax, in a scene without taxes", "", modelMain, "", []facts.Promo{promo(0, original, 100)}},
	} {
		w := newWorld(noon, model(10, tt.promos...))
		resp := ask(t, w.engine(t, base+tt.rules+scene("s", tt.scenario, tt.body)), request("s", 1))
		if w.tax.keys.Load() != 0 || !resp.GetAccurate() || len(resp.Degradations) != 0 {
			t.Errorf("%s: asked for %d rates, accurate %v, %v", tt.name, w.tax.keys.Load(), resp.GetAccurate(), resp.Degradations)
		}
	}
}

func TestModelsWithBothPricesNeedNoRate(t *testing.T) {
	for _, body := range []string{modelMain + needTax, modelMain + needTax + propagate} {
		w := newWorld(noon, model(10, withTax(promo(0, original, 100), 110)), model(11, promo(0, original, 200)))
		var asked []int64
		w.tax.answer = func(_ *engine.Call, k engine.PriceKey) facts.TaxRate {
			asked = append(asked, k.ModelID)
			return facts.TaxRate{Known: true, Rate: 20_000}
		}
		resp := ask(t, w.engine(t, base+scene("s", "", body)), request("s", 1))
		models := resp.Items[0].Models
		if models[0].Tax.GetTaxValue() != 10 || models[1].Tax.GetTaxValue() != 40 || !slices.Equal(asked, []int64{11}) {
			t.Errorf("taxes %v and %v, asked for the rates of %v", models[0].Tax, models[1].Tax, asked)
		}

		w = newWorld(noon, model(10, withTax(promo(0, original, 100), 110)))
		misbehave(w, "tax.rates", func(context.Context) error { return errDown })
		if resp := ask(t, w.engine(t, base+scene("s", "", body)), request("s", 1)); onlyModel(t, resp).Tax.GetTaxValue() != 10 || !resp.GetAccurate() || len(resp.Degradations) != 0 {
			t.Errorf("the tax office is closed, but nothing was to be asked: %v", resp)
		}
	}
}

func TestADroppedOriginalPriceIsShownInTheScenesTaxMode(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100), withTax(promo(1, weeklyCut, 80), 88)))
	w.tax.answer = taxedAt(10_000)
	resp := ask(t, w.engine(t, base+scene("s", postTax, modelMain+useNoOriginal)+noOriginal), request("s", 1))
	if m := onlyModel(t, resp); m.OriginalPromo.GetPrice() != 110 || m.GetPromoPrice() != 88 || !resp.GetAccurate() {
		t.Errorf("original price %d beside %d after tax, want 110 beside 88 (accurate %v)", m.OriginalPromo.GetPrice(), m.GetPromoPrice(), resp.GetAccurate())
	}
}

func TestDowngradedTaxShowsThePricesThatRecordsHave(t *testing.T) {
	for _, tt := range []struct {
		name, scenario, body string
		promo                facts.Promo
		price                int64
		listed               bool
	}{
		{"a scene with taxes", "", modelMain + needTax, promo(0, original, 100), 100, true},
		{"a price that was to be derived", postTax, modelMain, promo(0, original, 100), 100, true},
		{"both", postTax, modelMain + needTax, promo(0, original, 100), 100, true},
		{"the price wanted is there", postTax, modelMain, withTax(promo(0, original, 100), 110), 110, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(noon, model(10, tt.promo))
			w.tax.answer = taxedAt(10_000)
			resp := ask(t, w.engine(t, base+scene("s", tt.scenario, tt.body+propagate)+"downgrades:\n  - {feature: TAX}\n"), request("s", 1))
			if m := onlyModel(t, resp); w.tax.calls.Load() != 0 || m.GetFinalPrice() != tt.price || m.Tax != nil {
				t.Errorf("%v after %d calls, want %d after none", m, w.tax.calls.Load(), tt.price)
			}
			want := (&pricingv1.Degradation{Feature: "tax", Scope: "all", Cause: pricingv1.DegradationCause_DEGRADATION_CAUSE_OPERATOR}).String()
			if listed := len(resp.Degradations) == 1 && resp.Degradations[0].String() == want; listed != tt.listed || len(resp.Degradations) > 1 {
				t.Errorf("degradations %v; listed: want %v", resp.Degradations, tt.listed)
			}
		})
	}
}

func TestAmountsOfTheDataThatDoNotFitAreNotTheCallersFault(t *testing.T) {
	for _, tt := range []struct {
		name, scenario, body string
		promo                facts.Promo
		quantity             int64
		kind                 fault.Kind
	}{
		{"a price after tax", postTax, modelMain, promo(0, original, math.MaxInt64), 1, fault.FailedPrecondition},
		{"a price so often", "", modelMain, promo(0, original, math.MaxInt64/2), 3, fault.InvalidArgument},
		{"a tax so often", "", modelMain + needTax, withTax(promo(0, original, math.MaxInt64/8), math.MaxInt64/4*3), 4, fault.InvalidArgument},
	} {
		w := newWorld(noon, model(10, tt.promo))
		w.tax.answer = taxedAt(10_000)
		req := request("s", 1)
		req.Items[0].Models = []*pricingv1.RequestModel{{ModelId: 10, Quantity: &tt.quantity}}
		_, err := w.engine(t, base+scene("s", tt.scenario, tt.body)).Price(t.Context(), engine.Caller{}, req)
		var f *fault.Error
		if !errors.As(err, &f) || f.Reason != "AMOUNT_OVERFLOW" || f.Kind != tt.kind {
			t.Errorf("%s: got %#v, want AMOUNT_OVERFLOW of kind %d", tt.name, err, tt.kind)
		}
	}
}

func TestTaxesThatAreNotShownAreNotSummed(t *testing.T) {
	w := newWorld(noon, model(10, withTax(promo(0, original, 1), math.MaxInt64/2)))
	req, ten := request("s", 1), int64(10)
	req.Items[0].Models = []*pricingv1.RequestModel{{ModelId: 10, Quantity: &ten}}
	if resp := ask(t, w.engine(t, base+scene("s", "", modelMain)), req); resp.Totals.GetFinalPrice() != 10 || resp.Totals.Tax != nil {
		t.Errorf("got %v", resp.Totals)
	}
}

func TestATaxWhoseRateDoesNotFitHasNone(t *testing.T) {
	w := newWorld(noon, model(10, withTax(promo(0, original, 1), math.MaxInt64/2)))
	if tax := onlyModel(t, ask(t, w.engine(t, base+scene("s", "", modelMain+needTax)), request("s", 1))).Tax; tax.GetTaxValue() != math.MaxInt64/2-1 || tax.TaxRate != nil {
		t.Errorf("got %v", tax)
	}
}
