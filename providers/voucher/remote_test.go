package voucher

import (
	"context"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/engine"
	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
	"proscenium/providers/remote/remotetest"
	"proscenium/scenes"
)

// snapshot is that of the other providers' tests, with reward types.
func snapshot() *scenes.Snapshot {
	snap := remotetest.Snapshot()
	snap.ReducesPrice[0], snap.ReducesPrice[5] = true, true
	return snap
}

// call asks for everything.
func call() *engine.Call {
	snap := snapshot()
	c := remotetest.Call(snap)
	c.Explain = true
	c.Vouchers = engine.VoucherScope{
		ShopPool: snap.VoucherPools["SHOP_POOL"], PlatformPool: snap.VoucherPools["PLATFORM_POOL"], Bypass: snap.BypassRules["VIDEO"],
		NeedBest: true, NeedNext: true, NeedHighest: true, NeedBeside: true,
	}
	return c
}

func key(model, price int64) engine.VoucherKey {
	return engine.VoucherKey{
		Item: &facts.Item{
			ID: 1, ShopID: 5, Name: "Cheddar", Brand: "Hill", SellerType: "official",
			Categories: []string{"grocery", "cheese"}, Labels: []string{"fresh"},
		},
		Model: &facts.Model{ID: model, ItemID: 1, ShopID: 5},
		Price: price,
	}
}

// known is a voucher as far as the protocol tells of it.
func known(id int64, layer facts.Layer, reward int32) *facts.Voucher {
	return &facts.Voucher{
		ID: id, Code: "CODE", Name: "Name", Layer: layer, RewardType: reward, MinSpend: 30, Start: facts.Always, End: 1_700_000_000_000_000_001,
	}
}

func TestChoicesAreTheSameOverTheWire(t *testing.T) {
	open := known(9, facts.LayerPlatform, 5)
	open.End = facts.Never
	vouchers := remotetest.Each(func(k engine.VoucherKey) facts.VoucherChoice {
		switch k.Model.ID {
		case 11:
			return facts.VoucherChoice{}
		case 12:
			return facts.VoucherChoice{Platform: facts.VoucherUse{Voucher: open, Discount: k.Price}}
		}
		return facts.VoucherChoice{
			Shop:           facts.VoucherUse{Voucher: known(1, facts.LayerShop, 0), Discount: k.Price - 1, Rebate: 3},
			Platform:       facts.VoucherUse{Voucher: known(2, facts.LayerPlatform, 5), Discount: 1, Rebate: 1},
			BestShop:       facts.VoucherUse{Voucher: known(1, facts.LayerShop, 0), Discount: k.Price},
			BestPlatform:   facts.VoucherUse{Voucher: known(3, facts.LayerPlatform, 0), Discount: k.Price},
			NextBest:       facts.VoucherUse{Voucher: known(4, facts.LayerShop, 0), Discount: 10 * k.Price},
			NextBestReason: "MIN_SPEND", NextBestMissing: 70,
			HighestTier: facts.VoucherUse{Voucher: known(5, facts.LayerPlatform, 0), Discount: 100 * k.Price},
			Beside:      []facts.VoucherUse{{Voucher: known(6, facts.LayerShop, 1), Discount: 4}, {Voucher: known(7, facts.LayerPlatform, 14), Discount: 5}},
			Considered: []facts.VoucherVerdict{
				{VoucherID: 1, Applied: true, Discount: 9}, {VoucherID: 8, Reason: "LOST_TO", Discount: 7, Missing: 2, LostToVoucherID: 1},
			},
		}
	})
	remotetest.SameOverTheWire(t, vouchers, call(), []engine.VoucherKey{key(11, 100), key(12, 200), key(13, 300)}, NewHandler, NewRemote)
}

func TestACallWithoutPoolsArrivesWithoutPools(t *testing.T) {
	c := remotetest.Call(snapshot())
	none := remotetest.Each(func(engine.VoucherKey) facts.VoucherChoice { return facts.VoucherChoice{} })
	remotetest.SameOverTheWire(t, none, c, []engine.VoucherKey{key(11, 100)}, NewHandler, NewRemote)
}

func TestNeighboursOfOneItemShareIt(t *testing.T) {
	var seen []engine.VoucherKey
	vouchers := remotetest.Provider[engine.VoucherKey, facts.VoucherChoice](
		func(_ context.Context, _ *engine.Call, keys []engine.VoucherKey, _ []facts.VoucherChoice) error {
			seen = append(seen, keys...)
			return nil
		})
	path, h := NewHandler(&remote.Host{Snap: snapshot}, vouchers)
	other := key(13, 300)
	other.Item.Labels = nil
	if _, err := remotetest.Ask(t.Context(), NewRemote(remotetest.Client(t, path, h)), call(), key(11, 100), key(12, 200), other); err != nil {
		t.Fatal(err)
	}
	if seen[0].Item != seen[1].Item || seen[1].Item == seen[2].Item {
		t.Errorf("items are %p, %p and %p, want one for the first two and another", seen[0].Item, seen[1].Item, seen[2].Item)
	}
}

// answering is a service that gives one answer to every question.
type answering struct {
	res *providerv1.GetBestVouchersResponse
}

func (a answering) GetBestVouchers(context.Context, *connect.Request[providerv1.GetBestVouchersRequest]) (*connect.Response[providerv1.GetBestVouchersResponse], error) {
	return connect.NewResponse(a.res), nil
}

func ask(t *testing.T, models ...*providerv1.ModelVouchers) ([]facts.VoucherChoice, error) {
	t.Helper()
	path, h := providerv1connect.NewVoucherProviderHandler(answering{&providerv1.GetBestVouchersResponse{Models: models}})
	return remotetest.Ask(t.Context(), NewRemote(remotetest.Client(t, path, h)), call(), key(11, 100))
}

func TestAnswersThatBreakTheProtocolAreMalformed(t *testing.T) {
	voucher := func(discount, rebate int64) *providerv1.VoucherUse {
		return &providerv1.VoucherUse{VoucherId: 1, Discount: discount, Rebate: rebate}
	}
	platform := func(discount int64) *providerv1.VoucherUse {
		return &providerv1.VoucherUse{VoucherId: 2, Discount: discount, Platform: true}
	}
	reward := func(kind int32) *providerv1.VoucherUse {
		return &providerv1.VoucherUse{VoucherId: 3, Discount: 1, RewardType: kind}
	}
	verdict := func(v *providerv1.VoucherVerdict) []*providerv1.VoucherVerdict {
		return []*providerv1.VoucherVerdict{v}
	}
	for name, m := range map[string]*providerv1.ModelVouchers{
		"a model that was not asked for":             {ModelId: 12},
		"a discount above the price":                 {Shop: voucher(101, 0)},
		"a platform discount above what is left":     {Shop: voucher(60, 0), Platform: platform(41)},
		"a best shop voucher above the price":        {BestShop: voucher(101, 0)},
		"a best platform voucher above the price":    {BestPlatform: platform(101)},
		"a negative discount":                        {Shop: voucher(-1, 0)},
		"a negative rebate":                          {Shop: voucher(5, -1)},
		"a rebate above the discount":                {Shop: voucher(5, 6)},
		"a negative discount of the highest":         {HighestTier: voucher(-1, 0)},
		"a voucher without id":                       {Shop: &providerv1.VoucherUse{Discount: 1}},
		"a negative minimum spend":                   {Shop: &providerv1.VoucherUse{VoucherId: 1, MinSpend: -1}},
		"an end that is no time":                     {Shop: &providerv1.VoucherUse{VoucherId: 1, EndTime: &timestamppb.Timestamp{Nanos: -1}}},
		"a platform voucher for the shop's":          {Shop: platform(1)},
		"a shop voucher for the platform's":          {Platform: voucher(1, 0)},
		"a reward type that there is not":            {Shop: reward(15)},
		"a negative reward type":                     {Beside: []*providerv1.VoucherUse{reward(-1)}},
		"a reward that does not reduce the price":    {Shop: reward(1)},
		"a reward beside that reduces the price":     {Beside: []*providerv1.VoucherUse{reward(5)}},
		"a reward type twice":                        {Beside: []*providerv1.VoucherUse{reward(1), reward(1)}},
		"a next best without reason":                 {NextBest: voucher(1, 0)},
		"a reason without next best":                 {NextBestReason: "MIN_SPEND"},
		"a negative missing spend":                   {NextBest: voucher(1, 0), NextBestReason: "MIN_SPEND", NextBestMissingSpend: -1},
		"a verdict on no voucher":                    {Considered: verdict(&providerv1.VoucherVerdict{Reason: "ENDED"})},
		"a verdict that applies for a reason":        {Considered: verdict(&providerv1.VoucherVerdict{VoucherId: 1, Applied: true, Reason: "ENDED"})},
		"a verdict that refuses without reason":      {Considered: verdict(&providerv1.VoucherVerdict{VoucherId: 1})},
		"a verdict with a negative discount":         {Considered: verdict(&providerv1.VoucherVerdict{VoucherId: 1, Applied: true, Discount: -1})},
		"a verdict that misses less than nothing":    {Considered: verdict(&providerv1.VoucherVerdict{VoucherId: 1, Reason: "MIN_SPEND", Missing: -1})},
		"the largest discounts, whose sum overflows": {Shop: voucher(100, 0), Platform: platform(1<<63 - 1)},
	} {
		t.Run(name, func(t *testing.T) {
			if m.ModelId == 0 {
				m.ModelId = 11
			}
			_, err := ask(t, m)
			remotetest.WantMalformed(t, err)
		})
	}
	t.Run("a model twice", func(t *testing.T) {
		_, err := ask(t, &providerv1.ModelVouchers{ModelId: 11}, &providerv1.ModelVouchers{ModelId: 11})
		remotetest.WantMalformed(t, err)
	})
}

func TestAModelThatIsNotAnsweredHasNoVoucher(t *testing.T) {
	got, err := ask(t)
	if err != nil || got[0].Shop.Voucher != nil || got[0].Platform.Voucher != nil {
		t.Errorf("got %+v and %v, want nothing", got, err)
	}
}

func TestQuestionsThatCannotBeAnsweredAreRefused(t *testing.T) {
	silent := remotetest.Each(func(engine.VoucherKey) facts.VoucherChoice { return facts.VoucherChoice{} })
	for name, change := range map[string]func(*providerv1.GetBestVouchersRequest){
		"no context":                 func(r *providerv1.GetBestVouchersRequest) { r.Context = nil },
		"an unknown region":          func(r *providerv1.GetBestVouchersRequest) { r.Context.Region = "XX" },
		"an unknown shop pool":       func(r *providerv1.GetBestVouchersRequest) { r.ShopVoucherPool = "NOPE" },
		"an unknown platform pool":   func(r *providerv1.GetBestVouchersRequest) { r.PlatformVoucherPool = "NOPE" },
		"an unknown bypass rule":     func(r *providerv1.GetBestVouchersRequest) { r.BypassValidation = "NOPE" },
		"a price that is below zero": func(r *providerv1.GetBestVouchersRequest) { r.Keys[0].PromoPrice = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			req := encode(call(), []engine.VoucherKey{key(11, 100)})
			change(req)
			h := handler{host: &remote.Host{Snap: snapshot}, vouchers: silent}
			if _, err := h.GetBestVouchers(t.Context(), connect.NewRequest(req)); connect.CodeOf(err) != connect.CodeInvalidArgument {
				t.Errorf("error is %v, want invalid_argument", err)
			}
		})
	}
}
