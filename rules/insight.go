package rules

import (
	"math"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// insight is what can be told of an expression without running it, for those who check whether it can be meant.
type insight struct {
	literals []Literal
	// constant is the value of a condition that is the same for every input; nil for others.
	constant *bool
	// domains are the values that variables must have for a condition to hold, as far as its terms tell.
	domains map[string]*domain
}

// Literal is a text that an expression compares a variable with, by ==, != or in.
type Literal struct {
	Variable, Value string
	// Offset and Length are the place of the literal in the expression, in bytes.
	Offset, Length int
}

// Literals are the texts that the expression compares variables with. Those of variables with values of their own (VariableInfo.Values) are
// checked already.
func (r *Rule) Literals() []Literal { return r.insight.literals }

// Constant says whether a condition has the same value for every input: it names no variable that matters, or its terms contradict each other,
// as promo.type == 'a' && promo.type == 'b' do. Contradictions are found between comparisons of a variable with constants.
func (r *Rule) Constant() (value, is bool) {
	if r.insight.constant == nil {
		return false, false
	}
	return *r.insight.constant, true
}

// Allows says whether a condition can hold where a variable has that text: no only where one of its terms rules it out.
func (r *Rule) Allows(variable, value string) bool {
	d := r.insight.domains[variable]
	return d == nil || (d.only == nil || slices.Contains(d.only, value)) && !slices.Contains(d.not, value)
}

// Variables are the dotted names of the variables that the expression reads, sorted.
func (r *Rule) Variables() []string { return slices.Clone(r.uses) }

// Text is the source of the expression without blanks at its ends.
func (r *Rule) Text() string { return strings.TrimSpace(r.src) }

// look makes the insight of a checked expression. folded is its value where compiling found it to be constant.
func look(env *environment, src *source, e ast.Expr, folded *bool) insight {
	out := insight{constant: folded, domains: domainsOf(env, terms(e, false, nil))}
	yes, no := true, false
	switch {
	case folded != nil:
	case impossible(env, out.domains):
		out.constant = &no
	case impossible(env, domainsOf(env, terms(e, true, nil))):
		out.constant = &yes
	}
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		c, is := comparisonOf(env, term{expr: e})
		if !is || env.vars[c.variable].values != nil || !c.equality() {
			return
		}
		for _, l := range c.literals {
			if text, is := l.AsLiteral().(types.String); is {
				t := src.tokenOf(l.ID())
				out.literals = append(out.literals, Literal{c.variable, string(text), t.start, t.end - t.start})
			}
		}
	}))
	return out
}

// term is a part of a condition that must hold, or, where it is negated, must not.
type term struct {
	expr    ast.Expr
	negated bool
}

// terms are the parts that all must hold for e to hold, or, where it is negated, not to hold.
func terms(e ast.Expr, negated bool, out []term) []term {
	if e.Kind() == ast.CallKind {
		call := e.AsCall()
		switch name := call.FunctionName(); {
		case name == operators.LogicalNot:
			return terms(call.Args()[0], !negated, out)
		case name == operators.LogicalAnd && !negated, name == operators.LogicalOr && negated:
			for _, arg := range call.Args() {
				out = terms(arg, negated, out)
			}
			return out
		}
	}
	return append(out, term{e, negated})
}

// comparison is of a variable with literals.
type comparison struct {
	variable string
	operator string // ==, != or in, or an order
	literals []ast.Expr
}

// equality says whether the variable is compared for being one of the literals, or none: not ordered among them, nor joined with them.
func (c comparison) equality() bool {
	switch c.operator {
	case operators.Equals, operators.NotEquals, operators.In, notIn:
		return true
	}
	return false
}

// comparisonOf reads a term; a variable of type bool compares with true. It turns negated operators and sides around.
func comparisonOf(env *environment, t term) (comparison, bool) {
	if name, is := variableOf(env, t.expr); is {
		c := comparison{variable: name, operator: operators.Equals}
		if t.negated {
			c.operator = operators.NotEquals
		}
		_, condition := env.vars[name].read.(fn[bool])
		return c, condition
	}
	if t.expr.Kind() != ast.CallKind || len(t.expr.AsCall().Args()) != 2 {
		return comparison{}, false
	}
	args := t.expr.AsCall().Args()
	c := comparison{operator: t.expr.AsCall().FunctionName()}
	if t.negated {
		c.operator = opposite(c.operator)
	}
	left, right := args[0], args[1]
	if left.Kind() == ast.LiteralKind {
		left, right = right, left
		c.operator = mirrored(c.operator)
	}
	name, is := variableOf(env, left)
	c.variable = name
	switch {
	case !is:
		return c, false
	case right.Kind() == ast.LiteralKind && c.operator != operators.In && c.operator != notIn:
		c.literals = []ast.Expr{right}
	case right.Kind() == ast.ListKind && (c.operator == operators.In || c.operator == notIn):
		for _, e := range right.AsList().Elements() {
			if e.Kind() != ast.LiteralKind {
				return c, false
			}
			c.literals = append(c.literals, e)
		}
	default:
		return c, false
	}
	return c, true
}

// notIn is the opposite of in, which CEL has no operator for.
const notIn = "!in"

// opposite is the operator that holds where another one does not; empty where there is none.
func opposite(operator string) string {
	switch operator {
	case operators.Equals:
		return operators.NotEquals
	case operators.NotEquals:
		return operators.Equals
	case operators.In:
		return notIn
	case operators.Less:
		return operators.GreaterEquals
	case operators.GreaterEquals:
		return operators.Less
	case operators.Greater:
		return operators.LessEquals
	case operators.LessEquals:
		return operators.Greater
	}
	return ""
}

func variableOf(env *environment, e ast.Expr) (string, bool) {
	if e.Kind() != ast.IdentKind {
		return "", false
	}
	name := strings.TrimPrefix(e.AsIdent(), ".")
	_, is := env.vars[name]
	return name, is
}

// domain is what the terms of a condition leave of the values of a variable.
type domain struct {
	only        []string // nil: any
	not         []string
	least, most int64
}

func domainsOf(env *environment, all []term) map[string]*domain {
	out := map[string]*domain{}
	for _, t := range all {
		c, is := comparisonOf(env, t)
		if !is {
			continue
		}
		d := out[c.variable]
		if d == nil {
			d = &domain{least: math.MinInt64, most: math.MaxInt64}
			out[c.variable] = d
		}
		d.narrow(c)
	}
	return out
}

func (d *domain) narrow(c comparison) {
	texts, number := valuesOf(c)
	switch c.operator {
	case operators.Equals, operators.In:
		if texts != nil {
			d.keep(texts)
		} else if number != nil {
			d.least, d.most = max(d.least, *number), min(d.most, *number)
		}
	case operators.NotEquals, notIn:
		d.not = append(d.not, texts...)
	case operators.Less:
		if number != nil && *number > math.MinInt64 {
			d.most = min(d.most, *number-1)
		}
	case operators.LessEquals:
		if number != nil {
			d.most = min(d.most, *number)
		}
	case operators.Greater:
		if number != nil && *number < math.MaxInt64 {
			d.least = max(d.least, *number+1)
		}
	case operators.GreaterEquals:
		if number != nil {
			d.least = max(d.least, *number)
		}
	}
}

// keep leaves only those texts.
func (d *domain) keep(texts []string) {
	if d.only == nil {
		d.only = texts
		return
	}
	d.only = slices.DeleteFunc(slices.Clone(d.only), func(s string) bool { return !slices.Contains(texts, s) })
}

// valuesOf are the texts of the literals, and of true and false; or the one whole number.
func valuesOf(c comparison) (texts []string, number *int64) {
	if c.literals == nil {
		return []string{"true"}, nil // a variable of type bool by itself
	}
	texts = []string{}
	for _, l := range c.literals {
		switch v := l.AsLiteral().(type) {
		case types.String:
			texts = append(texts, string(v))
		case types.Bool:
			texts = append(texts, map[types.Bool]string{true: "true", false: "false"}[v])
		case types.Int:
			if len(c.literals) == 1 {
				n := int64(v)
				return nil, &n
			}
			return nil, nil
		default:
			return nil, nil
		}
	}
	return texts, nil
}

// impossible says whether some variable has no value left.
func impossible(env *environment, domains map[string]*domain) bool {
	for name, d := range domains {
		values := env.vars[name].values
		if _, is := env.vars[name].read.(fn[bool]); is {
			values = []string{"true", "false"}
		}
		if d.only != nil {
			values = d.only
		}
		none := values != nil && !slices.ContainsFunc(values, func(v string) bool { return !slices.Contains(d.not, v) })
		if none || d.least > d.most {
			return true
		}
	}
	return false
}
