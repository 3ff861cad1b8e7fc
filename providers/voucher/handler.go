package voucher

import (
	"context"
	"net/http"
	"slices"

	"connectrpc.com/connect"

	"proscenium/engine"
	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
	"proscenium/scenes"
)

// NewHandler serves VoucherProvider from a provider of this process. It returns the path to mount the handler on. Pools and bypass rules are
// those of the host's configuration, by their names.
func NewHandler(host *remote.Host, vouchers engine.VoucherProvider, opts ...connect.HandlerOption) (string, http.Handler) {
	return providerv1connect.NewVoucherProviderHandler(&handler{host: host, vouchers: vouchers}, opts...)
}

type handler struct {
	host     *remote.Host
	vouchers engine.VoucherProvider
}

// GetBestVouchers is the method of the service.
func (h *handler) GetBestVouchers(
	ctx context.Context, req *connect.Request[providerv1.GetBestVouchersRequest],
) (*connect.Response[providerv1.GetBestVouchersResponse], error) {
	call, err := h.host.Call(req.Msg.GetContext())
	if err != nil {
		return nil, err
	}
	call.Explain = req.Msg.GetExplain()
	if call.Vouchers, err = scopeOf(call.Snap, req.Msg); err != nil {
		return nil, err
	}
	keys, err := keysOf(req.Msg.GetKeys())
	if err != nil {
		return nil, err
	}
	res := &providerv1.GetBestVouchersResponse{}
	err = remote.Answer(ctx, h.vouchers, call, keys, id, func(k engine.VoucherKey, c *facts.VoucherChoice) {
		res.Models = append(res.Models, answer(k.Model.ID, c))
	})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(res), nil
}

// scopeOf finds pools and bypass rule. One that is not configured here is refused: with another in its place the prices would be wrong.
func scopeOf(snap *scenes.Snapshot, req *providerv1.GetBestVouchersRequest) (engine.VoucherScope, error) {
	scope := engine.VoucherScope{
		ShopPool: snap.VoucherPools[req.GetShopVoucherPool()], PlatformPool: snap.VoucherPools[req.GetPlatformVoucherPool()],
		Bypass:   snap.BypassRules[req.GetBypassValidation()],
		NeedBest: req.GetNeedBest(), NeedNext: req.GetNeedNextBest(), NeedHighest: req.GetNeedHighestTier(), NeedBeside: req.GetNeedBeside(),
	}
	switch {
	case scope.ShopPool == nil && req.GetShopVoucherPool() != "":
		return scope, remote.Refuse("shop_voucher_pool: there is no pool %q here", req.GetShopVoucherPool())
	case scope.PlatformPool == nil && req.GetPlatformVoucherPool() != "":
		return scope, remote.Refuse("platform_voucher_pool: there is no pool %q here", req.GetPlatformVoucherPool())
	case scope.Bypass == nil && req.GetBypassValidation() != "":
		return scope, remote.Refuse("bypass_validation: there is no rule %q here", req.GetBypassValidation())
	}
	return scope, nil
}

// keysOf reads the models asked for. Neighbours of one item share it, so that a provider finds the item's vouchers once.
func keysOf(list []*providerv1.VoucherKey) ([]engine.VoucherKey, error) {
	keys := make([]engine.VoucherKey, len(list))
	for i, k := range list {
		if k.GetPromoPrice() < 0 {
			return nil, remote.Refuse("keys[%d].promo_price: %d is negative", i, k.GetPromoPrice())
		}
		keys[i] = engine.VoucherKey{Model: &facts.Model{ID: k.GetModelId(), ItemID: k.GetItemId(), ShopID: k.GetShopId()}, Price: k.GetPromoPrice()}
		if i > 0 && sameItem(list[i-1], k) {
			keys[i].Item = keys[i-1].Item
			continue
		}
		keys[i].Item = &facts.Item{
			ID: k.GetItemId(), ShopID: k.GetShopId(), Name: k.GetItemName(), Brand: k.GetBrand(), SellerType: k.GetSellerType(),
			Categories: k.GetCategories(), Labels: k.GetLabels(),
		}
	}
	return keys, nil
}

func sameItem(a, b *providerv1.VoucherKey) bool {
	return a.GetItemId() == b.GetItemId() && a.GetShopId() == b.GetShopId() &&
		a.GetItemName() == b.GetItemName() && a.GetBrand() == b.GetBrand() && a.GetSellerType() == b.GetSellerType() &&
		slices.Equal(a.GetCategories(), b.GetCategories()) && slices.Equal(a.GetLabels(), b.GetLabels())
}

func answer(model int64, c *facts.VoucherChoice) *providerv1.ModelVouchers {
	m := &providerv1.ModelVouchers{
		ModelId: model,
		Shop:    use(&c.Shop), Platform: use(&c.Platform), BestShop: use(&c.BestShop), BestPlatform: use(&c.BestPlatform),
		NextBest: use(&c.NextBest), NextBestReason: c.NextBestReason, NextBestMissingSpend: c.NextBestMissing,
		HighestTier: use(&c.HighestTier),
	}
	for i := range c.Beside {
		m.Beside = append(m.Beside, use(&c.Beside[i]))
	}
	for i := range c.Considered {
		v := &c.Considered[i]
		m.Considered = append(m.Considered, &providerv1.VoucherVerdict{
			VoucherId: v.VoucherID, Applied: v.Applied, Reason: v.Reason, Discount: v.Discount, Missing: v.Missing, LostToVoucherId: v.LostToVoucherID,
		})
	}
	return m
}

func use(u *facts.VoucherUse) *providerv1.VoucherUse {
	v := u.Voucher
	if v == nil {
		return nil
	}
	return &providerv1.VoucherUse{
		VoucherId: v.ID, Code: v.Code, Name: v.Name, RewardType: v.RewardType, Discount: u.Discount, Rebate: u.Rebate,
		MinSpend: v.MinSpend, EndTime: remote.End(v.End), Platform: v.Layer == facts.LayerPlatform,
	}
}
