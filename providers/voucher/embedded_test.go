package voucher

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"proscenium/engine"
	"proscenium/facts"
	"proscenium/providers/remote/remotetest"
)

// shelf is a source: a set for each time, and users by id.
type shelf struct {
	sets  func(at int64) *facts.VoucherSet
	users map[int64]*facts.User
}

func (s *shelf) Vouchers(at int64) *facts.VoucherSet { return s.sets(at) }
func (s *shelf) User(id int64) *facts.User           { return s.users[id] }

// always is a source with one set.
func always(vouchers ...facts.Voucher) *shelf {
	set := &facts.VoucherSet{Vouchers: vouchers}
	return &shelf{sets: func(int64) *facts.VoucherSet { return set }}
}

func shopVoucher(id, amount int64) facts.Voucher {
	return facts.Voucher{ID: id, Region: "US", Layer: facts.LayerShop, Value: amount, Start: facts.Always, End: facts.Never}
}

func TestTheProviderChoosesForEachModel(t *testing.T) {
	few := shopVoucher(2, 500)
	few.Models = []int64{12}
	platform := shopVoucher(3, 10)
	platform.Layer = facts.LayerPlatform
	e := NewEmbedded(always(shopVoucher(1, 100), few, platform))
	got, err := remotetest.Ask(t.Context(), e, call(), key(11, 1000), key(12, 1000), key(13, 0))
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Shop.Voucher.ID != 1 || got[1].Shop.Voucher.ID != 2 || got[1].Platform.Discount != 10 || got[2].Shop.Voucher != nil {
		t.Errorf("choices are %+v", got)
	}
	if got[0].BestPlatform.Voucher == nil || len(got[0].Considered) != 3 || got[0].HighestTier.Voucher == nil {
		t.Errorf("what was asked for besides is missing: %+v", got[0])
	}
}

func TestNothingMoreThanAskedForIsAnswered(t *testing.T) {
	e := NewEmbedded(always(shopVoucher(1, 100)))
	c := remotetest.Call(snapshot())
	got, err := remotetest.Ask(t.Context(), e, c, key(11, 1000))
	if err != nil || got[0].Shop.Voucher != nil || got[0].Considered != nil {
		t.Errorf("without pools: %+v and %v, want nothing", got, err)
	}
}

func TestUserConditionsSeeTheUser(t *testing.T) {
	vip := shopVoucher(1, 100)
	vip.UserCondition = "'vip' in user.segments"
	source := always(vip)
	source.users = map[int64]*facts.User{42: {ID: 42, Segments: []string{"vip"}}}
	e := NewEmbedded(source)
	for _, tc := range []struct {
		name    string
		user    int64
		applies bool
	}{{"who meets it", 42, true}, {"of whom nothing is known", 43, false}, {"a guest", 0, false}} {
		t.Run(tc.name, func(t *testing.T) {
			c := call()
			c.Vouchers.Bypass = nil
			c.Request.UserID = tc.user
			got, err := remotetest.Ask(t.Context(), e, c, key(11, 1000))
			if err != nil || (got[0].Shop.Voucher != nil) != tc.applies {
				t.Errorf("got %+v and %v, want applied %v", got[0].Shop, err, tc.applies)
			}
		})
	}
}

func TestFaultsOfDefinitionsAreReported(t *testing.T) {
	bad := shopVoucher(2, 100)
	bad.AppliesWhen = "nobody.knows"
	e := NewEmbedded(always(shopVoucher(1, 10), bad))
	problems := e.Check(0)
	if len(problems) != 1 || problems[0].VoucherID != 2 || problems[0].Field != "applies_when" {
		t.Errorf("problems are %v, want one of voucher 2", problems)
	}
}

func TestOneSetIsIndexedOnce(t *testing.T) {
	e := NewEmbedded(always(shopVoucher(1, 100)))
	first := e.at(1).index
	e.Warm(snapshot(), 2)
	if second := e.at(3).index; second != first {
		t.Error("the same set got another index")
	}
}

func TestFewIndexesAreKept(t *testing.T) {
	source := &shelf{sets: func(at int64) *facts.VoucherSet {
		return &facts.VoucherSet{Vouchers: []facts.Voucher{shopVoucher(1, at)}}
	}}
	e := NewEmbedded(source)
	c := call()
	for at := int64(1); at <= 3*maxIndexes; at++ {
		c.Request.At = at
		got, err := remotetest.Ask(t.Context(), e, c, key(11, 1000))
		if err != nil || got[0].Shop.Discount != at {
			t.Fatalf("at %d: %+v and %v", at, got, err)
		}
	}
	if n := len(*e.indexes.Load()); n != maxIndexes {
		t.Errorf("%d indexes are kept, want %d", n, maxIndexes)
	}
}

func TestManyAsk(t *testing.T) {
	var turn atomic.Int64
	sets := []*facts.VoucherSet{{Vouchers: []facts.Voucher{shopVoucher(1, 1)}}, {Vouchers: []facts.Voucher{shopVoucher(1, 2)}}}
	e := NewEmbedded(&shelf{sets: func(at int64) *facts.VoucherSet { return sets[at%2] }})
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			for range 50 {
				c := call()
				c.Request.At = turn.Add(1)
				got := make([]facts.VoucherChoice, 1)
				if err := e.Query(context.Background(), c, []engine.VoucherKey{key(11, 1000)}, got); err != nil || got[0].Shop.Discount != c.Request.At%2+1 {
					t.Errorf("at %d: %+v and %v", c.Request.At, got, err)
					return
				}
			}
		})
	}
	work.Wait()
}

func TestAnEndedContextEndsTheQuery(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := remotetest.Ask(ctx, NewEmbedded(always(shopVoucher(1, 100))), call(), key(11, 1000))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want that of the context", err)
	}
}
