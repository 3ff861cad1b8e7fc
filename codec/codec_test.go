package codec

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	providerv1 "proscenium/gen/proscenium/provider/v1"
)

// prices is an answer of 10 items with 3 models of 3 records each, as the request path sees it.
func prices() *providerv1.QueryPricesResponse {
	res := &providerv1.QueryPricesResponse{}
	for i := range 30 {
		m := &providerv1.ModelPrices{ItemId: int64(1000 + i/3), ModelId: int64(70_000_000 + i), ShopId: 12}
		for p := range 3 {
			m.Records = append(m.Records, &providerv1.PriceRecord{
				PromotionId: int64(9_000_000_000 + p), PriceRuleTypeId: int32(p), PreTaxPrice: proto.Int64(1999), PostTaxPrice: proto.Int64(2199),
				StartTime: &timestamppb.Timestamp{Seconds: 1_700_000_000}, EndTime: &timestamppb.Timestamp{Seconds: 1_800_000_000},
				Stock: 120, PurchaseLimit: 3, Audience: "new_user",
			})
		}
		res.Models = append(res.Models, m)
	}
	return res
}

func samples() []proto.Message {
	return []proto.Message{
		prices(),
		&providerv1.QueryPricesRequest{
			Context: &providerv1.CallContext{Region: "US", UserId: -1, Scene: "shop_chat", AtTime: &timestamppb.Timestamp{Seconds: 1, Nanos: 5}},
			Keys:    []*providerv1.PriceKey{{ItemId: math.MaxInt64, ModelId: 3}, {}},
		},
		&providerv1.GetItemsResponse{Items: []*providerv1.ItemFacts{{ItemId: 7, Name: "Käse 🧀", Categories: []string{"", "grocery", "fromage à pâte"}}}},
		&pricingv1.GetPromotionInfoRequest{Scene: &pricingv1.GetPromotionInfoRequest_SceneName{SceneName: "cart"}, UserId: proto.Int64(5)},
		&providerv1.GetItemsResponse{},
		&structpb.Struct{Fields: map[string]*structpb.Value{"a": structpb.NewStringValue("b")}}, // no generated fast code
	}
}

func TestEncodingIsThatOfTheStandardCodec(t *testing.T) {
	c := New()
	for _, m := range samples() {
		got, err := c.Marshal(m)
		if err != nil {
			t.Fatalf("marshal %T: %v", m, err)
		}
		want, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%T is %x, want %x", m, got, want)
		}
		back := m.ProtoReflect().New().Interface()
		if err := c.Unmarshal(got, back); err != nil {
			t.Fatalf("unmarshal %T: %v", m, err)
		}
		if diff := cmp.Diff(m, back, protocmp.Transform()); diff != "" {
			t.Errorf("%T changed on the way (-sent +got):\n%s", m, diff)
		}
	}
}

func TestMarshalAppendKeepsWhatIsThereAndUsesTheRoom(t *testing.T) {
	c := New()
	for _, m := range samples() {
		body, err := c.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		room := make([]byte, 3, 1<<20)
		copy(room, "abc")
		got, err := c.MarshalAppend(room, m)
		if err != nil {
			t.Fatal(err)
		}
		if want := append([]byte("abc"), body...); !bytes.Equal(got, want) {
			t.Errorf("%T: got %x, want %x", m, got, want)
		}
		if &got[0] != &room[0] {
			t.Errorf("%T: a buffer with room was replaced", m)
		}
	}
}

func TestUnmarshalForgetsWhatTheMessageHeld(t *testing.T) {
	c := New()
	m := &providerv1.GetItemsRequest{ItemIds: []int64{1, 2}, Context: &providerv1.CallContext{Region: "US"}}
	if err := c.Unmarshal(nil, m); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(m, &providerv1.GetItemsRequest{}) {
		t.Errorf("left over: %v", m)
	}
}

func TestUnmarshalKeepsNothingOfTheBuffer(t *testing.T) {
	c := New()
	want := prices()
	data, err := c.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := &providerv1.QueryPricesResponse{}
	if err := c.Unmarshal(data, got); err != nil {
		t.Fatal(err)
	}
	clear(data)
	if !proto.Equal(got, want) {
		t.Error("the message changed with the buffer that it was read from")
	}
}

// label is a field of one string, of that number, as bytes.
func label(number protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), s)
}

func TestStringsMustBeUTF8(t *testing.T) {
	item := func(fields ...[]byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), bytes.Join(fields, nil))
	}
	varint := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), math.MaxUint64)
	unknown := protowire.AppendTag(nil, 18, protowire.BytesType) // begins with 0x92, a continuation byte
	joined := append(label(4, "caf\xC3"), append(unknown, 0)...)
	if !utf8.Valid(joined[2:]) {
		t.Fatal("the case needs a broken end that joins with the next tag")
	}
	for _, tc := range []struct {
		name  string
		data  []byte
		valid bool
	}{
		{"plain text", item(label(3, "Cheddar")), true},
		{"every script", item(label(3, "Käse 奶酪 🧀")), true},
		{"numbers that are not UTF-8", item(varint, label(3, "x")), true},
		{"a stray byte", item(label(3, "a\xFFb")), false},
		{"a cut character", item(label(3, "caf\xC3")), false},
		{"a cut character that the next tag completes", item(joined), false},
		{"a surrogate", item(label(3, "\xED\xA0\x80")), false},
		{"a repeated string, in the middle", item(label(5, "a"), label(5, "\x80"), label(5, "b")), false},
		{"a string that a later one replaces", item(label(3, "\xFF"), label(3, "ok")), false},
		{"an unknown field is not text", item(label(99, "\xFF")), true},
		{"after an unknown group", append([]byte{0x9b, 1, 0x9c, 1}, item(label(3, "\xFF"))...), false},
		{"after fixed-width fields", append(append([]byte{0x51}, make([]byte, 8)...), item(label(3, "\xFF"))...), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := New()
			got := &providerv1.GetItemsResponse{}
			err := c.Unmarshal(tc.data, got)
			if (err == nil) != tc.valid {
				t.Fatalf("error %v, want valid %v", err, tc.valid)
			}
			if err != nil && !errors.Is(err, ErrInvalid) {
				t.Errorf("%v does not wrap ErrInvalid", err)
			}
			if standard := proto.Unmarshal(tc.data, &providerv1.GetItemsResponse{}); (standard == nil) != tc.valid {
				t.Errorf("the standard codec says %v", standard)
			}
		})
	}
}

func TestGarbageIsRefused(t *testing.T) {
	c := New()
	whole, err := c.Marshal(prices())
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"a cut message": whole[:len(whole)-3],
		"text":          []byte("<html>502 Bad Gateway</html>"),
		"a wrong type":  {0x08, 0x01},
	} {
		if err := c.Unmarshal(data, &providerv1.QueryPricesResponse{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.Unmarshal([]byte{0xff}, &structpb.Struct{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("without generated code: %v", err)
	}
	if err := c.Unmarshal(nil, new(string)); err == nil || !strings.Contains(err.Error(), "not a protobuf message") {
		t.Errorf("what is no message: %v", err)
	}
	if _, err := c.Marshal("text"); err == nil {
		t.Error("what is no message was marshalled")
	}
}

func TestStringsAreJudgedAsByTheStandardCodec(t *testing.T) {
	c := New()
	text := rapid.SampledFrom([]string{"", "a", "\xC3", "\xA9", "é", "\xF0\x9F", "\x92\x01", "🧀", "\xFF", "shop"})
	rapid.Check(t, func(t *rapid.T) {
		m := &providerv1.GetItemsResponse{}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			m.Items = append(m.Items, &providerv1.ItemFacts{
				ItemId: rapid.Int64().Draw(t, "id"), Name: text.Draw(t, "name") + text.Draw(t, "more"),
				Categories: rapid.SliceOfN(text, 0, 3).Draw(t, "categories"), SellerType: text.Draw(t, "seller"),
			})
		}
		data, err := c.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		standard := proto.Unmarshal(data, &providerv1.GetItemsResponse{})
		if err := c.Unmarshal(data, &providerv1.GetItemsResponse{}); (err == nil) != (standard == nil) {
			t.Fatalf("%x: got %v, the standard codec says %v", data, err, standard)
		}
	})
}

// FuzzUnmarshal: what is accepted holds only UTF-8, and means what it means to the standard codec, where that accepts it too. (Generated code keeps
// unknown fields as they came, also where the standard codec refuses their numbers or writes them shorter.)
func FuzzUnmarshal(f *testing.F) {
	c := New()
	for _, m := range samples() {
		data, err := c.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range []proto.Message{
			&providerv1.QueryPricesResponse{}, &providerv1.GetItemsResponse{}, &providerv1.GetBestVouchersResponse{}, &pricingv1.GetPromotionInfoRequest{},
		} {
			if c.Unmarshal(data, m) != nil {
				continue
			}
			if err := protorange.Range(m.ProtoReflect(), func(v protopath.Values) error {
				if s, ok := v.Index(-1).Value.Interface().(string); ok && !utf8.ValidString(s) {
					return fmt.Errorf("%s is %q", v.Path, s)
				}
				return nil
			}); err != nil {
				t.Fatalf("%T accepted %x: %v", m, data, err)
			}
			want := m.ProtoReflect().New().Interface()
			if proto.Unmarshal(data, want) == nil && !cmp.Equal(m, want, protocmp.Transform(), protocmp.IgnoreUnknown()) {
				t.Fatalf("%T of %x is %v, the standard codec says %v", m, data, m, want)
			}
		}
	})
}

func BenchmarkUnmarshal(b *testing.B) {
	c := New()
	data, err := c.Marshal(prices())
	if err != nil {
		b.Fatal(err)
	}
	shape := c.shape((&providerv1.QueryPricesResponse{}).ProtoReflect().Descriptor())
	for name, run := range map[string]func() error{
		"standard": func() error { return proto.Unmarshal(data, &providerv1.QueryPricesResponse{}) },
		"unchecked": func() error {
			return (&providerv1.QueryPricesResponse{}).UnmarshalVT(data)
		},
		"this":  func() error { return c.Unmarshal(data, &providerv1.QueryPricesResponse{}) },
		"check": func() error { shape.valid(data); return nil },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMarshalAppend(b *testing.B) {
	c, m := New(), prices()
	buf := make([]byte, 0, 1<<16)
	for name, run := range map[string]func() ([]byte, error){
		"standard": func() ([]byte, error) { return proto.MarshalOptions{}.MarshalAppend(buf, m) },
		"this":     func() ([]byte, error) { return c.MarshalAppend(buf, m) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
