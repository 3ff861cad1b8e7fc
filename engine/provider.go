package engine

import (
	"context"

	"proscenium/facts"
	"proscenium/scenes"
	"proscenium/traffic"
)

// Provider answers one command of the pipeline: out[i] is the answer for keys[i], and its zero value where nothing is known.
// len(out) == len(keys) > 0, and out is zeroed. Answers may share memory that nobody changes any more.
// Query honours ctx; it is called by many goroutines at once and must not keep keys or out after it returned.
// An error fails the whole query; its kind is told by [ErrMalformed] and the context's errors.
type Provider[K, V any] interface {
	Query(ctx context.Context, call *Call, keys []K, out []V) error
}

// FromMemory marks a provider that never waits: it is called inline, in one batch, without a timeout.
type FromMemory interface{ AnswersFromMemory() }

// Call is what all queries of one price request have in common. Providers read it and never keep it.
type Call struct {
	Request *facts.Request
	// Class is whose traffic the request is: a provider keeps the state of each apart.
	Class traffic.Class
	// Region is the configured region of the request.
	Region *scenes.Region
	Snap   *scenes.Snapshot
	// WithStock (price.query): records carry stock, not only the sold-out mark.
	WithStock bool
	// StockBreakdown, StockTimeslots and StockPurchased (stock.query) ask for more than the stock itself.
	StockBreakdown, StockTimeslots, StockPurchased bool
	// EnableOngoingLiveStreams (eligibility.live_stream) makes promotions of sessions that are on eligible for everybody.
	EnableOngoingLiveStreams bool
	// Vouchers (voucher.best_vouchers) says what to choose from.
	Vouchers VoucherScope
	// Explain asks for reasons.
	Explain bool
	// OnRuleError is told of rules that fail, see RuleFailed; nil: nobody is.
	OnRuleError func(rule string, err error)
}

// RuleFailed counts and traces a rule that failed to evaluate, whose place's safe answer the provider took. It may be called until Query returns.
func (c *Call) RuleFailed(rule string, err error) {
	if c.OnRuleError != nil {
		c.OnRuleError(rule, err)
	}
}

// VoucherScope is where vouchers come from and how much of the choice is wanted. A nil pool: no voucher of that kind.
type VoucherScope struct {
	ShopPool, PlatformPool          *scenes.VoucherPool
	Bypass                          *scenes.BypassRule
	NeedBest, NeedNext, NeedHighest bool
	NeedBeside                      bool
}

// PriceKey names a model, or with ModelID 0 every model of an item.
type PriceKey struct{ ItemID, ModelID int64 }

// PromoKey names a promotion of a model.
type PromoKey struct{ ItemID, ModelID, PromotionID int64 }

// EligibilityKey is a promotion to be checked for the user of the call.
type EligibilityKey struct {
	PromoKey
	Promo *facts.Promo
	Type  *facts.PriceRuleType
}

// RebateKey is a main promo and its price as the scene shows it.
type RebateKey struct {
	PromoKey
	Price int64
}

// VoucherKey is a model with the price of one unit that vouchers are taken off.
type VoucherKey struct {
	Item  *facts.Item
	Model *facts.Model
	Price int64
}

// DecorationKey is a promotion to dress up.
type DecorationKey struct {
	PromoKey
	Type   int32
	Teaser bool // announced, not on
}

// The provider of each command.
type (
	// PriceProvider answers price.query with the models of an item (all of them for a key without model), none if it is unknown.
	PriceProvider = Provider[PriceKey, []facts.Model]
	// StockProvider answers stock.query.
	StockProvider = Provider[PromoKey, facts.Stock]
	// EligibilityProvider answers one of the eligibility commands: may the user have the promotion?
	EligibilityProvider = Provider[EligibilityKey, bool]
	// ItemProvider answers listing.items, without labels.
	ItemProvider = Provider[int64, *facts.Item]
	// LabelProvider answers listing.labels.
	LabelProvider = Provider[int64, []string]
	// TaxProvider answers tax.rates; keys name models.
	TaxProvider = Provider[PriceKey, facts.TaxRate]
	// RebateProvider answers rebate.query with the rebate of the product promotion.
	RebateProvider = Provider[RebateKey, int64]
	// VoucherProvider answers voucher.best_vouchers.
	VoucherProvider = Provider[VoucherKey, facts.VoucherChoice]
	// GMVProvider answers gmv.query; keys name models.
	GMVProvider = Provider[PriceKey, int64]
	// DecorationProvider answers decoration.query.
	DecorationProvider = Provider[DecorationKey, facts.Decoration]
	// PackageProvider answers package.query; keys are item ids.
	PackageProvider = Provider[int64, []facts.Package]
)

// Providers holds the provider of each command. It is what a region's plans call.
type Providers struct {
	Price          PriceProvider
	Stock          StockProvider
	ExclusivePrice EligibilityProvider
	LiveStream     EligibilityProvider
	WelcomePackage EligibilityProvider
	Items          ItemProvider
	Labels         LabelProvider
	Tax            TaxProvider
	Rebate         RebateProvider
	Voucher        VoucherProvider
	GMV            GMVProvider
	Decoration     DecorationProvider
	Package        PackageProvider
}
