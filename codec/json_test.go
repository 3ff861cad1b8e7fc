package codec_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"proscenium/codec"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

func TestJSONRefusesWhatAMessageDoesNotHave(t *testing.T) {
	c := codec.NewJSON("json")
	for name, tt := range map[string]struct{ body, want string }{
		"a misspelt field":       {`{"region": "US", "itmes": []}`, `unknown field "itmes"`},
		"a misspelt inner field": {`{"items": [{"item_id": 1, "models": [{"model_id": 2, "quantiti": 3}]}]}`, `unknown field "quantiti"`},
		"no JSON":                {`{"region": `, "unexpected EOF"},
		"nothing":                {"", "the body is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.Unmarshal([]byte(tt.body), new(pricingv1.GetPromotionInfoRequest))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestJSONReadsWhatItWrites(t *testing.T) {
	c := codec.NewJSON("json")
	quantity := int64(3)
	want := &pricingv1.GetPromotionInfoRequest{
		Scene: &pricingv1.GetPromotionInfoRequest_SceneName{SceneName: "s"}, Region: "US",
		Items: []*pricingv1.RequestItem{{ItemId: 1, Models: []*pricingv1.RequestModel{{ModelId: 2, Quantity: &quantity}}}},
	}
	data, err := c.MarshalAppend([]byte("x"), want)
	if err != nil || data[0] != 'x' {
		t.Fatal(err)
	}
	got := &pricingv1.GetPromotionInfoRequest{Region: "what it held is lost"}
	if err := c.Unmarshal(data[1:], got); err != nil || !proto.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

// An answer of zero is written: absent means that there is none.
func TestJSONWritesAPriceOfZero(t *testing.T) {
	data, err := codec.NewJSON("json").Marshal(&pricingv1.Model{ModelId: 1, FinalPrice: new(int64)})
	if err != nil || !strings.Contains(strings.ReplaceAll(string(data), " ", ""), `"finalPrice":"0"`) {
		t.Errorf("got %s, %v", data, err)
	}
}
