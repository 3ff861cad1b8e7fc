package rules

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// shape is what is known of a value before the checker looks at it; its zero value: nothing.
type shape struct {
	message protoreflect.MessageDescriptor
	list    bool
}

func shapeOf(fd protoreflect.FieldDescriptor) shape {
	return shape{message: fd.Message(), list: fd.IsList()}
}

// messageCheck finds the names that do not exist, all of them, before the checker stops at their types.
type messageCheck struct {
	nameCheck
	messages *Messages
	scope    map[string]shape // the iteration variables that are visible
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
		c.loop(e.AsComprehension())
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
	hint := "there are " + list(c.env.names)
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
		c.report(CodeUnknownName, e.ID(), fmt.Sprintf("unknown field %s of %s", name, of.message.Name()), hint)
	}
	return shape{}
}

// constant checks the name of an enum's value.
func (c *messageCheck) constant(ed protoreflect.EnumDescriptor, name string, nodes []ast.Expr) {
	if ed.Values().ByName(protoreflect.Name(name)) != nil {
		return
	}
	var names []string
	for i := range ed.Values().Len() {
		names = append(names, string(ed.Values().Get(i).Name()))
	}
	hint := "it has " + list(names)
	if i := slices.IndexFunc(names, func(n string) bool { return strings.HasSuffix(n, "_"+name) }); i >= 0 {
		hint = fmt.Sprintf("did you mean %s.%s?", ed.Name(), names[i])
	} else if near, is := nearest(name, names); is {
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
		return shape{message: of.message}
	}
	c.walkAll(call.Args())
	return shape{}
}

// isQualified knows functions whose names have a point, such as sets.contains.
func (c *messageCheck) isQualified(call ast.CallExpr) bool {
	parts, _ := pathOf(call.Target())
	return parts != nil && c.env.cel.HasFunction(strings.Join(parts, ".")+"."+call.FunctionName())
}

func (c *messageCheck) loop(loop ast.ComprehensionExpr) {
	of := c.walk(loop.IterRange())
	shadowed, had := c.scope[loop.IterVar()]
	c.scope[loop.IterVar()] = shape{message: of.message}
	c.scope[loop.AccuVar()] = shape{}
	c.walkAll([]ast.Expr{loop.AccuInit(), loop.LoopCondition(), loop.LoopStep(), loop.Result()})
	delete(c.scope, loop.IterVar())
	if had {
		c.scope[loop.IterVar()] = shadowed
	}
}

// typeProblems adds to the checker's errors what messages can tell.
func (c *messageCheck) typeProblems(errs []*cel.Error) []Problem {
	var rest []*cel.Error
	var problems []Problem
	for _, e := range errs {
		if name, _, is := cutMessage(e.Message, "undefined field '", "'"); is {
			if !c.covered[e.ExprID] {
				problems = append(problems, c.src.node(CodeUnknownName, e.ExprID, "unknown field "+name, ""))
			}
			continue
		}
		rest = append(rest, e)
	}
	return append(problems, c.nameCheck.typeProblems(rest)...)
}
