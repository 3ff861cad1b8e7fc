package engine

import (
	"time"

	"proscenium/engine/policy"
	"proscenium/engine/pricecache"
	"proscenium/traffic"
)

// Observer is told what happens, for metrics.
type Observer interface {
	// Traffic is the observer of one class of traffic. It is asked for when an engine is made.
	Traffic(traffic.Class) TrafficObserver
	Applied(version string, at time.Time)
}

// TrafficObserver is told of the requests of one class. Its methods are called on the request path by many goroutines: they do not block.
type TrafficObserver interface {
	// Scene resolves, when a configuration is applied, the handle for requests of a scene.
	Scene(SceneLabels) SceneObserver
	Stage(stage Stage, d time.Duration)
	Call(command Command, outcome Outcome, d time.Duration)
	Cache(cache CacheName, lookups CacheLookups)
	RuleError(rule string)
	// Refused is told of what a policy kept from happening, a request or a call, by its layer and name. In a dry run it happened nevertheless.
	Refused(layer policy.Layer, name string, dryRun bool)
	pricecache.Observer
}

// CacheLookups are how often the price records of a request were found in a cache.
type CacheLookups struct {
	// Hits were in memory. Stale are those that had ended and were served nevertheless. Misses were not there; others may have been loading them.
	Hits, Stale, Misses int
	// Of the misses that Redis was asked for, those that it had and had not.
	RedisHits, RedisMisses int
}

// SceneLabels are the bounded labels of a request's metrics.
type SceneLabels struct {
	Scene, Client, Scenario string
	NeedStock               bool
}

// SceneObserver is told of the requests of one scene.
type SceneObserver interface {
	// Priced is called once for each answer: the group is empty outside of experiments.
	Priced(group string, accurate bool, models int, d time.Duration)
	// Failed is called once for each request that ended in an error, with its reason.
	Failed(reason string, d time.Duration)
	// Degraded is called once for each degradation of an answer.
	Degraded(feature, cause string)
}

// Stage is a part of a plan.
type Stage uint8

// The stages, in the order in which a plan runs them. Rebate, vouchers, stock, gmv and packages wait for their dependencies together.
const (
	StageQuery Stage = iota
	StageFacts
	StageRules
	StageEligibility
	StageTax
	StageModelDisplay
	StageRebate
	StageVouchers
	StageStock
	StageFinalPrice
	StageItemDisplay
	StageDecoration
	StageResult
	stageCount
)

// StageNames are the names of the stages in plans, traces and metrics.
var StageNames = [stageCount]string{
	"price_stock_query", "item_facts", "rules", "eligibility", "tax_selection", "model_display",
	"rebate", "vouchers", "stock", "final_price", "item_display", "decoration", "result",
}

func (s Stage) String() string { return StageNames[s] }

// Command is one call to a dependency.
type Command uint8

// The commands.
const (
	PriceQuery Command = iota
	StockQuery
	CheckExclusivePrice
	CheckLiveStream
	CheckWelcomePackage
	ListingItems
	ListingLabels
	TaxRates
	RebateQuery
	BestVouchers
	GMVQuery
	DecorationQuery
	PackageQuery
	commandCount
)

// CommandNames are the names of the commands in configuration, errors, traces and metrics.
var CommandNames = [commandCount]string{
	"price.query", "stock.query", "eligibility.exclusive_price", "eligibility.live_stream", "eligibility.welcome_package",
	"listing.items", "listing.labels", "tax.rates", "rebate.query", "voucher.best_vouchers", "gmv.query", "decoration.query", "package.query",
}

func (c Command) String() string { return CommandNames[c] }

// Outcome is how a call ended.
type Outcome uint8

// The outcomes.
const (
	OK Outcome = iota
	Failed
	TimedOut
	Malformed
	Canceled
	outcomeCount
)

// OutcomeNames are the names of the outcomes in traces and metrics.
var OutcomeNames = [outcomeCount]string{"ok", "error", "timeout", "malformed", "canceled"}

func (o Outcome) String() string { return OutcomeNames[o] }

// CacheName is one of the caches of price records.
type CacheName = pricecache.Kind

// The caches.
const (
	PriceStockCache   = pricecache.PriceStock
	PriceSoldOutCache = pricecache.PriceSoldOut
	cacheCount        = pricecache.Kinds
)

// CacheNames are the names of the caches in metrics.
var CacheNames = pricecache.KindNames
