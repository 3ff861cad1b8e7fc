package rules

import (
	"errors"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// fn is a compiled expression. It must not keep the input, and not change it.
type fn[T any] func(*Input, *locals) (T, error)

// maxDepth is how many iteration variables one rule can nest in closures.
const maxDepth = maxLoops

// locals are the values of iteration variables, by their depth. A rule without any is called with nil.
type locals struct {
	texts [maxDepth]string
	ints  [maxDepth]int64
}

// node is an expression of a type, on its way to a closure. The types are bool, int64, float64, string, time.Duration, []string and []int64;
// timestamps are moments.
type node[T any] struct {
	eval fn[T]
	// constant says that the expression is value, always.
	constant bool
	value    T
}

// moment is a timestamp. CEL's reach from year 1 to 9999, more than int64 holds in nanoseconds; but all variables are held in it, and order
// is the same, so comparisons of variables need not convert.
type moment struct {
	node[time.Time]
	// nanos is Unix nanoseconds, facts.Always and facts.Never for the ends of CEL's range; nil where the timestamp is computed.
	nanos fn[int64]
}

// dated is the text of the function date, which compares without being written.
type dated struct {
	node[string]
	day fn[int64]
}

// plain is the node of a text, however it came to be.
func plain(x any) any {
	if d, is := x.(dated); is {
		return d.node
	}
	return x
}

// nothing is the empty list literal: it has no element type.
type nothing struct{}

func literal[T any](v T) node[T] {
	return node[T]{eval: func(*Input, *locals) (T, error) { return v, nil }, constant: true, value: v}
}

func computed[T any](f fn[T]) node[T] { return node[T]{eval: f} }

func failing[T any](err error) node[T] {
	return computed(func(*Input, *locals) (v T, _ error) { return v, err })
}

// unary computes R of A.
func unary[A, R any](a node[A], f func(A) R) node[R] {
	return computed(func(in *Input, l *locals) (r R, err error) {
		x, err := a.eval(in, l)
		if err != nil {
			return r, err
		}
		return f(x), nil
	})
}

// tryUnary is unary for what can fail.
func tryUnary[A, R any](a node[A], f func(A) (R, error)) node[R] {
	return computed(func(in *Input, l *locals) (r R, err error) {
		x, err := a.eval(in, l)
		if err != nil {
			return r, err
		}
		return f(x)
	})
}

// binary computes R of A and B; constants of B are kept beside the code.
func binary[A, B, R any](a node[A], b node[B], f func(A, B) R) node[R] {
	if b.constant {
		y := b.value
		return unary(a, func(x A) R { return f(x, y) })
	}
	return computed(func(in *Input, l *locals) (r R, err error) {
		x, err := a.eval(in, l)
		if err != nil {
			return r, err
		}
		y, err := b.eval(in, l)
		if err != nil {
			return r, err
		}
		return f(x, y), nil
	})
}

// tryBinary is binary for what can fail.
func tryBinary[A, B, R any](a node[A], b node[B], f func(A, B) (R, error)) node[R] {
	return computed(func(in *Input, l *locals) (r R, err error) {
		x, err := a.eval(in, l)
		if err != nil {
			return r, err
		}
		y, err := b.eval(in, l)
		if err != nil {
			return r, err
		}
		return f(x, y)
	})
}

// compiler turns a checked expression into closures. Every method returns nil for what closures do not cover.
type compiler struct {
	env     *environment
	checked *ast.AST
	// scope has the iteration variables that are visible, the innermost last; the index is the depth.
	scope []string
	loops bool
}

// compile gives a node of one of the types, a moment, a dated, a nothing, or nil.
func (c *compiler) compile(e ast.Expr) any {
	switch e.Kind() {
	case ast.LiteralKind:
		return nodeOf(e.AsLiteral(), nil)
	case ast.IdentKind:
		return c.name(e)
	}
	if c.isConstant(e) {
		return c.fold(e)
	}
	switch e.Kind() {
	case ast.CallKind:
		return c.call(e)
	case ast.ComprehensionKind:
		return c.loop(e.AsComprehension())
	default:
		return nil
	}
}

func (c *compiler) name(e ast.Expr) any {
	name := strings.TrimPrefix(e.AsIdent(), ".")
	for depth := len(c.scope) - 1; depth >= 0; depth-- {
		if c.scope[depth] == name {
			return c.local(e, depth)
		}
	}
	switch read := c.env.vars[name].read.(type) {
	case fn[bool]:
		return computed(read)
	case fn[int64]:
		return computed(read)
	case fn[string]:
		return computed(read)
	case fn[[]string]:
		return computed(read)
	case instants:
		nanos := fn[int64](read)
		return moment{unary(computed(nanos), timeOf), nanos}
	default:
		return nil
	}
}

// call compiles a call: the file of each group of functions has its part.
func (c *compiler) call(e ast.Expr) any {
	call := e.AsCall()
	args := call.Args()
	if call.IsMemberFunction() {
		args = append([]ast.Expr{call.Target()}, args...)
	}
	name := call.FunctionName()
	if compiled, is := c.logic(name, args); is {
		return compiled
	}
	if compiled, is := c.membership(name, args); is {
		return compiled
	}
	nodes := make([]any, len(args))
	for i, arg := range args {
		if nodes[i] = c.compile(arg); nodes[i] == nil {
			return nil
		}
	}
	switch len(nodes) {
	case 1:
		return c.callOne(name, nodes[0])
	case 2:
		return c.callTwo(name, nodes[0], nodes[1])
	case 3:
		return bucketNode(name, plain(nodes[0]), plain(nodes[1]), plain(nodes[2]))
	default:
		return nil
	}
}

func (c *compiler) callOne(name string, x any) any {
	for _, compile := range []func(string, any) any{c.clock, negate, convert, textOf, utc} {
		if compiled := compile(name, plain(x)); compiled != nil {
			return compiled
		}
	}
	return nil
}

func (c *compiler) callTwo(name string, x, y any) any {
	if isComparison(name) {
		return compareNodes(name, x, y)
	}
	for _, compile := range []func(string, any, any) any{arithmetic, textWith, listWith} {
		if compiled := compile(name, plain(x), plain(y)); compiled != nil {
			return compiled
		}
	}
	return nil
}

// isConstant says whether the expression is the same for every input: it names nothing but its own iteration variables, and no clock.
func (c *compiler) isConstant(e ast.Expr) bool {
	return c.constantIn(e, nil)
}

func (c *compiler) constantIn(e ast.Expr, own []string) bool {
	switch e.Kind() {
	case ast.LiteralKind:
		return true
	case ast.IdentKind:
		for _, name := range own {
			if name == e.AsIdent() {
				return true
			}
		}
		return false
	case ast.CallKind:
		call := e.AsCall()
		if _, isClock := c.env.clocks[call.FunctionName()]; isClock {
			return false
		}
		if call.IsMemberFunction() && !c.constantIn(call.Target(), own) {
			return false
		}
		return c.constantAll(call.Args(), own)
	case ast.ListKind:
		return c.constantAll(e.AsList().Elements(), own)
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			if !c.constantIn(entry.AsMapEntry().Key(), own) || !c.constantIn(entry.AsMapEntry().Value(), own) {
				return false
			}
		}
		return true
	case ast.ComprehensionKind:
		loop := e.AsComprehension()
		inner := append(append([]string{}, own...), loop.IterVar(), loop.AccuVar())
		return c.constantIn(loop.IterRange(), own) && c.constantIn(loop.AccuInit(), inner) &&
			c.constantIn(loop.LoopCondition(), inner) && c.constantIn(loop.LoopStep(), inner) && c.constantIn(loop.Result(), inner)
	default:
		return false
	}
}

func (c *compiler) constantAll(exprs []ast.Expr, own []string) bool {
	for _, e := range exprs {
		if !c.constantIn(e, own) {
			return false
		}
	}
	return true
}

// fold computes a constant expression now. One that fails fails whenever it is evaluated: it may be absorbed by && or ||.
func (c *compiler) fold(e ast.Expr) any {
	part := ast.NewCheckedAST(ast.NewAST(e, c.checked.SourceInfo()), c.checked.TypeMap(), c.checked.ReferenceMap())
	t := c.checked.GetType(e.ID())
	prg, err := c.env.cel.PlanProgram(part)
	if err != nil {
		return failingNode(t, err)
	}
	value, _, err := prg.Eval(cel.NoVars())
	if err != nil {
		return failingNode(t, err)
	}
	return nodeOf(value, t)
}

func failingNode(t *cel.Type, err error) any {
	err = errors.New(err.Error()) // without what the interpreter knows of the expression
	switch {
	case t.IsExactType(cel.BoolType):
		return failing[bool](err)
	case t.IsExactType(cel.IntType):
		return failing[int64](err)
	case t.IsExactType(cel.DoubleType):
		return failing[float64](err)
	case t.IsExactType(cel.StringType):
		return failing[string](err)
	case t.IsExactType(cel.DurationType):
		return failing[time.Duration](err)
	case t.IsExactType(cel.TimestampType):
		return moment{node: failing[time.Time](err)}
	case t.IsExactType(cel.ListType(cel.StringType)):
		return failing[[]string](err)
	case t.IsExactType(cel.ListType(cel.IntType)):
		return failing[[]int64](err)
	default:
		return nil
	}
}

// nodeOf makes a node of a constant; t is needed for lists.
func nodeOf(value ref.Val, t *cel.Type) any {
	switch v := value.(type) {
	case types.Bool:
		return literal(bool(v))
	case types.Int:
		return literal(int64(v))
	case types.Double:
		return literal(float64(v))
	case types.String:
		return literal(string(v))
	case types.Duration:
		return literal(v.Duration)
	case types.Timestamp:
		return moment{node: literal(v.UTC())}
	case traits.Lister:
		return listOf(v, t)
	default:
		return nil
	}
}

func listOf(list traits.Lister, t *cel.Type) any {
	switch {
	case t.IsExactType(cel.ListType(cel.StringType)):
		var texts []string
		for it := list.Iterator(); it.HasNext() == types.True; {
			text, ok := it.Next().(types.String)
			if !ok {
				return nil
			}
			texts = append(texts, string(text))
		}
		return literal(texts)
	case t.IsExactType(cel.ListType(cel.IntType)):
		var ints []int64
		for it := list.Iterator(); it.HasNext() == types.True; {
			n, ok := it.Next().(types.Int)
			if !ok {
				return nil
			}
			ints = append(ints, int64(n))
		}
		return literal(ints)
	case list.Size() == types.IntZero:
		return nothing{}
	default:
		return nil
	}
}
