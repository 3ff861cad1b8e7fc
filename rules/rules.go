// Package rules compiles and runs the CEL expressions of the configuration and of the catalog.
//
// Each place where an expression may stand has a typed environment of its own; see Places. Expressions compile once, when configuration or
// catalog loads; their cost is bounded then. A Rule is immutable and safe for concurrent use; running it never panics.
//
// Rules run as Go closures over typed values, without allocation; what closures do not cover runs in the interpreter of cel-go, with the
// same results and slower. Interpreted tells which one a rule got.
package rules

import (
	"slices"
	"strings"
	"sync"
	"time"

	"proscenium/facts"
)

// Input is what an expression may look at; a place needs only the fields that it has variables for, nil elsewhere. A variable of a part that
// is nil is an evaluation error.
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

// Rule is a compiled expression.
type Rule struct {
	src string
	// uses are the dotted names of the variables, sorted.
	uses []string
	// code is the expression as closures: fn[bool], fn[string] or fn[int64]; nil where program runs it.
	code any
	// program runs what closures do not cover; nil where code does.
	program *program
	// locals are the frames of iteration variables; nil where the rule has none.
	locals *sync.Pool
	// insight is for those who check configuration; running a rule does not need it.
	insight insight
}

// String is the source of the expression.
func (r *Rule) String() string { return r.src }

// Uses says whether the expression names the variable, such as item.labels, or any variable of the root, such as item.
func (r *Rule) Uses(variable string) bool {
	i, found := slices.BinarySearch(r.uses, variable)
	if found {
		return true
	}
	for ; i < len(r.uses) && strings.HasPrefix(r.uses[i], variable); i++ {
		if r.uses[i][len(variable)] == '.' {
			return true
		}
	}
	return false
}

// Interpreted says that cel-go's interpreter runs the rule: it is about ten times slower than closures, and allocates.
func (r *Rule) Interpreted() bool { return r.program != nil }
