package metrics

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// children are the counters of label values that are not known beforehand. Reading is one load and one lookup in a map that nobody changes;
// the first use of a value copies the map.
type children[K comparable] struct {
	limit int
	other K
	make  func(K) prometheus.Counter

	counters atomic.Pointer[map[K]prometheus.Counter]
	growing  sync.Mutex
}

// newChildren counts at most limit values one by one, and what is beyond under other.
func newChildren[K comparable](limit int, other K, create func(K) prometheus.Counter) *children[K] {
	c := &children[K]{limit: limit, other: other, make: create}
	c.counters.Store(&map[K]prometheus.Counter{})
	return c
}

func (c *children[K]) get(key K) prometheus.Counter {
	if counter, ok := (*c.counters.Load())[key]; ok {
		return counter
	}
	return c.grow(key)
}

func (c *children[K]) grow(key K) prometheus.Counter {
	c.growing.Lock()
	defer c.growing.Unlock()
	known := *c.counters.Load()
	if counter, ok := known[key]; ok {
		return counter
	}
	if len(known) >= c.limit {
		if counter, ok := known[c.other]; ok {
			return counter
		}
		key = c.other
	}
	grown := maps.Clone(known)
	grown[key] = c.make(key)
	c.counters.Store(&grown)
	return grown[key]
}

// keys are the values counted so far.
func (c *children[K]) keys() []K {
	known := *c.counters.Load()
	keys := make([]K, 0, len(known))
	for key := range known {
		keys = append(keys, key)
	}
	return keys
}
