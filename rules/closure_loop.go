package rules

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// quantifier is which of the macros a loop came from.
type quantifier int

const (
	exists quantifier = iota + 1
	all
	existsOne
)

// quantifierOf recognises the loops that macros make; people cannot write others. It is 0 for filter and map, which build lists.
func quantifierOf(loop ast.ComprehensionExpr) (quantifier, ast.Expr) {
	step := loop.LoopStep()
	if step.Kind() != ast.CallKind || loop.HasIterVar2() {
		return 0, nil
	}
	call := step.AsCall()
	switch call.FunctionName() {
	case operators.LogicalOr:
		return exists, call.Args()[1]
	case operators.LogicalAnd:
		return all, call.Args()[1]
	case operators.Conditional:
		if loop.AccuInit().Kind() == ast.LiteralKind && loop.AccuInit().AsLiteral() == types.IntZero {
			return existsOne, call.Args()[0]
		}
	}
	return 0, nil
}

// loop compiles exists, all and exists_one over lists of texts and integers.
func (c *compiler) loop(e ast.ComprehensionExpr) any {
	which, condition := quantifierOf(e)
	depth := len(c.scope)
	if which == 0 || depth >= maxDepth {
		return nil
	}
	list := c.compile(e.IterRange())
	c.scope = append(c.scope, e.IterVar())
	holds, ok := c.compile(condition).(node[bool])
	c.scope = c.scope[:depth]
	if !ok {
		return nil
	}
	c.loops = true
	switch list := list.(type) {
	case node[[]string]:
		return quantify(which, list.eval, holds.eval, func(l *locals, v string) { l.texts[depth] = v })
	case node[[]int64]:
		return quantify(which, list.eval, holds.eval, func(l *locals, v int64) { l.ints[depth] = v })
	default:
		return nil
	}
}

// local reads an iteration variable.
func (c *compiler) local(e ast.Expr, depth int) any {
	switch c.checked.GetType(e.ID()).Kind() {
	case types.StringKind:
		return computed(func(_ *Input, l *locals) (string, error) { return l.texts[depth], nil })
	case types.IntKind:
		return computed(func(_ *Input, l *locals) (int64, error) { return l.ints[depth], nil })
	default:
		return nil
	}
}

// quantify runs the condition for each element. An error is the result unless another element decides: one that holds for exists, one that
// does not for all; exists_one has no such element.
func quantify[T any](which quantifier, list fn[[]T], holds fn[bool], set func(*locals, T)) any {
	if which == existsOne {
		return computed(func(in *Input, l *locals) (bool, error) {
			elements, err := list(in, l)
			count := 0
			for _, v := range elements {
				set(l, v)
				is, failed := holds(in, l)
				if failed != nil {
					return false, failed
				}
				if is {
					count++
				}
			}
			return count == 1 && err == nil, err
		})
	}
	decisive := which == exists
	return computed(func(in *Input, l *locals) (bool, error) {
		elements, first := list(in, l)
		for _, v := range elements {
			set(l, v)
			is, err := holds(in, l)
			if err == nil && is == decisive {
				return decisive, nil
			}
			if first == nil {
				first = err
			}
		}
		return !decisive && first == nil, first
	})
}
