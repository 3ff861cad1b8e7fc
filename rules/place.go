package rules

import (
	"fmt"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
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
	// LimitKey is what a limit counts apart: user, request -> string or int.
	LimitKey
	lastPlace = LimitKey
)

// The limits of an expression's estimated cost, in the units of CEL: about one for each step of its evaluation with the largest values that
// the variables can have. A unit takes one or two nanoseconds in closures, about ten in the interpreter.
const (
	// costLimit allows a loop over the longest list of labels or segments, with some work for each.
	costLimit = 100_000
	// poolCostLimit is that of voucher pools and keys of limits: they run for every voucher and every request, over single values.
	poolCostLimit = 10_000
)

// placeSpec is what makes a place.
type placeSpec struct {
	name, description string
	// roots are the variables by their first name.
	roots []string
	// segments says that the user's segments are known there.
	segments bool
	results  []*cel.Type
	// costLimit is the largest estimated cost that Compile accepts.
	costLimit uint64
}

func (p Place) spec() (placeSpec, bool) {
	boolean := []*cel.Type{cel.BoolType}
	switch p {
	case PromoRule:
		return placeSpec{
			name:        "promo_rule",
			description: "when of exclusion and inclusion rules; runs for each product promotion",
			roots:       []string{"promo", "model", "item", "user", "request"},
			results:     boolean,
			costLimit:   costLimit,
		}, true
	case VoucherPool:
		return placeSpec{
			name:        "voucher_pool",
			description: "when of a voucher pool; runs for each voucher definition",
			roots:       []string{"voucher"},
			results:     boolean,
			costLimit:   poolCostLimit,
		}, true
	case VoucherAppliesWhen:
		return placeSpec{
			name:        "voucher_applies_when",
			description: "applies_when of a voucher; runs for each model that its scope matches",
			roots:       []string{"voucher", "model", "item", "user", "request"},
			segments:    true,
			results:     boolean,
			costLimit:   costLimit,
		}, true
	case VoucherUserCondition:
		return placeSpec{
			name:        "voucher_user_condition",
			description: "user_condition of a voucher; runs once for each request and voucher",
			roots:       []string{"user", "request"},
			segments:    true,
			results:     boolean,
			costLimit:   costLimit,
		}, true
	case Eligibility:
		return placeSpec{
			name:        "eligibility",
			description: "when of an eligibility rule; runs for each product promotion of its exclusivity",
			roots:       []string{"promo", "user", "request", "live_stream"},
			segments:    true,
			results:     boolean,
			costLimit:   costLimit,
		}, true
	case ExperimentUnit:
		return placeSpec{
			name:        "experiment_unit",
			description: "unit of an experiment; runs once for each request",
			roots:       []string{"user", "request"},
			results:     []*cel.Type{cel.StringType, cel.IntType},
			costLimit:   costLimit,
		}, true
	case LimitKey:
		return placeSpec{
			name:        "limit_key",
			description: "key of a limit; runs once for each request or call that is counted",
			roots:       []string{"user", "request"},
			results:     []*cel.Type{cel.StringType, cel.IntType},
			costLimit:   poolCostLimit,
		}, true
	default:
		return placeSpec{}, false
	}
}

// String is the name of the place as typed on the command line, such as promo_rule.
func (p Place) String() string {
	if spec, ok := p.spec(); ok {
		return spec.name
	}
	return fmt.Sprintf("Place(%d)", int(p))
}

// has says whether the place has the variable.
func (s placeSpec) has(v variable) bool {
	if v.name == "user.segments" {
		return s.segments
	}
	root, _, _ := strings.Cut(v.name, ".")
	for _, r := range s.roots {
		if r == root {
			return true
		}
	}
	return false
}

// result names the types that an expression of the place may return.
func (s placeSpec) result() string {
	names := make([]string, len(s.results))
	for i, t := range s.results {
		names[i] = t.String()
	}
	return strings.Join(names, " or ")
}

// ParsePlace finds the place of a name such as promo_rule.
func ParsePlace(name string) (Place, error) {
	var names []string
	for p := PromoRule; p <= lastPlace; p++ {
		if p.String() == name {
			return p, nil
		}
		names = append(names, p.String())
	}
	return 0, fmt.Errorf("unknown place %q: use one of %s", name, strings.Join(names, ", "))
}

// environments are built on first use, one for each place: building one takes about a millisecond.
var environments = func() (envs [lastPlace + 1]func() *environment) {
	for p := PromoRule; p <= lastPlace; p++ {
		envs[p] = sync.OnceValue(func() *environment { return newEnvironment(p) })
	}
	return envs
}()

// environment of the place; nil for a number that is no place.
func (p Place) environment() *environment {
	if p < PromoRule || p > lastPlace {
		return nil
	}
	return environments[p]()
}

// PlaceInfo describes a place, for people.
type PlaceInfo struct {
	Place Place
	// Name is the name on the command line, such as promo_rule.
	Name        string
	Description string
	// Result is the type that an expression must have, such as "bool" or "string or int".
	Result string
	// CostLimit is the largest estimated cost of an expression, in the units of CEL.
	CostLimit uint64
	Variables []VariableInfo
	// Functions has macros such as exists, and no operators.
	Functions []FunctionInfo
}

// VariableInfo describes a variable.
type VariableInfo struct {
	Name string // such as promo.price
	Type string // such as int or list(string)
	Doc  string
	// Values are all that a variable of a closed set can be; nil for the others.
	Values []string
}

// FunctionInfo describes a function with all its overloads.
type FunctionInfo struct {
	Name       string
	Signatures []string // such as "hour(timestamp) -> int"
	Doc        string
}

// Places describes all places, in a fixed order.
func Places() []PlaceInfo {
	var infos []PlaceInfo
	for p := PromoRule; p <= lastPlace; p++ {
		env := p.environment()
		info := PlaceInfo{
			Place:       p,
			Name:        env.spec.name,
			Description: env.spec.description,
			Result:      env.spec.result(),
			CostLimit:   env.spec.costLimit,
			Functions:   env.functionInfos(),
		}
		for _, v := range variables() {
			if env.spec.has(v) {
				info.Variables = append(info.Variables, VariableInfo{Name: v.name, Type: v.celType().String(), Doc: v.doc, Values: v.values})
			}
		}
		infos = append(infos, info)
	}
	return infos
}
