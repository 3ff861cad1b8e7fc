package rules

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"github.com/agnivade/levenshtein"
)

// nameCheck finds the names that do not exist, all of them, before the checker stops at their types.
type nameCheck struct {
	env *environment
	src *source
	// scope has the iteration variables that are visible.
	scope    []string
	problems []Problem
	// covered are the nodes of names reported here; what the checker says of them is left out.
	covered map[int64]bool
}

func (n *nameCheck) report(code string, id int64, message, hint string) {
	n.problems = append(n.problems, n.src.node(code, id, message, hint))
	n.covered[id] = true
}

func (n *nameCheck) walk(e ast.Expr) {
	switch e.Kind() {
	case ast.IdentKind, ast.SelectKind:
		n.path(e)
	case ast.CallKind:
		n.call(e)
	case ast.ListKind:
		n.all(e.AsList().Elements())
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			n.walk(entry.AsMapEntry().Key())
			n.walk(entry.AsMapEntry().Value())
		}
	case ast.StructKind:
		n.report(CodeUnknownName, e.ID(), "messages cannot be made here", "use variables, texts, numbers and lists")
	case ast.ComprehensionKind:
		n.loop(e)
	}
}

func (n *nameCheck) all(exprs []ast.Expr) {
	for _, e := range exprs {
		n.walk(e)
	}
}

// path checks a name such as promo.price; nodes are those of its parts.
func (n *nameCheck) path(e ast.Expr) {
	parts, nodes := pathOf(e)
	if parts == nil {
		n.walk(e.AsSelect().Operand())
		return
	}
	root := strings.TrimPrefix(parts[0], ".")
	if slices.Contains(n.scope, root) {
		return
	}
	if len(parts) > 1 {
		if _, is := n.env.vars[root+"."+parts[1]]; is {
			return
		}
	}
	for _, node := range nodes {
		n.covered[node.ID()] = true
	}
	switch {
	case n.env.hasRoot(root) && len(parts) == 1:
		n.report(CodeUnknownName, nodes[0].ID(), root+" is not a value: name one of its fields", "such as "+root+"."+n.env.fields(root)[0])
	case n.env.hasRoot(root):
		name := root + "." + parts[1]
		if places := placesOf(name); len(places) > 0 {
			n.report(CodeNotAvailable, nodes[1].ID(), fmt.Sprintf("%s is not available in %s", name, n.env.place), "it is in "+list(places))
			return
		}
		n.report(CodeUnknownName, nodes[1].ID(), fmt.Sprintf("unknown field %s of %s", parts[1], root), n.didYouMean(name))
	case len(placesOf(root)) > 0:
		n.report(CodeNotAvailable, nodes[0].ID(), fmt.Sprintf("%s is not available in %s", root, n.env.place), n.roots())
	default:
		hint := syntaxHints()[root] // and, or, not
		switch word := strings.ToLower(root); {
		case hint != "" || len(parts) > 1:
		case word == "true", word == "false":
			hint = "write " + word
		case word == "null", word == "none", word == "nil":
			hint = "nothing is null: compare with the empty value, such as '' or 0"
		}
		if hint == "" {
			hint = n.didYouMean(strings.TrimPrefix(strings.Join(parts, "."), "."))
		}
		n.report(CodeUnknownName, nodes[0].ID(), "unknown name "+root, hint)
	}
}

// pathOf takes a.b.c apart; parts are nil where the path does not begin with a name.
func pathOf(e ast.Expr) (parts []string, nodes []ast.Expr) {
	for ; e.Kind() == ast.SelectKind; e = e.AsSelect().Operand() {
		parts, nodes = append(parts, e.AsSelect().FieldName()), append(nodes, e)
	}
	if e.Kind() != ast.IdentKind {
		return nil, nil
	}
	parts, nodes = append(parts, e.AsIdent()), append(nodes, e)
	slices.Reverse(parts)
	slices.Reverse(nodes)
	return parts, nodes
}

func (n *nameCheck) call(e ast.Expr) {
	call := e.AsCall()
	name := call.FunctionName()
	if call.IsMemberFunction() {
		if parts, nodes := pathOf(call.Target()); parts != nil {
			full := strings.Join(parts, ".") + "." + name
			if n.env.cel.HasFunction(full) {
				n.all(call.Args())
				return
			}
			if near, is := nearest(full, n.env.functions); is && strings.Contains(near, ".") && !n.env.hasRoot(parts[0]) {
				n.report(CodeUnknownName, nodes[0].ID(), "unknown function "+full, fmt.Sprintf("did you mean %s?", near))
				n.covered[e.ID()] = true
				n.all(call.Args())
				return
			}
		}
		n.walk(call.Target())
	}
	if n.env.cel.HasFunction(name) {
		n.all(call.Args())
		return
	}
	hint := functionHints()[name]
	if near, is := nearest(name, n.env.functions); hint == "" && is {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	if hint == "" {
		hint = seeVariables(n.env)
	}
	message := "unknown function " + name
	_, isMacro := slices.BinarySearch(n.env.functions, name)
	if isMacro {
		message, hint = name+" is not called like this", "write it as in item.labels."+name+"(x, x == 'a')"
	}
	n.report(CodeUnknownName, e.ID(), message, hint)
	if isMacro || len(call.Args()) == 2 && call.Args()[0].Kind() == ast.IdentKind {
		// Most likely a misspelt exists: its arguments name an iteration variable.
		n.cover(call.Args())
		return
	}
	n.all(call.Args())
}

// seeVariables tells where all names are listed.
func seeVariables(env *environment) string {
	return fmt.Sprintf("proscenium eval --variables --place %s lists what there is", env.place)
}

// cover leaves all names in the expressions out.
func (n *nameCheck) cover(exprs []ast.Expr) {
	for _, e := range exprs {
		ast.PreOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) { n.covered[e.ID()] = true }))
	}
}

// functionHints are for functions of other languages.
func functionHints() map[string]string {
	return map[string]string{
		"has":         "every variable is there: compare it with its empty value, such as '' or 0",
		"now":         "use request.time, the instant priced for",
		"len":         "use size",
		"length":      "use size",
		"count":       "use size",
		"lower":       "use lowerAscii",
		"toLower":     "use lowerAscii",
		"toLowerCase": "use lowerAscii",
		"upper":       "use upperAscii",
		"toUpper":     "use upperAscii",
		"toUpperCase": "use upperAscii",
		"includes":    "use x in list, or contains for texts",
		"any":         "use exists",
		"hash":        "use bucket",
		"dyn":         "types are fixed here: convert with int, double or string",
		"type":        "types are fixed here: no test is needed",
	}
}

func (n *nameCheck) loop(e ast.Expr) {
	loop := e.AsComprehension()
	n.walk(loop.IterRange())
	if name := loop.IterVar(); len(placesOf(name)) > 0 {
		n.report(CodeUnknownName, e.ID(), fmt.Sprintf("the iteration variable %s hides the variables of %s", name, name), "give it another name, such as x")
	}
	depth := len(n.scope)
	n.scope = append(n.scope, loop.IterVar(), loop.AccuVar())
	n.all([]ast.Expr{loop.AccuInit(), loop.LoopCondition(), loop.LoopStep(), loop.Result()})
	n.scope = n.scope[:depth]
}

// didYouMean names the variable that is nearest to what was written, or what there is.
func (n *nameCheck) didYouMean(name string) string {
	root, field, _ := strings.Cut(name, ".")
	if n.env.hasRoot(root) {
		fields := n.env.fields(root)
		if near, is := nearestField(field, fields); is {
			return fmt.Sprintf("did you mean %s.%s?", root, near)
		}
		return fmt.Sprintf("%s has %s", root, list(fields))
	}
	if near, is := nearest(name, n.env.names); is {
		return fmt.Sprintf("did you mean %s?", near)
	}
	// A field without its root: price for promo.price.
	for _, full := range n.env.names {
		if strings.HasSuffix(full, "."+name) {
			return fmt.Sprintf("did you mean %s?", full)
		}
	}
	if field == "" && len(root) > 1 {
		return fmt.Sprintf("write '%s' if it is a text; %s", root, n.roots())
	}
	return n.roots()
}

// roots tells what the variables of the place begin with.
func (n *nameCheck) roots() string {
	if len(n.env.spec.roots) == 1 {
		return "there is only " + n.env.spec.roots[0]
	}
	return "there are " + list(n.env.spec.roots)
}

// nearestField also finds fields of more words, such as end_time for end.
func nearestField(name string, fields []string) (string, bool) {
	if near, is := nearest(name, fields); is {
		return near, true
	}
	for _, field := range fields {
		if strings.HasPrefix(field, name+"_") || strings.HasSuffix(field, "_"+name) {
			return field, true
		}
	}
	return "", false
}

// nearest finds the candidate with the smallest edit distance, if that is at most a third of the name.
func nearest(name string, candidates []string) (string, bool) {
	best, distance := "", len(name)/3+1
	for _, candidate := range candidates {
		if d := levenshtein.ComputeDistance(name, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	return best, best != ""
}

// fields of the root, in the order of the reference.
func (e *environment) fields(root string) []string {
	var fields []string
	for _, name := range e.names {
		if field, is := strings.CutPrefix(name, root+"."); is {
			fields = append(fields, field)
		}
	}
	return fields
}

// list writes a, b and c.
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
