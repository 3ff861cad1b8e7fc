package eligibility

import (
	"proscenium/engine"
	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/remote"
)

// NewRemoteExclusivePrice answers eligibility.exclusive_price by the EligibilityProvider that the client calls.
func NewRemoteExclusivePrice(c *remote.Client) engine.EligibilityProvider {
	return remote.NewProvider(c, service(c).CheckExclusivePrice,
		method[providerv1.CheckExclusivePriceRequest, providerv1.CheckExclusivePriceResponse]{
			ID: id,
			Encode: func(call *engine.Call, keys []engine.EligibilityKey) *providerv1.CheckExclusivePriceRequest {
				return &providerv1.CheckExclusivePriceRequest{Context: remote.Context(call), Keys: encodeKeys(keys)}
			},
			Decode: decode[*providerv1.CheckExclusivePriceResponse],
		})
}

// NewRemoteLiveStream answers eligibility.live_stream by the EligibilityProvider that the client calls.
func NewRemoteLiveStream(c *remote.Client) engine.EligibilityProvider {
	return remote.NewProvider(c, service(c).CheckLiveStream,
		method[providerv1.CheckLiveStreamRequest, providerv1.CheckLiveStreamResponse]{
			ID: id,
			Encode: func(call *engine.Call, keys []engine.EligibilityKey) *providerv1.CheckLiveStreamRequest {
				return &providerv1.CheckLiveStreamRequest{
					Context: remote.Context(call), Keys: encodeKeys(keys), EnableOngoing: call.EnableOngoingLiveStreams,
				}
			},
			Decode: decode[*providerv1.CheckLiveStreamResponse],
		})
}

// NewRemoteWelcomePackage answers eligibility.welcome_package by the EligibilityProvider that the client calls.
func NewRemoteWelcomePackage(c *remote.Client) engine.EligibilityProvider {
	return remote.NewProvider(c, service(c).CheckWelcomePackage,
		method[providerv1.CheckWelcomePackageRequest, providerv1.CheckWelcomePackageResponse]{
			ID: id,
			Encode: func(call *engine.Call, keys []engine.EligibilityKey) *providerv1.CheckWelcomePackageRequest {
				return &providerv1.CheckWelcomePackageRequest{Context: remote.Context(call), Keys: encodeKeys(keys)}
			},
			Decode: decode[*providerv1.CheckWelcomePackageResponse],
		})
}

type method[Req, Res any] = remote.Method[engine.EligibilityKey, bool, promoID, Req, Res]

func service(c *remote.Client) providerv1connect.EligibilityProviderClient {
	return providerv1connect.NewEligibilityProviderClient(c.HTTP(), c.URL(), c.Options()...)
}

// promoID is what an answer names a promotion by.
type promoID struct{ ModelID, PromotionID int64 }

func id(k engine.EligibilityKey) promoID { return promoID{k.ModelID, k.PromotionID} }

func encodeKeys(keys []engine.EligibilityKey) []*providerv1.EligibilityKey {
	to := remote.Block[providerv1.EligibilityKey](len(keys))
	records := remote.Block[providerv1.PriceRecord](len(keys))
	for i, k := range keys {
		remote.Record(k.Promo, records[i])
		to[i].ItemId, to[i].ModelId, to[i].PromotionId = k.ItemID, k.ModelID, k.PromotionID
		to[i].Audience = k.Promo.Audience
		to[i].LiveStreamSessionId, to[i].LiveStreamStreamerId = k.Promo.SessionID, k.Promo.StreamerID
		to[i].Record = records[i]
	}
	return to
}

func decode[R interface{ GetVerdicts() []*providerv1.Verdict }](res R, at *remote.Index[promoID], out []bool) error {
	for _, v := range res.GetVerdicts() {
		i, err := at.Take(promoID{v.GetModelId(), v.GetPromotionId()})
		if err != nil {
			return err
		}
		out[i] = v.GetEligible()
	}
	return nil
}
