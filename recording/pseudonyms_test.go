package recording

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

func TestPseudonymsArePositiveStableAndOfTheirKey(t *testing.T) {
	key := keyOf(t, someKey)
	one, other := NewPseudonyms(key), NewPseudonyms(keyOf(t, otherKey))
	rapid.Check(t, func(t *rapid.T) {
		user := rapid.Int64Range(1, math.MaxInt64).Draw(t, "user")
		p := one.Of(user)
		if p <= 0 {
			t.Errorf("pseudonym %d", p)
		}
		if p != NewPseudonyms(key).Of(user) {
			t.Error("it changes")
		}
		if p == other.Of(user) || p == user {
			t.Error("it does not depend on the key")
		}
	})
}

// Recordings are read long after they were made, so the formula must not change: it is written down here a second time.
func TestAPseudonymIsTheHeadOfAnHMAC(t *testing.T) {
	secret, err := hex.DecodeString(someKey)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("proscenium recording user 1\x00\x00\x00\x00\x00\x00\x00\x07"))
	want := int64(binary.BigEndian.Uint64(mac.Sum(nil)) &^ (1 << 63))
	if got := NewPseudonyms(keyOf(t, someKey)).Of(7); got != want {
		t.Errorf("%d, want %d", got, want)
	}
}

func TestManyUsersHaveAsManyPseudonyms(t *testing.T) {
	p := NewPseudonyms(keyOf(t, someKey))
	seen := make(map[int64]bool)
	for user := range int64(100_000) {
		seen[p.Of(user+1)] = true
	}
	if len(seen) != 100_000 {
		t.Errorf("%d pseudonyms of 100,000 users", len(seen))
	}
}

func TestKnownUsersGetTheirIdsBack(t *testing.T) {
	p := NewPseudonyms(keyOf(t, someKey))
	hashed, plain := pricingv1.RecordedRequest_USERS_HASHED, pricingv1.RecordedRequest_USERS_UNSPECIFIED
	record := func(users pricingv1.RecordedRequest_Users, user *int64) *pricingv1.RecordedRequest {
		return &pricingv1.RecordedRequest{Users: users, Request: &pricingv1.GetPromotionInfoRequest{Region: "US", UserId: user}}
	}
	r := NewRestorer(p, slices.Values([]int64{7, 8, 8}))
	for _, c := range []struct {
		name         string
		record, want *pricingv1.RecordedRequest
		restored     Restored
	}{
		{"a known user", record(hashed, new(p.Of(7))), record(plain, new(int64(7))), UserRestored},
		{"a user that is known twice", record(hashed, new(p.Of(8))), record(plain, new(int64(8))), UserRestored},
		{"an unknown user", record(hashed, new(p.Of(9))), record(hashed, new(p.Of(9))), UserUnknown},
		{"a guest", record(hashed, nil), record(hashed, nil), NothingHidden},
		{"a user that was never hidden", record(plain, new(p.Of(7))), record(plain, new(p.Of(7))), NothingHidden},
		{"no request", &pricingv1.RecordedRequest{Users: hashed}, &pricingv1.RecordedRequest{Users: hashed}, NothingHidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := r.Restore(c.record); got != c.restored || !proto.Equal(c.record, c.want) {
				t.Errorf("%v: %v, want %v: %v", got, c.record, c.restored, c.want)
			}
		})
	}
	if got := NewRestorer(NewPseudonyms(keyOf(t, otherKey)), slices.Values([]int64{7})).Restore(record(hashed, new(p.Of(7)))); got != UserUnknown {
		t.Errorf("another key restores: %v", got)
	}
}
