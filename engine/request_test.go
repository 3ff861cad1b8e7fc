package engine_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/engine"
	"proscenium/facts"
	"proscenium/fault"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

func TestRequestsThatCannotBeAnswered(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100)))
	e := w.engine(t, base+scene("s", "    eligibility: {login_mode: true}\n", modelMain))
	with := func(change func(*pricingv1.GetPromotionInfoRequest)) *pricingv1.GetPromotionInfoRequest {
		req := asUser(request("s", 1), 7)
		change(req)
		return req
	}
	for _, tt := range []struct {
		name          string
		client        string
		req           *pricingv1.GetPromotionInfoRequest
		kind          fault.Kind
		reason, field string
	}{
		{"an unknown scene by name", "", request("t", 1), fault.NotFound, "SCENE_NOT_FOUND", "scene_name"},
		{"an unknown scene by id", "", with(func(r *pricingv1.GetPromotionInfoRequest) {
			r.Scene = &pricingv1.GetPromotionInfoRequest_SceneId{SceneId: 5}
		}), fault.NotFound, "SCENE_NOT_FOUND", "scene_id"},
		{"another client's scene", "stranger", asUser(request("s", 1), 7), fault.PermissionDenied, "SCENE_NOT_ALLOWED", ""},
		{"a region that is not served", "", with(func(r *pricingv1.GetPromotionInfoRequest) { r.Region = "FR" }), fault.InvalidArgument, "REGION_NOT_SERVED", "region"},
		{"no user in login mode", "", request("s", 1), fault.InvalidArgument, "USER_REQUIRED", "user_id"},
		{"a time in a real-time scene", "", with(func(r *pricingv1.GetPromotionInfoRequest) { r.AtTime = timestamppb.New(noon) }), fault.InvalidArgument, "AT_TIME_NOT_ALLOWED", "at_time"},
		{"an item twice", "", asUser(request("s", 1, 2, 1), 7), fault.InvalidArgument, "DUPLICATE_ITEM", "items[2].item_id"},
		{"a model twice", "", with(func(r *pricingv1.GetPromotionInfoRequest) {
			r.Items[0].Models = []*pricingv1.RequestModel{{ModelId: 1}, {ModelId: 1}}
		}), fault.InvalidArgument, "DUPLICATE_MODEL", "items[0].models[1].model_id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := e.Price(t.Context(), engine.Caller{Client: tt.client}, tt.req)
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != tt.kind || f.Reason != tt.reason || f.Field != tt.field {
				t.Fatalf("got %#v, want %s at %q", err, tt.reason, tt.field)
			}
		})
	}
	if _, err := e.Price(t.Context(), engine.Caller{Client: "tester"}, asUser(request("s", 1), 7)); err != nil {
		t.Errorf("the scene's own client: %v", err)
	}
}

func TestBeforeTheFirstConfigurationNothingIsAnswered(t *testing.T) {
	e := engine.New(engine.Deps{Now: time.Now})
	if _, err := e.Price(t.Context(), engine.Caller{}, request("s", 1)); fault.Reason(err) != "NOT_READY" {
		t.Fatalf("got %v", err)
	}
	if e.Snapshot() != nil {
		t.Fatal("a snapshot from nowhere")
	}
}

func TestUnknownItemsAndModelsAreNotFoundAndTheOthersArePriced(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100)))
	e := w.engine(t, base+scene("s", "", modelMain))
	req := request("s", 1, 2)
	req.Items[0].Models = []*pricingv1.RequestModel{{ModelId: 404}, {ModelId: 10}}
	items := ask(t, e, req).Items
	if items[0].Status != pricingv1.Status_STATUS_OK || items[0].Models[0].Status != pricingv1.Status_STATUS_NOT_FOUND || items[0].Models[1].GetFinalPrice() != 100 {
		t.Errorf("got %v", items[0])
	}
	if items[1].Status != pricingv1.Status_STATUS_NOT_FOUND || len(items[1].Models) != 0 {
		t.Errorf("got %v", items[1])
	}
	t.Run("also in another shop", func(t *testing.T) {
		req := request("s", 1)
		req.Items[0].ShopId = 8
		if it := ask(t, e, req).Items[0]; it.Status != pricingv1.Status_STATUS_NOT_FOUND || len(it.Models) != 0 || it.ShopId != 8 {
			t.Errorf("got %v", it)
		}
		req.Items[0].ShopId = 9
		if it := ask(t, e, req).Items[0]; it.Status != pricingv1.Status_STATUS_OK {
			t.Errorf("got %v", it)
		}
	})
}

func TestAHundredItemsOfThirtyModels(t *testing.T) {
	var models []facts.Model
	req := request("s")
	for item := int64(1); item <= 100; item++ {
		req.Items = append(req.Items, &pricingv1.RequestItem{ItemId: item})
		for m := range int64(30) {
			models = append(models, facts.Model{ID: item*100 + m, ItemID: item, Promos: []facts.Promo{promo(0, original, item*100+m)}})
		}
	}
	resp := ask(t, newWorld(noon, models...).engine(t, base+scene("s", "", modelMain)), req)
	var sum int64
	for i, it := range resp.Items {
		if it.ItemId != int64(i+1) || len(it.Models) != 30 {
			t.Fatalf("item %d has %d models", it.ItemId, len(it.Models))
		}
		for _, m := range it.Models {
			if m.GetFinalPrice() != m.ModelId {
				t.Fatalf("model %d costs %d", m.ModelId, m.GetFinalPrice())
			}
			sum += m.GetFinalPrice()
		}
	}
	if resp.Totals.GetFinalPrice() != sum {
		t.Errorf("total %d, want %d", resp.Totals.GetFinalPrice(), sum)
	}
}

func TestAnyTimeScenesPriceAtTheTimeAsked(t *testing.T) {
	w := newWorld(noon, model(10, promo(0, original, 100), between(promo(1, flashSale, 50), noon.Add(time.Hour), noon.Add(2*time.Hour))))
	e := w.engine(t, base+scene("s", "    time_mode: ANY_TIME\n", modelMain))
	req := request("s", 1)
	if resp := ask(t, e, req); onlyModel(t, resp).GetFinalPrice() != 100 || !resp.PricedAt.AsTime().Equal(noon) {
		t.Errorf("without a time it is now: %v", resp)
	}
	at := noon.Add(time.Hour)
	req.AtTime = timestamppb.New(at)
	if resp := ask(t, e, req); onlyModel(t, resp).GetFinalPrice() != 50 || !resp.PricedAt.AsTime().Equal(at) {
		t.Errorf("got %v", resp)
	}
}

const experiment = `
experiments:
  - name: x
    salt: pepper
    scenes: [s]
    groups:
      - {name: with, share: 30000}
      - {name: without, share: 50000, features: {price_after_voucher: false}}
      - {name: cheapest, share: 20000, features: {scenario: cheapest}}
`

func TestExperimentsSplitUsersAlike(t *testing.T) {
	w := newWorld(noon, model(10, promo(1, weeklyCut, 50), promo(2, flashSale, 80)))
	v := &facts.Voucher{ID: 77, Start: facts.Always, End: facts.Never}
	w.voucher.answer = func(*engine.Call, engine.VoucherKey) facts.VoucherChoice {
		return facts.VoucherChoice{Shop: facts.VoucherUse{Voucher: v, Discount: 10}}
	}
	conf := base + replace(scene("s", "    voucher: {shop_voucher_pool: SHOP}\n", modelMain+"    voucher: {enabled: true}\n    ab_test: x\n"),
		"scenes:\n", "  - {id: 2, name: cheapest, voucher: {shop_voucher_pool: SHOP}, model_display: {main_promo_sorting: LOWEST_PRICE}}\nscenes:\n") + experiment
	price := map[string]int64{"with": 70, "without": 80, "cheapest": 40}
	e, restarted := w.engine(t, conf), w.engine(t, conf)
	count := map[string]int{}
	const users = 5000
	for user := int64(1); user <= users; user++ {
		resp := ask(t, e, asUser(request("s", 1), user))
		group := resp.Experiment.GetGroup()
		count[group]++
		if m := onlyModel(t, resp); m.GetFinalPrice() != price[group] || !resp.GetAccurate() || len(resp.Degradations) != 0 {
			t.Fatalf("user %d of group %q pays %d", user, group, m.GetFinalPrice())
		}
		if again := ask(t, restarted, asUser(request("s", 1), user)).Experiment.GetGroup(); again != group {
			t.Fatalf("user %d is in %s, and in %s after a restart", user, group, again)
		}
	}
	for group, share := range map[string]int{"with": 30, "without": 50, "cheapest": 20} {
		if got, want := count[group], users*share/100; got < want*9/10 || got > want*11/10 {
			t.Errorf("%s: %d users, want about %d", group, got, want)
		}
	}
	if resp := ask(t, e, request("s", 1)); resp.Experiment != nil || onlyModel(t, resp).GetFinalPrice() != 70 {
		t.Errorf("a guest is outside of the experiment: %v", resp)
	}
}

func TestExperimentsMaySplitByAnAttribute(t *testing.T) {
	w := newWorld(noon, model(10, promo(2, flashSale, 80)))
	conf := base + scene("s", "", modelMain+"    ab_test: x\n") + `
experiments:
  - {name: x, salt: p, unit: "request.device_type", scenes: [s], groups: [{name: a, share: 50000}, {name: b, share: 50000}]}
`
	e := w.engine(t, conf)
	seen := map[string]bool{}
	for i := range 50 {
		req := request("s", 1)
		req.Context = &pricingv1.RequestContext{DeviceType: "device" + strconv.Itoa(i)}
		first := ask(t, e, req).Experiment.GetGroup()
		req.UserId = new(int64)
		*req.UserId = int64(i + 1)
		if second := ask(t, e, req).Experiment.GetGroup(); second != first {
			t.Fatalf("device %d changed its group with the user", i)
		}
		seen[first] = true
	}
	req := asUser(request("s", 1), 1)
	req.Explain = true
	if resp := ask(t, e, req); resp.Trace.GetExperiment() != "x" || resp.Trace.GetGroup() != resp.Experiment.GetGroup() {
		t.Errorf("the trace tells another group: %v", resp)
	}
	if len(seen) != 2 || seen[""] {
		t.Errorf("groups %v", seen)
	}
}
