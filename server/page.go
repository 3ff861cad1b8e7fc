package server

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"proscenium/fault"
)

// pageOf is a part of a list, and the token of the next; empty: there is none. Items are in the order of their keys, which are unique. A page begins behind the
// key at which the one before ended, so that items which come and go meanwhile neither repeat others nor hide them. A token is for one list and its
// filters; it says nothing to those who hold it.
func pageOf[T any](items []T, key func(T) string, list string, filters []string, size int32, token string) (page []T, next string, err error) {
	n := int(size)
	if n == 0 {
		n = defaultPage
	}
	sum := sha256.Sum256([]byte(strings.Join(filters, "\x00")))
	begin := list + "\x00" + hex.EncodeToString(sum[:8]) + "\x00"
	after, behind := "", token != ""
	if behind {
		text, err := base64.RawURLEncoding.DecodeString(token)
		rest, ok := strings.CutPrefix(string(text), begin)
		if err != nil || !ok {
			return nil, "", fault.Invalid("page_token", "INVALID_PAGE_TOKEN",
				"it is no token of this list and these filters; send next_page_token of the page before, or none for the first")
		}
		after = rest
	}
	for _, item := range items {
		if behind && key(item) <= after {
			continue
		}
		if len(page) == n {
			return page, base64.RawURLEncoding.EncodeToString([]byte(begin + key(page[n-1]))), nil
		}
		page = append(page, item)
	}
	return page, "", nil
}

// keyOf joins the parts of a key, so that keys are in the order of their parts.
func keyOf(parts ...string) string { return strings.Join(parts, "\x01") }
