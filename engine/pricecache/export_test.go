package pricecache

// RedisKey is where the entry of a key is.
func RedisKey(v *View, k Key) string { return v.redisKey(k) }

// Streams and limits, for tests.
const (
	PurgesStream  = purgesStream
	PurgesKept    = purgesKept
	EpochKey      = epochKey
	BacklogAtMost = backlogAtMost
)

// MarkKey is where the mark of an item is.
func MarkKey(kind Kind, region string, item int64) string { return markKey(kind, region, item) }

// EmptyMemory drops what memory has, and nothing else.
func EmptyMemory(v *View) { v.cache.purgeAll() }
