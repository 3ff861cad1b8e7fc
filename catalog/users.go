package catalog

import "iter"

// Users are the ids of all users that the files name, in their order.
func (c *Catalog) Users() iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for i := range c.users {
			if c.users[i].ID != 0 && !yield(c.users[i].ID) { // 0 is the guest
				return
			}
		}
	}
}
