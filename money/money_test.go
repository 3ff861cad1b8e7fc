package money_test

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/money"
)

type answer struct {
	value int64
	ok    bool
}

func answered(value int64, ok bool) answer { return answer{value, ok} }

var overflow = answer{0, false}

func TestSumsDifferencesAndProducts(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want answer
	}{
		{"a sum", answered(money.Add(2, 3)), answer{5, true}},
		{"a sum with nothing", answered(money.Add(7, 0)), answer{7, true}},
		{"a sum of the largest and nothing", answered(money.Add(math.MaxInt64, 0)), answer{math.MaxInt64, true}},
		{"a sum one above the largest", answered(money.Add(math.MaxInt64, 1)), overflow},
		{"a sum one below the smallest", answered(money.Add(math.MinInt64, -1)), overflow},
		{"a sum that crosses zero", answered(money.Add(math.MaxInt64, math.MinInt64)), answer{-1, true}},
		{"a difference", answered(money.Sub(2, 3)), answer{-1, true}},
		{"a difference down to the smallest", answered(money.Sub(-1, math.MaxInt64)), answer{math.MinInt64, true}},
		{"a difference one below the smallest", answered(money.Sub(-2, math.MaxInt64)), overflow},
		{"a difference with the smallest", answered(money.Sub(0, math.MinInt64)), overflow},
		{"a difference of nothing", answered(money.Sub(math.MinInt64, 0)), answer{math.MinInt64, true}},
		{"a product", answered(money.Mul(-3, 4)), answer{-12, true}},
		{"a product just below the fast bound", answered(money.Mul(1<<31-1, 1<<31-1)), answer{(1<<31 - 1) * (1<<31 - 1), true}},
		{"a product at the fast bound", answered(money.Mul(1<<31, 1<<31)), answer{1 << 62, true}},
		{"a product one bit too large", answered(money.Mul(1<<32, 1<<31)), overflow},
		{"a product that is the smallest", answered(money.Mul(-(1 << 32), 1<<31)), answer{math.MinInt64, true}},
		{"the smallest turned around", answered(money.Mul(math.MinInt64, -1)), overflow},
		{"a product with nothing", answered(money.Mul(math.MinInt64, 0)), answer{0, true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.got != c.want {
				t.Errorf("got %v, want %v", c.got, c.want)
			}
		})
	}
}

func TestQuotientsRoundAsNamed(t *testing.T) {
	modes := []money.Rounding{money.HalfUp, money.HalfEven, money.HalfDown, money.Down, money.Up}
	for _, c := range []struct {
		name    string
		a, b, d int64
		want    [5]int64 // in the order of modes
	}{
		{"no remainder", 6, 2, 4, [5]int64{3, 3, 3, 3, 3}},
		{"below half", 9, 1, 4, [5]int64{2, 2, 2, 2, 3}},
		{"above half", 11, 1, 4, [5]int64{3, 3, 3, 2, 3}},
		{"half above an even quotient", 10, 1, 4, [5]int64{3, 2, 2, 2, 3}},
		{"half above an odd quotient", 14, 1, 4, [5]int64{4, 4, 3, 3, 4}},
		{"negative half above an even quotient", -10, 1, 4, [5]int64{-3, -2, -2, -2, -3}},
		{"negative half by the divisor", 14, 1, -4, [5]int64{-4, -4, -3, -3, -4}},
		{"two negatives", -11, 1, -4, [5]int64{3, 3, 3, 2, 3}},
		{"an odd divisor has no half", 1, 1, 3, [5]int64{0, 0, 0, 0, 1}},
		{"a product beyond 64 bits", math.MaxInt64, 100_000, 200_000, [5]int64{1 << 62, 1 << 62, 1<<62 - 1, 1<<62 - 1, 1 << 62}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, mode := range modes {
				if got := answered(money.MulDiv(c.a, c.b, c.d, mode)); got != (answer{c.want[i], true}) {
					t.Errorf("%v: got %v, want %d", mode, got, c.want[i])
				}
			}
			if got := answered(money.MulDiv(c.a, c.b, c.d, configv1.Rounding_ROUNDING_UNSPECIFIED)); got.value != c.want[0] {
				t.Errorf("unspecified: got %v, want %d as half up", got, c.want[0])
			}
		})
	}
}

func TestQuotientsThatDoNotFitAreReported(t *testing.T) {
	for _, c := range []struct {
		name string
		got  answer
		want answer
	}{
		{"a zero divisor", answered(money.MulDiv(1, 1, 0, money.HalfUp)), overflow},
		{"a quotient beyond 64 bits", answered(money.MulDiv(math.MaxInt64, 4, 1, money.HalfUp)), overflow},
		{"a quotient beyond 63 bits", answered(money.MulDiv(math.MaxInt64, 2, 1, money.HalfUp)), overflow},
		{"rounding past the largest", answered(money.MulDiv(math.MaxInt64, 3, 3, money.Up)), answer{math.MaxInt64, true}},
		{"the largest and a half", answered(money.MulDiv(1<<62, 4, 2, money.Down)), overflow},
		{"the smallest is a quotient", answered(money.MulDiv(math.MinInt64, 7, 7, money.HalfUp)), answer{math.MinInt64, true}},
		{"the smallest turned around", answered(money.MulDiv(math.MinInt64, -1, 1, money.HalfUp)), overflow},
		{"the smallest over itself", answered(money.MulDiv(math.MinInt64, math.MinInt64, math.MinInt64, money.HalfUp)), answer{math.MinInt64, true}},
		{"an amount whose rate does not fit", answered(money.RateOf(math.MaxInt64, 100_001, money.HalfUp)), overflow},
		{"a rate that does not fit", answered(money.Rate(math.MaxInt64, 1)), overflow},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.got != c.want {
				t.Errorf("got %v, want %v", c.got, c.want)
			}
		})
	}
}

func TestRatesRoundHalfUp(t *testing.T) {
	for _, c := range []struct {
		name        string
		part, whole int64
		want        int64
	}{
		{"rebate of the buyer's price", 10, 85, 11765},
		{"rebate of the seller's price", 10, 95, 10526},
		{"of nothing", 10, 0, 0},
		{"nothing of something", 0, 7, 0},
		{"half a step goes up", 1, 200_000, 1},
		{"below half a step", 1, 200_001, 0},
		{"negative half a step goes away from zero", -1, 200_000, -1},
		{"more than the whole", 30, 20, 150_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := answered(money.Rate(c.part, c.whole)); got != (answer{c.want, true}) {
				t.Errorf("got %v, want %d", got, c.want)
			}
		})
	}
}

func TestPartOfAnAmount(t *testing.T) {
	for _, c := range []struct {
		name         string
		amount, rate int64
		rounding     money.Rounding
		want         int64
	}{
		{"an eighth", 1000, 12_500, money.HalfUp, 125},
		{"half a unit goes up", 1, 50_000, money.HalfUp, 1},
		{"half a unit goes down", 1, 50_000, money.HalfDown, 0},
		{"half a unit to even", 3, 50_000, money.HalfEven, 2},
		{"a negative half unit goes away from zero", -1, 50_000, money.HalfUp, -1},
		{"the largest amount as a whole", math.MaxInt64, money.RateOne, money.HalfUp, math.MaxInt64},
		{"an amount at the fast bound", 1 << 31, 50_000, money.HalfUp, 1 << 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := answered(money.RateOf(c.amount, c.rate, c.rounding)); got != (answer{c.want, true}) {
				t.Errorf("got %v, want %d", got, c.want)
			}
		})
	}
}

// amounts draws integers of every size, and those next to the bounds that the code knows.
func amounts() *rapid.Generator[int64] {
	return rapid.OneOf(
		rapid.Int64(),
		rapid.Int64Range(-1000, 1000),
		rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64, math.MaxInt64 - 1, 1 << 31, 1<<31 - 1, 1 << 32, 100_000}),
	)
}

// expected is what an exact result becomes.
func expected(exact *big.Int) answer {
	if !exact.IsInt64() {
		return overflow
	}
	return answer{exact.Int64(), true}
}

// exactQuotient rounds a fraction by its definition: the floor of its magnitude, and the distance to it compared with one half.
func exactQuotient(numerator, denominator *big.Int, mode money.Rounding) *big.Int {
	negative := numerator.Sign()*denominator.Sign() < 0
	n, d := new(big.Int).Abs(numerator), new(big.Int).Abs(denominator)
	floor, rest := new(big.Int).QuoRem(n, d, new(big.Int))
	half := new(big.Int).Lsh(rest, 1).Cmp(d)
	up := false
	switch mode {
	case money.Up:
		up = rest.Sign() > 0
	case money.HalfUp:
		up = half >= 0
	case money.HalfDown:
		up = half > 0
	case money.HalfEven:
		up = half > 0 || half == 0 && floor.Bit(0) == 1
	}
	if up {
		floor.Add(floor, big.NewInt(1))
	}
	if negative {
		floor.Neg(floor)
	}
	return floor
}

func checkAgainstExact(t interface {
	Errorf(format string, args ...any)
}, a, b, c int64, mode money.Rounding,
) {
	x, y, z := big.NewInt(a), big.NewInt(b), big.NewInt(c)
	product := new(big.Int).Mul(x, y)
	check := func(what string, got, want answer) {
		if got != want {
			t.Errorf("%s of %d, %d, %d (%v): got %v, want %v", what, a, b, c, mode, got, want)
		}
	}
	check("Add", answered(money.Add(a, b)), expected(new(big.Int).Add(x, y)))
	check("Sub", answered(money.Sub(a, b)), expected(new(big.Int).Sub(x, y)))
	check("Mul", answered(money.Mul(a, b)), expected(product))
	check("RateOf", answered(money.RateOf(a, b, mode)), expected(exactQuotient(product, big.NewInt(money.RateOne), mode)))
	if c == 0 {
		check("MulDiv", answered(money.MulDiv(a, b, c, mode)), overflow)
		check("Rate", answered(money.Rate(a, c)), answer{0, true})
		return
	}
	check("MulDiv", answered(money.MulDiv(a, b, c, mode)), expected(exactQuotient(product, z, mode)))
	inflated := new(big.Int).Mul(x, big.NewInt(money.RateOne))
	check("Rate", answered(money.Rate(a, c)), expected(exactQuotient(inflated, z, money.HalfUp)))
}

func TestArithmeticIsExactOrReported(t *testing.T) {
	for mode := money.HalfUp; mode <= money.Up; mode++ {
		t.Run(mode.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				checkAgainstExact(t, amounts().Draw(t, "a"), amounts().Draw(t, "b"), amounts().Draw(t, "c"), mode)
			})
		})
	}
}

func FuzzArithmeticIsExactOrReported(f *testing.F) {
	f.Add(int64(10), int64(100_000), int64(85), uint8(1))
	f.Add(int64(math.MinInt64), int64(-1), int64(1), uint8(2))
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), uint8(5))
	f.Fuzz(func(t *testing.T, a, b, c int64, mode uint8) {
		checkAgainstExact(t, a, b, c, money.Rounding(mode%5+1))
	})
}

func TestArithmeticDoesNotAllocate(t *testing.T) {
	var total int64
	got := testing.AllocsPerRun(100, func() {
		a, _ := money.RateOf(1999, 12_500, money.HalfUp)
		b, _ := money.MulDiv(math.MaxInt64, 3, 7, money.HalfEven)
		c, _ := money.Rate(a, 85)
		d, _ := money.Mul(c, 3)
		total += a ^ b ^ d
	})
	if got != 0 {
		t.Errorf("%v allocations, want none (sum %d)", got, total)
	}
}

func BenchmarkRateOf(b *testing.B) {
	for _, c := range []struct {
		name   string
		amount int64
	}{{"plain", 1999}, {"wide", math.MaxInt64 / 2}} {
		b.Run(c.name, func(b *testing.B) {
			amount := c.amount
			var total int64
			for b.Loop() {
				part, _ := money.RateOf(amount, 12_500, money.HalfUp)
				total += part
			}
			if total == 0 {
				b.Fatal("no part")
			}
		})
	}
}
