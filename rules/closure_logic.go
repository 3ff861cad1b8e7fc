package rules

import (
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// logic compiles what does not evaluate all its operands: && || ?: and, with them, the negation.
func (c *compiler) logic(name string, args []ast.Expr) (any, bool) {
	switch name {
	case operators.LogicalAnd, operators.LogicalOr:
		terms := c.terms(name, args, nil)
		if terms == nil {
			return nil, true
		}
		return junction(name == operators.LogicalOr, terms), true
	case operators.LogicalNot:
		if x, ok := c.compile(args[0]).(node[bool]); ok {
			return unary(x, func(v bool) bool { return !v }), true
		}
		return nil, true
	case operators.Conditional:
		return c.conditional(args), true
	default:
		return nil, false
	}
}

// terms compiles the operands of a chain of the same operator, from left to right; nil if one is not covered.
func (c *compiler) terms(name string, args []ast.Expr, terms []node[bool]) []node[bool] {
	for _, arg := range args {
		if arg.Kind() == ast.CallKind && arg.AsCall().FunctionName() == name {
			if terms = c.terms(name, arg.AsCall().Args(), terms); terms == nil {
				return nil
			}
			continue
		}
		term, ok := c.compile(arg).(node[bool])
		if !ok {
			return nil
		}
		terms = append(terms, term)
	}
	return terms
}

// junction is && or ||. The result is decisive (false for &&, true for ||) if any term is, whatever the other terms do; otherwise the first
// error, if there is any.
func junction(decisive bool, terms []node[bool]) node[bool] {
	var evals []fn[bool]
	for _, term := range terms {
		if !term.constant {
			evals = append(evals, term.eval)
		} else if term.value == decisive {
			return literal(decisive)
		}
	}
	switch len(evals) {
	case 0:
		return literal(!decisive)
	case 1:
		return computed(evals[0])
	case 2:
		return computed(junctionOfTwo(decisive, evals[0], evals[1]))
	}
	return computed(func(in *Input, l *locals) (bool, error) {
		var first error
		for _, eval := range evals {
			v, err := eval(in, l)
			if err == nil {
				if v == decisive {
					return decisive, nil
				}
			} else if first == nil {
				first = err
			}
		}
		return !decisive && first == nil, first
	})
}

func junctionOfTwo(decisive bool, left, right fn[bool]) fn[bool] {
	return func(in *Input, l *locals) (bool, error) {
		v, first := left(in, l)
		if first == nil && v == decisive {
			return decisive, nil
		}
		v, err := right(in, l)
		if err == nil && v == decisive {
			return decisive, nil
		}
		if first == nil {
			first = err
		}
		return !decisive && first == nil, first
	}
}

func (c *compiler) conditional(args []ast.Expr) any {
	condition, ok := c.compile(args[0]).(node[bool])
	if !ok {
		return nil
	}
	no := plain(c.compile(args[2]))
	switch yes := plain(c.compile(args[1])).(type) {
	case node[bool]:
		return choose(condition, yes, no)
	case node[int64]:
		return choose(condition, yes, no)
	case node[float64]:
		return choose(condition, yes, no)
	case node[string]:
		return choose(condition, yes, no)
	case node[time.Duration]:
		return choose(condition, yes, no)
	case node[[]string]:
		return choose(condition, yes, no)
	case node[[]int64]:
		return choose(condition, yes, no)
	case moment:
		if no, ok := no.(moment); ok {
			return moment{node: choose(condition, yes.node, no.node).(node[time.Time])}
		}
	}
	return nil
}

// choose needs both branches of the same type; it is nil otherwise, and a node[T] in all other cases.
func choose[T any](condition node[bool], yes node[T], other any) any {
	no, ok := other.(node[T])
	if !ok {
		return nil
	}
	if condition.constant {
		if condition.value {
			return yes
		}
		return no
	}
	return computed(func(in *Input, l *locals) (v T, err error) {
		is, err := condition.eval(in, l)
		if err != nil {
			return v, err
		}
		if is {
			return yes.eval(in, l)
		}
		return no.eval(in, l)
	})
}
