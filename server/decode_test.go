package server

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protowire"

	"proscenium/codec"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/gen/proscenium/pricing/v1/pricingv1connect"
)

func TestWhatCannotBeDecodedIsRefusedWithItsReason(t *testing.T) {
	f := start(t, &pricer{price: echo}, nil)
	const procedure = pricingv1connect.PricingServiceGetPromotionInfoProcedure
	envelope := func(message string) string { return string([]byte{0, 0, 0, 0, byte(len(message))}) + message }
	calls := 0
	for _, c := range []struct{ name, contentType, body string }{
		{"broken JSON", "application/json", `{"scene_name": `},
		{"no JSON at all", "application/json", ``},
		{"an unknown field", "application/json", `{"scene": "checkout"}`},
		{"a number that is none", "application/json", `{"user_id": "one"}`},
		{"a number that is too large", "application/json; charset=utf-8", `{"user_id": 9223372036854775808}`},
		{"two scenes", "application/json", `{"scene_name": "a", "scene_id": 1}`},
		{"broken protobuf", "application/proto", "\x0a\xff"},
		{"text that is not UTF-8", "application/proto", "\x12\x01\xff"},
		{"broken protobuf in gRPC-Web", "application/grpc-web+proto", envelope("\x0a\xff")},
		{"broken JSON in gRPC-Web", "application/grpc-web+json", envelope("{")},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, err := http.Post(f.url+procedure, c.contentType, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			calls++
			if strings.Contains(c.contentType, "grpc") {
				if text := string(body) + res.Header.Get("Grpc-Message"); !strings.Contains(text, "cannot be decoded") {
					t.Errorf("%v %q", res.Header, body)
				}
				return
			}
			if res.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), `"reason":"MALFORMED_REQUEST"`) ||
				!strings.Contains(string(body), `"domain":"proscenium"`) {
				t.Errorf("%d %s", res.StatusCode, body)
			}
		})
	}
	f.counts.mu.Lock()
	defer f.counts.mu.Unlock()
	if n := f.counts.calls[procedure+" invalid_argument"]; n != calls {
		t.Errorf("%d of %d are counted", n, calls)
	}
}

// raw writes broken messages.
type raw struct{ appending }

func (raw) Name() string { return "proto" }

func (raw) MarshalAppend(dst []byte, _ any) ([]byte, error) { return append(dst, "\x0a\xff"...), nil }

func (raw) Marshal(any) ([]byte, error) { return []byte("\x0a\xff"), nil }

func TestBrokenProtobufIsRefusedWithItsReasonOnEveryTransport(t *testing.T) {
	f := start(t, &pricer{price: echo}, nil)
	for name, way := range transports(t) {
		if strings.Contains(name, "JSON") || strings.Contains(name, "GET") {
			continue // their codec is another
		}
		t.Run(name, func(t *testing.T) {
			client := pricingv1connect.NewPricingServiceClient(way.client, f.url, append(way.options, connect.WithCodec(raw{codec.New()}))...)
			_, err := client.GetPromotionInfo(t.Context(), connect.NewRequest(request(nil)))
			if got := refusalOf(t, err); got.Code != connect.CodeInvalidArgument || got.Reason != "MALFORMED_REQUEST" {
				t.Errorf("%v of %v", got, err)
			}
		})
	}
}

func TestUnknownFieldsOfACallerAreNoErrors(t *testing.T) {
	m := &pricingv1.GetPromotionInfoRequest{}
	for name, unknown := range map[string][]byte{
		"none":                         nil,
		"one of a later schema":        protowire.AppendString(protowire.AppendTag(nil, 100, protowire.BytesType), "x"),
		"the mark as a number":         protowire.AppendVarint(protowire.AppendTag(nil, undecodedField, protowire.VarintType), 1),
		"the mark after another field": protowire.AppendTag(protowire.AppendVarint(protowire.AppendTag(nil, 100, protowire.VarintType), 1), undecodedField, protowire.BytesType),
	} {
		m.ProtoReflect().SetUnknown(unknown)
		if err := decoded(m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
