package schema

import (
	"fmt"
	"regexp"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	"proscenium/scenes/source"
)

// limits are the constraints of a field, or of the elements of a list.
type limits struct{ rules *validate.FieldRules }

func limitsOf(fd protoreflect.FieldDescriptor) (limits, error) {
	rules, err := protovalidate.ResolveFieldRules(fd)
	if err != nil {
		return limits{}, fmt.Errorf("constraints of %s: %w", fd.FullName(), err)
	}
	return limits{rules}, nil
}

// elements are the limits of each element of a list.
func (l limits) elements() limits { return limits{l.rules.GetRepeated().GetItems()} }

// values are the limits of each value of a map.
func (l limits) values() limits { return limits{l.rules.GetMap().GetValues()} }

// keys is the schema of the keys of a map; empty where any will do.
func (l limits) keys() object {
	rules := l.rules.GetMap().GetKeys()
	if rules == nil {
		return nil
	}
	out := text(limits{rules})
	delete(out, "type")
	return out
}

// required says whether a field that is not written breaks a constraint. Ids and limits are required too, though 0 is a good one: see scenes.
func (l limits) required(fd protoreflect.FieldDescriptor) bool {
	switch {
	case fd.Name() == "id", fd.FullName() == "proscenium.config.v1.LimitDimension.limit", l.rules.GetRequired():
		return true
	case fd == source.OpenField(fd.ContainingMessage()):
		return false // its entries may stand beside it
	case fd.IsMap():
		return l.rules.GetMap().GetMinPairs() > 0
	case fd.IsList():
		return l.rules.GetRepeated().GetMinItems() > 0
	case fd.Kind() == protoreflect.EnumKind:
		for _, n := range l.rules.GetEnum().GetNotIn() {
			if n == 0 {
				return true
			}
		}
		return false
	case fd.Kind() == protoreflect.Int64Kind:
		return !fd.HasPresence() && l.rules.GetIgnore() == validate.Ignore_IGNORE_UNSPECIFIED && l.rules.GetInt64().HasGt() && l.rules.GetInt64().GetGt() >= 0
	case fd.Kind() != protoreflect.StringKind:
		return false
	}
	text := l.rules.GetString()
	if text.HasPattern() {
		empty, err := regexp.MatchString(text.GetPattern(), "")
		return err == nil && !empty
	}
	return text.GetMinLen() > 0 || text.GetPrefix() != "" || len(text.GetIn()) > 0
}

// names are the values of an enum that the field takes.
func (l limits) names(ed protoreflect.EnumDescriptor) []source.EnumValue {
	var out []source.EnumValue
	in, not := l.rules.GetEnum().GetIn(), l.rules.GetEnum().GetNotIn()
	for _, v := range source.EnumValues(ed) {
		n := int32(v.Descriptor.Number())
		if (len(in) == 0 || contains(in, n)) && !contains(not, n) {
			out = append(out, v)
		}
	}
	return out
}

func contains(list []int32, n int32) bool {
	for _, v := range list {
		if v == n {
			return true
		}
	}
	return false
}

// span is the range of a whole number; nil where it is open.
func (l limits) span(fd protoreflect.FieldDescriptor) (lowest, highest *int64) {
	if fd.Kind() == protoreflect.Int32Kind {
		rules := l.rules.GetInt32()
		if rules.HasGte() {
			lowest = ptr(int64(rules.GetGte()))
		}
		if rules.HasLte() {
			highest = ptr(int64(rules.GetLte()))
		}
		return lowest, highest
	}
	rules := l.rules.GetInt64()
	if rules.HasGte() {
		lowest = ptr(rules.GetGte())
	}
	if rules.HasGt() {
		lowest = ptr(rules.GetGt() + 1)
	}
	if rules.HasLte() {
		highest = ptr(rules.GetLte())
	}
	return lowest, highest
}

func ptr(n int64) *int64 { return &n }

// words tell the limits that types do not, for people.
func (l limits) words(fd protoreflect.FieldDescriptor) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if l.required(fd) {
		add("required")
	}
	if fd.IsList() {
		rules := l.rules.GetRepeated()
		if rules.GetUnique() {
			add("no element twice")
		}
		if rules.HasMaxItems() {
			add("at most %d", rules.GetMaxItems())
		}
		return strings.Join(parts, ", ")
	}
	if fd.IsMap() {
		rules := l.rules.GetMap()
		if rules.HasMaxPairs() {
			add("%d to %d", rules.GetMinPairs(), rules.GetMaxPairs())
		}
		if names := (limits{rules.GetKeys()}).words(fd.MapKey()); names != "" {
			add("names: %s", strings.TrimPrefix(names, "required, "))
		}
		return strings.Join(parts, ", ")
	}
	if text := l.rules.GetString(); text != nil {
		if text.HasPattern() {
			add("`%s`", text.GetPattern())
		}
		if text.HasMaxLen() {
			add("at most %d characters", text.GetMaxLen())
		}
	}
	if rules := l.rules.GetDouble(); rules.HasGte() && rules.HasLte() {
		add("%v to %v", rules.GetGte(), rules.GetLte())
	}
	if fd.Kind() == protoreflect.Int32Kind || fd.Kind() == protoreflect.Int64Kind {
		switch lowest, highest := l.span(fd); {
		case lowest != nil && highest != nil:
			add("%d to %d", *lowest, *highest)
		case lowest != nil:
			add("at least %d", *lowest)
		}
	}
	if d := l.rules.GetDuration(); d != nil {
		switch {
		case d.HasGt():
			add("more than %s", short(d.GetGt()))
		case d.HasGte() && d.GetGte().AsDuration() > 0:
			add("at least %s", short(d.GetGte()))
		}
		if d.HasLte() {
			add("at most %s", short(d.GetLte()))
		}
	}
	return strings.Join(parts, ", ")
}

// short is a duration as files write it: 1m, not 1m0s.
func short(d *durationpb.Duration) string {
	s := d.AsDuration().String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
