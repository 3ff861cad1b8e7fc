package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"

	"proscenium/engine/policy"
	"proscenium/engine/policy/breaker"
	"proscenium/engine/policy/limit"
	"proscenium/facts"
	"proscenium/rules"
	"proscenium/traffic"
)

// state is all that one request works on. It is pooled: nothing in it may be kept after the request, and what leaves it is copied.
type state struct {
	ctx       context.Context
	class     traffic.Class
	program   *program
	plan      *plan
	market    *market
	scene     *sceneEntry
	group     string
	req       *pricingv1.GetPromotionInfoRequest
	trace     *tracer // nil unless asked for
	onFailure func(Failure)
	obs       TrafficObserver

	started time.Time
	lapped  time.Time
	at      int64 // the instant priced for
	atTime  bool  // the request named it
	replay  bool  // the caller set it: the clock's time is another

	// limits are the verdicts on the request, entry and held what it has of policies; holds says that the breaker of its vouchers was asked.
	limits []limit.Verdict
	entry  policy.Entry
	held   breaker.Permit
	holds  bool

	request facts.Request
	user    facts.User
	call    Call
	input   rules.Input

	// abandoned says that a provider may still read from this state: it is left to the garbage collector.
	abandoned atomic.Bool

	off        downgrades
	taxScope   string // of the downgrade of taxes, if there is one
	degraded   []degradation
	inaccurate bool
	// rebatesKnown says that the rebate provider answered.
	rebatesKnown bool

	items  []itemState
	models []modelState
	promos []promoState

	// Buffers of the queries, by what they hold.
	priceKeys       []PriceKey
	prices          [][]facts.Model
	itemIDs         []int64
	itemFacts       []*facts.Item
	itemLabels      [][]string
	haveItems       bool
	factsErr        error // of facts that the rules needed
	factsCommand    Command
	haveLabels      bool
	eligibilityKeys [3][]EligibilityKey
	eligibilityRefs [3][]*promoState
	verdicts        [3][]bool
	taxKeys         []PriceKey
	taxRefs         []int
	taxRates        []facts.TaxRate
	modelRefs       []int // models with a main promo
	rebateKeys      []RebateKey
	rebates         []int64
	voucherKeys     []VoucherKey
	choices         []facts.VoucherChoice
	stockKeys       []PromoKey
	stocks          []facts.Stock
	gmvKeys         []PriceKey
	gmvs            []int64
	packages        [][]facts.Package
	decorationKeys  []DecorationKey
	decorationRefs  []*facts.Decoration
	decorations     []facts.Decoration
}

// itemState is one item of the request.
type itemState struct {
	req   *pricingv1.RequestItem
	facts facts.Item
	found bool
	// models[from:to] of the state are the item's.
	from, to int

	main, teaser     *promoState
	mainModel        *modelState
	teaserModel      *modelState
	mainDecoration   facts.Decoration
	teaserDecoration facts.Decoration
	packages         []facts.Package
}

// modelState is one model of the answer.
type modelState struct {
	id       int64
	rec      *facts.Model // nil: not found
	item     int
	quantity int64
	// promos[from:to] of the state are the model's, those dropped included.
	from, to int

	main, teaser, original, soldOutLive *promoState

	tax              facts.TaxRate
	rebate           int64                // of the product promotion
	choice           *facts.VoucherChoice // nil: no voucher was chosen from
	stock            facts.Stock
	gmv              int64
	price            Price
	mainDecoration   facts.Decoration
	teaserDecoration facts.Decoration
}

// promoState is one price record of a model.
type promoState struct {
	rec      *facts.Promo
	typ      *facts.PriceRuleType
	price    int64 // as the scene shows it, once the tax selection has run
	pre      int64 // NoPrice where unknown
	post     int64
	upcoming bool
	dropped  bool
	// ineligible marks an upcoming promotion that the user may not have: only an item's teaser without strictness may announce it.
	ineligible bool
}

type degradation struct {
	feature, scope string
	cause          pricingv1.DegradationCause
}

var states = sync.Pool{New: func() any { return new(state) }}

// release gives back what the request has of policies, clears what refers to the request, keeps the buffers, and gives the state back.
func (st *state) release() {
	st.leave()
	if st.abandoned.Load() {
		return
	}
	clear(st.items)
	clear(st.models)
	clear(st.promos)
	clear(st.prices)
	clear(st.itemFacts)
	clear(st.itemLabels)
	for i := range st.eligibilityKeys {
		clear(st.eligibilityKeys[i])
		clear(st.eligibilityRefs[i])
	}
	clear(st.voucherKeys)
	clear(st.choices)
	clear(st.stocks)
	clear(st.packages)
	clear(st.degraded)
	*st = state{
		limits: st.limits[:0], degraded: st.degraded[:0], items: st.items[:0], models: st.models[:0], promos: st.promos[:0],
		priceKeys: st.priceKeys[:0], prices: st.prices[:0], itemIDs: st.itemIDs[:0], itemFacts: st.itemFacts[:0], itemLabels: st.itemLabels[:0],
		eligibilityKeys: emptied(st.eligibilityKeys), eligibilityRefs: emptied(st.eligibilityRefs), verdicts: emptied(st.verdicts),
		taxKeys: st.taxKeys[:0], taxRefs: st.taxRefs[:0], taxRates: st.taxRates[:0], modelRefs: st.modelRefs[:0],
		rebateKeys: st.rebateKeys[:0], rebates: st.rebates[:0], voucherKeys: st.voucherKeys[:0], choices: st.choices[:0],
		stockKeys: st.stockKeys[:0], stocks: st.stocks[:0], gmvKeys: st.gmvKeys[:0], gmvs: st.gmvs[:0], packages: st.packages[:0],
		decorationKeys: st.decorationKeys[:0], decorationRefs: st.decorationRefs[:0], decorations: st.decorations[:0],
	}
	states.Put(st)
}

func emptied[T any](a [3][]T) [3][]T {
	for i := range a {
		a[i] = a[i][:0]
	}
	return a
}

// sized returns a slice of n zero values that reuses buf's memory.
func sized[T any](buf []T, n int) []T {
	if cap(buf) < n {
		return make([]T, n)
	}
	buf = buf[:n]
	clear(buf)
	return buf
}

// lap tells the observer and the trace that a stage has ended.
func (st *state) lap(stage Stage) {
	now := time.Now()
	d := now.Sub(st.lapped)
	st.lapped = now
	if st.obs != nil {
		st.obs.Stage(stage, d)
	}
	if st.trace != nil {
		st.trace.stage(stage, d)
	}
}

func (st *state) observeCall(command Command, outcome Outcome, d time.Duration) {
	if st.obs != nil {
		st.obs.Call(command, outcome, d)
	}
}

// ruleError counts and traces a rule that failed to evaluate; its place's safe answer was taken.
func (st *state) ruleError(rule string, err error) {
	if st.obs != nil {
		st.obs.RuleError(rule)
	}
	if st.trace != nil {
		st.trace.ruleError(rule, err)
	}
}

// degrade notes that a feature is not what it should be; once for each feature, scope and cause.
func (st *state) degrade(feature, scope string, cause pricingv1.DegradationCause) {
	d := degradation{feature, scope, cause}
	for _, known := range st.degraded {
		if known == d {
			return
		}
	}
	st.degraded = append(st.degraded, d)
}

// promosOf is the price records of a model, those dropped included.
func (st *state) promosOf(m *modelState) []promoState { return st.promos[m.from:m.to] }

// modelsOf is the models of an item.
func (st *state) modelsOf(it *itemState) []modelState { return st.models[it.from:it.to] }

// downgrades is the set of features that are off for a request.
type downgrades uint16

func (d downgrades) has(f configv1.DowngradeFeature) bool { return d&(1<<f) != 0 }

func (d *downgrades) add(f configv1.DowngradeFeature) { *d |= 1 << f }
