package rules

import (
	"errors"
	"math"
	"math/bits"
	"strconv"
)

// The parameters of FNV-1a with 64 bits, and of the finaliser of MurmurHash3. They must never change: running experiments depend on them.
const (
	fnvOffset   = 14695981039346656037
	fnvPrime    = 1099511628211
	finaliserA  = 0xff51afd7ed558ccd
	finaliserB  = 0xc4ceb9fe1a85ec53
	saltEnds    = 0xff // no byte of UTF-8: salt and key cannot run into each other
	maxIntChars = 20
)

var errBuckets = errors.New("bucket needs a number of buckets from 1 to 4294967295")

// Bucket puts the key into one of n buckets: the same key and salt are in the same one on every replica, in every version, for ever. Another
// salt is another, independent split. The result is in [0, n); it is 0 where n is 0.
//
// The hash is FNV-1a with 64 bits over salt, the byte 0xFF, and key, mixed by the finaliser of MurmurHash3; the bucket is the high word of
// hash times n.
func Bucket(salt, key string, n uint32) uint32 {
	return scale(hash(hashOfSalt(salt), key), n)
}

// bucketInt is Bucket of the key in decimal, without the string.
func bucketInt(salt string, key int64, n uint32) uint32 {
	var digits [maxIntChars]byte
	return scale(hash(hashOfSalt(salt), strconv.AppendInt(digits[:0], key, 10)), n)
}

func hashOfSalt(salt string) uint64 { return (hash(fnvOffset, salt) ^ saltEnds) * fnvPrime }

func hash[T string | []byte](h uint64, s T) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * fnvPrime
	}
	return h
}

func scale(h uint64, n uint32) uint32 {
	h = (h ^ h>>33) * finaliserA
	h = (h ^ h>>33) * finaliserB
	h ^= h >> 33
	bucket, _ := bits.Mul64(h, uint64(n))
	return uint32(bucket)
}

// buckets checks the number of buckets of an expression.
func buckets(n int64) (uint32, error) {
	if n < 1 || n > math.MaxUint32 {
		return 0, errBuckets
	}
	return uint32(n), nil
}
