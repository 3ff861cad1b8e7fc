package rules

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
)

// checkCost refuses an expression whose estimated cost, with the largest values that its variables can have, is above the place's limit.
func checkCost(env *environment, src *source, checked *cel.Ast) *Problem {
	estimate, err := env.cel.EstimateCost(checked, sizes{env})
	if err != nil {
		p := src.whole(CodeInternal, "the cost cannot be estimated: "+err.Error(), "write it in another way, and report this: it is a fault of the program")
		return &p
	}
	if estimate.Max <= env.spec.costLimit {
		return nil
	}
	p := src.whole(CodeCost,
		fmt.Sprintf("the expression may cost %d, more than the %d that %s allows", estimate.Max, env.spec.costLimit, env.place),
		"avoid loops within loops, and sets of two variables; write the shorter list as a constant")
	return &p
}

// sizes tells the estimation how large variables can be, and what our own functions cost.
type sizes struct{ env *environment }

// EstimateSize is of a variable, or of the elements of a list.
func (s sizes) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	path := node.Path()
	if len(path) == 0 {
		return nil
	}
	v, is := s.env.vars[strings.TrimPrefix(path[0], ".")]
	if !is {
		return nil
	}
	largest := v.length
	if len(path) == 1 && v.items > 0 {
		largest = v.items
	}
	if largest == 0 {
		return nil
	}
	return &cost.SizeEstimate{Max: largest}
}

// Costs of our own functions. The work of the functions of time does not depend on their argument.
const (
	clockCost    = 5
	byteCost     = 0.1
	bucketCost   = 5
	dateChars    = 10
	maxSaltChars = 100
)

// EstimateCallCost is nil for the functions of CEL itself, which are estimated by their own model.
func (s sizes) EstimateCallCost(function, _ string, target *cost.AstNode, args []cost.AstNode) *cost.CallEstimate {
	if _, is := s.env.clocks[function]; is {
		return &cost.CallEstimate{CostEstimate: cost.FixedCostEstimate(clockCost), ResultSize: size(dateChars)}
	}
	switch function {
	case "bucket":
		work := s.sizeOf(args[0]).Add(s.sizeOf(args[1])).MultiplyByCostFactor(byteCost)
		return &cost.CallEstimate{CostEstimate: work.Add(cost.FixedCostEstimate(bucketCost))}
	case "lowerAscii", "upperAscii":
		length := s.sizeOf(*target)
		return &cost.CallEstimate{CostEstimate: length.MultiplyByCostFactor(2 * byteCost).Add(cost.FixedCostEstimate(1)), ResultSize: &length}
	case "string":
		if len(args) == 1 && args[0].Type().Kind() != cel.StringKind && args[0].Type().Kind() != cel.BytesKind {
			return &cost.CallEstimate{CostEstimate: cost.FixedCostEstimate(1), ResultSize: size(numberChars)}
		}
	}
	return nil
}

// numberChars is more than any number, truth value, duration or timestamp takes in writing.
const numberChars = 40

func size(n uint64) *cost.SizeEstimate {
	return &cost.SizeEstimate{Max: n}
}

// sizeOf is the size of an argument; what is neither a variable nor computed by CEL's own model counts as a name.
func (s sizes) sizeOf(node cost.AstNode) cost.SizeEstimate {
	if computed := node.ComputedSize(); computed != nil {
		return *computed
	}
	if known := s.EstimateSize(node); known != nil {
		return *known
	}
	return cost.SizeEstimate{Max: maxSaltChars}
}
