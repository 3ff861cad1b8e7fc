package eligibility

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"connectrpc.com/connect"

	"proscenium/engine"
	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
)

// NewHandler serves EligibilityProvider from providers of this process, one for each command; a nil one is answered with unimplemented.
// It returns the path to mount the handler on.
func NewHandler(
	host *remote.Host, exclusivePrice, liveStream, welcomePackage engine.EligibilityProvider, opts ...connect.HandlerOption,
) (string, http.Handler) {
	return providerv1connect.NewEligibilityProviderHandler(
		&handler{host: host, exclusivePrice: exclusivePrice, liveStream: liveStream, welcomePackage: welcomePackage}, opts...)
}

type handler struct {
	host                                       *remote.Host
	exclusivePrice, liveStream, welcomePackage engine.EligibilityProvider
}

// CheckExclusivePrice is a method of the service.
func (h *handler) CheckExclusivePrice(
	ctx context.Context, req *connect.Request[providerv1.CheckExclusivePriceRequest],
) (*connect.Response[providerv1.CheckExclusivePriceResponse], error) {
	verdicts, err := h.check(ctx, h.exclusivePrice, req.Msg.GetContext(), req.Msg.GetKeys(), false)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&providerv1.CheckExclusivePriceResponse{Verdicts: verdicts}), nil
}

// CheckLiveStream is a method of the service.
func (h *handler) CheckLiveStream(
	ctx context.Context, req *connect.Request[providerv1.CheckLiveStreamRequest],
) (*connect.Response[providerv1.CheckLiveStreamResponse], error) {
	verdicts, err := h.check(ctx, h.liveStream, req.Msg.GetContext(), req.Msg.GetKeys(), req.Msg.GetEnableOngoing())
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&providerv1.CheckLiveStreamResponse{Verdicts: verdicts}), nil
}

// CheckWelcomePackage is a method of the service.
func (h *handler) CheckWelcomePackage(
	ctx context.Context, req *connect.Request[providerv1.CheckWelcomePackageRequest],
) (*connect.Response[providerv1.CheckWelcomePackageResponse], error) {
	verdicts, err := h.check(ctx, h.welcomePackage, req.Msg.GetContext(), req.Msg.GetKeys(), false)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&providerv1.CheckWelcomePackageResponse{Verdicts: verdicts}), nil
}

func (h *handler) check(
	ctx context.Context, p engine.EligibilityProvider, c *providerv1.CallContext, from []*providerv1.EligibilityKey, enableOngoing bool,
) ([]*providerv1.Verdict, error) {
	call, err := h.host.Call(c)
	if err != nil {
		return nil, err
	}
	call.EnableOngoingLiveStreams = enableOngoing
	keys := make([]engine.EligibilityKey, len(from))
	promos := make([]facts.Promo, len(from))
	for i, k := range from {
		if err := decodeKey(call, k, &promos[i], &keys[i]); err != nil {
			return nil, remote.Refuse("keys[%d]: %w", i, err)
		}
	}
	verdicts := make([]*providerv1.Verdict, 0, len(keys))
	err = remote.Answer(ctx, p, call, keys, id, func(k engine.EligibilityKey, eligible *bool) {
		verdicts = append(verdicts, &providerv1.Verdict{ModelId: k.ModelID, PromotionId: k.PromotionID, Eligible: *eligible})
	})
	return verdicts, err
}

func decodeKey(call *engine.Call, k *providerv1.EligibilityKey, promo *facts.Promo, to *engine.EligibilityKey) error {
	if k.GetRecord() == nil {
		return errors.New("record is missing")
	}
	if err := remote.Promo(k.GetRecord(), promo); err != nil {
		return err
	}
	typ := call.Snap.Type(promo.Type)
	if typ == nil {
		return fmt.Errorf("record.price_rule_type_id: %d is not configured", promo.Type)
	}
	*to = engine.EligibilityKey{
		PromoKey: engine.PromoKey{ItemID: k.GetItemId(), ModelID: k.GetModelId(), PromotionID: k.GetPromotionId()},
		Promo:    promo,
		Type:     typ,
	}
	return nil
}
