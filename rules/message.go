package rules

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Messages is an environment whose variables are whole protobuf messages, for expressions that tools run: no request path does. It is
// immutable and safe for concurrent use.
//
// Functions are those of the configuration's places, but for those of a region's clocks, and has. Constants of enums are written with the
// enum's name, as Status.STATUS_OK.
type Messages struct {
	env   *environment
	vars  map[string]protoreflect.MessageDescriptor
	enums map[string]protoreflect.EnumDescriptor
}

// NewMessages makes an environment of variables of one package. It panics for declarations that contradict each other: a fault of the caller.
func NewMessages(vars map[string]proto.Message) *Messages {
	m := &Messages{vars: map[string]protoreflect.MessageDescriptor{}, enums: map[string]protoreflect.EnumDescriptor{}}
	e := &environment{spec: placeSpec{name: "the test", results: []*cel.Type{cel.BoolType}}}
	options := []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(&env.LibrarySubset{ExcludeFunctions: []*env.Function{{Name: "dyn"}, {Name: "type"}}})),
		ext.Sets(),
		cel.DefaultUTCTimeZone(true),
		cel.EnableMacroCallTracking(),
		cel.ParserExpressionSizeLimit(maxLength),
		cel.ASTValidators(
			cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateComprehensionNestingLimit(maxLoops),
		),
	}
	for name, msg := range vars {
		md := msg.ProtoReflect().Descriptor()
		m.vars[name] = md
		m.gatherEnums(md, map[protoreflect.FullName]bool{})
		e.names, e.spec.roots = append(e.names, name), append(e.spec.roots, name)
		options = append(options, cel.Types(msg), cel.Variable(name, cel.ObjectType(string(md.FullName()))), cel.Container(string(md.ParentFile().Package())))
	}
	slices.Sort(e.names)
	slices.Sort(e.spec.roots)
	options = append(options, functionDeclarations()[len(clocks()):]...) // without the clocks, which come first
	var err error
	if e.cel, err = cel.NewCustomEnv(options...); err != nil {
		panic(fmt.Sprintf("rules: environment of messages: %v", err))
	}
	for name := range e.cel.Functions() {
		if callable(name) {
			e.functions = append(e.functions, name)
		}
	}
	for _, macro := range e.cel.Macros() {
		e.functions = append(e.functions, macro.Function())
	}
	slices.Sort(e.functions)
	e.functions = slices.Compact(e.functions)
	m.env = e
	return m
}

// gatherEnums finds the enums that a message can hold.
func (m *Messages) gatherEnums(md protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) {
	if seen[md.FullName()] {
		return
	}
	seen[md.FullName()] = true
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if ed := fd.Enum(); ed != nil {
			m.enums[string(ed.Name())] = ed
		}
		if fd.Message() != nil {
			m.gatherEnums(fd.Message(), seen)
		}
	}
}

// Assertion is a compiled expression of type bool over messages. It is safe for concurrent use.
type Assertion struct {
	env     *environment
	src     *source
	checked *cel.Ast
	fast    func() (cel.Program, error)
	tracked func() (cel.Program, error)
}

// Compile parses and checks an expression. The problems are all that the stage which finds the first one finds; with any there is no assertion.
func (m *Messages) Compile(expr string) (*Assertion, []Problem) {
	src, problem := newSource(expr)
	if problem != nil {
		return nil, []Problem{*problem}
	}
	parsed, issues := m.env.cel.ParseSource(common.NewTextSource(expr))
	if issues.Err() != nil {
		return nil, sorted(src.syntaxProblems(issues.Errors()))
	}
	src.locate(parsed.NativeRep())
	names := messageCheck{messages: m, nameCheck: nameCheck{env: m.env, src: src, covered: map[int64]bool{}}, scope: map[string]shape{}}
	names.walk(parsed.NativeRep().Expr())
	checked, issues := m.env.cel.Check(parsed)
	problems := names.problems
	if issues.Err() != nil {
		problems = append(problems, names.typeProblems(issues.Errors())...)
	}
	if len(problems) > 0 {
		return nil, sorted(problems)
	}
	if problems = checkValues(m.env, src, checked.NativeRep()); len(problems) > 0 {
		return nil, sorted(problems)
	}
	if problem := checkResult(m.env, src, checked.OutputType()); problem != nil {
		problem.Message = "an expression of type bool is needed, this one is of type " + typeName(checked.OutputType())
		return nil, []Problem{*problem}
	}
	a := &Assertion{env: m.env, src: src, checked: checked}
	a.fast, a.tracked = sync.OnceValues(a.plan()), sync.OnceValues(a.plan(cel.EvalOptions(cel.OptTrackState)))
	return a, nil
}

// assertionCost bounds an evaluation, in the units of CEL: it is about a second.
const assertionCost = 10_000_000

func (a *Assertion) plan(options ...cel.ProgramOption) func() (cel.Program, error) {
	return func() (cel.Program, error) {
		return a.env.cel.Program(a.checked, append(options, cel.CostLimit(assertionCost))...)
	}
}

// String is the source of the expression.
func (a *Assertion) String() string { return a.src.text }

var errNotAsserted = errors.New("the expression is not of type bool")

// Holds evaluates the expression. An error is an evaluation error, such as an index out of range.
func (a *Assertion) Holds(values map[string]any) (bool, error) {
	p, err := a.fast()
	if err != nil {
		return false, err
	}
	out, _, err := evaluate(p, values)
	if err != nil {
		return false, err
	}
	held, ok := out.(types.Bool)
	if !ok {
		return false, errNotAsserted
	}
	return bool(held), nil
}
