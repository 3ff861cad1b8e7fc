package catalog

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestKeptBuildsOnce(t *testing.T) {
	k := kept[int, *int]{limit: 4}
	var builds atomic.Int64
	var wait sync.WaitGroup
	got := make([]*int, 64)
	for i := range got {
		wait.Go(func() {
			got[i] = k.get(func(key int) bool { return key == 7 }, func() (int, *int) {
				builds.Add(1)
				return 7, new(int)
			})
		})
	}
	wait.Wait()
	for i := range got {
		if got[i] != got[0] {
			t.Fatalf("reader %d got another value than reader 0", i)
		}
	}
	if n := builds.Load(); n != 1 {
		t.Errorf("built %d times", n)
	}
}

func TestKeptDropsWhatWasNotUsedForLongest(t *testing.T) {
	k := kept[int, int]{limit: 3}
	builds := 0
	get := func(key int) {
		t.Helper()
		v := k.get(func(have int) bool { return have == key }, func() (int, int) {
			builds++
			return key, 10 * key
		})
		if v != 10*key {
			t.Fatalf("value %d of key %d", v, key)
		}
	}
	for _, key := range []int{1, 2, 3, 1, 4} { // 2 is the one to go
		get(key)
	}
	if n := len(*k.entries.Load()); n != 3 || builds != 4 {
		t.Fatalf("%d entries after %d builds", n, builds)
	}
	get(1)
	get(3)
	if builds != 4 {
		t.Errorf("1 or 3 was dropped")
	}
	get(2)
	if builds != 5 {
		t.Errorf("2 was kept")
	}
}

func TestKeptValuesDoNotAllocateWhenRead(t *testing.T) {
	c := &Catalog{}
	c.voucherSets.limit = 1
	c.Vouchers(5)
	if n := testing.AllocsPerRun(100, func() { c.Vouchers(6) }); n != 0 {
		t.Errorf("%.0f allocations", n)
	}
}
