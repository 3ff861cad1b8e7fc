package schema

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	"proscenium/scenes"
	"proscenium/scenes/source"
)

// object is a JSON object. Its keys are written in their order, so that the schema is the same each time.
type object = map[string]any

// JSONSchema is the JSON Schema (draft 2020-12) of a configuration file. It accepts what the loader accepts of a single file, as far as a schema can
// tell: references between entities, expressions, and rules over several fields are the loader's alone. It is text that ends with a line break.
func JSONSchema() ([]byte, error) { return builder{}.schema(bundle(), "Proscenium configuration") }

// TestJSONSchema is the JSON Schema (draft 2020-12) of a file of scene tests. It accepts what the loader accepts of a single file, as
// JSONSchema does. Requests have no limits there: a test may want one that is refused.
func TestJSONSchema() ([]byte, error) {
	return builder{unlimited: "proscenium.pricing.v1"}.schema(testFile(), "Proscenium scene tests")
}

func (b builder) schema(of protoreflect.MessageDescriptor, title string) ([]byte, error) {
	var err error
	if b.docs, err = readComments(); err != nil {
		return nil, err
	}
	b.defaults = scenes.Defaults()
	root, err := b.message(of)
	if err != nil {
		return nil, err
	}
	defs := object{}
	for _, md := range messages(of)[1:] {
		if defs[string(md.Name())] != nil {
			return nil, fmt.Errorf("two messages of %s are named %s", of.Name(), md.Name())
		}
		if defs[string(md.Name())], err = b.message(md); err != nil {
			return nil, err
		}
	}
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = title
	root["$defs"] = defs
	root["type"] = []string{"object", "null"} // an empty file is one
	root["patternProperties"] = object{"^x-": object{"description": "Ignored: a place for anchors (&name)."}}
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

type builder struct {
	docs     comments
	defaults map[protoreflect.FullName]protoreflect.Value
	// unlimited is the package whose constraints are left out.
	unlimited protoreflect.FullName
}

func (b builder) limitsOf(fd protoreflect.FieldDescriptor) (limits, error) {
	if b.limitless(fd.ContainingMessage()) {
		return limits{}, nil
	}
	return limitsOf(fd)
}

func (b builder) limitless(md protoreflect.MessageDescriptor) bool {
	return b.unlimited != "" && md.ParentFile().Package() == b.unlimited
}

// message is the schema of a mapping. Nothing at all is a message without fields, if it may be that.
func (b builder) message(md protoreflect.MessageDescriptor) (object, error) {
	properties, required := object{}, []string{}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		l, err := b.limitsOf(fd)
		if err != nil {
			return nil, err
		}
		property := b.field(fd, l)
		if doc := b.docs[fd.FullName()]; doc != "" {
			property["description"] = doc
		}
		if v, is := b.defaults[fd.FullName()]; is {
			property["default"] = written(fd, v)
		}
		properties[string(fd.Name())] = property
		if l.required(fd) {
			required = append(required, string(fd.Name()))
		}
	}
	out := object{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
	if doc := b.docs[md.FullName()]; doc != "" {
		out["description"] = doc
	}
	if len(required) > 0 {
		out["type"], out["required"] = "object", required
	}
	if fd := source.OpenField(md); fd != nil {
		if err := b.opened(md, fd, out); err != nil {
			return nil, err
		}
	}
	return out, b.oneofs(md, out)
}

// opened lets the entries of an open field stand beside the other fields: all of them there, or all of them below the field, and some anywhere.
func (b builder) opened(md protoreflect.MessageDescriptor, fd protoreflect.FieldDescriptor, out object) error {
	l, err := b.limitsOf(fd)
	if err != nil {
		return err
	}
	names := make([]string, md.Fields().Len())
	for i := range names {
		names[i] = string(md.Fields().Get(i).Name())
	}
	name := string(fd.Name())
	out["type"] = "object"
	out["additionalProperties"] = b.single(fd.MapValue(), l.values())
	if keys := l.keys(); len(keys) > 0 {
		out["propertyNames"] = keys
	}
	only := object{"propertyNames": object{"enum": names}}
	out["oneOf"] = []object{
		{"required": []string{name}, "propertyNames": object{"enum": names}},
		{"not": only, "properties": object{name: false}},
	}
	return nil
}

// ofCommand says whether the text of a field names a command: references to what files define cannot be told by a schema, commands can.
func ofCommand(fd protoreflect.FieldDescriptor) bool {
	name := fd.FullName()
	return name == "proscenium.config.v1.Dependency.command" || name == "proscenium.scenetest.v1.SceneTest.failing"
}

// written is a value as files write it.
func written(fd protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch x := v.Interface().(type) {
	case protoreflect.EnumNumber:
		return source.EnumShort(fd.Enum(), string(fd.Enum().Values().ByNumber(x).Name()))
	case protoreflect.Message:
		if d, is := x.Interface().(*durationpb.Duration); is {
			return short(d)
		}
	}
	return v.Interface()
}

// oneofs adds which fields exclude each other.
func (b builder) oneofs(md protoreflect.MessageDescriptor, out object) error {
	for i := range md.Oneofs().Len() {
		one := md.Oneofs().Get(i)
		if one.IsSynthetic() {
			continue
		}
		if b.limitless(md) {
			if err := exclusive(one, out); err != nil {
				return err
			}
			continue
		}
		rules, err := protovalidate.ResolveOneofRules(one)
		if err != nil {
			return fmt.Errorf("constraints of %s: %w", one.FullName(), err)
		}
		if !rules.GetRequired() {
			return fmt.Errorf("%s: only a oneof that is required has a schema", one.FullName())
		}
		var choices []object
		for j := range one.Fields().Len() {
			choices = append(choices, object{"required": []string{string(one.Fields().Get(j).Name())}})
		}
		out["type"], out["oneOf"] = "object", choices
	}
	return nil
}

// exclusive says that of two fields one may be written.
func exclusive(one protoreflect.OneofDescriptor, out object) error {
	if one.Fields().Len() != 2 || out["not"] != nil {
		return fmt.Errorf("%s: only one oneof of two fields has a schema where there are no limits", one.FullName())
	}
	out["not"] = object{"required": []string{string(one.Fields().Get(0).Name()), string(one.Fields().Get(1).Name())}}
	return nil
}

func (b builder) field(fd protoreflect.FieldDescriptor, l limits) object {
	switch {
	case fd.IsMap():
		return b.entries(fd, l)
	case fd.IsList():
		return b.list(fd, l)
	default:
		return b.single(fd, l)
	}
}

func (b builder) entries(fd protoreflect.FieldDescriptor, l limits) object {
	value := b.single(fd.MapValue(), l.values())
	out := object{"type": []string{"object", "null"}, "additionalProperties": value}
	if keys := l.keys(); len(keys) > 0 {
		out["propertyNames"] = keys
	}
	if byCommand(fd) {
		properties := object{}
		for _, command := range scenes.Commands() {
			properties[command], properties["shadow."+command] = value, value
		}
		out["properties"], out["additionalProperties"] = properties, false
	}
	rules := l.rules.GetMap()
	if rules.GetMinPairs() > 0 {
		out["type"], out["minProperties"] = "object", rules.GetMinPairs()
	}
	if rules.HasMaxPairs() {
		out["maxProperties"] = rules.GetMaxPairs()
	}
	return out
}

// byCommand says whether the keys of a map are commands, with or without the mark of shadow traffic.
func byCommand(fd protoreflect.FieldDescriptor) bool {
	return fd.MapValue().Message() != nil && fd.MapValue().Message().FullName() == "proscenium.config.v1.Breaker"
}

func (b builder) list(fd protoreflect.FieldDescriptor, l limits) object {
	items := b.single(fd, l.elements())
	if fd.Message() != nil {
		items["type"] = "object" // a dash with nothing behind it is no element
	}
	out := object{"type": []string{"array", "null"}, "items": items}
	rules := l.rules.GetRepeated()
	if rules.GetMinItems() > 0 {
		out["type"], out["minItems"] = "array", rules.GetMinItems()
	}
	if rules.HasMaxItems() {
		out["maxItems"] = rules.GetMaxItems()
	}
	if rules.GetUnique() {
		out["uniqueItems"] = true
	}
	return out
}

// single is the schema of a value that is neither a list nor a map.
func (b builder) single(fd protoreflect.FieldDescriptor, l limits) object {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return object{"type": "boolean"}
	case protoreflect.EnumKind:
		return b.enum(l.names(fd.Enum()))
	case protoreflect.StringKind:
		if ofCommand(fd) {
			return object{"enum": scenes.Commands()}
		}
		return text(l)
	case protoreflect.MessageKind:
		switch {
		case isDuration(fd.Message()):
			return object{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`, "examples": []string{"500ms", "5s", "1m30s"}}
		case isTimestamp(fd.Message()):
			return object{"type": "string", "format": "date-time", "pattern": `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d`, "examples": []string{"2026-01-31T18:00:00Z"}}
		}
		return object{"$ref": "#/$defs/" + string(fd.Message().Name())}
	case protoreflect.DoubleKind:
		out := object{"type": "number"}
		rules := l.rules.GetDouble()
		if rules.HasGte() {
			out["minimum"] = rules.GetGte()
		}
		if rules.HasLte() {
			out["maximum"] = rules.GetLte()
		}
		return out
	default:
		out := object{"type": "integer"}
		lowest, highest := l.span(fd)
		if lowest != nil {
			out["minimum"] = *lowest
		}
		if highest != nil {
			out["maximum"] = *highest
		}
		return out
	}
}

// enum offers the short names, each with what it means; the long ones are good too, but no editor need offer them.
func (b builder) enum(values []source.EnumValue) object {
	var choices []object
	var long []string
	for _, v := range values {
		choice := object{"const": v.Short}
		if doc := b.docs[v.Descriptor.FullName()]; doc != "" {
			choice["description"] = doc
		}
		choices = append(choices, choice)
		long = append(long, regexp.QuoteMeta(string(v.Descriptor.Name())))
	}
	choices = append(choices, object{"type": "string", "pattern": "^(" + strings.Join(long, "|") + ")$"})
	return object{"anyOf": choices}
}

func text(l limits) object {
	out := object{"type": "string"}
	rules := l.rules.GetString()
	if rules.HasPattern() {
		out["pattern"] = rules.GetPattern()
	}
	if rules.GetPrefix() != "" {
		out["pattern"] = "^" + regexp.QuoteMeta(rules.GetPrefix())
	}
	if rules.HasMinLen() {
		out["minLength"] = rules.GetMinLen()
	}
	if rules.HasMaxLen() {
		out["maxLength"] = rules.GetMaxLen()
	}
	if len(rules.GetIn()) > 0 {
		out["enum"] = rules.GetIn()
	}
	if rules.GetUri() {
		out["format"] = "uri"
	}
	return out
}
