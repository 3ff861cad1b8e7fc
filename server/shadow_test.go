package server

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"proscenium/engine"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/gen/proscenium/pricing/v1/pricingv1connect"
	"proscenium/scenes"
	"proscenium/traffic"
)

// tellsClass answers with the class that the caller and the context have, as the currency.
func tellsClass(ctx context.Context, caller engine.Caller, _ *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
	return &pricingv1.GetPromotionInfoResponse{Currency: caller.Class.String() + " " + traffic.From(ctx).String()}, nil
}

func shadowSnapshot() *scenes.Snapshot {
	return &scenes.Snapshot{Version: "v1", Clients: map[string]*scenes.Client{
		"shop":   {ID: 1, Name: "shop"},
		"stress": {ID: 2, Name: "stress", AllowShadow: true},
	}}
}

func TestARequestIsShadowOnlyByAMarkThatItsClientMaySend(t *testing.T) {
	type headers = map[string][]string
	invalid := refusal{Code: connect.CodeInvalidArgument, Reason: "SHADOW_MARK_INVALID"}
	const live, shadow = "live live", "shadow shadow"
	f := start(t, &pricer{price: tellsClass, snap: shadowSnapshot()}, nil)
	all := clients(t, f.url)
	for _, c := range []struct {
		name      string
		client    string
		header    headers
		want      string
		wantError refusal
	}{
		{"no mark", "stress", nil, live, refusal{}},
		{"the header", "stress", headers{traffic.Header: {"1"}}, shadow, refusal{}},
		{"the header, of nobody", "", headers{traffic.Header: {"1"}}, shadow, refusal{}},
		{"the header says live", "shop", headers{traffic.Header: {"0"}}, live, refusal{}},
		{"a client that may not", "shop", headers{traffic.Header: {"1"}}, "", refusal{Code: connect.CodePermissionDenied, Reason: "SHADOW_NOT_ALLOWED"}},
		{"a client that may not, by baggage", "shop", headers{"Baggage": {"proscenium.shadow=1"}}, "", refusal{Code: connect.CodePermissionDenied, Reason: "SHADOW_NOT_ALLOWED"}},
		{"an empty header", "stress", headers{traffic.Header: {""}}, "", invalid},
		{"a word", "stress", headers{traffic.Header: {"true"}}, "", invalid},
		{"two in one", "stress", headers{traffic.Header: {"1, 1"}}, "", invalid},
		{"the header twice", "stress", headers{traffic.Header: {"1", "1"}}, "", invalid},
		{"a bad mark of a client that may not", "shop", headers{traffic.Header: {"2"}}, "", invalid},
		{"baggage", "stress", headers{"Baggage": {"proscenium.shadow=1"}}, shadow, refusal{}},
		{"baggage says live", "shop", headers{"Baggage": {"proscenium.shadow=0"}}, live, refusal{}},
		{"baggage among others, with spaces and a property", "stress", headers{"Baggage": {"a=b;p=q ,  proscenium.shadow = 1 ;ttl=5, c=%20"}}, shadow, refusal{}},
		{"baggage in the second header", "stress", headers{"Baggage": {"a=b", "proscenium.shadow=1"}}, shadow, refusal{}},
		{"an escaped value", "stress", headers{"Baggage": {"proscenium.shadow=%31"}}, shadow, refusal{}},
		{"both say shadow", "stress", headers{traffic.Header: {"1"}, "Baggage": {"proscenium.shadow=1"}}, shadow, refusal{}},
		{"both say live", "stress", headers{traffic.Header: {"0"}, "Baggage": {"proscenium.shadow=0"}}, live, refusal{}},
		{"they contradict each other", "stress", headers{traffic.Header: {"0"}, "Baggage": {"proscenium.shadow=1"}}, "", invalid},
		{"they contradict each other, the other way", "stress", headers{traffic.Header: {"1"}, "Baggage": {"proscenium.shadow=0"}}, "", invalid},
		{"baggage without a value", "stress", headers{"Baggage": {"proscenium.shadow"}}, "", invalid},
		{"baggage with an empty value", "stress", headers{"Baggage": {"proscenium.shadow="}}, "", invalid},
		{"baggage with a word", "stress", headers{"Baggage": {"proscenium.shadow=yes"}}, "", invalid},
		{"baggage with a bad property", "stress", headers{"Baggage": {"proscenium.shadow=1;\"=1"}}, "", invalid},
		{"baggage twice", "stress", headers{"Baggage": {"proscenium.shadow=1,proscenium.shadow=1"}}, "", invalid},
		{"baggage twice, in two headers", "stress", headers{"Baggage": {"proscenium.shadow=0", "proscenium.shadow=1"}}, "", invalid},
		{"another case", "stress", headers{"Baggage": {"Proscenium.Shadow=1"}}, "", invalid},
		{"an escaped key", "stress", headers{"Baggage": {"proscenium%2Eshadow=1"}}, "", invalid},
		{"malformed baggage of others", "shop", headers{"Baggage": {",,=;%zz, a b=c"}}, live, refusal{}},
		{"malformed baggage of others beside ours", "stress", headers{"Baggage": {"=;%zz, proscenium.shadow=1"}}, shadow, refusal{}},
		{"too much baggage of others beside ours", "stress", headers{"Baggage": {strings.Repeat("a=b,", 3000) + "proscenium.shadow=1"}}, shadow, refusal{}},
		{"a longer key", "shop", headers{"Baggage": {"x.proscenium.shadow=1,proscenium.shadows=1"}}, live, refusal{}},
		{"the value of another", "shop", headers{"Baggage": {"note=proscenium.shadow=1"}}, live, refusal{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, client := range all {
				t.Run(name, func(t *testing.T) {
					req := connect.NewRequest(request(nil))
					if c.client != "" {
						req.Header().Set(ClientHeader, c.client)
					}
					for key, values := range c.header {
						req.Header()[http.CanonicalHeaderKey(key)] = values
					}
					res, err := client.GetPromotionInfo(t.Context(), req)
					if err != nil {
						if diff := cmp.Diff(c.wantError, refusalOf(t, err)); diff != "" {
							t.Errorf("%v (-want +got):\n%s", err, diff)
						}
						return
					}
					if got := res.Msg.GetCurrency(); got != c.want {
						t.Errorf("the request was %q, want %q, %v", got, c.want, c.wantError)
					}
				})
			}
		})
	}
}

// A credential decides, not the header that names a client.
func TestTheClientOfTheKeyDecidesWhetherShadowIsAllowed(t *testing.T) {
	f := start(t, &pricer{price: tellsClass, snap: &scenes.Snapshot{Clients: map[string]*scenes.Client{
		"shop":   {Name: "shop", CredentialIDs: []string{"shop_key"}},
		"stress": {Name: "stress", AllowShadow: true},
	}}}, func(d *Deps) {
		d.Access = Access{Credentials: []Credential{{ID: "shop_key", SHA256: keyHash("sesame")}}}
	})
	for name, client := range clients(t, f.url) {
		req := connect.NewRequest(request(nil))
		req.Header().Set("Authorization", "Bearer sesame")
		req.Header().Set(ClientHeader, "stress")
		req.Header().Set(traffic.Header, "1")
		_, err := client.GetPromotionInfo(t.Context(), req)
		if err == nil || refusalOf(t, err).Reason != "SHADOW_NOT_ALLOWED" || !strings.Contains(err.Error(), "allow_shadow") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLogsMetricsAndSpansTellShadowTraffic(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	f := start(t, &pricer{price: tellsClass, snap: shadowSnapshot()}, func(d *Deps) {
		d.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	})
	client := pricingv1connect.NewPricingServiceClient(http.DefaultClient, f.url)
	for _, mark := range []string{"1", "0"} {
		req := connect.NewRequest(&pricingv1.GetPromotionInfoRequest{}) // refused
		req.Header().Set(traffic.Header, mark)
		if _, err := client.GetPromotionInfo(t.Context(), req); err == nil {
			t.Fatal("an empty request is answered")
		}
	}
	lines := strings.Split(strings.TrimSpace(f.log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"traffic":"shadow"`) || strings.Contains(lines[1], "traffic") {
		t.Errorf("log:\n%s", f.log.String())
	}
	want := map[string]int{
		pricingv1connect.PricingServiceGetPromotionInfoProcedure + " invalid_argument":        1,
		pricingv1connect.PricingServiceGetPromotionInfoProcedure + " invalid_argument shadow": 1,
	}
	if diff := cmp.Diff(want, f.counts.calls); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	for i, wantTraffic := range []string{"shadow", ""} {
		got := ""
		for _, attr := range spans.GetSpans()[i].Attributes {
			if attr.Key == "proscenium.traffic" {
				got = attr.Value.AsString()
			}
		}
		if got != wantTraffic {
			t.Errorf("span %d has the traffic %q, want %q", i, got, wantTraffic)
		}
	}
}

func FuzzMarks(f *testing.F) {
	f.Add("1", "proscenium.shadow=1,a=b")
	f.Add("", ";,=proscenium.shadow")
	f.Fuzz(func(t *testing.T, own, carried string) {
		header := http.Header{"Baggage": {carried}}
		class, err := classOf(header)
		if strings.Contains(","+carried+",", ",proscenium.shadow=1,") && (class != traffic.Shadow && err == nil) {
			t.Errorf("baggage %q is live", carried)
		}
		header[traffic.Header] = []string{own}
		class, err = classOf(header)
		if own != "0" && class != traffic.Shadow && err == nil {
			t.Errorf("header %q, baggage %q: live", own, carried)
		}
		if own == "0" && class == traffic.Shadow {
			t.Errorf("header %q, baggage %q: shadow", own, carried)
		}
	})
}
