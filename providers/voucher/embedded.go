// Package voucher answers voucher.best_vouchers: the best pair of a shop voucher and a platform voucher for each model.
package voucher

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"proscenium/engine"
	"proscenium/facts"
	"proscenium/scenes"
	"proscenium/vouchers/choice"
)

// Source is where definitions and users come from. Both methods answer from memory.
type Source interface {
	// Vouchers are the definitions as of an instant. Equal sets are one pointer, so that their index is built once.
	Vouchers(at int64) *facts.VoucherSet
	// User is what is known of a user; nil: nothing but the id.
	User(id int64) *facts.User
}

// Embedded chooses among the definitions of a source. It is safe for concurrent use.
type Embedded struct {
	source   Source
	indexes  atomic.Pointer[[]indexed] // oldest first
	building sync.Mutex
}

var (
	_ engine.VoucherProvider = (*Embedded)(nil)
	_ engine.FromMemory      = (*Embedded)(nil)
)

// indexed is a set with its index.
type indexed struct {
	set      *facts.VoucherSet
	index    *choice.Index
	problems []choice.Problem
}

// maxIndexes bounds the sets whose indexes are kept: as of now, and as of the times that are priced besides.
const maxIndexes = 16

// NewEmbedded is the provider over a source.
func NewEmbedded(source Source) *Embedded {
	e := &Embedded{source: source}
	e.indexes.Store(&[]indexed{})
	return e
}

// AnswersFromMemory marks the provider for the engine.
func (*Embedded) AnswersFromMemory() {}

// Check finds the faults of the definitions as of an instant. Vouchers with faults are never chosen.
func (e *Embedded) Check(at int64) []choice.Problem { return e.at(at).problems }

// Warm builds what questions under a configuration and as of an instant need, so that the first of them does not wait for it.
func (e *Embedded) Warm(snap *scenes.Snapshot, at int64) { e.at(at).index.Warm(snap) }

// Query chooses for each model. It fails only where ctx has ended.
func (e *Embedded) Query(ctx context.Context, call *engine.Call, keys []engine.VoucherKey, out []facts.VoucherChoice) error {
	user := &facts.User{}
	if id := call.Request.UserID; id != 0 {
		if user = e.source.User(id); user == nil {
			user = &facts.User{ID: id}
		}
	}
	chooser := e.at(call.Request.At).index.Chooser(choice.Query{
		Snap: call.Snap, Region: call.Region, Request: call.Request, User: user,
		ShopPool: call.Vouchers.ShopPool, PlatformPool: call.Vouchers.PlatformPool, Bypass: call.Vouchers.Bypass,
		NeedBest: call.Vouchers.NeedBest, NeedNext: call.Vouchers.NeedNext, NeedHighest: call.Vouchers.NeedHighest, NeedBeside: call.Vouchers.NeedBeside,
		Explain: call.Explain, RuleFailed: call.RuleFailed,
	})
	defer chooser.Close()
	for i, key := range keys {
		if err := ctx.Err(); err != nil {
			return err
		}
		out[i] = chooser.Choose(key.Item, key.Model, key.Price)
	}
	return nil
}

// at is the index of the definitions as of an instant. Only who needs an index that is not there waits for it to be built.
func (e *Embedded) at(at int64) indexed {
	set := e.source.Vouchers(at)
	if found, ok := find(*e.indexes.Load(), set); ok {
		return found
	}
	e.building.Lock()
	defer e.building.Unlock()
	current := *e.indexes.Load()
	if found, ok := find(current, set); ok {
		return found
	}
	built := indexed{set: set}
	built.index, built.problems = choice.NewIndex(set.Vouchers)
	next := append(slices.Clone(current[max(0, len(current)+1-maxIndexes):]), built)
	e.indexes.Store(&next)
	return built
}

func find(current []indexed, set *facts.VoucherSet) (indexed, bool) {
	for _, i := range current {
		if i.set == set {
			return i, true
		}
	}
	return indexed{}, false
}
