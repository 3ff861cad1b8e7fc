package kv

// ValidPrefix says whether keys may begin with it: 1 to 64 letters, digits, ., _ or -.
func ValidPrefix(prefix string) bool { return plainPrefix.MatchString(prefix) }
