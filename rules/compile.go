package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
)

// Compile parses and checks an expression for a place, bounds its cost, and makes closures of it. The problems are all that the stage which
// finds the first one finds, by their places in the expression; with any problem there is no rule.
func Compile(place Place, expr string) (*Rule, []Problem) {
	env := place.environment()
	if env == nil {
		return nil, []Problem{{Code: CodePlace, Length: 1, Message: fmt.Sprintf("there is no place %s", place)}}
	}
	src, problem := newSource(expr)
	if problem != nil {
		return nil, []Problem{*problem}
	}
	parsed, issues := env.cel.ParseSource(common.NewTextSource(expr))
	if issues.Err() != nil {
		return nil, sorted(src.syntaxProblems(issues.Errors()))
	}
	src.locate(parsed.NativeRep())

	names := nameCheck{env: env, src: src, covered: map[int64]bool{}}
	names.walk(parsed.NativeRep().Expr())
	checked, issues := env.cel.Check(parsed)
	problems := names.problems
	if issues.Err() != nil {
		problems = append(problems, names.typeProblems(issues.Errors())...)
	}
	if len(problems) > 0 {
		return nil, sorted(problems)
	}
	if problems = checkValues(env, src, checked.NativeRep()); len(problems) > 0 {
		return nil, sorted(problems)
	}
	if problem = checkResult(env, src, checked.OutputType()); problem != nil {
		return nil, []Problem{*problem}
	}
	if problem = checkCost(env, src, checked); problem != nil {
		return nil, []Problem{*problem}
	}
	rule, folded, err := newRule(env, expr, checked)
	if err != nil {
		return nil, []Problem{src.whole(CodeInternal, "the expression cannot be compiled: "+err.Error(), "write it in another way, and report this: it is a fault of the program")}
	}
	rule.insight = look(env, src, checked.NativeRep().Expr(), folded)
	return rule, nil
}

// newRule makes closures, or, where they do not cover the expression, a program of the interpreter. folded is the value of a condition that is
// the same for every input.
func newRule(env *environment, expr string, checked *cel.Ast) (rule *Rule, folded *bool, err error) {
	native := checked.NativeRep()
	rule = &Rule{src: expr, uses: variablesIn(env, native.Expr())}
	c := &compiler{env: env, checked: native}
	switch n := plain(c.compile(native.Expr())).(type) {
	case node[bool]:
		rule.code = n.eval
		if n.constant {
			folded = &n.value
		}
	case node[string]:
		rule.code = n.eval
	case node[int64]:
		rule.code = n.eval
	default:
		program, err := newProgram(env, checked)
		if err != nil {
			return nil, nil, err
		}
		rule.program = program
		return rule, nil, nil
	}
	if c.loops {
		rule.locals = &sync.Pool{New: func() any { return new(locals) }}
	}
	return rule, folded, nil
}

// variablesIn are the names of the variables that the checked expression reads, sorted.
func variablesIn(env *environment, e ast.Expr) []string {
	used := map[string]bool{}
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind {
			name := strings.TrimPrefix(e.AsIdent(), ".")
			if _, is := env.vars[name]; is {
				used[name] = true
			}
		}
	}))
	return slices.Sorted(maps.Keys(used))
}

func checkResult(env *environment, src *source, result *cel.Type) *Problem {
	for _, t := range env.spec.results {
		if result.IsExactType(t) {
			return nil
		}
	}
	hint := "compare the value with something, such as promo.price > 0"
	switch {
	case env.place == ExperimentUnit:
		hint = "choose what is the same whenever the unit is, such as user.id"
	case env.place == LimitKey:
		hint = "choose what is counted apart, such as string(user.id)"
	case result.IsExactType(cel.StringType):
		hint = "compare the text with something: == 'a', or in ['a', 'b']"
	case result.IsExactType(cel.IntType):
		hint = "compare the number with something: == 1, or > 0"
	}
	p := src.whole(CodeResultType, fmt.Sprintf("%s needs an expression of type %s, this one is of type %s", env.place, env.spec.result(), typeName(result)), hint)
	return &p
}
