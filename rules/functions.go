package rules

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// clock is a function of a timestamp as the clocks and calendars of the region show it.
type clock struct {
	name, doc string
	// of is a func(time.Time) of int64, time.Duration or string. The time is in the region's zone.
	of any
}

// clocks are the functions of the time in the region's zone. The interpreter gets them bound late, to the input's zone.
func clocks() []clock {
	return []clock{
		{"hour", "hour of the day in the region's zone, 0 to 23", func(t time.Time) int64 { return int64(t.Hour()) }},
		{"minute", "minute of the hour in the region's zone, 0 to 59", func(t time.Time) int64 { return int64(t.Minute()) }},
		{"weekday", "day of the week in the region's zone, 0 (Sunday) to 6", func(t time.Time) int64 { return int64(t.Weekday()) }},
		{"time_of_day", "what the clock of the region's zone shows, as the time since 00:00: time_of_day(request.time) >= duration('18h30m')", timeOfDay},
		{"date", "day in the region's zone as 'YYYY-MM-DD'; days compare as they are written: date(request.time) >= '2026-11-11'", date},
	}
}

// timeOfDay is what the clock shows: on a day with a change of the clock it is not the time that has passed.
func timeOfDay(t time.Time) time.Duration {
	h, m, s := t.Clock()
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second + time.Duration(t.Nanosecond())
}

// The days that date shows for the open ends, in whatever zone: with five digits, or a sign, years would not compare as they are written.
const (
	firstDay = 1_01_01
	lastDay  = 9999_12_31
)

// day is the date as the digits YYYYMMDD.
func day(t time.Time) int64 {
	y, m, d := t.Date()
	return min(max(int64(y)*10_000+int64(m)*100+int64(d), firstDay), lastDay)
}

func date(t time.Time) string {
	n := day(t)
	text := []byte("0000-00-00")
	for i := len(text) - 1; n > 0; i-- {
		if text[i] != '-' {
			text[i] = byte('0' + n%10)
			n /= 10
		}
	}
	return string(text)
}

// dayOf is the number of day for a text that date can return.
func dayOf(text string) (int64, bool) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, false
	}
	return day(t), date(t) == text
}

// celType of what the clock returns.
func (c clock) celType() *cel.Type {
	switch c.of.(type) {
	case func(time.Time) time.Duration:
		return cel.DurationType
	case func(time.Time) string:
		return cel.StringType
	default:
		return cel.IntType
	}
}

// value calls the clock for the interpreter; t is in the region's zone.
func (c clock) value(t time.Time) ref.Val {
	switch of := c.of.(type) {
	case func(time.Time) time.Duration:
		return types.Duration{Duration: of(t)}
	case func(time.Time) string:
		return types.String(of(t))
	default:
		return types.Int(of.(func(time.Time) int64)(t))
	}
}

// functionDeclarations are our own functions, for the environment of cel-go.
func functionDeclarations() []cel.EnvOption {
	var options []cel.EnvOption
	for _, c := range clocks() {
		options = append(options, cel.Function(c.name, cel.FunctionDocs(c.doc),
			cel.Overload(c.name+"_timestamp", []*cel.Type{cel.TimestampType}, c.celType(), cel.LateFunctionBinding())))
	}
	return append(options,
		cel.Function("bucket",
			cel.FunctionDocs("bucket(key, salt, n) puts the key into one of n buckets, 0 to n-1: always the same one for the same key and salt"),
			cel.Overload("bucket_string", []*cel.Type{cel.StringType, cel.StringType, cel.IntType}, cel.IntType, cel.FunctionBinding(bucketValue)),
			cel.Overload("bucket_int", []*cel.Type{cel.IntType, cel.StringType, cel.IntType}, cel.IntType, cel.FunctionBinding(bucketValue))),
		cel.Function("lowerAscii", cel.FunctionDocs("the text with the letters A to Z in lower case"),
			cel.MemberOverload("string_lower_ascii", []*cel.Type{cel.StringType}, cel.StringType,
				cel.UnaryBinding(func(s ref.Val) ref.Val { return types.String(lowerASCII(string(s.(types.String)))) }))),
		cel.Function("upperAscii", cel.FunctionDocs("the text with the letters a to z in upper case"),
			cel.MemberOverload("string_upper_ascii", []*cel.Type{cel.StringType}, cel.StringType,
				cel.UnaryBinding(func(s ref.Val) ref.Val { return types.String(upperASCII(string(s.(types.String)))) }))),
	)
}

func bucketValue(args ...ref.Val) ref.Val {
	n, err := buckets(int64(args[2].(types.Int)))
	if err != nil {
		return types.WrapErr(err)
	}
	salt := string(args[1].(types.String))
	if key, isInt := args[0].(types.Int); isInt {
		return types.Int(bucketInt(salt, int64(key), n))
	}
	return types.Int(Bucket(salt, string(args[0].(types.String)), n))
}

// lowerASCII returns s itself where nothing changes.
func lowerASCII(s string) string {
	return mapASCII(s, 'A', 'Z', 'a'-'A')
}

// upperASCII returns s itself where nothing changes.
func upperASCII(s string) string {
	return mapASCII(s, 'a', 'z', -('a' - 'A'))
}

func mapASCII(s string, from, to byte, shift int) string {
	first := strings.IndexFunc(s, func(r rune) bool { return r >= rune(from) && r <= rune(to) })
	if first < 0 {
		return s
	}
	text := []byte(s)
	for i := first; i < len(text); i++ {
		if text[i] >= from && text[i] <= to {
			text[i] = byte(int(text[i]) + shift)
		}
	}
	return string(text)
}

// functionInfos describes what may be called: macros, functions of CEL, and our own, by name.
func (e *environment) functionInfos() []FunctionInfo {
	infos := []FunctionInfo{
		{"all", []string{"list.all(x, condition) -> bool"}, "the condition holds for each element x; true for an empty list"},
		{"exists", []string{"list.exists(x, condition) -> bool"}, "the condition holds for at least one element x; false for an empty list"},
		{"exists_one", []string{"list.exists_one(x, condition) -> bool"}, "the condition holds for exactly one element x"},
		{"filter", []string{"list.filter(x, condition) -> list"}, "the elements x for which the condition holds"},
		{"map", []string{"list.map(x, value) -> list", "list.map(x, condition, value) -> list"}, "the value for each element x (for which the condition holds)"},
	}
	docs := map[string]string{
		"sets.contains":   "the first list has all elements of the second",
		"sets.equivalent": "each list has all elements of the other",
		"sets.intersects": "the lists have an element in common",
	}
	for name, f := range e.cel.Functions() {
		if !callable(name) {
			continue
		}
		info := FunctionInfo{Name: name, Doc: cmp.Or(docs[name], strings.Join(strings.Fields(f.Description()), " "))}
		for _, o := range f.OverloadDecls() {
			args := make([]string, len(o.ArgTypes()))
			for i, t := range o.ArgTypes() {
				args[i] = typeName(t)
			}
			call := name
			if o.IsMemberFunction() {
				call, args = args[0]+"."+name, args[1:]
			}
			info.Signatures = append(info.Signatures, call+"("+strings.Join(args, ", ")+") -> "+typeName(o.ResultType()))
		}
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b FunctionInfo) int { return strings.Compare(a.Name, b.Name) })
	return infos
}

// callable tells functions from operators, which have names such as _==_, @in and in.
func callable(name string) bool {
	if name == overloads.DeprecatedIn {
		return false
	}
	return name[0] >= 'a' && name[0] <= 'z' || name[0] >= 'A' && name[0] <= 'Z'
}

func typeName(t *cel.Type) string { return cel.FormatCELType(t) }
