package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"proscenium/engine"
	"proscenium/facts"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/scenes"
	"proscenium/traffic"
)

// answers is a provider that looks each key up; an absent function knows nothing.
type answers[K, V any] struct {
	answer func(*engine.Call, K) V
	// fault, if there is one, is asked first: an error, a pause, a panic, or other answers are its to make.
	fault func(ctx context.Context, keys []K, out []V) error
	calls atomic.Int64
	keys  atomic.Int64
}

func (a *answers[K, V]) Query(ctx context.Context, call *engine.Call, keys []K, out []V) error {
	a.calls.Add(1)
	a.keys.Add(int64(len(keys)))
	for i, k := range keys {
		if a.answer != nil {
			out[i] = a.answer(call, k)
		}
	}
	if a.fault != nil {
		return a.fault(ctx, keys, out)
	}
	return nil
}

// instant is the same provider answering from memory.
type instant[K, V any] struct{ *answers[K, V] }

func (instant[K, V]) AnswersFromMemory() {}

// world is all that the engine depends on, in the test's hands.
type world struct {
	now        time.Time
	fromMemory bool
	closed     bool // no provider can be opened

	price          *answers[engine.PriceKey, []facts.Model]
	stock          *answers[engine.PromoKey, facts.Stock]
	exclusivePrice *answers[engine.EligibilityKey, bool]
	liveStream     *answers[engine.EligibilityKey, bool]
	welcomePackage *answers[engine.EligibilityKey, bool]
	items          *answers[int64, *facts.Item]
	labels         *answers[int64, []string]
	tax            *answers[engine.PriceKey, facts.TaxRate]
	rebate         *answers[engine.RebateKey, int64]
	voucher        *answers[engine.VoucherKey, facts.VoucherChoice]
	gmv            *answers[engine.PriceKey, int64]
	decoration     *answers[engine.DecorationKey, facts.Decoration]
	packages       *answers[int64, []facts.Package]
}

// newWorld knows the models given, by item, and nothing else.
func newWorld(now time.Time, models ...facts.Model) *world {
	w := &world{
		now: now, fromMemory: true,
		stock: new(answers[engine.PromoKey, facts.Stock]), exclusivePrice: new(answers[engine.EligibilityKey, bool]),
		liveStream: new(answers[engine.EligibilityKey, bool]), welcomePackage: new(answers[engine.EligibilityKey, bool]),
		items: new(answers[int64, *facts.Item]), labels: new(answers[int64, []string]), tax: new(answers[engine.PriceKey, facts.TaxRate]),
		rebate: new(answers[engine.RebateKey, int64]), voucher: new(answers[engine.VoucherKey, facts.VoucherChoice]),
		gmv: new(answers[engine.PriceKey, int64]), decoration: new(answers[engine.DecorationKey, facts.Decoration]),
		packages: new(answers[int64, []facts.Package]),
	}
	w.price = &answers[engine.PriceKey, []facts.Model]{answer: func(_ *engine.Call, k engine.PriceKey) []facts.Model {
		var found []facts.Model
		for _, m := range models {
			if m.ItemID == k.ItemID && (k.ModelID == 0 || k.ModelID == m.ID) {
				found = append(found, m)
			}
		}
		return found
	}}
	return w
}

func provider[K, V any](w *world, a *answers[K, V]) engine.Provider[K, V] {
	if w.fromMemory {
		return instant[K, V]{a}
	}
	return a
}

func (w *world) providers(*scenes.Snapshot, *scenes.Region, traffic.Class) (*engine.Providers, error) {
	if w.closed {
		return nil, errDown
	}
	return &engine.Providers{
		Price: provider(w, w.price), Stock: provider(w, w.stock),
		ExclusivePrice: provider(w, w.exclusivePrice), LiveStream: provider(w, w.liveStream), WelcomePackage: provider(w, w.welcomePackage),
		Items: provider(w, w.items), Labels: provider(w, w.labels), Tax: provider(w, w.tax), Rebate: provider(w, w.rebate),
		Voucher: provider(w, w.voucher), GMV: provider(w, w.gmv), Decoration: provider(w, w.decoration), Package: provider(w, w.packages),
	}, nil
}

// engine starts an engine of the world under a configuration.
func (w *world) engine(t testing.TB, yaml string) *engine.Engine {
	t.Helper()
	e := engine.New(engine.Deps{Open: w.providers, Now: func() time.Time { return w.now }})
	if err := e.Apply(load(t, yaml)); err != nil {
		t.Fatal(err)
	}
	return e
}

// ask prices a request that must succeed.
func ask(t testing.TB, e *engine.Engine, req *pricingv1.GetPromotionInfoRequest) *pricingv1.GetPromotionInfoResponse {
	t.Helper()
	resp, err := e.Price(t.Context(), engine.Caller{}, req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// request asks a scene for whole items.
func request(scene string, items ...int64) *pricingv1.GetPromotionInfoRequest {
	req := &pricingv1.GetPromotionInfoRequest{Scene: &pricingv1.GetPromotionInfoRequest_SceneName{SceneName: scene}, Region: "US"}
	for _, id := range items {
		req.Items = append(req.Items, &pricingv1.RequestItem{ItemId: id})
	}
	return req
}

// asUser makes a request one of a user.
func asUser(req *pricingv1.GetPromotionInfoRequest, user int64) *pricingv1.GetPromotionInfoRequest {
	req.UserId = &user
	return req
}

// Price rule types of the test configuration.
const (
	original = int32(iota)
	flashSale
	weeklyCut
	exclusive
	live
	welcome
	flexibleLive
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// promo is an ongoing promotion without end.
func promo(id int64, typ int32, price int64) facts.Promo {
	return facts.Promo{ID: id, Type: typ, PreTax: price, PostTax: facts.NoPrice, Start: facts.Always, End: facts.Never, Stock: 100}
}

func between(p facts.Promo, start, end time.Time) facts.Promo {
	p.Start, p.End = start.UnixNano(), end.UnixNano()
	return p
}

func soldOut(p facts.Promo) facts.Promo {
	p.SoldOut, p.Stock = true, 0
	return p
}

// model is a model of item 1 and shop 9.
func model(id int64, promos ...facts.Promo) facts.Model {
	return facts.Model{ID: id, ItemID: 1, ShopID: 9, Promos: promos}
}

// onlyModel is the one model of an answer.
func onlyModel(t testing.TB, resp *pricingv1.GetPromotionInfoResponse) *pricingv1.Model {
	t.Helper()
	if len(resp.Items) != 1 || len(resp.Items[0].Models) != 1 {
		t.Fatalf("want one item with one model, got %v", resp.Items)
	}
	return resp.Items[0].Models[0]
}

// base is what all configurations of the tests start with. Rule types have ascending priorities: the original price has the lowest.
const base = `
regions:
  - {code: US, currency: USD, time_zone: America/New_York, default_tax_mode: PRE_TAX}
  - {code: DE, currency: EUR, time_zone: Europe/Berlin, default_tax_mode: POST_TAX}
price_rule_types:
  - {id: 0, name: original_price, priority: 0, is_original_price: true}
  - {id: 1, name: flash_sale, priority: 30}
  - {id: 2, name: weekly_cut, priority: 20}
  - {id: 3, name: exclusive_price, priority: 40, exclusivity: EXCLUSIVE_PRICE}
  - {id: 4, name: live_stream_price, priority: 50, exclusivity: LIVE_STREAM}
  - {id: 5, name: welcome_package, priority: 60, exclusivity: WELCOME_PACKAGE}
  - {id: 6, name: flexible_live_stream_price, priority: 55, exclusivity: LIVE_STREAM, flexible_live_stream: true}
voucher_pools:
  - {name: SHOP, when: "voucher.type == 'SHOP_VOUCHER'"}
  - {name: PLATFORM, when: "voucher.type == 'PLATFORM_VOUCHER'"}
`

// scene is a scenario and a scene of the same name, with the client that may use it; both bodies are YAML, indented by four.
func scene(name, scenarioBody, sceneBody string) string {
	return `
clients:
  - {id: 1, name: tester, allowed_scenes: [` + name + `]}
scenarios:
  - id: 1
    name: ` + name + `
` + scenarioBody + `
scenes:
  - id: 1
    name: ` + name + `
    client: tester
    scenario: ` + name + `
    allow_explain: true
` + sceneBody
}

const modelMain = `
    model_display: {need_model_main_promo: true, need_model_original_promo: true}
`

type (
	engineCall = engine.Call
	priceKey   = engine.PriceKey
)

type contextT = context.Context

var errDown = errors.New("down")

func replace(s, old, by string) string {
	if !strings.Contains(s, old) {
		panic("nothing to replace: " + old)
	}
	return strings.Replace(s, old, by, 1)
}

// load reads a configuration that must be without errors.
func load(t testing.TB, yaml string) *scenes.Snapshot {
	t.Helper()
	result := scenes.Load(fstest.MapFS{"bundle.yaml": {Data: []byte(yaml)}}, noon)
	if result.Snapshot == nil {
		t.Fatalf("%v\n%s", result.Diagnostics, yaml)
	}
	return result.Snapshot
}

func (w *world) clock() time.Time { return w.now }

func (w *world) open(p *engine.Providers) func(*scenes.Snapshot, *scenes.Region, traffic.Class) (*engine.Providers, error) {
	return func(*scenes.Snapshot, *scenes.Region, traffic.Class) (*engine.Providers, error) { return p, nil }
}
