package recording

import (
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// lines turns samples into lines.
type lines struct {
	pseudonyms *Pseudonyms
	weight     float64
}

// append appends the line of a sample, with its end. What the schema does not know of the request is left out, as JSON has no place for it.
func (l lines) append(dst []byte, s sample) ([]byte, error) {
	req := &pricingv1.GetPromotionInfoRequest{}
	if err := req.UnmarshalVT(s.request); err != nil {
		return dst, err
	}
	record := &pricingv1.RecordedRequest{
		RecordedAt: timestamppb.New(s.at), Client: s.client, Request: req, Weight: l.weight,
		Users: pricingv1.RecordedRequest_USERS_HASHED,
	}
	if req.UserId != nil {
		req.UserId = proto.Int64(l.pseudonyms.Of(req.GetUserId()))
	}
	if req.GetContext().GetLiveStreamDiscountToken() != "" {
		req.Context.LiveStreamDiscountToken, record.TokenRemoved = "", true
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.MarshalAppend(dst, record)
	if err != nil {
		return dst, err
	}
	return append(text, '\n'), nil
}
