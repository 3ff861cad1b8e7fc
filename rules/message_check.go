package rules

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// shape is what is known of a value before the checker looks at it; its zero value: nothing.
type shape struct {
	message protoreflect.MessageDescriptor
	enum    protoreflect.EnumDescriptor
	list    bool
}

func shapeOf(fd protoreflect.FieldDescriptor) shape {
	return shape{message: fd.Message(), enum: fd.Enum(), list: fd.IsList()}
}

// element is what a list holds.
func (s shape) element() shape { return shape{message: s.message, enum: s.enum} }

// messageCheck finds the names that do not exist, all of them, before the checker stops at their types.
type messageCheck struct {
	nameCheck
	messages *Messages
	scope    map[string]shape // the iteration variables that are visible
	texts    bool             // texts were reported that are compared with enums
}

// walk checks an expression, and says what it is.
func (c *messageCheck) walk(e ast.Expr) shape {
	switch e.Kind() {
	case ast.IdentKind:
		return c.ident(e)
	case ast.SelectKind:
		return c.field(e)
	case ast.CallKind:
		return c.call(e)
	case ast.ListKind:
		c.walkAll(e.AsList().Elements())
	case ast.ComprehensionKind:
		return c.loop(e)
	case ast.StructKind:
		c.report(CodeUnknownName, e.ID(), "messages cannot be made here", "compare field by field, or write what is expected below answer")
	}
	return shape{}
}

func (c *messageCheck) walkAll(exprs []ast.Expr) {
	for _, e := range exprs {
		c.walk(e)
	}
}

func (c *messageCheck) ident(e ast.Expr) shape {
	name := e.AsIdent()
	if s, ok := c.scope[name]; ok {
		return s
	}
	if md, ok := c.messages.vars[strings.TrimPrefix(name, ".")]; ok {
		return shape{message: md}
	}
	hint := fmt.Sprintf("write '%s' if it is a text; there are %s", name, list(c.env.names))
	if near, is := nearest(name, c.env.names); is {
		hint = fmt.Sprintf("did you mean %s?", near)
	} else if ed := c.messages.enumOf(name); ed != nil {
		hint = fmt.Sprintf("write %s.%s", ed.Name(), name)
	}
	c.report(CodeUnknownName, e.ID(), "unknown name "+name, hint)
	return shape{}
}

// enumOf is the enum that has a value of that name, or nil.
func (m *Messages) enumOf(value string) protoreflect.EnumDescriptor {
	for _, ed := range m.enums {
		if ed.Values().ByName(protoreflect.Name(value)) != nil {
			return ed
		}
	}
	return nil
}

// field checks a name such as response.items.
func (c *messageCheck) field(e ast.Expr) shape {
	if parts, nodes := pathOf(e); len(parts) == 2 && c.messages.enums[parts[0]] != nil {
		c.constant(c.messages.enums[parts[0]], parts[1], nodes)
		return shape{}
	}
	name := e.AsSelect().FieldName()
	before := len(c.problems)
	of := c.walk(e.AsSelect().Operand())
	if len(c.problems) > before {
		c.covered[e.ID()] = true // the operand is wrong
		return shape{}
	}
	switch {
	case of.list:
		c.report(CodeType, e.ID(), fmt.Sprintf("a list has no field %s", name), "write [0] for its first element, or exists(x, x."+name+" == ...)")
	case of.message == nil:
	default:
		if fd := of.message.Fields().ByName(protoreflect.Name(name)); fd != nil {
			return shapeOf(fd)
		}
		fields := fieldNames(of.message)
		hint := fmt.Sprintf("it has %s", list(fields))
		if near, is := nearestField(name, fields); is {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		c.unknownField(e, fmt.Sprintf("unknown field %s of %s", name, of.message.Name()), hint)
	}
	return shape{}
}

// unknownField points at the field, also where it is the argument of has, which the parser turned into something else.
func (c *messageCheck) unknownField(e ast.Expr, message, hint string) {
	c.report(CodeUnknownName, e.ID(), message, hint)
	if !e.AsSelect().IsTestOnly() {
		return
	}
	p := &c.problems[len(c.problems)-1]
	for _, t := range c.src.tokens {
		if t.start >= p.Offset && c.src.text[t.start:t.end] == e.AsSelect().FieldName() {
			p.Offset, p.Length = t.start, t.end-t.start
			return
		}
	}
}

// constant checks the name of an enum's value.
func (c *messageCheck) constant(ed protoreflect.EnumDescriptor, name string, nodes []ast.Expr) {
	if ed.Values().ByName(protoreflect.Name(name)) != nil {
		return
	}
	names := valueNames(ed)
	hint := "it has " + list(names)
	if near, is := valueNamed(names, name); is {
		hint = fmt.Sprintf("did you mean %s.%s?", ed.Name(), near)
	}
	for _, n := range nodes {
		c.covered[n.ID()] = true
	}
	c.report(CodeUnknownName, nodes[len(nodes)-1].ID(), fmt.Sprintf("unknown value %s of %s", name, ed.Name()), hint)
}

func fieldNames(md protoreflect.MessageDescriptor) []string {
	var names []string
	for i := range md.Fields().Len() {
		names = append(names, string(md.Fields().Get(i).Name()))
	}
	return names
}

func (c *messageCheck) call(e ast.Expr) shape {
	call := e.AsCall()
	name := call.FunctionName()
	qualified := call.IsMemberFunction() && c.isQualified(call)
	if call.IsMemberFunction() && !qualified {
		c.walk(call.Target())
	}
	if !qualified && !c.env.cel.HasFunction(name) {
		hint := functionHints()[name]
		if near, is := nearest(name, c.env.functions); hint == "" && is {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		c.report(CodeUnknownName, e.ID(), "unknown function "+name, hint)
		c.cover(call.Args())
		return shape{}
	}
	if name == operators.Index && len(call.Args()) == 2 {
		of := c.walk(call.Args()[0])
		c.walk(call.Args()[1])
		return of.element()
	}
	shapes := make([]shape, len(call.Args()))
	for i, arg := range call.Args() {
		shapes[i] = c.walk(arg)
	}
	if name == operators.Equals || name == operators.NotEquals {
		c.enumAsText(shapes[0], call.Args()[1])
		c.enumAsText(shapes[1], call.Args()[0])
	}
	return shape{}
}

// enumAsText reports the value of an enum that is written as a text: here it is a constant.
func (c *messageCheck) enumAsText(s shape, e ast.Expr) {
	if s.enum == nil || e.Kind() != ast.LiteralKind {
		return
	}
	text, is := e.AsLiteral().(types.String)
	if !is {
		return
	}
	names := valueNames(s.enum)
	hint := fmt.Sprintf("write one of its constants, such as %s.%s", s.enum.Name(), names[len(names)-1])
	if full, found := valueNamed(names, string(text)); found {
		hint = fmt.Sprintf("write %s.%s", s.enum.Name(), full)
	}
	c.report(CodeType, e.ID(), fmt.Sprintf("a value of %s is no text here", s.enum.Name()), hint)
	c.texts = true
}

func valueNames(ed protoreflect.EnumDescriptor) []string {
	var names []string
	for i := range ed.Values().Len() {
		names = append(names, string(ed.Values().Get(i).Name()))
	}
	return names
}

// valueNamed finds the value of an enum by its name, its name without the enum's before it, or one that is like it.
func valueNamed(names []string, name string) (string, bool) {
	if i := slices.IndexFunc(names, func(n string) bool { return n == name || strings.HasSuffix(n, "_"+name) }); i >= 0 {
		return names[i], true
	}
	return nearest(name, names)
}

// isQualified knows functions whose names have a point, such as sets.contains.
func (c *messageCheck) isQualified(call ast.CallExpr) bool {
	parts, _ := pathOf(call.Target())
	return parts != nil && c.env.cel.HasFunction(strings.Join(parts, ".")+"."+call.FunctionName())
}

// loop says what a macro such as exists makes of a list.
func (c *messageCheck) loop(e ast.Expr) shape {
	loop := e.AsComprehension()
	of := c.walk(loop.IterRange())
	shadowed, had := c.scope[loop.IterVar()]
	c.scope[loop.IterVar()], c.scope[loop.AccuVar()] = of.element(), shape{}
	c.walkAll([]ast.Expr{loop.AccuInit(), loop.LoopCondition(), loop.LoopStep(), loop.Result()})
	delete(c.scope, loop.IterVar())
	if had {
		c.scope[loop.IterVar()] = shadowed
	}
	if macro, is := c.src.info.GetMacroCall(e.ID()); is && macro.AsCall().FunctionName() == "filter" {
		return of
	}
	return shape{}
}

// typeProblems turns the checker's errors into problems, without those of what is reported already.
func (c *messageCheck) typeProblems(errs []*cel.Error) []Problem {
	var problems []Problem
	for _, e := range errs {
		if c.covered[e.ExprID] {
			continue
		}
		name, _, undefined := cutMessage(e.Message, "undefined field '", "'")
		switch overload := strings.Contains(e.Message, "no matching overload"); {
		case undefined:
			problems = append(problems, c.src.node(CodeUnknownName, e.ExprID, "unknown field "+name, ""))
		case overload && c.texts && (strings.Contains(e.Message, "(int, string)") || strings.Contains(e.Message, "(string, int)")):
		default:
			problems = append(problems, c.nameCheck.typeProblems([]*cel.Error{e})...)
		}
	}
	for i := range problems {
		problems[i].Hint, _, _ = strings.Cut(problems[i].Hint, ", or compare date(x)") // there is no zone here
	}
	return problems
}
