package assembly_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"proscenium/engine"
	"proscenium/facts"
	"proscenium/traffic"
)

// isolationConfig has every kind of policy, and twins for some of them only: SHORT and LONG are windows, HALF a number that is used up half-way.
const isolationConfig = `
regions:
  - {code: US, currency: USD, time_zone: America/New_York, default_tax_mode: PRE_TAX}
price_rule_types:
  - {id: 0, name: original_price, priority: 0, is_original_price: true}
voucher_pools:
  - {name: SHOP, when: "voucher.type == 'SHOP_VOUCHER'"}
  - {name: PLATFORM, when: "voucher.type == 'PLATFORM_VOUCHER'"}
clients:
  - {id: 1, name: shop, allowed_scenes: [cart, chat], allow_shadow: true, quota: of_client}
scenarios:
  - {id: 1, name: buyer, voucher: {shop_voucher_pool: SHOP, platform_voucher_pool: PLATFORM}}
scenes:
  - id: 1
    name: cart
    client: shop
    scenario: buyer
    limits: [of_user, of_path]
    rate_limiter: {resource: pricing, queue: of_cart}
    model_display: {need_model_main_promo: true}
    tax: {need_tax_info: true}
    voucher: {enabled: true, downgraded_shop_voucher_pool: SHOP}
  - id: 2
    name: chat
    client: shop
    scenario: buyer
    limits: [of_path]
    rate_limiter: {resource: pricing, queue: of_chat}
    model_display: {need_model_main_promo: true}
    voucher: {enabled: true, downgraded_shop_voucher_pool: SHOP}
dependencies:
  - {command: price.query, provider: {embedded: {name: market}}, timeout: 20ms}
  - {command: tax.rates, provider: {embedded: {name: market}}, timeout: 20ms, limits: [of_tax], max_concurrent: 6}
  - {command: voucher.best_vouchers, provider: {embedded: {name: market}}, timeout: 20ms, limits: [of_vouchers]}
caches:
  price_stock: {enabled: true, ttl: MEMORY, redis: {enabled: true, ttl: CACHED}}
  price_sold_out: {enabled: true, ttl: MEMORY, redis: {enabled: true, ttl: CACHED}}
breakers:
  tax.rates: {error_percent_threshold: 40, minimum_number_of_calls: 4, window: 3s, open: 300ms, half_open_calls: 2}
  shadow.tax.rates: {error_percent_threshold: 90, minimum_number_of_calls: 2, open: 100ms}
  price.query: {error_percent_threshold: 60, minimum_number_of_calls: 5, window: 2s, open: 200ms}
scene_breakers:
  tax.rates: {error_percent_threshold: 60, minimum_number_of_calls: 3, window: 1s, open: 200ms, half_open_calls: 1}
  voucher.best_vouchers: {error_percent_threshold: 50, timeout_percent_threshold: 50, timeout_threshold_seconds: 0.005, minimum_number_of_calls: 4, window: 1s, open: 300ms, half_open_calls: 2}
limits:
  of_client: {all: {window: LONG, limit: QUOTA, burst: QUOTA}}
  of_user:
    per_user: {window: SHORT, limit: HALF, soft_limit: 3, key: "string(user.id)"}
    per_day: {window: LONG, limit: 300, fixed: true, key: "string(user.id)"}
  shadow_of_user:
    per_user: {window: SHORT, limit: HALF, soft_limit: 3, key: "string(user.id)"}
  of_path:
    per_path: {window: SHORT, limit: FEW, key: "request.user_path"}
    flow: {window: LONG, limit: 120, burst: 40, key: "request.user_path"}
  of_tax:
    reserved: {window: SHORT, limit: 12, counting: RESERVED, chunk: 2}
  of_vouchers: {here: {window: 1s, limit: 60, burst: 20, precision: LOCAL}}
  of_all: {added_up: {window: LONG, limit: 400, counting: FLUSHED}}
  of_fleet: {shared: {window: 1s, limit: 100, burst: 30, precision: APPROXIMATE}}
hierarchy_limits:
  pricing:
    root_queue:
      max_limit: 40
      sub_queues:
        - {queue: of_cart, guaranteed_limit: 10, priority: 2, per_instance: {burst: 4}}
        - {queue: of_chat, guaranteed_limit: 5, priority: 1, per_instance: {burst: 4}}
inbound:
  limits: [of_all, of_fleet]
  load_shedding: {enabled: true, max_concurrent: 20, shadow_max_concurrent: 6}
`

// behaviour is how a dependency treats a call.
type behaviour int32

const (
	answering behaviour = iota
	failing
	slow    // beyond the threshold of breakers, within the timeout
	hanging // until the deadline
	panicking
	behaviours
)

var behaviourNames = [behaviours]string{"answering", "failing", "slow", "hanging", "panicking"}

var errIsolation = errors.New("it fails")

// isolationMarket is what both classes ask: each is told other prices, rates and vouchers, and treated as the test says. The prices of a class rise with each query,
// so that an answer shows from which query its prices are.
type isolationMarket struct {
	treat   [traffic.Count][engine.PackageQuery + 1]atomic.Int32 // behaviour, by command
	queries [traffic.Count]atomic.Int64
	wait    func(d time.Duration)
	over    chan struct{} // nil, or ends what hangs
}

// farApart is between the prices of live and of shadow traffic.
const farApart = 1_000_000

func (m *isolationMarket) set(class traffic.Class, command engine.Command, b behaviour) {
	m.treat[class][command].Store(int32(b))
}

// behave is how a call goes before it is answered.
func (m *isolationMarket) behave(ctx context.Context, class traffic.Class, command engine.Command) error {
	if traffic.From(ctx) != class {
		return fmt.Errorf("a call of %v traffic in a context of %v traffic", class, traffic.From(ctx))
	}
	switch behaviour(m.treat[class][command].Load()) {
	case failing:
		return errIsolation
	case slow:
		m.wait(10 * time.Millisecond)
	case hanging:
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-m.over:
			return errIsolation
		}
	case panicking:
		panic(errIsolation)
	case answering:
	}
	return nil
}

// asked is a provider of the market.
type asked[K, V any] struct {
	market  *isolationMarket
	command engine.Command
	answer  func(call *engine.Call, key K) V
}

func (a asked[K, V]) Query(ctx context.Context, call *engine.Call, keys []K, out []V) error {
	if err := a.market.behave(ctx, call.Class, a.command); err != nil {
		return err
	}
	for i, k := range keys {
		out[i] = a.answer(call, k)
	}
	return nil
}

func (m *isolationMarket) providers() engine.Providers {
	return engine.Providers{
		Price: asked[engine.PriceKey, []facts.Model]{m, engine.PriceQuery, func(call *engine.Call, key engine.PriceKey) []facts.Model {
			price := 1000 + m.queries[call.Class].Add(1) + farApart*int64(call.Class)
			return []facts.Model{{ID: 10 * key.ItemID, ItemID: key.ItemID, ShopID: 1, Promos: []facts.Promo{{
				PreTax: price, PostTax: facts.NoPrice, Start: facts.Always, End: facts.Never, Stock: 5,
			}}}}
		}},
		Tax: asked[engine.PriceKey, facts.TaxRate]{m, engine.TaxRates, func(call *engine.Call, _ engine.PriceKey) facts.TaxRate {
			return facts.TaxRate{Known: true, Rate: 1000 * (1 + int64(call.Class))}
		}},
		Voucher: asked[engine.VoucherKey, facts.VoucherChoice]{m, engine.BestVouchers, func(call *engine.Call, _ engine.VoucherKey) facts.VoucherChoice {
			use := func(id int64, layer facts.Layer, discount int64) facts.VoucherUse {
				v := &facts.Voucher{ID: id + 100*int64(call.Class), Layer: layer, Start: facts.Always, End: facts.Never}
				return facts.VoucherUse{Voucher: v, Discount: discount}
			}
			out := facts.VoucherChoice{Shop: use(1, facts.LayerShop, 10)}
			if call.Vouchers.PlatformPool != nil {
				out.Platform = use(2, facts.LayerPlatform, 5)
			}
			return out
		}},
	}
}
