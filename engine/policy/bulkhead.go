package policy

import "sync/atomic"

// bulkhead bounds how many calls of a command are under way at once.
type bulkhead struct {
	most, inside atomic.Int64
	command      string
}

// enter makes room for n calls, or for all that there may be if they are more.
func (b *bulkhead) enter(n int64) (Room, bool) {
	for {
		inside, most := b.inside.Load(), b.most.Load()
		n := min(n, most)
		if inside+n > most {
			return Room{}, false
		}
		if b.inside.CompareAndSwap(inside, inside+n) {
			return Room{b, n}, true
		}
	}
}

// Room is what calls take up in a bulkhead. The zero value takes up nothing.
type Room struct {
	bulkhead *bulkhead
	size     int64
}

// Size is for how many calls at once there is room.
func (r Room) Size() int64 { return r.size }

// Leave gives room for n calls back. All together give back its size, no more.
func (r Room) Leave(n int64) {
	if r.bulkhead != nil {
		r.bulkhead.inside.Add(-n)
	}
}
