package catalog

import (
	"sync"
	"sync/atomic"
)

// kept holds a few values that are dear to build: at most limit of them, those used last. Readers of what is built take no lock;
// builders wait for each other, so that nothing is built twice.
type kept[K, V any] struct {
	limit   int
	mu      sync.Mutex
	entries atomic.Pointer[[]*entry[K, V]]
	// builds is the clock of uses: it ticks with each build, so that readers in between need not write.
	builds atomic.Uint64
}

type entry[K, V any] struct {
	key   K
	value V
	used  atomic.Uint64
}

// get returns the value whose key matches, or what build makes: its key must match.
func (k *kept[K, V]) get(match func(K) bool, build func() (K, V)) V {
	if e := k.find(match); e != nil {
		return e.value
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.find(match); e != nil {
		return e.value
	}
	key, value := build()
	made := &entry[K, V]{key: key, value: value}
	made.used.Store(k.builds.Add(1))
	var entries []*entry[K, V]
	if old := k.entries.Load(); old != nil {
		entries = append(entries, *old...)
	}
	if len(entries) == k.limit {
		oldest := 0
		for i, e := range entries {
			if e.used.Load() < entries[oldest].used.Load() {
				oldest = i
			}
		}
		entries[oldest] = made
	} else {
		entries = append(entries, made)
	}
	k.entries.Store(&entries)
	return value
}

func (k *kept[K, V]) find(match func(K) bool) *entry[K, V] {
	entries := k.entries.Load()
	if entries == nil {
		return nil
	}
	for _, e := range *entries {
		if match(e.key) {
			if now := k.builds.Load(); e.used.Load() != now {
				e.used.Store(now)
			}
			return e
		}
	}
	return nil
}
