package scenetest

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"

	"proscenium/rules"
	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// environment is what expressions below `that` may look at.
var environment = sync.OnceValue(func() *rules.Messages {
	return rules.NewMessages(map[string]proto.Message{
		"request":  &pricingv1.GetPromotionInfoRequest{},
		"response": &pricingv1.GetPromotionInfoResponse{},
		"trace":    &pricingv1.Trace{},
	})
})

// assertion is an expression below `that`.
type assertion struct {
	*rules.Assertion
	at *source.Place
}

// assertion compiles an expression, each text once. It is nil where it does not compile, which was reported.
func (l *linker) assertion(text string, at *source.Place) *assertion {
	known, ok := l.compiled[text]
	if !ok {
		known.rule, known.problems = environment().Compile(text)
		if l.compiled == nil {
			l.compiled = map[string]compiled{}
		}
		l.compiled[text] = known
	}
	for _, p := range known.problems {
		l.report(at.ErrorInside(p.Offset, p.Length, diag.Code(p.Code), p.Message, p.Hint))
	}
	if known.rule == nil {
		return nil
	}
	return &assertion{Assertion: known.rule, at: at}
}

type compiled struct {
	rule     *rules.Assertion
	problems []rules.Problem
}

// check adds a failure for an expression that does not hold.
func (c *comparison) check(a *assertion, values map[string]any) {
	held, err := a.Holds(values)
	if held && err == nil {
		return
	}
	f := failureAt(a.at)
	f.Path, f.Message = a.String(), "it is false"
	if err != nil {
		f.Message = "it cannot be evaluated: " + err.Error()
	}
	for _, o := range a.Explain(values) {
		f.Parts = append(f.Parts, partOf(o))
	}
	c.failures = append(c.failures, f)
}

// partOf shows a value; a list of messages element by element.
func partOf(o rules.Operand) Part {
	p := Part{Text: o.Text, Value: showOperand(o)}
	list, is := o.Value.(traits.Lister)
	if !is {
		return p
	}
	for it := list.Iterator(); it.HasNext() == types.True && len(p.Elements) < maxElements; {
		m, is := it.Next().Value().(proto.Message)
		if !is {
			return Part{Text: o.Text, Value: p.Value}
		}
		p.Elements = append(p.Elements, showMessage(m.ProtoReflect()))
	}
	if n, ok := list.Size().(types.Int); ok && len(p.Elements) > 0 {
		p.Value = plural(int(n), "element")
	}
	return p
}

// showOperand writes a value of an expression as test files do.
func showOperand(o rules.Operand) string {
	if n, is := o.Value.(types.Int); is && o.Enum != nil {
		return string(o.Enum.Name()) + "." + enumConstant(o.Enum, protoreflect.EnumNumber(n))
	}
	var b strings.Builder
	writeValue(&b, o.Value)
	return shorten(b.String())
}

// enumConstant is the name of a value as expressions write it.
func enumConstant(ed protoreflect.EnumDescriptor, n protoreflect.EnumNumber) string {
	if v := ed.Values().ByNumber(n); v != nil {
		return string(v.Name())
	}
	return strconv.Itoa(int(n))
}

func writeValue(b *strings.Builder, v ref.Val) {
	switch v := v.(type) {
	case types.String:
		b.WriteString(strconv.Quote(string(v)))
		return
	case types.Timestamp:
		b.WriteString(v.Format(time.RFC3339Nano))
		return
	case types.Duration:
		b.WriteString(v.String())
		return
	case traits.Lister:
		writeElements(b, v)
		return
	}
	if m, ok := v.Value().(proto.Message); ok {
		writeMessage(b, m.ProtoReflect())
		return
	}
	if text, ok := v.ConvertToType(types.StringType).(types.String); ok {
		b.WriteString(string(text))
		return
	}
	b.WriteString(v.Type().TypeName())
}

func writeElements(b *strings.Builder, list traits.Lister) {
	b.WriteByte('[')
	first := true
	for it := list.Iterator(); it.HasNext() == types.True && b.Len() <= longest; first = false {
		if !first {
			b.WriteString(", ")
		}
		writeValue(b, it.Next())
	}
	b.WriteByte(']')
}
