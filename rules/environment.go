package rules

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/ext"
)

// maxLoops is how deep exists, all and their like may nest.
const maxLoops = 3

// maxLength bounds an expression, in characters; it is that of the configuration's fields.
const maxLength = 4_000

// environment is what expressions of a place are compiled in. It is immutable.
type environment struct {
	place Place
	spec  placeSpec
	cel   *cel.Env
	vars  map[string]variable
	// names are the dotted names of vars, in the order of the reference.
	names []string
	// functions are the names that can be called, macros too, sorted.
	functions []string
	clocks    map[string]clock
}

// newEnvironment panics for declarations that contradict each other: a fault of this package, not of an expression.
func newEnvironment(p Place) *environment {
	spec, _ := p.spec()
	e := &environment{place: p, spec: spec, vars: map[string]variable{}, clocks: map[string]clock{}}
	options := []cel.EnvOption{
		// Without dyn and type every expression has one type that is known before it runs. Dotted variables have no presence to test.
		cel.StdLib(cel.StdLibSubset(&env.LibrarySubset{
			ExcludeMacros:    []string{"has"},
			ExcludeFunctions: []*env.Function{{Name: "dyn"}, {Name: "type"}},
		})),
		ext.Sets(),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxLength),
		cel.ASTValidators(
			cel.ValidateDurationLiterals(),
			cel.ValidateTimestampLiterals(),
			cel.ValidateHomogeneousAggregateLiterals(),
			cel.ValidateComprehensionNestingLimit(maxLoops),
		),
	}
	for _, v := range variables() {
		if spec.has(v) {
			e.vars[v.name] = v
			e.names = append(e.names, v.name)
			options = append(options, cel.VariableWithDoc(v.name, v.celType(), v.doc))
		}
	}
	for _, c := range clocks() {
		e.clocks[c.name] = c
	}
	var err error
	if e.cel, err = cel.NewCustomEnv(append(options, functionDeclarations()...)...); err != nil {
		panic(fmt.Sprintf("rules: environment of %s: %v", p, err))
	}
	for name := range e.cel.Functions() {
		if callable(name) {
			e.functions = append(e.functions, name)
		}
	}
	for _, m := range e.cel.Macros() {
		e.functions = append(e.functions, m.Function())
	}
	slices.Sort(e.functions)
	e.functions = slices.Compact(e.functions)
	return e
}

// hasRoot says whether a variable of the place begins with the name.
func (e *environment) hasRoot(name string) bool {
	return slices.Contains(e.spec.roots, name)
}

// placesOf are the places that have the variable, or any variable of the root.
func placesOf(name string) []string {
	var places []string
	for p := PromoRule; p <= lastPlace; p++ {
		spec, _ := p.spec()
		if slices.ContainsFunc(variables(), func(v variable) bool {
			return spec.has(v) && (v.name == name || strings.HasPrefix(v.name, name+"."))
		}) {
			places = append(places, spec.name)
		}
	}
	return places
}
