package recording

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"math"

	"google.golang.org/protobuf/proto"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// purpose keeps the hashes of users apart from whatever else the key may hash one day.
const purpose = "proscenium recording user 1"

// Pseudonyms replace the ids of users. They are safe for concurrent use.
type Pseudonyms struct{ key Key }

// NewPseudonyms makes those of a key.
func NewPseudonyms(key Key) *Pseudonyms { return &Pseudonyms{key} }

// Of is the pseudonym of a user: at least 1, and always the same under the same key, in every region. It is the head of an HMAC-SHA-256 of the
// id, so that of 100 million users two share one with a chance of 1 in 1,800.
func (p *Pseudonyms) Of(userID int64) int64 {
	hash := hmac.New(sha256.New, p.key.secret[:])
	hash.Write([]byte(purpose))
	hash.Write(binary.BigEndian.AppendUint64(nil, uint64(userID)))
	var sum [sha256.Size]byte
	for words := hash.Sum(sum[:0]); len(words) > 0; words = words[8:] {
		if id := binary.BigEndian.Uint64(words) & math.MaxInt64; id != 0 {
			return int64(id)
		}
	}
	return 1
}

// Restorer gives the users of recordings their ids back, as far as they are among those known. It is safe for concurrent use.
type Restorer struct{ users map[int64]int64 }

// NewRestorer knows these users, such as those of a catalog, under the pseudonyms of the key that the recordings were made with. It takes
// about a microsecond and 50 bytes for each.
func NewRestorer(pseudonyms *Pseudonyms, users iter.Seq[int64]) *Restorer {
	known := make(map[int64]int64)
	for user := range users {
		pseudonym := pseudonyms.Of(user)
		if other, taken := known[pseudonym]; taken && other != user {
			user = 0 // nobody can tell which of the two it was
		}
		known[pseudonym] = user
	}
	return &Restorer{known}
}

// Restored says what became of the user of a record.
type Restored int

const (
	// NothingHidden says that the record has no user, or the user's own id.
	NothingHidden Restored = iota
	// UserRestored says that the user has its own id again.
	UserRestored
	// UserUnknown says that the user is none of those known, and keeps the pseudonym.
	UserUnknown
)

// Restore puts the user's own id into a record that has a pseudonym, and says in the record that it is one. A record of an unknown user is
// left as it is: whatever the engine knows of users, it does not know of this one.
func (r *Restorer) Restore(record *pricingv1.RecordedRequest) Restored {
	req := record.GetRequest()
	if record.GetUsers() != pricingv1.RecordedRequest_USERS_HASHED || req == nil || req.UserId == nil {
		return NothingHidden
	}
	user := r.users[req.GetUserId()]
	if user == 0 {
		return UserUnknown
	}
	req.UserId = proto.Int64(user)
	record.Users = pricingv1.RecordedRequest_USERS_UNSPECIFIED
	return UserRestored
}
