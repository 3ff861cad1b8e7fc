package choice

import (
	"maps"
	"slices"

	"proscenium/facts"
	"proscenium/rules"
	"proscenium/scenes"
)

// Warm builds what questions under a configuration need: without it, the first question for a pool and region does. Pools are those that scenes use.
func (x *Index) Warm(snap *scenes.Snapshot) {
	for _, region := range snap.Regions {
		for _, scene := range snap.Scenes {
			x.view(snap, viewKey{scene.DowngradedShopPool, region, facts.LayerShop})
			x.view(snap, viewKey{scene.DowngradedPlatformPool, region, facts.LayerPlatform})
			if scene.Scenario != nil {
				x.view(snap, viewKey{scene.Scenario.ShopPool, region, facts.LayerShop})
				x.view(snap, viewKey{scene.Scenario.PlatformPool, region, facts.LayerPlatform})
			}
		}
	}
}

// view is nil where the pool is.
func (x *Index) view(snap *scenes.Snapshot, key viewKey) *view {
	if key.pool == nil {
		return nil
	}
	if v := find(*x.views.current.Load(), snap, key); v != nil {
		return v
	}
	x.views.building.Lock()
	defer x.views.building.Unlock()
	current := *x.views.current.Load()
	if v := find(current, snap, key); v != nil {
		return v
	}
	v := x.build(snap, key, current)
	next := with(current, snap, key, v)
	x.views.current.Store(&next)
	return v
}

func find(current []generation, snap *scenes.Snapshot, key viewKey) *view {
	for i := range current {
		if current[i].snap == snap {
			return current[i].views[key]
		}
	}
	return nil
}

// with is a copy of the generations with one more view; a new configuration displaces the oldest.
func with(current []generation, snap *scenes.Snapshot, key viewKey, v *view) []generation {
	next := slices.Clone(current)
	for i := range next {
		if next[i].snap == snap {
			next[i].views = maps.Clone(next[i].views)
			next[i].views[key] = v
			return next
		}
	}
	next = append(next, generation{snap, map[viewKey]*view{key: v}})
	return next[max(0, len(next)-generations):]
}

// build makes the view, or takes that of another pool or configuration with the same vouchers.
func (x *Index) build(snap *scenes.Snapshot, key viewKey, current []generation) *view {
	v := &view{region: key.region.Code, layer: key.layer, reduces: snap.ReducesPrice, members: make([]uint64, len(x.offers)/64+1)}
	for i := range x.offers {
		o := &x.offers[i]
		if o.fault == Applied && o.voucher.Layer == key.layer && o.voucher.Region == v.region && inPool(key.pool, o.voucher) {
			v.members[i/64] |= 1 << (i % 64)
		}
	}
	for _, g := range current {
		for _, other := range g.views {
			if v.equal(other) {
				return other
			}
		}
	}
	byType := map[int32][]*offer{}
	for i := range x.offers {
		if !v.has(i) {
			continue
		}
		kind := x.offers[i].voucher.RewardType
		if v.reduces[kind] {
			kind = reducing
		}
		byType[kind] = append(byType[kind], &x.offers[i])
	}
	v.price = newShelf(byType[reducing])
	delete(byType, reducing)
	for _, kind := range slices.Sorted(maps.Keys(byType)) {
		v.beside = append(v.beside, rewards{kind, newShelf(byType[kind])})
	}
	return v
}

// reducing stands for all reward types that reduce the price.
const reducing = -1

func (v *view) equal(o *view) bool {
	return v.region == o.region && v.layer == o.layer && v.reduces == o.reduces && slices.Equal(v.members, o.members)
}

// inPool evaluates a pool's expression; an error leaves the voucher out.
func inPool(pool *scenes.VoucherPool, v *facts.Voucher) bool {
	if pool.When == nil {
		return true
	}
	in, err := pool.When.Bool(&rules.Input{Voucher: v})
	return err == nil && in
}
