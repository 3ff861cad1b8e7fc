package limit

import (
	"hash/maphash"
	"sync"
)

// A table has at most this many keys.
const (
	tableShards = 16
	keysOfShard = 4096
)

// table counts keys in this process, in bounded memory. A key is forgotten when nothing of it counts any longer, and not before: while there is no room
// for another key, all that come new share one count, of the same limit. That refuses more than it must, and never lets too much through.
type table struct {
	seed   maphash.Seed
	most   int // keys of a shard
	shards [tableShards]tableShard
}

type tableShard struct {
	mu   sync.Mutex
	keys map[string]*keyTally
	// The keys in a ring, by when they were counted last; recent.next is the oldest.
	recent keyTally
	others keyTally
}

type keyTally struct {
	tally
	key        string
	prev, next *keyTally
}

func newTable(most int) *table {
	t := &table{seed: maphash.MakeSeed(), most: max(most/tableShards, 1)}
	for i := range t.shards {
		s := &t.shards[i]
		s.keys = map[string]*keyTally{}
		s.recent.prev, s.recent.next = &s.recent, &s.recent
	}
	return t
}

// held is a place in a table where requests are held until they are counted or given back.
type held struct {
	shard *tableShard
	tally *keyTally
}

// hold asks for n requests of a key and, where they may go on, holds them.
func (t *table) hold(r *rule, now int64, key string, n int64) (held, reading) {
	s := &t.shards[maphash.String(t.seed, key)%tableShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.find(r, now, key, t.most)
	k.settle(r, now)
	a := k.ask(r, n)
	if a.outcome != Refused {
		k.held += n
	}
	return held{s, k}, a
}

// count counts what was held.
func (h held) count(r *rule, now, n int64) {
	h.shard.mu.Lock()
	defer h.shard.mu.Unlock()
	h.tally.held -= n
	h.tally.settle(r, now)
	h.tally.add(r, n)
	if h.tally != &h.shard.others {
		h.tally.unlink()
		h.tally.link(h.shard.recent.prev)
	}
}

// giveBack forgets what was held.
func (h held) giveBack(n int64) {
	h.shard.mu.Lock()
	defer h.shard.mu.Unlock()
	h.tally.held -= n
}

func (s *tableShard) find(r *rule, now int64, key string, most int) *keyTally {
	if k, ok := s.keys[key]; ok {
		return k
	}
	s.forget(r, now)
	s.others.settle(r, now)
	if !s.others.idle() || len(s.keys) >= most {
		return &s.others // of a key that is counted there it is not known how much
	}
	k := &keyTally{key: key}
	s.keys[key] = k
	k.link(s.recent.prev)
	return k
}

// forget looks at the keys that were counted the longest ago, more of them than may come new.
func (s *tableShard) forget(r *rule, now int64) {
	k := s.recent.next
	for range 8 {
		if k == &s.recent {
			return
		}
		next := k.next
		if k.settle(r, now); k.idle() {
			k.unlink()
			delete(s.keys, k.key)
		}
		k = next
	}
}

func (k *keyTally) link(after *keyTally) {
	k.prev, k.next = after, after.next
	after.next.prev = k
	after.next = k
}

func (k *keyTally) unlink() {
	k.prev.next, k.next.prev = k.next, k.prev
}
