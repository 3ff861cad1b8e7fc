// Package rules compiles and runs the CEL expressions of the configuration and of the catalog.
//
// Each place where an expression may stand has a typed environment of its own; see Places. Expressions compile once, when configuration or
// catalog loads; their cost is bounded then. A Rule is immutable and safe for concurrent use; running it never panics.
package rules

import (
	"time"

	"proscenium/facts"
)

// Place is where an expression stands: it decides which variables there are and what the expression returns.
type Place int

// The places.
const (
	// PromoRule is the `when` of exclusion and inclusion rules: promo, model, item, user, request -> bool.
	PromoRule Place = iota + 1
	// VoucherPool is the `when` of a voucher pool: voucher -> bool.
	VoucherPool
	// VoucherAppliesWhen is a voucher's applies_when: voucher, model, item, user, request -> bool. The user has segments.
	VoucherAppliesWhen
	// VoucherUserCondition is a voucher's user_condition: user, request -> bool. The user has segments.
	VoucherUserCondition
	// Eligibility is the `when` of an eligibility rule: promo, user, request, live_stream -> bool. The user has segments.
	Eligibility
	// ExperimentUnit is the unit of an experiment: user, request -> string or int.
	ExperimentUnit
)

// Input is what an expression may look at; a place needs only the fields that it has variables for, nil elsewhere.
type Input struct {
	Promo      *facts.Promo
	PromoType  *facts.PriceRuleType
	PromoPrice int64 // promo.price: the record's price in the region's default tax mode, or the one it has
	Model      *facts.Model
	Item       *facts.Item
	User       *facts.User
	Request    *facts.Request
	Voucher    *facts.Voucher
	LiveStream *facts.LiveStream
	Zone       *time.Location // of the region, for the time functions
}

// Problem is a fault of an expression, found when it compiles.
type Problem struct {
	// Code is stable, such as CEL_SYNTAX, CEL_UNKNOWN_NAME, CEL_TYPE, CEL_RESULT_TYPE, CEL_COST.
	Code string
	// Offset is the place in the expression, in bytes; Length is that of the wrong token (at least 1).
	Offset, Length int
	Message        string
	// Hint tells how to mend it, such as "did you mean promo.price?"; may be empty.
	Hint string
}

// Rule is a compiled expression.
type Rule struct{ src string }
