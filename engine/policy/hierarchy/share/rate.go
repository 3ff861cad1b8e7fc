package share

import "math/bits"

// Rate is a number of requests a second in thousandths: 12,000 requests a second are 12,000,000. It is never negative; where a
// negative one is passed in, it counts as 0.
type Rate int64

const (
	// PerSecond is one request a second.
	PerSecond Rate = 1000
	// MaxRate is the largest rate that is told apart, a thousand million requests a second. Larger ones count as MaxRate, so that no
	// sum over any real number of queues and instances can overflow.
	MaxRate Rate = 1_000_000_000_000
)

// bounded is the rate within 0 and MaxRate.
func (r Rate) bounded() Rate { return min(max(r, 0), MaxRate) }

// times is r * multiplier / divisor, rounded down, at most MaxRate. Negative factors count as 0; the divisor is positive.
func (r Rate) times(multiplier, divisor uint64) Rate {
	hi, lo := bits.Mul64(uint64(max(r, 0)), multiplier)
	if hi >= divisor {
		return MaxRate
	}
	quotient, _ := bits.Div64(hi, lo, divisor)
	return Rate(min(quotient, uint64(MaxRate)))
}

// perSecond is the rate of count events in a number of nanoseconds, rounded up, so that what happened at all is never a rate of 0.
// It is at most MaxRate, and 0 where nothing happened or no time passed.
func perSecond(count, nanoseconds int64) Rate {
	if count <= 0 || nanoseconds <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(count), uint64(PerSecond)*uint64(second))
	lo, carry := bits.Add64(lo, uint64(nanoseconds)-1, 0)
	hi += carry
	if hi >= uint64(nanoseconds) {
		return MaxRate
	}
	quotient, _ := bits.Div64(hi, lo, uint64(nanoseconds))
	return Rate(min(quotient, uint64(MaxRate)))
}

// compareProducts compares a*b with c*d without losing a bit: negative where it is smaller, 0 where they are equal.
func compareProducts(a, b, c, d uint64) int {
	hi1, lo1 := bits.Mul64(a, b)
	hi2, lo2 := bits.Mul64(c, d)
	switch {
	case hi1 < hi2 || hi1 == hi2 && lo1 < lo2:
		return -1
	case hi1 == hi2 && lo1 == lo2:
		return 0
	default:
		return 1
	}
}
