package rules

import (
	"fmt"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Operand is a part of an expression with the value that it had.
type Operand struct {
	Text  string
	Value ref.Val
	// Enum is what the value is one of; nil where it is no enum's.
	Enum protoreflect.EnumDescriptor
}

// Explain evaluates an expression that did not hold once more, and tells the values of the parts that decided it: of the terms of a
// conjunction that are false, both sides of a comparison, the list of a loop, the arguments of a function. Constants are left out.
func (a *Assertion) Explain(values map[string]any) []Operand {
	p, err := a.tracked()
	if err != nil {
		return nil
	}
	_, details, _ := evaluate(p, values) // what was evaluated before an error is what is wanted
	if details == nil || details.State() == nil {
		return nil
	}
	x := explainer{state: details.State(), native: a.checked.NativeRep(), seen: map[string]bool{}}
	x.decided(x.native.Expr())
	return x.operands
}

// evaluate turns a panic of the interpreter into an error: one expression must not end the process.
func evaluate(p cel.Program, values map[string]any) (out ref.Val, details *cel.EvalDetails, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, fmt.Errorf("the interpreter panicked: %v", r)
		}
	}()
	return p.Eval(values)
}

type explainer struct {
	state    interpreter.EvalState
	native   *ast.AST
	seen     map[string]bool
	operands []Operand
}

// decided explains an expression of type bool.
func (x *explainer) decided(e ast.Expr) {
	if e.Kind() != ast.CallKind {
		x.operand(e)
		return
	}
	call := e.AsCall()
	switch call.FunctionName() {
	case operators.LogicalAnd, operators.LogicalOr:
		for _, term := range call.Args() {
			if v, known := x.state.Value(term.ID()); known && (v != types.True || call.FunctionName() == operators.LogicalOr) {
				x.decided(term)
			}
		}
	case operators.LogicalNot:
		x.decided(call.Args()[0])
	case operators.Conditional:
		x.decided(call.Args()[0])
		for _, branch := range call.Args()[1:] {
			if _, taken := x.state.Value(branch.ID()); taken {
				x.decided(branch)
			}
		}
	default:
		if call.IsMemberFunction() {
			x.operand(call.Target())
		}
		for _, arg := range call.Args() {
			x.operand(arg)
		}
	}
}

// operand notes the value of a part.
func (x *explainer) operand(e ast.Expr) {
	if x.isConstant(e) {
		return
	}
	switch e.Kind() {
	case ast.ComprehensionKind:
		x.operand(e.AsComprehension().IterRange())
		return
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			x.operand(element)
		}
		return
	}
	v, known := x.state.Value(e.ID())
	if !known {
		return
	}
	text, err := cel.ExprToString(e, x.native.SourceInfo())
	if err != nil || x.seen[text] {
		return
	}
	x.seen[text] = true
	if types.IsError(v) || types.IsUnknown(v) {
		x.inner(e)
		return
	}
	x.operands = append(x.operands, Operand{Text: text, Value: v, Enum: x.enum(e)})
	x.inner(e)
}

// inner explains the arguments of a computation, such as those of size.
func (x *explainer) inner(e ast.Expr) {
	switch e.Kind() {
	case ast.CallKind:
		call := e.AsCall()
		if call.IsMemberFunction() {
			x.operand(call.Target())
		}
		for _, arg := range call.Args() {
			x.operand(arg)
		}
	case ast.SelectKind:
		if v, known := x.state.Value(e.AsSelect().Operand().ID()); !known || types.IsError(v) {
			x.operand(e.AsSelect().Operand())
		}
	}
}

// isConstant says whether an expression is the same for all values: a reader knows it.
func (x *explainer) isConstant(e ast.Expr) bool {
	switch e.Kind() {
	case ast.LiteralKind:
		return true
	case ast.IdentKind, ast.SelectKind:
		r := x.native.ReferenceMap()[e.ID()]
		return r != nil && r.Value != nil // of an enum
	case ast.ListKind:
		return !slices.ContainsFunc(e.AsList().Elements(), func(e ast.Expr) bool { return !x.isConstant(e) })
	case ast.CallKind:
		call := e.AsCall()
		return (!call.IsMemberFunction() || x.isConstant(call.Target())) &&
			!slices.ContainsFunc(call.Args(), func(e ast.Expr) bool { return !x.isConstant(e) })
	}
	return false
}

// enum is that of a field, or nil.
func (x *explainer) enum(e ast.Expr) protoreflect.EnumDescriptor {
	if e.Kind() != ast.SelectKind || e.AsSelect().IsTestOnly() {
		return nil
	}
	of, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(x.native.GetType(e.AsSelect().Operand().ID()).TypeName()))
	if err != nil {
		return nil
	}
	fd := of.Descriptor().Fields().ByName(protoreflect.Name(e.AsSelect().FieldName()))
	if fd == nil || fd.IsList() {
		return nil
	}
	return fd.Enum()
}
