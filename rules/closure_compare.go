package rules

import (
	"cmp"
	"slices"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"proscenium/facts"
)

func isComparison(name string) bool {
	switch name {
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return true
	default:
		return false
	}
}

// mirrored is the comparison with its operands exchanged.
func mirrored(name string) string {
	switch name {
	case operators.Less:
		return operators.Greater
	case operators.LessEquals:
		return operators.GreaterEquals
	case operators.Greater:
		return operators.Less
	case operators.GreaterEquals:
		return operators.LessEquals
	default:
		return name
	}
}

// compareNodes compiles x op y; both are of one type, or of none that is covered.
func compareNodes(op string, x, y any) any {
	if d, is := x.(dated); is {
		return compareDays(op, d, y)
	}
	if d, is := y.(dated); is {
		return compareDays(mirrored(op), d, x)
	}
	switch x := x.(type) {
	case node[int64]:
		return compareWith(op, x, y)
	case node[string]:
		return compareWith(op, x, y)
	case node[float64]:
		return compareWith(op, x, y)
	case node[time.Duration]:
		return compareWith(op, x, y)
	case node[bool]:
		return equal(op, x, y, func(a, b bool) bool { return a == b })
	case node[[]string]:
		return equal(op, x, y, slices.Equal[[]string])
	case node[[]int64]:
		return equal(op, x, y, slices.Equal[[]int64])
	case moment:
		if y, ok := y.(moment); ok {
			return compareMoments(op, x, y)
		}
	}
	return nil
}

// compareWith orders as Go does, which is how CEL does: a NaN is neither less, nor equal, nor greater.
func compareWith[T cmp.Ordered](op string, x node[T], other any) any {
	y, ok := other.(node[T])
	if !ok {
		return nil
	}
	if x.constant && !y.constant {
		x, y, op = y, x, mirrored(op)
	}
	if y.constant {
		return compareConstant(op, x.eval, y.value)
	}
	switch op {
	case operators.Equals:
		return binary(x, y, func(a, b T) bool { return a == b })
	case operators.NotEquals:
		return binary(x, y, func(a, b T) bool { return a != b })
	case operators.Less:
		return binary(x, y, func(a, b T) bool { return a < b })
	case operators.LessEquals:
		return binary(x, y, func(a, b T) bool { return a <= b })
	case operators.Greater:
		return binary(x, y, func(a, b T) bool { return a > b })
	default:
		return binary(x, y, func(a, b T) bool { return a >= b })
	}
}

// compareConstant is what most rules are made of: each operator is one closure.
func compareConstant[T cmp.Ordered](op string, x fn[T], y T) any {
	switch op {
	case operators.Equals:
		return computed(func(in *Input, l *locals) (bool, error) {
			v, err := x(in, l)
			return v == y && err == nil, err
		})
	case operators.NotEquals:
		return computed(func(in *Input, l *locals) (bool, error) {
			v, err := x(in, l)
			return v != y && err == nil, err
		})
	case operators.Less:
		return computed(func(in *Input, l *locals) (bool, error) {
			v, err := x(in, l)
			return v < y && err == nil, err
		})
	case operators.LessEquals:
		return computed(func(in *Input, l *locals) (bool, error) {
			v, err := x(in, l)
			return v <= y && err == nil, err
		})
	case operators.Greater:
		return computed(func(in *Input, l *locals) (bool, error) {
			v, err := x(in, l)
			return v > y && err == nil, err
		})
	default:
		return computed(func(in *Input, l *locals) (bool, error) {
			v, err := x(in, l)
			return v >= y && err == nil, err
		})
	}
}

// equal covers == and != of types that have no order here.
func equal[T any](op string, x node[T], other any, same func(a, b T) bool) any {
	y, ok := other.(node[T])
	if !ok {
		return nil
	}
	switch op {
	case operators.Equals:
		return binary(x, y, same)
	case operators.NotEquals:
		return binary(x, y, func(a, b T) bool { return !same(a, b) })
	default:
		return nil
	}
}

func compareMoments(op string, x, y moment) any {
	x, y = x.withNanos(), y.withNanos()
	if x.nanos != nil && y.nanos != nil {
		return compareWith(op, x.nanosNode(), y.nanosNode())
	}
	order := binary(x.node, y.node, func(a, b time.Time) int64 { return int64(a.Compare(b)) })
	return compareConstant(op, order.eval, 0)
}

// withNanos gives a constant its nanoseconds, if it is of those that variables can have.
func (m moment) withNanos() moment {
	if m.nanos != nil || !m.constant {
		return m
	}
	if ns, ok := nanosOf(m.value); ok {
		m.nanos = literal(ns).eval
	}
	return m
}

func (m moment) nanosNode() node[int64] {
	if m.constant {
		ns, _ := nanosOf(m.value)
		return literal(ns)
	}
	return computed(m.nanos)
}

// compareDays compares date(…) with a text: as numbers if the text is a day, otherwise as texts.
func compareDays(op string, d dated, other any) any {
	switch other := other.(type) {
	case dated:
		return compareWith(op, computed(d.day), computed(other.day))
	case node[string]:
		if n, is := dayOf(other.value); is && other.constant {
			return compareConstant(op, d.day, n)
		}
		return compareWith(op, d.node, other)
	default:
		return nil
	}
}

// membership compiles x in list.
func (c *compiler) membership(name string, args []ast.Expr) (any, bool) {
	if name != operators.In {
		return nil, false
	}
	needle := c.compile(args[0])
	if args[1].Kind() == ast.ListKind && !c.isConstant(args[1]) {
		return c.amongElements(plain(needle), args[1].AsList().Elements()), true
	}
	list := c.compile(args[1])
	if d, is := needle.(dated); is {
		if days, ok := daysOf(list); ok {
			return among(computed(d.day), literal(days)), true
		}
	}
	switch needle := plain(needle).(type) {
	case node[string]:
		if _, empty := list.(nothing); empty {
			return unary(needle, func(string) bool { return false }), true
		}
		return among(needle, list), true
	case node[int64]:
		if _, empty := list.(nothing); empty {
			return unary(needle, func(int64) bool { return false }), true
		}
		return among(needle, list), true
	default:
		return nil, true
	}
}

// fewElements is how many elements are searched one by one faster than by their hash.
const fewElements = 8

func among[T comparable](needle node[T], list any) any {
	elements, ok := list.(node[[]T])
	if !ok {
		return nil
	}
	if !elements.constant || len(elements.value) <= fewElements {
		return binary(needle, elements, func(x T, all []T) bool { return slices.Contains(all, x) })
	}
	set := make(map[T]struct{}, len(elements.value))
	for _, x := range elements.value {
		set[x] = struct{}{}
	}
	return unary(needle, func(x T) bool {
		_, found := set[x]
		return found
	})
}

// amongElements covers lists that name variables. All elements are evaluated: an error of any is one of the whole.
func (c *compiler) amongElements(needle any, elements []ast.Expr) any {
	nodes := make([]any, len(elements))
	for i, e := range elements {
		nodes[i] = plain(c.compile(e))
	}
	switch needle := needle.(type) {
	case node[string]:
		return amongNodes(needle, nodes)
	case node[int64]:
		return amongNodes(needle, nodes)
	default:
		return nil
	}
}

func amongNodes[T comparable](needle node[T], nodes []any) any {
	evals := make([]fn[T], len(nodes))
	for i, n := range nodes {
		element, ok := n.(node[T])
		if !ok {
			return nil
		}
		evals[i] = element.eval
	}
	return computed(func(in *Input, l *locals) (bool, error) {
		x, err := needle.eval(in, l)
		if err != nil {
			return false, err
		}
		found := false
		for _, eval := range evals {
			v, err := eval(in, l)
			if err != nil {
				return false, err
			}
			found = found || v == x
		}
		return found, nil
	})
}

// daysOf are the numbers of a constant list of days, if all its texts are days.
func daysOf(list any) ([]int64, bool) {
	texts, ok := list.(node[[]string])
	if !ok || !texts.constant {
		return nil, false
	}
	days := make([]int64, len(texts.value))
	for i, text := range texts.value {
		if days[i], ok = dayOf(text); !ok {
			return nil, false
		}
	}
	return days, true
}

// The ends of what nanosecond variables reach, in seconds, with a margin of less than a second.
const (
	minNanoSeconds = facts.Always/int64(time.Second) + 1
	maxNanoSeconds = facts.Never/int64(time.Second) - 1
)

// The ends of CEL's timestamps, in Unix seconds: the years 1 to 9999.
const (
	minUnixSeconds = -62135596800
	maxUnixSeconds = 253402300799
	lastNano       = int64(time.Second) - 1
)

// timeOf is the timestamp of Unix nanoseconds; open ends are the ends of CEL's timestamps.
func timeOf(ns int64) time.Time {
	switch ns {
	case facts.Always:
		return time.Unix(minUnixSeconds, 0).UTC()
	case facts.Never:
		return time.Unix(maxUnixSeconds, lastNano).UTC()
	default:
		return time.Unix(0, ns).UTC()
	}
}

// nanosOf is the reverse of timeOf, where there is one.
func nanosOf(t time.Time) (int64, bool) {
	switch {
	case t.Equal(timeOf(facts.Always)):
		return facts.Always, true
	case t.Equal(timeOf(facts.Never)):
		return facts.Never, true
	case t.Unix() < minNanoSeconds || t.Unix() > maxNanoSeconds:
		return 0, false
	default:
		return t.UnixNano(), true
	}
}
