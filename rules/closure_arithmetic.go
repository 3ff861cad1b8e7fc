package rules

import (
	"errors"
	"math"
	"math/bits"
	"strconv"
	"time"

	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
)

var (
	errOverflow   = errors.New("integer overflow")
	errZero       = errors.New("division by zero")
	errTimeRange  = errors.New("timestamp out of the years 1 to 9999")
	errIndexRange = errors.New("index out of the list")
)

// arithmetic compiles + - * / % of numbers and times.
func arithmetic(op string, x, y any) any {
	switch x := x.(type) {
	case node[int64]:
		if y, ok := y.(node[int64]); ok {
			return intArithmetic(op, x, y)
		}
	case node[float64]:
		if y, ok := y.(node[float64]); ok {
			return doubleArithmetic(op, x, y)
		}
	case node[time.Duration]:
		switch y := y.(type) {
		case node[time.Duration]:
			return durationArithmetic(op, x, y)
		case moment:
			if op == operators.Add {
				return moment{node: tryBinary(x, y.node, func(d time.Duration, t time.Time) (time.Time, error) { return later(t, d) })}
			}
		}
	case moment:
		return momentArithmetic(op, x, y)
	}
	return nil
}

func intArithmetic(op string, x, y node[int64]) any {
	switch op {
	case operators.Add:
		return tryBinary(x, y, add)
	case operators.Subtract:
		return tryBinary(x, y, subtract)
	case operators.Multiply:
		return tryBinary(x, y, multiply)
	case operators.Divide:
		return tryBinary(x, y, divide)
	case operators.Modulo:
		return tryBinary(x, y, modulo)
	default:
		return nil
	}
}

func add(x, y int64) (int64, error) {
	sum := x + y
	if (sum > x) != (y > 0) && y != 0 {
		return 0, errOverflow
	}
	return sum, nil
}

func subtract(x, y int64) (int64, error) {
	difference := x - y
	if (difference < x) != (y > 0) && y != 0 {
		return 0, errOverflow
	}
	return difference, nil
}

func multiply(x, y int64) (int64, error) {
	high, low := bits.Mul64(magnitude(x), magnitude(y))
	if (x < 0) != (y < 0) {
		if high != 0 || low > 1<<63 {
			return 0, errOverflow
		}
		return -int64(low), nil
	}
	if high != 0 || low > math.MaxInt64 {
		return 0, errOverflow
	}
	return int64(low), nil
}

func magnitude(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

// divide rounds toward zero, as CEL does.
func divide(x, y int64) (int64, error) {
	if y == 0 {
		return 0, errZero
	}
	if x == math.MinInt64 && y == -1 {
		return 0, errOverflow
	}
	return x / y, nil
}

// modulo has the sign of x, as CEL's does.
func modulo(x, y int64) (int64, error) {
	if y == 0 {
		return 0, errZero
	}
	if x == math.MinInt64 && y == -1 {
		return 0, errOverflow
	}
	return x % y, nil
}

func doubleArithmetic(op string, x, y node[float64]) any {
	switch op {
	case operators.Add:
		return binary(x, y, func(a, b float64) float64 { return a + b })
	case operators.Subtract:
		return binary(x, y, func(a, b float64) float64 { return a - b })
	case operators.Multiply:
		return binary(x, y, func(a, b float64) float64 { return a * b })
	case operators.Divide:
		return binary(x, y, func(a, b float64) float64 { return a / b })
	default:
		return nil
	}
}

func durationArithmetic(op string, x, y node[time.Duration]) any {
	checked := func(f func(a, b int64) (int64, error)) any {
		return tryBinary(x, y, func(a, b time.Duration) (time.Duration, error) {
			d, err := f(int64(a), int64(b))
			return time.Duration(d), err
		})
	}
	switch op {
	case operators.Add:
		return checked(add)
	case operators.Subtract:
		return checked(subtract)
	default:
		return nil
	}
}

func momentArithmetic(op string, x moment, y any) any {
	switch y := y.(type) {
	case node[time.Duration]:
		switch op {
		case operators.Add:
			return moment{node: tryBinary(x.node, y, later)}
		case operators.Subtract:
			return moment{node: tryBinary(x.node, y, func(t time.Time, d time.Duration) (time.Time, error) {
				if d == math.MinInt64 {
					return t, errOverflow
				}
				return later(t, -d)
			})}
		}
	case moment:
		if op == operators.Subtract {
			return tryBinary(x.node, y.node, between)
		}
	}
	return nil
}

// later is t + d within the timestamps of CEL.
func later(t time.Time, d time.Duration) (time.Time, error) {
	sum := t.Add(d)
	if sum.Unix() < minUnixSeconds || sum.Unix() > maxUnixSeconds {
		return t, errTimeRange
	}
	return sum, nil
}

// between is x - y; whole seconds that a duration cannot hold are an error even where the rest would bring it back.
func between(x, y time.Time) (time.Duration, error) {
	seconds, err := multiply(x.Unix()-y.Unix(), int64(time.Second))
	if err != nil {
		return 0, err
	}
	d, err := add(seconds, int64(x.Nanosecond()-y.Nanosecond()))
	return time.Duration(d), err
}

// negate compiles -x.
func negate(op string, x any) any {
	if op != operators.Negate {
		return nil
	}
	switch x := x.(type) {
	case node[int64]:
		return tryUnary(x, func(v int64) (int64, error) {
			if v == math.MinInt64 {
				return 0, errOverflow
			}
			return -v, nil
		})
	case node[float64]:
		return unary(x, func(v float64) float64 { return -v })
	default:
		return nil
	}
}

// convert compiles int(x), double(x) and string(x) of what needs no parsing.
func convert(name string, x any) any {
	switch name {
	case overloads.TypeConvertInt:
		switch x := x.(type) {
		case node[int64]:
			return x
		case node[float64]:
			return tryUnary(x, truncate)
		case moment:
			return unary(x.node, time.Time.Unix)
		}
	case overloads.TypeConvertDouble:
		switch x := x.(type) {
		case node[float64]:
			return x
		case node[int64]:
			return unary(x, func(v int64) float64 { return float64(v) })
		}
	case overloads.TypeConvertString:
		switch x := x.(type) {
		case node[string]:
			return x
		case node[int64]:
			return unary(x, func(v int64) string { return strconv.FormatInt(v, 10) })
		}
	}
	return nil
}

// truncate is int(v): toward zero, and an error at the ends of int64 and beyond, as in CEL.
func truncate(v float64) (int64, error) {
	if math.IsNaN(v) || v <= math.MinInt64 || v >= math.MaxInt64 {
		return 0, errOverflow
	}
	return int64(v), nil
}
