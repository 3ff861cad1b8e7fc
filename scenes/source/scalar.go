package source

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/scenes/diag"
)

const (
	durationName  protoreflect.FullName = "google.protobuf.Duration"
	timestampName protoreflect.FullName = "google.protobuf.Timestamp"
)

// scalar decodes a value of the kinds that the bundle's fields have: texts, numbers, true or false, and names of an enum.
func (d *decoder) scalar(fd protoreflect.FieldDescriptor, n *yaml.Node, at *Place) (protoreflect.Value, bool) {
	if n.Kind == yaml.ScalarNode && !d.tagged(n, at) {
		return protoreflect.Value{}, false
	}
	switch fd.Kind() {
	case protoreflect.StringKind:
		return d.string(n, at)
	case protoreflect.BoolKind:
		return d.bool(n, at)
	case protoreflect.EnumKind:
		return d.enum(fd.Enum(), n, at)
	case protoreflect.Int32Kind:
		v, ok := d.integer(n, at, 32)
		return protoreflect.ValueOfInt32(int32(v)), ok
	case protoreflect.Int64Kind:
		v, ok := d.integer(n, at, 64)
		return protoreflect.ValueOfInt64(v), ok
	case protoreflect.DoubleKind:
		v, ok := d.number(n, at)
		return protoreflect.ValueOfFloat64(v), ok
	default:
		d.wrong(at, n, "of a kind that files can hold, not "+fd.Kind().String(), "report this: it is a fault of the program")
		return protoreflect.Value{}, false
	}
}

// tagged refuses tags that YAML's core schema does not have, and those that the value does not fit.
func (d *decoder) tagged(n *yaml.Node, at *Place) bool {
	if n.Style&yaml.TaggedStyle == 0 {
		return true
	}
	want, known := map[string]kind{"!!str": textual, "!!int": integer, "!!float": float, "!!bool": boolean, "!!null": null}[n.Tag]
	if known && (want == textual || plainKind(n.Value) == want) {
		return true
	}
	at.bad = true
	hint := "take the tag out"
	if !strings.HasPrefix(n.Tag, "!!") {
		hint = fmt.Sprintf("an ! at the beginning makes a tag of a word: quote the text, as in %q", shorten(strings.TrimSpace(n.Tag+" "+n.Value)))
	}
	d.report(at.Error(diag.YAMLTag, fmt.Sprintf("tag %s does not fit the value", n.Tag), hint))
	return false
}

func (d *decoder) string(n *yaml.Node, at *Place) (protoreflect.Value, bool) {
	if kindOf(n) == textual {
		return protoreflect.ValueOfString(n.Value), true
	}
	hint := ""
	if n.Kind == yaml.ScalarNode {
		hint = fmt.Sprintf("quote it: %q", shorten(n.Value))
		if isNull(n) {
			hint = "write a text behind the colon, or leave the field out"
		}
	}
	d.wrong(at, n, "text", cmp.Or(hint, "write one text, in quotes if it holds brackets or a colon"))
	return protoreflect.Value{}, false
}

func (d *decoder) bool(n *yaml.Node, at *Place) (protoreflect.Value, bool) {
	yes := strings.EqualFold(n.Value, "true")
	if kindOf(n) == boolean {
		return protoreflect.ValueOfBool(yes), true
	}
	hint := ""
	switch strings.ToLower(n.Value) {
	case "true", "false":
		hint = "take the quotes away"
	case "yes", "y", "on", "1":
		hint = "write true"
	case "no", "n", "off", "0":
		hint = "write false"
	}
	if word, found := strings.CutSuffix(strings.ToLower(n.Value), ","); found && plainKind(word) == boolean {
		hint = "take the comma away"
	}
	d.wrong(at, n, "true or false", cmp.Or(hint, "write true or false"))
	return protoreflect.Value{}, false
}

// percentHint says how a field has a percentage: as such, by its name, or in 1e-5 as all rates.
func percentHint(written, label string) string {
	digits := strings.TrimSpace(strings.TrimSuffix(written, "%"))
	whole, err := strconv.ParseUint(digits, 10, 16)
	switch {
	case strings.Contains(label, "percent") && plainKind(digits) == integer:
		return "write " + shorten(digits) + ", without the sign"
	case err == nil:
		return fmt.Sprintf("rates are in 1e-5: write %d", whole*1000)
	default:
		return "rates are in 1e-5: 1% is 1000"
	}
}

func (d *decoder) integer(n *yaml.Node, at *Place, bits int) (int64, bool) {
	if kindOf(n) != integer {
		hint := ""
		switch plain := strings.ReplaceAll(n.Value, "_", ""); {
		case n.Kind != yaml.ScalarNode:
		case plainKind(plain) == integer && plain != n.Value:
			hint = "write " + shorten(plain) + ", without underscores"
		case plainKind(n.Value) == integer:
			hint = "take the quotes away"
		case plainKind(strings.ReplaceAll(n.Value, ",", "")) == integer:
			hint = "write " + shorten(strings.ReplaceAll(n.Value, ",", "")) + ", without commas"
		case strings.HasSuffix(n.Value, "%"):
			hint = percentHint(n.Value, at.label())
		case kindOf(n) == float:
			hint = "whole numbers only: no point, no exponent"
		}
		d.wrong(at, n, "a whole number", cmp.Or(hint, "write digits only, such as 5 or -5"))
		return 0, false
	}
	digits := strings.TrimLeft(n.Value, "+-")
	if len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		d.wrong(at, n, "a number without leading zeros", "some readers of YAML take 010 for 8: write 10, or 0o10 if you mean 8")
		return 0, false
	}
	v, err := strconv.ParseInt(n.Value, 0, bits)
	if err != nil {
		at.bad = true
		lowest, highest := int64(-1)<<(bits-1), int64(1)<<(bits-1)-1
		d.report(at.Error(diag.OutOfRange, fmt.Sprintf("%s is %s, out of the range of the field", at.label(), shorten(n.Value)),
			fmt.Sprintf("it may be %d to %d", lowest, highest)))
		return 0, false
	}
	return v, true
}

// number takes decimal numbers, such as 1, 1.5 or 1e-3. Infinity is none.
func (d *decoder) number(n *yaml.Node, at *Place) (float64, bool) {
	if kind := kindOf(n); kind != integer && kind != float || strings.HasPrefix(n.Value, "0x") || strings.HasPrefix(n.Value, "0o") {
		hint := ""
		bare := strings.ReplaceAll(strings.ReplaceAll(n.Value, ",", "."), "_", "")
		_, notDuration := time.ParseDuration(n.Value)
		switch {
		case n.Kind != yaml.ScalarNode:
		case plainKind(n.Value) == integer, plainKind(n.Value) == float:
			hint = "take the quotes away"
		case plainKind(bare) == integer, plainKind(bare) == float:
			hint = "write " + shorten(bare)
		case notDuration == nil:
			hint = "write a number without a unit, such as 0.5"
		}
		d.wrong(at, n, "a number", cmp.Or(hint, "write digits, with a point where it is no whole number, such as 2 or 0.5"))
		return 0, false
	}
	v, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		at.bad = true
		d.report(at.Error(diag.OutOfRange, fmt.Sprintf("%s is %s, out of the range of the field", at.label(), shorten(n.Value)), "write a number of a usual size"))
		return 0, false
	}
	return v, true
}

// enum takes values by their short name, without the enum's own name before it, and by their long name.
func (d *decoder) enum(ed protoreflect.EnumDescriptor, n *yaml.Node, at *Place) (protoreflect.Value, bool) {
	values := EnumValues(ed)
	var names []string
	if n.Kind == yaml.ScalarNode {
		for _, v := range values {
			if n.Value == v.Short || n.Value == string(v.Descriptor.Name()) {
				return protoreflect.ValueOfEnum(v.Descriptor.Number()), true
			}
			names = append(names, v.Short)
		}
	}
	at.bad = true
	short := EnumShort(ed, n.Value)
	switch {
	case n.Kind != yaml.ScalarNode:
		d.wrong(at, n, "one of "+strings.Join(names, ", "), "write one of them")
	case isNull(n) || short == "UNSPECIFIED":
		d.report(at.Error(diag.UnknownEnum, at.label()+" has no value", "leave the field out for its default, or write one of "+strings.Join(names, ", ")))
	default:
		hint := diag.Nearest(short, names)
		if hint != "" {
			hint = "did you mean " + hint + "?"
		} else {
			hint = "write one of " + strings.Join(names, ", ")
		}
		d.report(at.Error(diag.UnknownEnum, fmt.Sprintf("%s cannot be %s", at.label(), shorten(n.Value)), hint))
	}
	return protoreflect.Value{}, false
}

func (d *decoder) duration(n *yaml.Node, at *Place) (protoreflect.Value, bool) {
	if kindOf(n) != textual {
		hint := "write it with a unit, such as 500ms, 5s or 1m30s"
		if kindOf(n) == integer {
			hint = fmt.Sprintf("add the unit: %ss or %sms?", shorten(n.Value), shorten(n.Value))
		}
		d.wrong(at, n, "a duration", hint)
		return protoreflect.Value{}, false
	}
	v, err := time.ParseDuration(n.Value)
	if err != nil {
		at.bad = true
		hint := "write a number and a unit (ms, s, m, h), such as 500ms, 5s or 1m30s"
		if strings.HasSuffix(n.Value, "d") {
			hint = "there is no unit for days: 24h is one"
		}
		d.report(at.Error(diag.BadDuration, fmt.Sprintf("%s is not a duration: %q", at.label(), shorten(n.Value)), hint))
		return protoreflect.Value{}, false
	}
	return protoreflect.ValueOfMessage(durationpb.New(v).ProtoReflect()), true
}

func (d *decoder) timestamp(n *yaml.Node, at *Place) (protoreflect.Value, bool) {
	if kindOf(n) != textual {
		d.wrong(at, n, "a time", "write it as 2026-01-31T18:00:00Z or 2026-01-31T18:00:00+08:00")
		return protoreflect.Value{}, false
	}
	v, err := time.Parse(time.RFC3339Nano, n.Value)
	stamp := timestamppb.New(v)
	if err == nil {
		err = stamp.CheckValid()
	}
	if err != nil {
		at.bad = true
		hint := "write it as 2026-01-31T18:00:00Z or 2026-01-31T18:00:00+08:00"
		var shape *time.ParseError
		if _, dateOnly := time.Parse(time.DateOnly, n.Value); dateOnly == nil {
			hint = fmt.Sprintf("add the time and the zone: %sT00:00:00Z", n.Value)
		} else if errors.As(err, &shape) && shape.Message != "" {
			hint = strings.TrimPrefix(shape.Message, ": ") + ": look at the calendar"
		}
		d.report(at.Error(diag.BadTimestamp, fmt.Sprintf("%s is not a time: %q", at.label(), shorten(n.Value)), hint))
		return protoreflect.Value{}, false
	}
	return protoreflect.ValueOfMessage(stamp.ProtoReflect()), true
}

// describe names what was found where something else was wanted.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a set of fields"
	case yaml.AliasNode:
		return "an alias"
	}
	switch kindOf(n) {
	case null:
		return "nothing"
	case boolean:
		return n.Value
	case integer, float:
		return "the number " + shorten(n.Value)
	default:
		return fmt.Sprintf("the text %q", shorten(n.Value))
	}
}

// shorten keeps messages on one line.
func shorten(s string) string {
	const most = 60
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "..."
}
