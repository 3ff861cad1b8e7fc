package rules

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
)

// textOf compiles the functions of one text or list.
func textOf(name string, x any) any {
	switch x := x.(type) {
	case node[string]:
		switch name {
		case overloads.Size:
			return unary(x, func(s string) int64 { return int64(utf8.RuneCountInString(s)) })
		case "lowerAscii":
			return unary(x, lowerASCII)
		case "upperAscii":
			return unary(x, upperASCII)
		}
	case node[[]string]:
		if name == overloads.Size {
			return unary(x, func(list []string) int64 { return int64(len(list)) })
		}
	case node[[]int64]:
		if name == overloads.Size {
			return unary(x, func(list []int64) int64 { return int64(len(list)) })
		}
	}
	return nil
}

// textWith compiles the functions of two texts.
func textWith(name string, left, right any) any {
	x, ok := left.(node[string])
	if !ok {
		return nil
	}
	y, ok := right.(node[string])
	if !ok {
		return nil
	}
	switch name {
	case operators.Add:
		return binary(x, y, func(a, b string) string { return a + b })
	case overloads.Contains:
		return binary(x, y, strings.Contains)
	case overloads.StartsWith:
		return binary(x, y, strings.HasPrefix)
	case overloads.EndsWith:
		return binary(x, y, strings.HasSuffix)
	case overloads.Matches:
		if !y.constant {
			return nil
		}
		pattern, err := regexp.Compile(y.value)
		if err != nil {
			return nil
		}
		return unary(x, pattern.MatchString)
	default:
		return nil
	}
}

// listWith compiles the functions of a list and something else.
func listWith(name string, left, right any) any {
	switch x := left.(type) {
	case node[[]string]:
		return listFunction(name, x, right)
	case node[[]int64]:
		return listFunction(name, x, right)
	default:
		return nil
	}
}

func listFunction[T comparable](name string, x node[[]T], right any) any {
	switch y := right.(type) {
	case node[int64]:
		if name == operators.Index {
			return element(tryBinary(x, y, at[T]))
		}
	case node[[]T]:
		switch name {
		case "sets.contains":
			return binary(x, y, containsAll[T])
		case "sets.intersects":
			return binary(x, y, func(a, b []T) bool {
				return slices.ContainsFunc(a, func(v T) bool { return slices.Contains(b, v) })
			})
		case "sets.equivalent":
			return binary(x, y, func(a, b []T) bool { return containsAll(a, b) && containsAll(b, a) })
		}
	}
	return nil
}

// element hides the type parameter from type switches.
func element[T any](n node[T]) any { return n }

func at[T any](list []T, i int64) (v T, err error) {
	if i < 0 || i >= int64(len(list)) {
		return v, errIndexRange
	}
	return list[i], nil
}

func containsAll[T comparable](list, part []T) bool {
	for _, v := range part {
		if !slices.Contains(list, v) {
			return false
		}
	}
	return true
}

// clock compiles the functions of the time in the region's zone.
func (c *compiler) clock(name string, x any) any {
	f, is := c.env.clocks[name]
	if !is {
		return nil
	}
	m, ok := x.(moment)
	if !ok {
		return nil
	}
	local := computed(func(in *Input, l *locals) (time.Time, error) {
		t, err := m.eval(in, l)
		if err != nil {
			return t, err
		}
		if in.Zone == nil {
			return t, errNoZone
		}
		return t.In(in.Zone), nil
	})
	switch of := f.of.(type) {
	case func(time.Time) int64:
		return unary(local, of)
	case func(time.Time) time.Duration:
		return unary(local, of)
	case func(time.Time) string:
		return dated{unary(local, of), unary(local, day).eval}
	default:
		return nil
	}
}

// utc compiles CEL's own functions of a timestamp; without the name of a zone they are of UTC.
func utc(name string, x any) any {
	m, ok := x.(moment)
	if !ok {
		return nil
	}
	of := func(f func(time.Time) int) any {
		return unary(m.node, func(t time.Time) int64 { return int64(f(t)) })
	}
	switch name {
	case overloads.TimeGetFullYear:
		return of(time.Time.Year)
	case overloads.TimeGetMonth:
		return of(func(t time.Time) int { return int(t.Month()) - 1 })
	case overloads.TimeGetDate:
		return of(time.Time.Day)
	case overloads.TimeGetDayOfMonth:
		return of(func(t time.Time) int { return t.Day() - 1 })
	case overloads.TimeGetDayOfWeek:
		return of(func(t time.Time) int { return int(t.Weekday()) })
	case overloads.TimeGetDayOfYear:
		return of(func(t time.Time) int { return t.YearDay() - 1 })
	case overloads.TimeGetHours:
		return of(time.Time.Hour)
	case overloads.TimeGetMinutes:
		return of(time.Time.Minute)
	case overloads.TimeGetSeconds:
		return of(time.Time.Second)
	default:
		return nil
	}
}

// bucketNode compiles bucket(key, salt, n).
func bucketNode(name string, key, salt, n any) any {
	texts, ok := salt.(node[string])
	if !ok || name != "bucket" {
		return nil
	}
	numbers, ok := n.(node[int64])
	if !ok {
		return nil
	}
	switch key := key.(type) {
	case node[string]:
		return bucketOf(key, texts, numbers, Bucket)
	case node[int64]:
		return bucketOf(key, texts, numbers, bucketInt)
	default:
		return nil
	}
}

func bucketOf[K any](key node[K], salt node[string], n node[int64], bucket func(salt string, key K, n uint32) uint32) any {
	return computed(func(in *Input, l *locals) (int64, error) {
		k, err := key.eval(in, l)
		if err != nil {
			return 0, err
		}
		s, err := salt.eval(in, l)
		if err != nil {
			return 0, err
		}
		count, err := n.eval(in, l)
		if err != nil {
			return 0, err
		}
		number, err := buckets(count)
		if err != nil {
			return 0, err
		}
		return int64(bucket(s, k, number)), nil
	})
}
