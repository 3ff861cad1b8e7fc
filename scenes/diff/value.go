package diff

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/parser"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/scenes/source"
)

// value is what a field says.
type value struct {
	text string // for people
	raw  string // of a text: without quotes
	// byDefault says that the field is not written, and absent that nothing holds in its place.
	byDefault, absent bool
}

// effective is what a field says where it is written, or else its default.
func (c *comparer) effective(fd protoreflect.FieldDescriptor, m protoreflect.Message) value {
	if m.Has(fd) {
		v := value{text: text(fd, m.Get(fd))}
		if fd.Kind() == protoreflect.StringKind {
			v.raw = m.Get(fd).String()
		}
		return v
	}
	if d, ok := c.defaults[fd.FullName()]; ok {
		return value{text: text(fd, d), byDefault: true}
	}
	if word, ok := inherited()[fd.FullName()]; ok {
		return value{text: word, byDefault: true, absent: true}
	}
	switch {
	case fd.Message() != nil, fd.HasPresence(), fd.Kind() == protoreflect.StringKind, fd.Kind() == protoreflect.EnumKind:
		return value{absent: true}
	}
	return value{text: text(fd, fd.Default())}
}

// inherited are the fields whose default is what something else says.
func inherited() map[protoreflect.FullName]string {
	return map[protoreflect.FullName]string{
		configPackage + "Scene.time_mode":              "the scenario's",
		configPackage + "Features.price_after_voucher": "the scene's",
		configPackage + "Features.scenario":            "the scene's",
		configPackage + "Experiment.unit":              "the user id",
		configPackage + "Scene.priority":               "the client's",
		configPackage + "LimitDimension.key":           "one count for all",
	}
}

// text is a value as files write it.
func text(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch fd.Kind() {
	case protoreflect.EnumKind:
		return enumText(fd.Enum(), v.Enum())
	case protoreflect.MessageKind:
		switch m := v.Message().Interface().(type) {
		case *durationpb.Duration:
			return m.AsDuration().String()
		case *timestamppb.Timestamp:
			return m.AsTime().Format(time.RFC3339Nano)
		}
		return ""
	case protoreflect.StringKind:
		if isExpression(fd) {
			return v.String()
		}
		return plain(v.String())
	default:
		return v.String()
	}
}

// plain quotes a text that would not stand out as one.
func plain(s string) string {
	for _, r := range s {
		if !strings.ContainsRune("_-./:@*+", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return strconv.Quote(s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}

func enumText(ed protoreflect.EnumDescriptor, n protoreflect.EnumNumber) string {
	v := ed.Values().ByNumber(n)
	if v == nil {
		return strconv.Itoa(int(n))
	}
	return source.EnumShort(ed, string(v.Name()))
}

// set are the elements of a list of values, sorted.
func set(fd protoreflect.FieldDescriptor, list protoreflect.List) []string {
	out := make([]string, list.Len())
	for i := range out {
		if out[i] = list.Get(i).String(); fd.Kind() != protoreflect.StringKind {
			out[i] = text(fd, list.Get(i))
		}
	}
	slices.Sort(out)
	return out
}

// whole is a message on one line, as YAML has it in flow style. What is not written is left out.
func (c *comparer) whole(m protoreflect.Message) string {
	var parts []string
	for _, fd := range fieldsOf(m) {
		if !m.Has(fd) {
			continue
		}
		var v string
		switch {
		case fd.IsMap():
			entries := c.wholeMap(fd, m.Get(fd).Map())
			if fd == source.OpenField(m.Descriptor()) {
				parts = append(parts, entries...)
				continue
			}
			v = "{" + strings.Join(entries, ", ") + "}"
		case fd.IsList() && fd.Message() != nil:
			elements := make([]string, m.Get(fd).List().Len())
			for i := range elements {
				elements[i] = c.whole(m.Get(fd).List().Get(i).Message())
			}
			v = "[" + strings.Join(elements, ", ") + "]"
		case fd.IsList():
			v = "[" + strings.Join(set(fd, m.Get(fd).List()), ", ") + "]"
		case fd.Message() != nil && !isTime(fd.Message()):
			v = c.whole(m.Get(fd).Message())
		default:
			v = text(fd, m.Get(fd))
		}
		parts = append(parts, fmt.Sprintf("%s: %s", fd.Name(), v))
	}
	if len(parts) == 0 && m.Descriptor().FullName() == configPackage+"Provider" {
		return "embedded"
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// wholeMap are the entries of a map, sorted.
func (c *comparer) wholeMap(fd protoreflect.FieldDescriptor, m protoreflect.Map) []string {
	var entries []string
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		entries = append(entries, k.String()+": "+c.mapValue(fd, v))
		return true
	})
	slices.Sort(entries)
	return entries
}

func isTime(md protoreflect.MessageDescriptor) bool {
	return md.FullName() == "google.protobuf.Duration" || md.FullName() == "google.protobuf.Timestamp"
}

// isExpression says whether a field holds CEL.
func isExpression(fd protoreflect.FieldDescriptor) bool {
	switch fd.Name() {
	case "when":
		return true
	case "unit":
		return fd.Parent().Name() == "Experiment"
	case "key":
		return fd.Parent().Name() == "LimitDimension"
	}
	return false
}

// sameExpression says whether two expressions differ in white space, comments, needless parentheses and the style of quotes only.
func sameExpression(a, b string) bool {
	if a == b {
		return true
	}
	if a == "" || b == "" {
		return false
	}
	canonicalA, okA := canonical(a)
	canonicalB, okB := canonical(b)
	return okA && okB && canonicalA == canonicalB
}

// canonical is an expression written anew. Macros are calls like others here.
func canonical(text string) (string, bool) {
	p, err := parser.NewParser()
	if err != nil {
		return "", false
	}
	parsed, problems := p.Parse(common.NewTextSource(text))
	if problems != nil && len(problems.GetErrors()) > 0 {
		return "", false
	}
	out, err := parser.Unparse(parsed.Expr(), parsed.SourceInfo())
	return out, err == nil
}
