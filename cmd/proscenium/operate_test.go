package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"proscenium/kv/kvtest"
)

// tell posts JSON to a method of OperationsService, as curl does.
func (s *serving) tell(t *testing.T, method, body string) (answer string) {
	t.Helper()
	res, err := http.Post(s.admin+"/proscenium.admin.v1.OperationsService/"+method, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", method, res.StatusCode, data)
	}
	return string(data)
}

// off says whether an answer in pdp_main is without the price after voucher, by an operator.
func (s *serving) off(t *testing.T) bool {
	t.Helper()
	res, err := http.Post(s.prices+"/proscenium.pricing.v1.PricingService/GetPromotionInfo", "application/json", strings.NewReader(exampleBody))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Degradations []struct{ Feature, Cause string }
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res.StatusCode, err)
	}
	for _, d := range answer.Degradations {
		if d.Feature == "price_after_voucher" && d.Cause == "DEGRADATION_CAUSE_OPERATOR" {
			return true
		}
	}
	return false
}

const (
	turnOff = `{"feature": "DOWNGRADE_FEATURE_PRICE_AFTER_VOUCHER", "where": {"scenes": ["pdp_main"]}, "operator": "ann", "reason": "the database moves"}`
	turnOn  = `{"feature": "DOWNGRADE_FEATURE_PRICE_AFTER_VOUCHER", "where": {"scenes": ["pdp_main"]}, "operator": "bob", "reason": "moved", "restore": true}`
)

func TestASwitchReachesTheFleetAndOutlivesAKillWhileRedisIsDown(t *testing.T) {
	redis := kvtest.Start(t)
	if redis == nil {
		return // it has been said that this was not run
	}
	binary, data := build(t), []string{t.TempDir(), t.TempDir()}
	prefix := "test-" + rand.Text()
	begin := func(i int) *serving {
		t.Setenv("PROSCENIUM_REDIS_ADDRESSES", redis.Addr())
		t.Setenv("PROSCENIUM_REDIS_PREFIX", prefix)
		t.Setenv("PROSCENIUM_NODE", fmt.Sprintf("node-%d-%s", i, rand.Text()[:4]))
		return startServing(t, binary, "--data", data[i])
	}
	a, b := begin(0), begin(1)
	if a.off(t) || b.off(t) {
		t.Fatal("the feature is off before anybody turned it off")
	}
	a.tell(t, "SetDowngrade", turnOff)
	if !a.off(t) {
		t.Error("the next request in the process that was asked has the feature")
	}
	waitFor(t, "the other process to turn it off", func() bool { return b.off(t) })

	redis.Stop()
	for _, s := range []*serving{a, b} {
		s.kill(t)
	}
	a, b = begin(0), begin(1)
	if !a.off(t) || !b.off(t) {
		t.Error("after a kill, and without Redis, the feature is on again")
	}
	if answer := b.tell(t, "SetDowngrade", turnOn); !strings.Contains(answer, `"fleetError"`) {
		t.Errorf("the operator is not told that the others do not know: %s", answer)
	}
	if b.off(t) {
		t.Error("taken back, and still off in the process that was asked")
	}
	if !a.off(t) {
		t.Error("the other process knows, by nobody")
	}
	redis.Restart()
	waitFor(t, "the other process to turn it on", func() bool { return !a.off(t) })
	waitFor(t, "both to list what was done", func() bool {
		for _, s := range []*serving{a, b} {
			log := s.tell(t, "QueryAuditLog", `{}`)
			if !strings.Contains(log, `"the database moves"`) || !strings.Contains(log, `"restore_downgrade"`) || strings.Count(log, `"id"`) != 2 {
				return false
			}
		}
		return true
	})
	if strings.Contains(a.tell(t, "ListDowngrades", `{}`), "pdp_main") {
		t.Error("it is listed, and taken back")
	}
}

func TestAnOperatorSeesAndPurgesWhatShadowTrafficLeft(t *testing.T) {
	s := startServing(t, build(t), "--data", t.TempDir())
	if !strings.Contains(s.banner, "prices") {
		t.Errorf("banner: %s", s.banner)
	}
	post := func(mark string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.prices+"/proscenium.pricing.v1.PricingService/GetPromotionInfo", strings.NewReader(exampleBody))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Proscenium-Shadow", mark)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res
	}
	if res := post("1"); res.StatusCode != http.StatusOK || res.Header.Get("RateLimit") == "" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	if res := post("yes"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a mark that is none: %d", res.StatusCode)
	}
	if _, page := s.page(t, "/metrics"); !strings.Contains(page, `scene="pdp_main",traffic="shadow"} 1`) {
		t.Error("the metrics do not have the request as shadow traffic")
	}
	for method, want := range map[string]string{"ListLimits": "each_process", "ListBreakers": "voucher.best_vouchers", "ListClients": "checkout", "ListDowngrades": "{}"} {
		if answer := s.tell(t, method, `{"page_size": 500}`); !strings.Contains(answer, want) {
			t.Errorf("%s: %.300s", method, answer)
		}
	}
	if answer := s.tell(t, "PurgeShadowData", `{"operator": "ann", "reason": "the stress test is over"}`); !strings.Contains(answer, "removedKeys") {
		t.Errorf("purged: %s", answer)
	}
	if _, page := s.page(t, "/policyz"); !strings.Contains(page, "each_process/requests") {
		t.Errorf("page: %s", page)
	}
}
