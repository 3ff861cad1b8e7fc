package rules

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// typeProblems turns the checker's errors into problems, without those of names that are reported already.
func (n *nameCheck) typeProblems(errs []*cel.Error) []Problem {
	var problems []Problem
	for _, e := range errs {
		undeclared := n.covered[e.ExprID] && strings.HasPrefix(e.Message, "undeclared reference")
		typeAsValue := len(n.problems) > 0 && strings.Contains(e.Message, "type(") // the checker knows int as a value, names here do not
		if undeclared || typeAsValue {
			continue
		}
		problems = append(problems, n.typeProblem(e))
	}
	return problems
}

func (n *nameCheck) typeProblem(e *cel.Error) Problem {
	id := e.ExprID
	if function, args, is := cutMessage(e.Message, "found no matching overload for '", "' applied to '"); is {
		return n.overloadProblem(id, function, args)
	}
	if want, got, is := cutMessage(e.Message, "expected type '", "' but found '"); is {
		return n.src.value(CodeType, id, fmt.Sprintf("%s is needed here, this is %s", want, got), convertHint(want, got))
	}
	if t, _, is := cutMessage(e.Message, "type '", "' does not support field selection"); is {
		return n.src.node(CodeType, id, fmt.Sprintf("%s has no fields", t), "take the point and what follows it away; only names of variables have points")
	}
	if t, _, is := cutMessage(e.Message, "expression of type '", "' cannot be range"); is {
		return n.src.value(CodeType, id, fmt.Sprintf("%s has no elements: a list is needed", t), "loop over a list, such as item.labels or [1, 2]")
	}
	if function, _, is := cutMessage(e.Message, "invalid ", " argument"); is {
		literal := n.src.tokenOf(id)
		return n.src.node(CodeValue, id, fmt.Sprintf("%s is not a %s", n.src.text[literal.start:literal.end], function), valueHints()[function])
	}
	if strings.HasPrefix(e.Message, "comprehension exceeds nesting limit") {
		return n.src.node(CodeCost, id, fmt.Sprintf("more than %d loops inside each other", maxLoops), "write x in list instead of the innermost loop")
	}
	return n.src.node(CodeType, id, "this does not fit together: "+e.Message, "try its parts one by one with proscenium eval")
}

// cutMessage takes the words out of a message of the checker: between prefix and middle, and between middle and the last quote.
func cutMessage(message, prefix, middle string) (first, second string, is bool) {
	rest, is := strings.CutPrefix(message, prefix)
	if !is {
		return "", "", false
	}
	if first, second, is = strings.Cut(rest, middle); !is {
		return "", "", false
	}
	return first, strings.TrimSuffix(second, "'"), true
}

func valueHints() map[string]string {
	return map[string]string{
		overloads.TypeConvertDuration:  "such as duration('90s') or duration('1h30m')",
		overloads.TypeConvertTimestamp: "such as timestamp('2026-11-11T00:00:00Z')",
	}
}

// overloadProblem is of a function or operator that does not take these types; args are written as by the checker: (int, string), or
// string.(int) for a call on a value.
func (n *nameCheck) overloadProblem(id int64, function, args string) Problem {
	if callable(function) {
		message := fmt.Sprintf("there is no %s%s", function, args)
		if target, inner, is := strings.Cut(args, ".("); is {
			message = fmt.Sprintf("%s has no %s(%s", target, function, inner)
		}
		return n.src.node(CodeType, id, message, n.signatures(function))
	}
	given := splitTypes(strings.TrimSuffix(strings.TrimPrefix(args, "("), ")"))
	switch {
	case function == operators.Conditional:
		return n.src.node(CodeType, id, "? : needs a bool and two values of one type, not "+list(given), "write condition ? a : b, with a and b of one type")
	case function == operators.Index && len(given) == 2:
		return n.src.node(CodeType, id, fmt.Sprintf("%s has no element [%s]", given[0], given[1]), "elements of a list have numbers from 0, as in item.labels[0]; for a value in it use value in list")
	case function == operators.In && len(given) == 2:
		return n.src.node(CodeType, id, fmt.Sprintf("%s cannot be in %s", given[0], given[1]), inHint(given[0], given[1]))
	case len(given) == 2:
		return n.src.node(CodeType, id, fmt.Sprintf("no operator %s for %s and %s", symbol(function), given[0], given[1]), convertHint(given[0], given[1]))
	default:
		hint := "- takes a number"
		if function == operators.LogicalNot {
			hint = "! takes a condition; put parentheses around a comparison: !(a == b)"
		}
		return n.src.node(CodeType, id, fmt.Sprintf("no operator %s for %s", symbol(function), list(given)), hint)
	}
}

// splitTypes cuts at the commas that are not inside of parentheses.
func splitTypes(text string) []string {
	var parts []string
	depth, start := 0, 0
	for i, r := range text {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth == 0:
			parts = append(parts, strings.TrimSpace(text[start:i]))
			start = i + 1
		}
	}
	return append(parts, strings.TrimSpace(text[start:]))
}

func inHint(needle, haystack string) string {
	if element, is := strings.CutPrefix(haystack, "list("); is {
		return "the list has elements of type " + strings.TrimSuffix(element, ")") + ": " + convertHint(needle, strings.TrimSuffix(element, ")"))
	}
	if needle == "string" && haystack == "string" {
		return "for a part of a text use text.contains(part)"
	}
	return "write the values as a list: x in ['a', 'b']"
}

// convertHint tells how two types can meet.
func convertHint(a, b string) string {
	if a == "null" || b == "null" {
		return "nothing is null: compare with the empty value, such as '' or 0"
	}
	pair := []string{a, b}
	slices.Sort(pair)
	switch strings.Join(pair, " ") {
	case "double int":
		return "amounts are in minor units: 5.99 is 599; convert other numbers: double(x), int(x)"
	case "int string":
		return "write the number without quotes, or convert: string(x)"
	case "string timestamp":
		return "write timestamp('2026-11-11T00:00:00Z'), or compare date(x) with '2026-11-11'"
	case "duration string", "duration int":
		return "write duration('1h30m')"
	case "int uint":
		return "write the number without u"
	case "bool int", "bool string":
		return "write true or false without quotes, or compare the value first"
	}
	if strings.HasPrefix(pair[0], "list(") || strings.HasPrefix(pair[1], "list(") {
		return "for an element of a list use x in list"
	}
	return "both must be of one type"
}

// signatures of a function, for a hint.
func (n *nameCheck) signatures(function string) string {
	for _, info := range n.env.functionInfos() {
		if info.Name == function {
			if n := len(info.Signatures); n > 3 {
				return "there is " + strings.Join(info.Signatures[:3], ", ") + fmt.Sprintf(" and %d more", n-3)
			}
			return "there is " + list(info.Signatures)
		}
	}
	return seeVariables(n.env)
}

// checkValues finds constants that cannot be right: patterns, and texts that a variable of a closed set never has.
func checkValues(env *environment, src *source, checked *ast.AST) []Problem {
	var problems []Problem
	ast.PreOrderVisit(checked.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		call := e.AsCall()
		switch name, args := call.FunctionName(), call.Args(); name {
		case overloads.Matches:
			if p := checkPattern(src, args[len(args)-1]); p != nil {
				problems = append(problems, *p)
			}
		case operators.Equals, operators.NotEquals:
			problems = append(problems, checkMembers(env, src, args[0], []ast.Expr{args[1]})...)
			problems = append(problems, checkMembers(env, src, args[1], []ast.Expr{args[0]})...)
		case operators.In:
			if args[1].Kind() == ast.ListKind {
				problems = append(problems, checkMembers(env, src, args[0], args[1].AsList().Elements())...)
			}
		}
	}))
	return problems
}

// checkPattern wants a constant: it is compiled once, and its cost is known.
func checkPattern(src *source, e ast.Expr) *Problem {
	if e.Kind() != ast.LiteralKind {
		p := src.value(CodeValue, e.ID(), "the pattern of matches is not a constant", "write it as a text, or use contains")
		return &p
	}
	text, _ := e.AsLiteral().(types.String)
	steps, err := patternSteps(string(text))
	if err != nil {
		p := src.node(CodeValue, e.ID(), "the pattern is wrong: "+strings.TrimPrefix(err.Error(), "error parsing regexp: "), "the syntax is that of RE2; write patterns as r'…' so that a backslash is one")
		return &p
	}
	if steps > maxPatternSteps {
		p := src.node(CodeCost, e.ID(), fmt.Sprintf("the pattern compiles to %d steps, more than %d", steps, maxPatternSteps), "repeat less: x{1000} is a thousand steps")
		return &p
	}
	return nil
}

// maxPatternSteps bounds a compiled pattern; the estimate of cost only knows how long it is in writing. Matching takes at most this many
// steps for each character.
const maxPatternSteps = 500

func patternSteps(text string) (int, error) {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 0, err
	}
	code, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 0, err
	}
	return len(code.Inst), nil
}

func checkMembers(env *environment, src *source, variable ast.Expr, literals []ast.Expr) []Problem {
	if variable.Kind() != ast.IdentKind {
		return nil
	}
	v := env.vars[strings.TrimPrefix(variable.AsIdent(), ".")]
	if v.values == nil {
		return nil
	}
	var problems []Problem
	for _, e := range literals {
		if e.Kind() != ast.LiteralKind {
			continue
		}
		text, is := e.AsLiteral().(types.String)
		if !is || slices.Contains(v.values, string(text)) {
			continue
		}
		hint := "it is one of " + strings.Join(v.values, ", ")
		if near, found := nearest(strings.ToUpper(string(text)), v.values); found {
			hint = fmt.Sprintf("did you mean '%s'?", near)
		}
		problems = append(problems, src.node(CodeValue, e.ID(), fmt.Sprintf("%s is never '%s'", v.name, string(text)), hint))
	}
	return problems
}
