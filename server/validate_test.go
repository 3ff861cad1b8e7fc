package server

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

var update = flag.Bool("update", false, "write testdata/constraints.txt")

// near draws numbers around the bounds that the schema has.
func near(t *rapid.T, label string) int64 {
	return rapid.OneOf(
		rapid.SampledFrom([]int64{-1, 0, 1, 999_999, 1_000_000, 1_000_001, 7_258_118_399, 7_258_118_400}), rapid.Int64(),
	).Draw(t, label)
}

func text(t *rapid.T, label string) string {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"", "US", "usa", "U", "ÜS"}),
		rapid.Map(rapid.SampledFrom([]int{99, 100, 101, 499, 500, 501}), func(n int) string { return strings.Repeat("x", n) }),
		rapid.Map(rapid.SampledFrom([]int{50, 51, 100, 101}), func(n int) string { return strings.Repeat("é", n) }),
	).Draw(t, label)
}

// drawRequest is a valid request with a few of its fields changed.
func drawRequest(t *rapid.T) *pricingv1.GetPromotionInfoRequest {
	req := request(nil)
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		switch rapid.IntRange(0, 15).Draw(t, "change") {
		case 0:
			req.Scene = &pricingv1.GetPromotionInfoRequest_SceneId{SceneId: near(t, "scene_id")}
		case 1:
			req.Scene = &pricingv1.GetPromotionInfoRequest_SceneName{SceneName: text(t, "scene_name")}
		case 2:
			req.Scene = nil
		case 3:
			req.Region = text(t, "region")
		case 4:
			req.UserId = proto.Int64(near(t, "user_id"))
		case 5:
			n := rapid.SampledFrom([]int{0, 1, 99, 100, 101}).Draw(t, "items")
			req.Items = nil
			for i := range n {
				req.Items = append(req.Items, &pricingv1.RequestItem{ItemId: int64(i + 1)})
			}
		case 6:
			n := rapid.SampledFrom([]int{0, 1, 199, 200, 201}).Draw(t, "models")
			item := &pricingv1.RequestItem{ItemId: near(t, "item_id"), ShopId: near(t, "shop_id")}
			for i := range n {
				item.Models = append(item.Models, &pricingv1.RequestModel{ModelId: int64(i + 1)})
			}
			req.Items = append(req.Items, item)
		case 7:
			req.Items = append(req.Items, &pricingv1.RequestItem{ItemId: 1, Models: []*pricingv1.RequestModel{{
				ModelId: near(t, "model_id"), Quantity: proto.Int64(near(t, "quantity")),
			}}})
		case 8:
			req.Context = &pricingv1.RequestContext{
				ClientPlatform: text(t, "client_platform"), UserPath: text(t, "user_path"), DeviceType: text(t, "device_type"),
				LiveStreamDiscountToken: text(t, "live_stream_discount_token"),
			}
		case 9:
			req.Context = &pricingv1.RequestContext{
				LiveStreamStreamerId: near(t, "live_stream_streamer_id"), VideoCreatorId: near(t, "video_creator_id"), AdsId: near(t, "ads_id"),
			}
		case 10:
			req.AtTime = &timestamppb.Timestamp{Seconds: near(t, "seconds"), Nanos: rapid.SampledFrom([]int32{-1, 0, 999_999_999, 1_000_000_000}).Draw(t, "nanos")}
		case 11:
			req.OrderFlow, req.Explain = true, true
		case 12:
			req.Items = append(req.Items, nil)
		case 13:
			req.Items = append(req.Items, &pricingv1.RequestItem{ItemId: 1, Models: []*pricingv1.RequestModel{nil}})
		case 14:
			req.Context = &pricingv1.RequestContext{}
		case 15:
			req.AtTime = &timestamppb.Timestamp{Seconds: 1}
		}
	}
	return req
}

func TestWhatIsPlainlyValidIsValid(t *testing.T) {
	validator, err := newValidator()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		req := drawRequest(t)
		if plainlyValid(req) {
			if err := validator.Validate(req); err != nil {
				t.Fatalf("%v\nis waved through, but %v", req, err)
			}
		}
	})
}

func TestEveryOrdinaryRequestIsPlainlyValid(t *testing.T) {
	full := request(func(r *pricingv1.GetPromotionInfoRequest) {
		r.Scene = &pricingv1.GetPromotionInfoRequest_SceneId{SceneId: 0}
		r.UserId = proto.Int64(1)
		r.AtTime = &timestamppb.Timestamp{Seconds: 7_258_118_399, Nanos: 999_999_999}
		r.Context = &pricingv1.RequestContext{UserPath: strings.Repeat("x", 100), LiveStreamDiscountToken: strings.Repeat("x", 500), AdsId: 1}
	})
	for _, req := range []*pricingv1.GetPromotionInfoRequest{request(nil), full} {
		if !plainlyValid(req) {
			t.Errorf("%v goes the long way", req)
		}
	}
}

// The shortcut knows these constraints. A new one fails this test, so that nobody forgets the shortcut: extend plainlyValid and the test
// above, then write the file with -update.
func TestTheShortcutKnowsEveryConstraint(t *testing.T) {
	var b strings.Builder
	seen := map[protoreflect.FullName]bool{}
	var walk func(protoreflect.MessageDescriptor)
	walk = func(m protoreflect.MessageDescriptor) {
		if seen[m.FullName()] || m.ParentFile().Package() != "proscenium.pricing.v1" {
			return
		}
		seen[m.FullName()] = true
		if rules, err := protovalidate.ResolveMessageRules(m); err != nil {
			t.Fatal(err)
		} else if rules != nil {
			fmt.Fprintf(&b, "%s: %s\n", m.FullName(), compact(rules))
		}
		for i := range m.Oneofs().Len() {
			rules, err := protovalidate.ResolveOneofRules(m.Oneofs().Get(i))
			if err != nil {
				t.Fatal(err)
			}
			if rules != nil {
				fmt.Fprintf(&b, "%s: %s\n", m.Oneofs().Get(i).FullName(), compact(rules))
			}
		}
		for i := range m.Fields().Len() {
			field := m.Fields().Get(i)
			rules, err := protovalidate.ResolveFieldRules(field)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s: %s\n", field.FullName(), compact(rules))
			if field.Message() != nil {
				walk(field.Message())
			}
		}
	}
	walk((&pricingv1.GetPromotionInfoRequest{}).ProtoReflect().Descriptor())
	const name = "testdata/constraints.txt"
	if *update {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("-known +schema:\n%s", diff)
	}
}

// compact is the text form without the spaces that prototext varies.
func compact(m proto.Message) string {
	return strings.Join(strings.Fields(prototext.MarshalOptions{}.Format(m)), " ")
}

func basket(items, models int) *pricingv1.GetPromotionInfoRequest {
	return request(func(r *pricingv1.GetPromotionInfoRequest) {
		r.Items = nil
		for i := range items {
			item := &pricingv1.RequestItem{ItemId: int64(i + 1), ShopId: 4}
			for j := range models {
				item.Models = append(item.Models, &pricingv1.RequestModel{ModelId: int64(i*models + j + 1), Quantity: proto.Int64(2)})
			}
			r.Items = append(r.Items, item)
		}
	})
}

func BenchmarkValidation(b *testing.B) {
	validator, err := newValidator()
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []struct{ items, models int }{{1, 1}, {10, 3}, {100, 30}} {
		req := basket(size.items, size.models)
		b.Run(fmt.Sprintf("shortcut/items=%d/models=%d", size.items, size.models), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := validate(validator, req); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("protovalidate/items=%d/models=%d", size.items, size.models), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := validator.Validate(req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
