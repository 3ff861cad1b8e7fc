package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"proscenium/engine"
	"proscenium/engine/policy/limit"
	"proscenium/fault"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/gen/proscenium/pricing/v1/pricingv1connect"
)

func keyHash(key string) [sha256.Size]byte { return sha256.Sum256([]byte(key)) }

func TestVerdictsAsHeaders(t *testing.T) {
	perUser := limit.Verdict{Name: "claims", Dimension: "per_user", Limit: 20, Window: 24 * time.Hour, Remaining: 7, Reset: 90 * time.Minute}
	change := func(f func(*limit.Verdict)) limit.Verdict {
		v := perUser
		f(&v)
		return v
	}
	for _, c := range []struct {
		name           string
		verdicts       []limit.Verdict
		policies, left string
	}{
		{"no limit asked", nil, "", ""},
		{"one", []limit.Verdict{perUser}, `"claims/per_user";q=20;w=86400`, `"claims/per_user";r=7;t=5400`},
		{"two", []limit.Verdict{perUser, {Name: "all", Dimension: "calls", Limit: 5, Window: time.Second}}, `"claims/per_user";q=20;w=86400, "all/calls";q=5;w=1`, `"claims/per_user";r=7;t=5400, "all/calls";r=0;t=0`},
		{"beyond the soft limit", []limit.Verdict{change(func(v *limit.Verdict) { v.Outcome = limit.Soft })}, `"claims/per_user";q=20;w=86400`, `"claims/per_user";r=7;t=5400`},
		{"refused", []limit.Verdict{change(func(v *limit.Verdict) { v.Outcome, v.Remaining, v.Reset = limit.Refused, 0, time.Millisecond })}, `"claims/per_user";q=20;w=86400`, `"claims/per_user";r=0;t=1`},
		{"what is not enforced is not told", []limit.Verdict{change(func(v *limit.Verdict) { v.DryRun = true })}, "", ""},
		{"beside what is not enforced", []limit.Verdict{change(func(v *limit.Verdict) { v.DryRun, v.Name = true, "tried" }), perUser}, `"claims/per_user";q=20;w=86400`, `"claims/per_user";r=7;t=5400`},
		{"asked twice", []limit.Verdict{change(func(v *limit.Verdict) { v.Remaining = 8 }), perUser}, `"claims/per_user";q=20;w=86400`, `"claims/per_user";r=7;t=5400`},
		{"a window below a second", []limit.Verdict{change(func(v *limit.Verdict) { v.Window = 1500 * time.Millisecond })}, `"claims/per_user";q=20`, `"claims/per_user";r=7;t=5400`},
		{"never negative, never too great", []limit.Verdict{change(func(v *limit.Verdict) { v.Remaining, v.Reset, v.Limit = -1, -time.Second, 1<<63-1 })}, `"claims/per_user";q=999999999999999;w=86400`, `"claims/per_user";r=0;t=0`},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := http.Header{}
			tellVerdicts(header, c.verdicts)
			want := http.Header{}
			if c.policies != "" {
				want.Set("RateLimit-Policy", c.policies)
				want.Set("RateLimit", c.left)
			}
			if diff := cmp.Diff(want, header); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSecondsAreRoundedUp(t *testing.T) {
	for d, want := range map[time.Duration]int64{
		-time.Second: 0, 0: 0, 1: 1, time.Second - 1: 1, time.Second: 1, time.Second + 1: 2, 1<<63 - 1: 9223372037,
	} {
		if got := wholeSeconds(d); got != want {
			t.Errorf("%v: %d, want %d", d, got, want)
		}
	}
}

var someVerdicts = []limit.Verdict{
	{Name: "client_quota", Dimension: "all", Limit: 100, Window: time.Minute, Remaining: 41, Reset: 12 * time.Second},
	{Name: "claims", Dimension: "per_user", Outcome: limit.Refused, Limit: 20, Window: time.Hour, Reset: 1500 * time.Millisecond},
}

func TestAnswersTellOfLimitsOnEveryTransport(t *testing.T) {
	f := start(t, &pricer{price: func(ctx context.Context, c engine.Caller, req *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
		if req.GetRegion() == "US" {
			*c.Verdicts = append(*c.Verdicts, someVerdicts[0])
		}
		return echo(ctx, c, req)
	}}, nil)
	for name, client := range clients(t, f.url) {
		t.Run(name, func(t *testing.T) {
			res, err := client.GetPromotionInfo(t.Context(), connect.NewRequest(request(nil)))
			if err != nil {
				t.Fatal(err)
			}
			if p, l := res.Header().Get("RateLimit-Policy"), res.Header().Get("RateLimit"); p != `"client_quota/all";q=100;w=60` || l != `"client_quota/all";r=41;t=12` || res.Header().Get("Retry-After") != "" {
				t.Errorf("headers %q, %q", p, l)
			}
			res, err = client.GetPromotionInfo(t.Context(), connect.NewRequest(request(func(r *pricingv1.GetPromotionInfoRequest) { r.Region = "DE" })))
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Header().Values("RateLimit")) > 0 || len(res.Header().Values("RateLimit-Policy")) > 0 {
				t.Errorf("without a limit: %v", res.Header())
			}
		})
	}
}

func TestRefusalsTellWhenToComeBackOnEveryTransport(t *testing.T) {
	f := start(t, &pricer{price: func(_ context.Context, c engine.Caller, req *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
		switch req.GetRegion() {
		case "US":
			*c.Verdicts = someVerdicts
			return nil, fault.New(fault.ResourceExhausted, "LIMIT_EXCEEDED", "the limit claims/per_user is exceeded").
				With("policy", "claims/per_user").RetryIn(1500*time.Millisecond).Beyond("scene:shop_chat", "20 in 1h0m0s").Because(errors.New("user 4711"))
		case "DE":
			return nil, fault.New(fault.Unavailable, "OVERLOADED", "the process has more to do than it can")
		default:
			*c.Verdicts = someVerdicts[:1]
			return nil, fault.Invalid("region", "REGION_NOT_SERVED", "not served")
		}
	}}, nil)
	of := func(region string) *connect.Request[pricingv1.GetPromotionInfoRequest] {
		return connect.NewRequest(request(func(r *pricingv1.GetPromotionInfoRequest) { r.Region = region }))
	}
	for name, client := range clients(t, f.url) {
		t.Run(name, func(t *testing.T) {
			_, err := client.GetPromotionInfo(t.Context(), of("US"))
			if got := refusalOf(t, err); got.Code != connect.CodeResourceExhausted || got.Reason != "LIMIT_EXCEEDED" {
				t.Fatalf("%v", err)
			}
			meta := metaOf(t, err)
			for key, want := range map[string]string{
				"Retry-After": "2", "RateLimit-Policy": `"client_quota/all";q=100;w=60, "claims/per_user";q=20;w=3600`,
				"RateLimit": `"client_quota/all";r=41;t=12, "claims/per_user";r=0;t=2`,
			} {
				if got := meta.Values(key); len(got) != 1 || got[0] != want {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
			quota, retry := quotaOf(t, err)
			if len(quota) != 1 || quota[0] != "scene:shop_chat 20 in 1h0m0s" || retry != 1500*time.Millisecond {
				t.Errorf("details %q, %v", quota, retry)
			}
			if strings.Contains(err.Error(), "4711") {
				t.Error("the cause reaches the caller")
			}

			_, err = client.GetPromotionInfo(t.Context(), of("DE"))
			if meta := metaOf(t, err); meta.Get("Retry-After") != "" || meta.Get("RateLimit") != "" {
				t.Errorf("where nobody knows when: %v", meta)
			}
			if quota, retry := quotaOf(t, err); quota != nil || retry != 0 {
				t.Errorf("where nobody knows when: %v, %v", quota, retry)
			}
			_, err = client.GetPromotionInfo(t.Context(), of("FR"))
			if meta := metaOf(t, err); meta.Get("RateLimit") != `"client_quota/all";r=41;t=12` || meta.Get("Retry-After") != "" {
				t.Errorf("an error behind a limit that was passed: %v", meta)
			}
		})
	}
}

func metaOf(t *testing.T, err error) http.Header {
	t.Helper()
	var answer *connect.Error
	if !errors.As(err, &answer) {
		t.Fatalf("%v is no error of the protocol", err)
	}
	return answer.Meta()
}

// quotaOf are what of an error's details tells of limits.
func quotaOf(t *testing.T, err error) (violations []string, retry time.Duration) {
	t.Helper()
	var answer *connect.Error
	if !errors.As(err, &answer) {
		t.Fatalf("%v is no error of the protocol", err)
	}
	for _, detail := range answer.Details() {
		value, err := detail.Value()
		if err != nil {
			t.Fatal(err)
		}
		switch d := value.(type) {
		case *errdetails.QuotaFailure:
			for _, v := range d.GetViolations() {
				violations = append(violations, v.GetSubject()+" "+v.GetDescription())
			}
		case *errdetails.RetryInfo:
			retry = d.GetRetryDelay().AsDuration()
		}
	}
	return violations, retry
}

func TestWebPagesMaySendMarksAndReadLimits(t *testing.T) {
	f := start(t, &pricer{price: echo}, func(d *Deps) { d.Origins = []string{"https://shop.example"} })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, f.url+pricingv1connect.PricingServiceGetPromotionInfoProcedure, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://shop.example")
	req.Header.Set("Access-Control-Request-Method", "POST")
	req.Header.Set("Access-Control-Request-Headers", "baggage,content-type,x-proscenium-shadow")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if got := strings.ToLower(res.Header.Get("Access-Control-Allow-Headers")); !strings.Contains(got, "x-proscenium-shadow") || !strings.Contains(got, "baggage") {
		t.Errorf("headers %q may be sent", got)
	}
	post, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+pricingv1connect.PricingServiceGetPromotionInfoProcedure, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	post.Header.Set("Origin", "https://shop.example")
	post.Header.Set("Content-Type", "application/json")
	if res, err = http.DefaultClient.Do(post); err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	exposed := strings.ToLower(res.Header.Get("Access-Control-Expose-Headers"))
	for _, want := range []string{"ratelimit", "ratelimit-policy", "retry-after"} {
		if !strings.Contains(","+strings.ReplaceAll(exposed, " ", "")+",", ","+want+",") {
			t.Errorf("headers %q may be read, without %s", exposed, want)
		}
	}
}
