package rules

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/big"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// TestBucketsNeverChange: running experiments depend on these numbers. Do not mend the test; a change of the hash moves every user.
func TestBucketsNeverChange(t *testing.T) {
	for _, c := range []struct {
		salt, key string
		n, want   uint32
	}{
		{"", "", 100, 10},
		{"", "", 4294967295, 465394817},
		{"price_after_voucher", "1", 100000, 26142},
		{"price_after_voucher", "2", 100000, 30347},
		{"price_after_voucher", "2360", 100000, 39828},
		{"price_after_voucher", "-9223372036854775808", 100000, 30704},
		{"shop_chat", "2360", 100000, 33861},
		{"é", "ü", 1000, 728},
		{"a", "session-42", 2, 0},
		{"a", "session-43", 2, 0},
		{"a", "x", 1, 0},
	} {
		if got := Bucket(c.salt, c.key, c.n); got != c.want {
			t.Errorf("Bucket(%q, %q, %d) = %d, want %d", c.salt, c.key, c.n, got, c.want)
		}
	}
}

// TestTheHashIsTheOneDocumented computes it anew, with an FNV-1a of the standard library.
func TestTheHashIsTheOneDocumented(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		salt, key, n := rapid.String().Draw(t, "salt"), rapid.String().Draw(t, "key"), rapid.Uint32().Draw(t, "n")
		h := fnv.New64a()
		h.Write([]byte(salt + "\xff" + key))
		x := h.Sum64()
		x ^= x >> 33
		x *= 0xff51afd7ed558ccd
		x ^= x >> 33
		x *= 0xc4ceb9fe1a85ec53
		x ^= x >> 33
		want := new(big.Int).Mul(new(big.Int).SetUint64(x), big.NewInt(int64(n)))
		if got := Bucket(salt, key, n); uint64(got) != want.Rsh(want, 64).Uint64() {
			t.Fatalf("Bucket(%q, %q, %d) = %d, want %v", salt, key, n, got, want)
		}
	})
}

func TestAnIntegerIsInTheBucketOfItsDigits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := drawInt(t)
		if got, want := bucketInt("s", key, 1000), Bucket("s", strconv.FormatInt(key, 10), 1000); got != want {
			t.Fatalf("%d is in bucket %d, its digits in %d", key, got, want)
		}
	})
}

// TestBucketsAreEven: each of ten buckets of 100,000 consecutive users has a tenth, within five standard deviations; and two salts split
// independently.
func TestBucketsAreEven(t *testing.T) {
	const users, buckets = 100_000, 10
	var one [buckets]int
	var both [buckets][buckets]int
	for user := int64(1); user <= users; user++ {
		a, b := bucketInt("a", user, buckets), bucketInt("b", user, buckets)
		one[a]++
		both[a][b]++
	}
	within := func(what string, got int, p float64) {
		if mean := users * p; math.Abs(float64(got)-mean) > 5*math.Sqrt(mean*(1-p)) {
			t.Errorf("%s has %d users, want about %.0f", what, got, mean)
		}
	}
	for a := range buckets {
		within(fmt.Sprintf("bucket %d", a), one[a], 0.1)
		for b := range buckets {
			within(fmt.Sprintf("bucket %d of salt a and %d of salt b", a, b), both[a][b], 0.01)
		}
	}
}

func TestSaltAndKeyDoNotRunIntoEachOther(t *testing.T) {
	if Bucket("ab", "c", math.MaxUint32) == Bucket("a", "bc", math.MaxUint32) {
		t.Error("salt ab with key c is the same as salt a with key bc")
	}
	if got := Bucket("salt", "key", 0); got != 0 {
		t.Errorf("no bucket at all gives %d, want 0", got)
	}
}
