package scenes

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// constrain checks each entity against the constraints of the schema.
func constrain(parsed source.Parsed) []diag.Diagnostic {
	var findings diag.List
	missingIDs(parsed, &findings)
	missingLimits(parsed, &findings)
	for _, d := range Constrain(parsed.Bundle, parsed.Root) {
		findings.Add(d)
	}
	return findings.All()
}

// Constrain checks a message that was read from files against the constraints of its schema; root is where it was read.
func Constrain(m proto.Message, root *source.Place) []diag.Diagnostic {
	var findings diag.List
	err := protovalidate.Validate(m)
	var broken *protovalidate.ValidationError
	switch {
	case err == nil:
		return findings.All()
	case !errors.As(err, &broken):
		findings.Add(diag.Diagnostic{
			Code: diag.Constraint, Severity: diag.Error, Message: "constraints cannot be checked: " + err.Error(),
			Hint: "this is a fault of the program, not of the files",
		})
		return findings.All()
	}
	for _, v := range broken.Violations {
		at, oneof := placeOf(root, m.ProtoReflect().Descriptor(), v.Proto.GetField())
		switch {
		case at.Bad(): // reported already, for what was wrong with it
		case v.Proto.GetRuleId() == "breaker.slow":
			if !at.Field("timeout_threshold_seconds").Bad() {
				findings.Add(at.Field("timeout_percent_threshold").Error(diag.Constraint, v.Proto.GetMessage(), "add timeout_threshold_seconds, such as 0.5, or take timeout_percent_threshold out"))
			}
		case oneof != nil:
			if !anyBad(at, oneof) {
				findings.Add(unchosen(at, oneof))
			}
		default:
			findings.Add(violation(at, v))
		}
	}
	return findings.All()
}

// missingIDs finds entities without an id: 0 is a good one, so the schema cannot tell.
func missingIDs(parsed source.Parsed, findings *diag.List) {
	parsed.Bundle.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if !fd.IsList() || fd.Message().Fields().ByName("id") == nil {
			return true
		}
		list := parsed.Root.Field(string(fd.Name()))
		for i := range v.List().Len() {
			if id := list.Index(i).Field("id"); !id.Written() && !id.Bad() {
				findings.Add(id.Error(diag.MissingField, "id is required", "give it a number that no other has, and that never changes"))
			}
		}
		return true
	})
}

// missingLimits finds dimensions without a limit: 0 is a good one, which refuses everything, and hardly what is meant by leaving it out.
func missingLimits(parsed source.Parsed, findings *diag.List) {
	eachDimension(parsed.Bundle.GetLimits(), func(name dimensionName, _ *configv1.LimitDimension) {
		if at := dimensionAt(parsed.Root, name).Field("limit"); !at.Written() && !at.Bad() {
			findings.Add(at.Error(diag.MissingField, "limit is required", "write how many may happen in the window, or 0 to refuse everything"))
		}
	})
}

// placeOf walks from the root to the field of a violation, or to the message whose oneof it is about.
func placeOf(root *source.Place, md protoreflect.MessageDescriptor, path *validate.FieldPath) (*source.Place, protoreflect.OneofDescriptor) {
	at := root
	for _, step := range path.GetElements() {
		if step.GetFieldNumber() == 0 {
			return at, md.Oneofs().ByName(protoreflect.Name(step.GetFieldName()))
		}
		fd := md.Fields().ByNumber(protoreflect.FieldNumber(step.GetFieldNumber()))
		at, md = at.Field(step.GetFieldName()), fd.Message()
		if fd.IsMap() {
			md = fd.MapValue().Message()
		}
		switch sub := step.GetSubscript().(type) {
		case *validate.FieldPathElement_Index:
			at = at.Index(int(sub.Index))
		case *validate.FieldPathElement_StringKey:
			at = at.Key(sub.StringKey)
		}
	}
	return at, nil
}

// anyBad says whether one of the choices was written, and not understood.
func anyBad(at *source.Place, oneof protoreflect.OneofDescriptor) bool {
	for i := range oneof.Fields().Len() {
		if at.Field(string(oneof.Fields().Get(i).Name())).Bad() {
			return true
		}
	}
	return false
}

// unchosen is about a oneof of which nothing was written.
func unchosen(at *source.Place, oneof protoreflect.OneofDescriptor) diag.Diagnostic {
	var names []string
	for i := range oneof.Fields().Len() {
		names = append(names, string(oneof.Fields().Get(i).Name()))
	}
	return at.Error(diag.MissingField, "one of "+strings.Join(names, ", ")+" is required", "write it below, such as "+names[0]+": {}")
}

// violation words what the schema wants, as people would.
func violation(at *source.Place, v *protovalidate.Violation) diag.Diagnostic {
	name := nameOf(v)
	absent := !at.Written()
	message, hint := name+" "+v.Proto.GetMessage(), "the reference of the configuration has the limits of each field"
	switch rule := v.Proto.GetRuleId(); rule {
	case "string.pattern":
		message, hint = patternViolation(name, v)
	case "string.min_len", "repeated.min_items":
		message, hint = name+" must not be empty", emptyHint(v)
	case "enum.not_in":
		hint = "write one of " + strings.Join(enumNames(v.FieldDescriptor.Enum(), nil), ", ")
	case "enum.in":
		allowed := enumNames(v.FieldDescriptor.Enum(), v.RuleValue.List())
		value := v.FieldDescriptor.Enum().Values().ByNumber(v.FieldValue.Enum())
		message = fmt.Sprintf("%s cannot be %s here", name, source.EnumShort(v.FieldDescriptor.Enum(), string(value.Name())))
		hint = "write one of " + strings.Join(allowed, ", ")
	case "string.in":
		allowed := make([]string, 0, v.RuleValue.List().Len())
		for i := range v.RuleValue.List().Len() {
			allowed = append(allowed, v.RuleValue.List().Get(i).String())
		}
		message, hint = fmt.Sprintf("%s cannot be %q", name, v.FieldValue.String()), diag.Suggest(v.FieldValue.String(), "values", allowed)
	case "string.max_len":
		message, hint = fmt.Sprintf("%s is longer than %d characters", name, v.RuleValue.Uint()), "shorten it"
	case "repeated.max_items":
		message, hint = fmt.Sprintf("%s has more than %d elements", name, v.RuleValue.Uint()), "take some out"
	case "repeated.unique":
		return repeated(at, name, v.FieldValue.List())
	case "string.uri", "string.prefix":
		message, hint = name+" must be a URL", "write scheme, host and port, such as http://tax:8080"
	case "map.min_pairs":
		message, hint = "a limit needs a dimension", "write one below it, such as all: {window: 1s, limit: 100}"
	case "map.max_pairs":
		message, hint = fmt.Sprintf("%s has more than %d entries", name, v.RuleValue.Uint()), "take some out"
	case "required":
		if v.FieldDescriptor.Message() != nil && v.FieldDescriptor.Message().Name() == "Duration" {
			hint = fmt.Sprintf("write it with a unit, such as %s: 1s", name)
		}
	default:
		if v.FieldDescriptor == nil || v.FieldDescriptor.Message() != nil && !strings.Contains(rule, "duration") {
			message, hint = v.Proto.GetMessage(), "write both fields, or neither" // a rule of a message speaks for itself
			break
		}
		message, hint = bounds(name, v, message, hint)
	}
	if absent && v.Proto.GetRuleId() != "map.min_pairs" {
		return at.Error(diag.MissingField, name+" is required", hint)
	}
	return at.Error(diag.Constraint, message, hint)
}

// bounds words the limits of numbers and times.
func bounds(name string, v *protovalidate.Violation, message, hint string) (string, string) {
	within, is := strings.CutPrefix(v.Proto.GetMessage(), "must be ")
	if !is {
		return message, hint
	}
	within = strings.NewReplacer(
		"greater than or equal to ", "at least ", "less than or equal to ", "at most ", "greater than ", "more than ", "less than ", "less than ",
	).Replace(within)
	value := fmt.Sprint(v.FieldValue.Interface())
	if m, isMessage := v.FieldValue.Interface().(protoreflect.Message); isMessage {
		value = name
		if d, isDuration := m.Interface().(*durationpb.Duration); isDuration {
			value = d.AsDuration().String()
		}
	}
	return fmt.Sprintf("%s cannot be %s", name, value), "it is " + within
}

// emptyHint says what to write, or what to do instead.
func emptyHint(v *protovalidate.Violation) string {
	switch {
	case v.FieldDescriptor == nil:
		return "write a value"
	case v.FieldDescriptor.IsList():
		return "write at least one element"
	case v.FieldDescriptor.Name() == "when":
		return "write a condition, or true for all"
	case v.FieldDescriptor.Name() == "time_zone":
		return "write a name of the IANA database, such as America/New_York"
	case v.FieldDescriptor.Name() == "client" || v.FieldDescriptor.Name() == "scenario":
		return fmt.Sprintf("write the name of a %s", v.FieldDescriptor.Name())
	default:
		return "write a text"
	}
}

// nameOf is the field, or the element of the field, that is wrong.
func nameOf(v *protovalidate.Violation) string {
	elements := v.Proto.GetField().GetElements()
	if len(elements) == 0 {
		return "it"
	}
	last := elements[len(elements)-1]
	switch {
	case last.HasIndex():
		return "an element of " + last.GetFieldName()
	case v.Proto.GetForKey():
		return "a name in " + last.GetFieldName()
	case last.HasStringKey():
		return last.GetStringKey()
	}
	return last.GetFieldName()
}

// patternViolation says in words what the patterns of the schema ask for.
func patternViolation(name string, v *protovalidate.Violation) (message, hint string) {
	value := v.FieldValue.String()
	message = fmt.Sprintf("%s cannot be %q", name, value)
	switch v.RuleValue.String() {
	case `^[a-z][a-z0-9_]*$`:
		hint = "write it in lower_snake_case: a small letter, then small letters, digits and _"
		if snake := snakeCase(value); snake != "" {
			hint = "write it in lower_snake_case: " + snake
		}
	case `^[A-Za-z][A-Za-z0-9_]*$`:
		hint = "a letter, then letters, digits and _"
	case `^[A-Z]{2}$`:
		hint = "two capital letters (ISO 3166-1), such as US"
	case `^[A-Z]{3}$`:
		hint = "three capital letters (ISO 4217), such as USD"
	case `^[a-z_]+\.[a-z_]+$`:
		hint = "a command is two words with a point between, such as tax.rates"
	default:
		hint = "it must match " + v.RuleValue.String()
	}
	return message, hint
}

// snakeCase is the name that the writer may have meant, or empty.
func snakeCase(s string) string {
	var b strings.Builder
	lower := false
	for _, r := range strings.TrimSpace(s) {
		switch {
		case r >= 'A' && r <= 'Z':
			if lower {
				b.WriteByte('_')
			}
			b.WriteRune(unicode.ToLower(r))
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9' && b.Len() > 0, r == '_' && b.Len() > 0:
			b.WriteRune(r)
		case r == ' ' || r == '-' || r == '.':
			b.WriteByte('_')
		default:
			return ""
		}
		lower = r >= 'a' && r <= 'z'
	}
	return strings.Trim(b.String(), "_")
}

// repeated points at the first element that was there before.
func repeated(at *source.Place, name string, list protoreflect.List) diag.Diagnostic {
	seen := map[any]int{}
	for i := range list.Len() {
		first, again := seen[list.Get(i).Interface()]
		if !again {
			seen[list.Get(i).Interface()] = i
			continue
		}
		d := at.Index(i).Error(diag.Constraint, name+" holds an element twice", "take one of the two out")
		d.Related = []diag.Related{at.Index(first).Span().Related("first given here")}
		return d
	}
	return at.Error(diag.Constraint, name+" holds an element twice", "take one of the two out")
}

// enumNames are the short names of an enum's values: of those in the list, or of all.
func enumNames(ed protoreflect.EnumDescriptor, among protoreflect.List) []string {
	var names []string
	for _, v := range source.EnumValues(ed) {
		in := among == nil
		for i := 0; among != nil && i < among.Len(); i++ {
			in = in || among.Get(i).Int() == int64(v.Descriptor.Number())
		}
		if in {
			names = append(names, v.Short)
		}
	}
	return names
}
