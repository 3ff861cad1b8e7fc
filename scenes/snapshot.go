// Package scenes turns configuration files into an immutable Snapshot: parse -> link -> check -> compile. Each stage takes values and returns
// a value and diagnostics; every command and the server use the same ones.
package scenes

import (
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/facts"
	"proscenium/rules"
	"proscenium/traffic"
)

// Snapshot is one whole configuration, linked and compiled. It never changes; a request loads it once and uses it to its end.
type Snapshot struct {
	// Version is a hash of the content: equal configurations have equal versions, wherever they were loaded.
	Version  string
	LoadedAt time.Time
	// Sources are the files, relative to the directory, in the order read.
	Sources []string
	// Bundle is the configuration as written.
	Bundle *configv1.Bundle

	Regions map[string]*Region
	// Types is indexed by the id of the price rule type; nil where there is none.
	Types        []*facts.PriceRuleType
	OriginalType *facts.PriceRuleType
	Clients      map[string]*Client
	// Scenes in the order of their ids.
	Scenes       []*Scene
	ScenesByID   map[int64]*Scene
	ScenesByName map[string]*Scene
	VoucherPools map[string]*VoucherPool
	BypassRules  map[string]*BypassRule
	// Dependencies by command; a command without one is answered by its embedded provider.
	Dependencies map[string]*configv1.Dependency
	// DependencyLimits and DependencyQueues are what those of Dependencies name, by command.
	DependencyLimits map[string][]*Limit
	DependencyQueues map[string]*QueueRef
	Downgrades       []*Downgrade
	Experiments      map[string]*Experiment
	Caches           *configv1.Caches // never nil
	// EligibilityRules by command.
	EligibilityRules map[string]*rules.Rule
	Policies         *Policies // never nil
	// ReducesPrice is indexed by reward type.
	ReducesPrice [15]bool
}

// Type is the price rule type of that id, or nil.
func (s *Snapshot) Type(id int32) *facts.PriceRuleType {
	if id < 0 || int(id) >= len(s.Types) {
		return nil
	}
	return s.Types[id]
}

// Region is a market.
type Region struct {
	Code     string
	Currency string
	Zone     *time.Location
	Rounding configv1.Rounding // never UNSPECIFIED
	TaxMode  configv1.TaxMode  // PRE_TAX or POST_TAX
}

// Client is who may call.
type Client struct {
	ID            int64
	Name          string
	CredentialIDs []string
	Allowed       map[*Scene]bool
	Quota         *Limit // nil: none
	AllowShadow   bool
	Priority      configv1.Priority // never UNSPECIFIED
}

// Scenario is the style of a scene. The enums of Spec are never UNSPECIFIED, and its messages never nil: defaults are filled in.
type Scenario struct {
	ID                     int64
	Name                   string
	Spec                   *configv1.Scenario
	ShopPool, PlatformPool *VoucherPool // nil: none
}

// Scene is a scope. The messages of Spec are never nil.
type Scene struct {
	ID       int64
	Name     string
	Spec     *configv1.Scene
	Client   *Client
	Scenario *Scenario
	TimeMode configv1.TimeMode // the scene's or the scenario's, never UNSPECIFIED

	Exclusion, Inclusion, ItemTeaserInclusion  *PromoRule // nil: none
	Bypass                                     *BypassRule
	DowngradedShopPool, DowngradedPlatformPool *VoucherPool
	Experiment                                 *Experiment

	Limits []*Limit
	// Breakers are those of the scene alone, by class and command: its own, or those that every scene has.
	Breakers [traffic.Count]map[string]BreakerRule
	Queue    *QueueRef         // nil: none
	Priority configv1.Priority // UNSPECIFIED: that of the client that calls
}

// PromoRule matches product promotions: an exclusion rule drops what it matches, an inclusion rule all else.
type PromoRule struct {
	Name string
	// Types restricts the rule to price rule types, by id; nil: any.
	Types []bool
	// When is nil where the rule has no expression.
	When *rules.Rule
}

// VoucherPool is a named set of vouchers.
type VoucherPool struct {
	Name string
	When *rules.Rule
}

// BypassRule names validations that are skipped.
type BypassRule struct {
	Name string
	// Skip is indexed by configv1.VoucherValidation.
	Skip [8]bool
}

// Downgrade turns a feature off.
type Downgrade struct {
	Feature configv1.DowngradeFeature
	// Regions and Scenes narrow it down; nil: all.
	Regions map[string]bool
	Scenes  map[*Scene]bool
	Until   time.Time // zero: open
	Reason  string
	// Scope is how responses name it: all, region:US, scene:shop_chat, or region:US,scene:shop_chat.
	Scope string
}

// Experiment splits units into groups.
type Experiment struct {
	Name string
	Salt string
	Unit *rules.Rule // nil: the user id
	// Groups in order; Upper is exclusive, in 1e5, the last is 100000.
	Groups []ExperimentGroup
}

// ExperimentGroup is the part of an experiment's units whose bucket is below Upper and not below the group before.
type ExperimentGroup struct {
	Name              string
	Upper             uint32
	PriceAfterVoucher *bool     // nil: as the scene
	Scenario          *Scenario // nil: the scene's
}
