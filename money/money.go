// Package money is the arithmetic of prices: amounts are signed 64-bit integers of minor units, rates are integers inflated by 100,000.
//
// Nothing here overflows silently and nothing uses floating point: what does not fit into 64 bits is reported by a false second result,
// with 0 as the first. Every division names its rounding. Functions do not allocate and are safe for concurrent use.
package money

import (
	"math"
	"math/bits"

	configv1 "proscenium/gen/proscenium/config/v1"
)

// RateOne is 100%.
const RateOne = 100_000

// Rounding names how a quotient becomes an integer; ROUNDING_UNSPECIFIED is HALF_UP.
type Rounding = configv1.Rounding

// The roundings.
const (
	HalfUp   = configv1.Rounding_ROUNDING_HALF_UP   // to nearest, ties away from zero
	HalfEven = configv1.Rounding_ROUNDING_HALF_EVEN // to nearest, ties to the even neighbour
	HalfDown = configv1.Rounding_ROUNDING_HALF_DOWN // to nearest, ties toward zero
	Down     = configv1.Rounding_ROUNDING_DOWN      // toward zero
	Up       = configv1.Rounding_ROUNDING_UP        // away from zero
)

// Add is a + b.
func Add(a, b int64) (int64, bool) {
	sum := a + b
	if (sum > a) == (b > 0) {
		return sum, true
	}
	return 0, false
}

// Sub is a - b.
func Sub(a, b int64) (int64, bool) {
	difference := a - b
	if (difference < a) == (b > 0) {
		return difference, true
	}
	return 0, false
}

// plain is the bound below which the product of two factors, and a little more, fits without a check. The union of two integers is below
// it where both are, and neither is negative.
const plain = 1 << 31

// Mul is a * b. It is written so that it inlines, with a call only for what is not plain.
func Mul(a, b int64) (product int64, ok bool) {
	product, ok = a*b, true
	if uint64(a|b) >= plain {
		product, ok = mulWide(a, b)
	}
	return
}

func mulWide(a, b int64) (int64, bool) {
	high, low := bits.Mul64(magnitude(a), magnitude(b))
	if high != 0 {
		return 0, false
	}
	return signed(low, (a < 0) != (b < 0))
}

// MulDiv is a * b / c, rounded once: the product is held in 128 bits. It is false also where c is 0.
func MulDiv(a, b, c int64, rounding Rounding) (int64, bool) {
	if c == 0 {
		return 0, false
	}
	divisor := magnitude(c)
	high, low := bits.Mul64(magnitude(a), magnitude(b))
	if high >= divisor {
		return 0, false
	}
	quotient, remainder := bits.Div64(high, low, divisor)
	if roundsAway(quotient, remainder, divisor, rounding) {
		quotient++
		if quotient == 0 {
			return 0, false
		}
	}
	return signed(quotient, (a < 0) != (b < 0) != (c < 0))
}

// RateOf is amount * rate / 1e5: the part of an amount that a rate names.
func RateOf(amount, rate int64, rounding Rounding) (int64, bool) {
	if rounding <= HalfUp && uint64(amount|rate) < plain {
		return (amount*rate + RateOne/2) / RateOne, true
	}
	return MulDiv(amount, rate, RateOne, rounding)
}

// Rate is 1e5 * part / whole, rounded half up; 0 where whole is 0.
func Rate(part, whole int64) (int64, bool) {
	if whole == 0 {
		return 0, true
	}
	return MulDiv(part, RateOne, whole, HalfUp)
}

// roundsAway says whether a quotient with this remainder goes on to the next magnitude. The remainder is below the divisor, so that
// comparing it with what is missing to the divisor is comparing it with one half, without doubling it.
func roundsAway(quotient, remainder, divisor uint64, rounding Rounding) bool {
	missing := divisor - remainder
	switch rounding {
	case Down:
		return false
	case Up:
		return remainder > 0
	case HalfDown:
		return remainder > missing
	case HalfEven:
		return remainder > missing || (remainder == missing && quotient&1 == 1)
	default:
		return remainder >= missing
	}
}

// magnitude is |a|; that of the smallest integer fits, because it is unsigned.
func magnitude(a int64) uint64 {
	if a < 0 {
		return -uint64(a)
	}
	return uint64(a)
}

func signed(magnitude uint64, negative bool) (int64, bool) {
	if negative {
		if magnitude > 1<<63 {
			return 0, false
		}
		return int64(-magnitude), true
	}
	if magnitude > math.MaxInt64 {
		return 0, false
	}
	return int64(magnitude), true
}
