package source

import (
	"strings"
	"unicode"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// EnumValue is a value of an enum as files write it.
type EnumValue struct {
	// Short is the name without the enum's own name before it, such as HALF_UP for ROUNDING_HALF_UP.
	Short      string
	Descriptor protoreflect.EnumValueDescriptor
}

// EnumValues are the values that files may write, in the order of the schema. UNSPECIFIED is none: a field is left out for its default.
func EnumValues(ed protoreflect.EnumDescriptor) []EnumValue {
	out := make([]EnumValue, 0, ed.Values().Len())
	for i := range ed.Values().Len() {
		v := ed.Values().Get(i)
		if short := EnumShort(ed, string(v.Name())); short != "UNSPECIFIED" {
			out = append(out, EnumValue{Short: short, Descriptor: v})
		}
	}
	return out
}

// EnumShort is the short form of the name of a value, long or short.
func EnumShort(ed protoreflect.EnumDescriptor, name string) string {
	return strings.TrimPrefix(name, enumPrefix(string(ed.Name())))
}

// enumPrefix is what the long names of an enum's values begin with: MAIN_PROMO_SORTING_ for MainPromoSorting.
func enumPrefix(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	b.WriteByte('_')
	return b.String()
}
