package server

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/gen/proscenium/pricing/v1/pricingv1connect"
)

func TestABodyOfTenMegabytesIsRefused(t *testing.T) {
	f := start(t, &pricer{price: echo}, nil)
	large := request(func(r *pricingv1.GetPromotionInfoRequest) {
		r.Context = &pricingv1.RequestContext{UserPath: strings.Repeat("x", 10<<20)}
	})
	for name, client := range clients(t, f.url) {
		t.Run(name, func(t *testing.T) {
			want := connect.CodeResourceExhausted
			if strings.HasSuffix(t.Name(), "GET") {
				want = connect.CodeUnknown // net/http refuses a URL of that length, before any handler
			}
			_, err := client.GetPromotionInfo(t.Context(), connect.NewRequest(large))
			if code := connect.CodeOf(err); code != want {
				t.Errorf("code %v of %v", code, err)
			}
			if want == connect.CodeResourceExhausted {
				if got := refusalOf(t, err); got.Reason != "REQUEST_TOO_LARGE" {
					t.Errorf("reason %q of %v", got.Reason, err)
				}
			}
		})
	}
}

func TestACurlOfTenMegabytesGetsTheReason(t *testing.T) {
	f := start(t, &pricer{price: echo}, nil)
	res, err := http.Post(f.url+pricingv1connect.PricingServiceGetPromotionInfoProcedure, "application/json",
		strings.NewReader(`{"region":"`+strings.Repeat("x", 10<<20)+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusTooManyRequests || !strings.Contains(string(body), "at most 4194304") || !strings.Contains(string(body), "REQUEST_TOO_LARGE") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestGzipThatInflatesWithoutEndIsNotInflated(t *testing.T) {
	f := start(t, &pricer{price: echo}, nil)
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	zeros := make([]byte, 1<<20)
	for range 64 {
		if _, err := zip.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	errLarge := errors.New("too large")
	reader := &boundedGzip{max: MaxRequestBytes + 1, refuse: func() error { return errLarge }}
	if err := reader.Reset(bytes.NewReader(bomb.Bytes())); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, reader)
	if n != MaxRequestBytes+1 || !errors.Is(err, errLarge) {
		t.Errorf("inflated %d bytes, %v", n, err)
	}

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+pricingv1connect.PricingServiceGetPromotionInfoProcedure, &bomb)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/proto")
	req.Header.Set("Content-Encoding", "gzip")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if body, _ := io.ReadAll(res.Body); !strings.Contains(string(body), "resource_exhausted") || !strings.Contains(string(body), "REQUEST_TOO_LARGE") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestGzipOfExactlyTheBoundIsRead(t *testing.T) {
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	if _, err := zip.Write(make([]byte, MaxRequestBytes)); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	reader := &boundedGzip{max: MaxRequestBytes + 1, refuse: func() error { return errors.New("too large") }}
	if err := reader.Reset(&zipped); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, reader); n != MaxRequestBytes || err != nil {
		t.Errorf("inflated %d bytes, %v", n, err)
	}
}

func TestABodyThatDoesNotSayHowLongItIsIsReadUpToTheBound(t *testing.T) {
	f := start(t, &pricer{price: echo}, nil)
	post := func(length int) (int, string) {
		t.Helper()
		const before, after = `{"scene_name":"a","region":"US","items":[{"item_id":7}]`, `}`
		body := before + strings.Repeat(" ", length-len(before)-len(after)) + after
		// Not a type that net/http knows the length of.
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+pricingv1connect.PricingServiceGetPromotionInfoProcedure,
			io.MultiReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		answer, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(answer)
	}
	if status, body := post(MaxRequestBytes); status != http.StatusOK {
		t.Errorf("a body of the bound: %d %s", status, body)
	}
	if status, body := post(MaxRequestBytes + envelopeBytes + 1); status != http.StatusTooManyRequests || !strings.Contains(body, "REQUEST_TOO_LARGE") {
		t.Errorf("a larger one: %d %s", status, body)
	}
}
