package pricecache

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"proscenium/kv"
	"proscenium/traffic"
)

// lane is one class of traffic: its caches, its store, and how purges get around in it.
//
// An entry in Redis is never deleted by a purge, since a load under way anywhere could write it again. Instead, a purge gives its item a new mark, a text that was
// never used before, or all items a new epoch. Who reads entries reads marks and epoch in the same exchange; who finds an entry missing loads it, and writes it
// with the mark and epoch that were there before the load began. An entry counts only while both are still the same. So:
//
//   - what was loaded before a purge, or is being loaded during it, by any process, has an older mark, whenever it is written;
//   - what has the new mark was asked of the provider after the purge;
//   - a mark may end only when no entry of before can be there any more. It is kept for as long as an entry is, and markLonger: a load that takes longer writes
//     nothing. An absent mark then is as good as any.
//   - If Redis loses what it had, it loses the epoch too, and the next one is another. If it loses but its latest writes, as in a fail-over, the last message of
//     the stream of purges that a process saw is gone with the marks: it notices, and begins a new epoch. Redis must not evict keys by itself but for those that
//     end soonest (noeviction or volatile-ttl): a mark that is evicted before its entries would bring them back.
//
// In memory, what other processes purge arrives over a stream, after the marks are set: who drops an entry then cannot read it from Redis again. While a mark
// cannot be set, this process neither reads nor writes the item in Redis, and goes on trying.
type lane struct {
	class  traffic.Class
	store  *kv.Store // nil: there is no Redis
	unique func() string
	obs    Observer
	// self names this process in messages.
	self   string
	caches [Kinds]atomic.Pointer[Cache]
	// before are those that a reload replaced, while requests may still begin on them.
	before [Kinds]atomic.Pointer[Cache]

	follower *worker // of purges; nil while no cache is used

	mu sync.Mutex
	// shut counts, by mark, the purges that Redis was not told yet; allShut those of everything.
	shut    map[string]int
	allShut int
	backlog []*order
}

// Where marks, messages and the epoch are.
const (
	epochKey     = keyspace + "epoch"
	purgesStream = keyspace + "purges"
	// purgesKept bounds the stream: who is further behind drops everything.
	purgesKept = 2000
	// backlogAtMost bounds the purges that wait for Redis; more become one of everything.
	backlogAtMost = 1000
	// epochLasts is renewed by nobody: after it, Redis is asked for everything once more.
	epochLasts = 90 * 24 * time.Hour
)

// firstEpoch sets the epoch where there is none, and returns what it is then.
var firstEpoch = kv.NewScript(`redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
return redis.call('GET', KEYS[1])`)

func newLane(class traffic.Class, store *kv.Store, unique func() string, obs Observer) *lane {
	return &lane{class: class, store: store, unique: unique, obs: obs, self: unique(), shut: make(map[string]int)}
}

func (l *lane) cache(kind Kind) *Cache { return l.caches[kind].Load() }

// used says that there is a cache at all.
func (l *lane) used() bool {
	for kind := range Kinds {
		if l.cache(kind) != nil {
			return true
		}
	}
	return false
}

// beginEpoch returns the epoch, which it begins if there is none.
func (l *lane) beginEpoch(ctx context.Context) (string, error) {
	out, err := l.store.Run(ctx, firstEpoch, []string{epochKey}, l.unique(), epochLasts.Milliseconds())
	if err != nil {
		return "", err
	}
	epoch, _ := out.(string)
	return epoch, nil
}

// order is a purge that Redis and the other processes are to be told.
type order struct {
	what   scope
	kinds  []Kind
	region string
	keys   []Key
	// tell says that the other processes do not know by themselves.
	tell bool
	// marks are what to set to mark, for as long as lasts.
	marks []kv.Entry
}

// scope is what a purge concerns.
type scope uint8

const (
	someItems scope = iota
	everything
)

// purge drops entries of keys of some kinds in this process, tells Redis and, if tell is set, the other processes. It returns how many entries memory had. On
// an error the purge stands in this process, and goes on in the background.
func (l *lane) purge(ctx context.Context, kinds []Kind, region string, keys []Key, from Source, tell bool) (int, error) {
	o := &order{what: someItems, kinds: kinds, region: region, keys: keys, tell: tell}
	if l.store != nil {
		l.mark(o)
		l.close(o) // before memory is emptied: nothing comes from Redis any more
	}
	dropped := l.drop(o, from)
	return dropped, l.carryOut(ctx, o)
}

// purgeAll is purge for every entry of the class.
func (l *lane) purgeAll(ctx context.Context, from Source, tell bool) (int, error) {
	o := &order{what: everything, tell: tell}
	if l.store != nil {
		l.close(o)
	}
	dropped := l.drop(o, from)
	return dropped, l.carryOut(ctx, o)
}

// mark says which marks an order sets.
func (l *lane) mark(o *order) {
	token := []byte(l.unique())
	for _, kind := range o.kinds {
		c := l.cache(kind)
		if c == nil || c.redis == nil {
			continue
		}
		seen := make(map[int64]bool, len(o.keys))
		for _, k := range o.keys {
			if !seen[k.ItemID] {
				seen[k.ItemID] = true
				o.marks = append(o.marks, kv.Entry{Key: markKey(kind, o.region, k.ItemID), Value: token, TTL: c.redis.ttl + markLonger})
			}
		}
	}
}

// drop empties memory of what an order concerns.
func (l *lane) drop(o *order, from Source) int {
	total := 0
	for kind := range Kinds {
		if o.what == someItems && !slices.Contains(o.kinds, kind) {
			continue
		}
		dropped, there := 0, false
		for _, c := range []*Cache{l.cache(kind), l.before[kind].Load()} {
			if c == nil {
				continue
			}
			there = true
			if o.what == everything {
				dropped += c.purgeAll()
			} else {
				dropped += c.purge(o.region, o.keys)
			}
		}
		if there {
			l.obs.CachePurged(kind, from, dropped)
		}
		total += dropped
	}
	return total
}

// carryOut tells Redis, or keeps the order until that can be done.
func (l *lane) carryOut(ctx context.Context, o *order) error {
	if l.store == nil {
		return nil
	}
	err := l.deliver(ctx, o)
	if err == nil {
		return nil
	}
	l.obs.CacheRedisFailed(PurgeExchange)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.backlog = append(l.backlog, o)
	if len(l.backlog) > backlogAtMost {
		l.joinBacklog()
	}
	return err
}

// joinBacklog makes one order of all. The lock is held.
func (l *lane) joinBacklog() {
	all := &order{what: everything}
	l.closeLocked(all)
	for _, o := range l.backlog {
		all.tell = all.tell || o.tell
		l.openLocked(o)
	}
	l.backlog = append(l.backlog[:0], all)
}

// deliver sets the marks of an order, then tells the other processes. It is done again as a whole if any of it fails: that does no harm.
func (l *lane) deliver(ctx context.Context, o *order) error {
	if o.what == everything {
		if err := l.store.Set(ctx, kv.Entry{Key: epochKey, Value: []byte(l.unique()), TTL: epochLasts}); err != nil {
			return err
		}
	} else if err := l.store.Set(ctx, o.marks...); err != nil {
		return err
	}
	if o.tell {
		if _, err := l.store.Append(ctx, purgesStream, purgesKept, l.message(o)); err != nil {
			return err
		}
	}
	l.open(o)
	return nil
}

// retry delivers what could not be delivered, for as long as that works.
func (l *lane) retry(ctx context.Context) {
	for {
		l.mu.Lock()
		if len(l.backlog) == 0 || l.store.Down() {
			l.mu.Unlock()
			return
		}
		o := l.backlog[0]
		l.backlog = l.backlog[1:]
		l.mu.Unlock()
		if l.carryOut(ctx, o) != nil {
			return
		}
	}
}

// blocked says that Redis was not told yet of a purge that concerns a mark.
func (l *lane) blocked(mark string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.allShut > 0 || l.shut[mark] > 0
}

func (l *lane) close(o *order) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closeLocked(o)
}

func (l *lane) closeLocked(o *order) {
	if o.what == everything {
		l.allShut++
	}
	for _, m := range o.marks {
		l.shut[m.Key]++
	}
}

func (l *lane) open(o *order) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.openLocked(o)
}

func (l *lane) openLocked(o *order) {
	if o.what == everything {
		l.allShut--
	}
	for _, m := range o.marks {
		if l.shut[m.Key]--; l.shut[m.Key] <= 0 {
			delete(l.shut, m.Key)
		}
	}
}
