package voucher

import (
	"context"

	"proscenium/engine"
	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
	"proscenium/scenes"
)

// NewRemote answers voucher.best_vouchers by the VoucherProvider that the client calls.
func NewRemote(c *remote.Client) engine.VoucherProvider {
	service := providerv1connect.NewVoucherProviderClient(c.HTTP(), c.URL(), c.Options()...)
	return checked{remote.NewProvider(c, service.GetBestVouchers,
		remote.Method[engine.VoucherKey, facts.VoucherChoice, int64, providerv1.GetBestVouchersRequest, providerv1.GetBestVouchersResponse]{
			ID:     id,
			Encode: encode,
			Decode: decode,
		})}
}

func id(k engine.VoucherKey) int64 { return k.Model.ID }

func encode(call *engine.Call, keys []engine.VoucherKey) *providerv1.GetBestVouchersRequest {
	scope := &call.Vouchers
	req := &providerv1.GetBestVouchersRequest{
		Context:  remote.Context(call),
		Keys:     remote.Block[providerv1.VoucherKey](len(keys)),
		NeedBest: scope.NeedBest, NeedNextBest: scope.NeedNext, NeedHighestTier: scope.NeedHighest, NeedBeside: scope.NeedBeside,
		Explain: call.Explain,
	}
	if scope.ShopPool != nil {
		req.ShopVoucherPool = scope.ShopPool.Name
	}
	if scope.PlatformPool != nil {
		req.PlatformVoucherPool = scope.PlatformPool.Name
	}
	if scope.Bypass != nil {
		req.BypassValidation = scope.Bypass.Name
	}
	for i, k := range keys {
		to := req.Keys[i]
		to.ItemId, to.ModelId, to.ShopId, to.PromoPrice = k.Model.ItemID, k.Model.ID, k.Model.ShopID, k.Price
		if k.Item != nil {
			to.Categories, to.Labels, to.Brand, to.SellerType, to.ItemName = k.Item.Categories, k.Item.Labels, k.Item.Brand, k.Item.SellerType, k.Item.Name
		}
	}
	return req
}

func decode(res *providerv1.GetBestVouchersResponse, at *remote.Index[int64], out []facts.VoucherChoice) error {
	for _, m := range res.GetModels() {
		i, err := at.Take(m.GetModelId())
		if err != nil {
			return err
		}
		r := reader{model: m.GetModelId()}
		out[i] = facts.VoucherChoice{
			Shop: r.of(facts.LayerShop, "shop", m.GetShop()), Platform: r.of(facts.LayerPlatform, "platform", m.GetPlatform()),
			BestShop: r.of(facts.LayerShop, "best_shop", m.GetBestShop()), BestPlatform: r.of(facts.LayerPlatform, "best_platform", m.GetBestPlatform()),
			HighestTier: r.use("highest_tier", m.GetHighestTier()),
			Beside:      r.beside(m.GetBeside()), Considered: r.considered(m.GetConsidered()),
		}
		r.next(m, &out[i])
		if r.err != nil {
			return r.err
		}
	}
	return nil
}

// reader reads the answer for a model; err is the first thing that is wrong with it.
type reader struct {
	model int64
	err   error
}

func (r *reader) refuse(field, format string, args ...any) {
	if r.err == nil {
		r.err = remote.Malformed("%s of model %d: "+format, append([]any{field, r.model}, args...)...)
	}
}

// use reads a voucher; absent is none.
func (r *reader) use(field string, u *providerv1.VoucherUse) facts.VoucherUse {
	if u == nil {
		return facts.VoucherUse{}
	}
	v := &facts.Voucher{
		ID: u.GetVoucherId(), Code: u.GetCode(), Name: u.GetName(), RewardType: u.GetRewardType(), MinSpend: u.GetMinSpend(),
		Start: facts.Always, End: facts.Never,
	}
	if u.GetPlatform() {
		v.Layer = facts.LayerPlatform
	}
	if u.GetEndTime() != nil {
		end, err := remote.Instant(u.GetEndTime())
		if err != nil {
			r.refuse(field, "end_time: %v", err)
		}
		v.End = end
	}
	switch {
	case v.ID <= 0:
		r.refuse(field, "voucher_id %d", v.ID)
	case v.RewardType < 0 || int(v.RewardType) >= len(scenes.Snapshot{}.ReducesPrice):
		r.refuse(field, "reward type %d is not known", v.RewardType)
	case v.MinSpend < 0:
		r.refuse(field, "a minimum spend of %d", v.MinSpend)
	case u.GetDiscount() < 0:
		r.refuse(field, "a discount of %d", u.GetDiscount())
	case u.GetRebate() < 0 || u.GetRebate() > u.GetDiscount():
		r.refuse(field, "a rebate of %d with a discount of %d", u.GetRebate(), u.GetDiscount())
	}
	return facts.VoucherUse{Voucher: v, Discount: u.GetDiscount(), Rebate: u.GetRebate()}
}

// of reads a voucher of a layer.
func (r *reader) of(layer facts.Layer, field string, u *providerv1.VoucherUse) facts.VoucherUse {
	use := r.use(field, u)
	if use.Voucher != nil && use.Voucher.Layer != layer {
		r.refuse(field, "voucher %d is of the other kind", use.Voucher.ID)
	}
	return use
}

func (r *reader) next(m *providerv1.ModelVouchers, to *facts.VoucherChoice) {
	to.NextBest, to.NextBestReason, to.NextBestMissing = r.use("next_best", m.GetNextBest()), m.GetNextBestReason(), m.GetNextBestMissingSpend()
	if (m.GetNextBest() == nil) != (m.GetNextBestReason() == "") {
		r.refuse("next_best", "a voucher without a reason, or a reason without a voucher")
	}
	if m.GetNextBestMissingSpend() < 0 {
		r.refuse("next_best", "a missing spend of %d", m.GetNextBestMissingSpend())
	}
}

// beside reads at most one voucher of each reward type.
func (r *reader) beside(list []*providerv1.VoucherUse) []facts.VoucherUse {
	var uses []facts.VoucherUse
	seen := map[int32]bool{}
	for _, u := range list {
		if seen[u.GetRewardType()] {
			r.refuse("beside", "reward type %d twice", u.GetRewardType())
		}
		seen[u.GetRewardType()] = true
		uses = append(uses, r.use("beside", u))
	}
	return uses
}

func (r *reader) considered(list []*providerv1.VoucherVerdict) []facts.VoucherVerdict {
	var verdicts []facts.VoucherVerdict
	for _, v := range list {
		if v.GetVoucherId() <= 0 || v.GetDiscount() < 0 || v.GetMissing() < 0 || v.GetApplied() != (v.GetReason() == "") {
			r.refuse("considered", "voucher %d: applied %v for %q, discount %d, missing %d",
				v.GetVoucherId(), v.GetApplied(), v.GetReason(), v.GetDiscount(), v.GetMissing())
		}
		verdicts = append(verdicts, facts.VoucherVerdict{
			VoucherID: v.GetVoucherId(), Applied: v.GetApplied(), Reason: v.GetReason(), Discount: v.GetDiscount(),
			Missing: v.GetMissing(), LostToVoucherID: v.GetLostToVoucherId(),
		})
	}
	return verdicts
}

// checked compares answers with what was asked: the price of each model, and which rewards reduce it.
type checked struct{ provider engine.VoucherProvider }

// Query asks the provider.
func (c checked) Query(ctx context.Context, call *engine.Call, keys []engine.VoucherKey, out []facts.VoucherChoice) error {
	if err := c.provider.Query(ctx, call, keys, out); err != nil {
		return err
	}
	for i := range out {
		if err := check(call, &keys[i], &out[i]); err != nil {
			return err
		}
	}
	return nil
}

func check(call *engine.Call, key *engine.VoucherKey, c *facts.VoucherChoice) error {
	price := max(0, key.Price)
	for _, bound := range []struct {
		field string
		use   *facts.VoucherUse
		left  int64
	}{
		{"shop", &c.Shop, price},
		{"platform", &c.Platform, price - c.Shop.Discount},
		{"best_shop", &c.BestShop, price},
		{"best_platform", &c.BestPlatform, price},
	} {
		v := bound.use.Voucher
		switch {
		case v == nil:
		case bound.use.Discount > bound.left:
			return remote.Malformed("%s of model %d: voucher %d takes %d off %d", bound.field, key.Model.ID, v.ID, bound.use.Discount, bound.left)
		case !call.Snap.ReducesPrice[v.RewardType]:
			return remote.Malformed("%s of model %d: voucher %d has the reward type %d, which does not reduce the price", bound.field, key.Model.ID, v.ID, v.RewardType)
		}
	}
	for _, use := range c.Beside {
		if call.Snap.ReducesPrice[use.Voucher.RewardType] {
			return remote.Malformed("beside of model %d: voucher %d has the reward type %d, which reduces the price", key.Model.ID, use.Voucher.ID, use.Voucher.RewardType)
		}
	}
	return nil
}
