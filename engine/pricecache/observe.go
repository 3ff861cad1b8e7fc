package pricecache

// Observer is told what happens in the background of the caches of one class, for metrics. Its methods are called by many goroutines and do not block.
type Observer interface {
	// CachePurged tells of a purge of a cache in this process, and how many entries memory had of it.
	CachePurged(kind Kind, source Source, dropped int)
	// CacheRedisFailed tells of an exchange with Redis that failed, or of a value that could not be read.
	CacheRedisFailed(exchange Exchange)
	// CacheEvents tells of entries of the change stream that were read: well formed, and malformed.
	CacheEvents(events, malformed int)
}

// Source is what a purge came from.
type Source uint8

// The sources.
const (
	// FromCaller is a purge that this process was asked for.
	FromCaller Source = iota
	// FromBroadcast is one that another process was asked for.
	FromBroadcast
	// FromChanges is one that the change stream asked for.
	FromChanges
	// FromStart empties memory when a stream begins to be followed: what was said before is unknown.
	FromStart
	// FromLostPlace drops everything, for purges may have been missed.
	FromLostPlace
	// Sources is how many there are.
	Sources
)

// SourceNames are the names of the sources in metrics.
var SourceNames = [Sources]string{"caller", "broadcast", "change_stream", "start", "lost_place"}

// Exchange is what Redis was asked for.
type Exchange uint8

// The exchanges.
const (
	// Read of entries.
	Read Exchange = iota
	// Decode of an entry that was read: it is a miss.
	Decode
	// Write of entries.
	Write
	// PurgeExchange tells Redis and the other processes of a purge.
	PurgeExchange
	// Follow of a stream of purges or changes.
	Follow
	// Exchanges is how many there are.
	Exchanges
)

// ExchangeNames are the names of the exchanges in metrics.
var ExchangeNames = [Exchanges]string{"read", "decode", "write", "purge", "follow"}

// nobody is the observer where nobody listens.
type nobody struct{}

func (nobody) CachePurged(Kind, Source, int) {}
func (nobody) CacheRedisFailed(Exchange)     {}
func (nobody) CacheEvents(int, int)          {}
