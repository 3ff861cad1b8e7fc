package metrics_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"proscenium/engine"
	"proscenium/engine/policy"
	"proscenium/metrics"
	"proscenium/scenes/history"
	"proscenium/scenes/reload"
	"proscenium/traffic"
)

var update = flag.Bool("update", false, "write docs/reference/metrics.md")

var shopChat = engine.SceneLabels{Scene: "shop_chat", Client: "chat", Scenario: "buyer_default", NeedStock: true}

// scrape returns the lines of an exposition that begin with prefix.
func scrape(t *testing.T, m *metrics.Metrics, prefix string) []string {
	t.Helper()
	recorder := httptest.NewRecorder()
	m.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(recorder.Body)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func expect(t *testing.T, m *metrics.Metrics, prefix string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, scrape(t, m, prefix)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", prefix, diff)
	}
}

func TestRequestsAreCountedBySceneAndCode(t *testing.T) {
	m := metrics.New()
	scene := m.Traffic(traffic.Live).Scene(shopChat)
	m.Applied("v1", time.Unix(0, 0))
	scene.Priced("b", true, 30, 3*time.Millisecond)
	scene.Priced("", false, 2, 40*time.Microsecond)
	scene.Failed("USER_REQUIRED", time.Millisecond)
	scene.Degraded("tax", "timeout")

	expect(t, m, "proscenium_requests_total",
		`proscenium_requests_total{client="chat",code="OK",need_stock="true",scenario="buyer_default",scene="shop_chat",traffic="live"} 2`,
		`proscenium_requests_total{client="chat",code="USER_REQUIRED",need_stock="true",scenario="buyer_default",scene="shop_chat",traffic="live"} 1`)
	expect(t, m, "proscenium_request_duration_seconds_count", `proscenium_request_duration_seconds_count{scene="shop_chat",traffic="live"} 3`)
	expect(t, m, `proscenium_request_duration_seconds_bucket{scene="shop_chat",traffic="live",le="0.00025"}`,
		`proscenium_request_duration_seconds_bucket{scene="shop_chat",traffic="live",le="0.00025"} 1`)
	expect(t, m, "proscenium_models_priced_total", `proscenium_models_priced_total{scene="shop_chat",traffic="live"} 32`)
	expect(t, m, "proscenium_inaccurate_answers_total", `proscenium_inaccurate_answers_total{scene="shop_chat",traffic="live"} 1`)
	expect(t, m, "proscenium_experiment_requests_total", `proscenium_experiment_requests_total{group="b",scene="shop_chat",traffic="live"} 1`)
	expect(t, m, "proscenium_degradations_total", `proscenium_degradations_total{cause="timeout",feature="tax",scene="shop_chat",traffic="live"} 1`)
}

func TestWorkOfTheEngineIsCounted(t *testing.T) {
	m := metrics.New()
	m.Traffic(traffic.Live).Stage(engine.StageTax, time.Millisecond)
	m.Traffic(traffic.Live).Call(engine.BestVouchers, engine.TimedOut, time.Second)
	m.Traffic(traffic.Live).RuleError("no_flash_sale")
	m.Traffic(traffic.Shadow).Refused(policy.Breaker, "tax.rates@cart", false)
	m.Traffic(traffic.Live).Refused(policy.Limit, "calls/all", true)
	m.BreakerChanged(policy.Transition{Breaker: "tax.rates@cart", Class: traffic.Shadow, From: "closed", To: "open"})
	m.Refused("/proscenium.pricing.v1.PricingService/GetPromotionInfo", "unauthenticated", traffic.Live)
	m.Refused("/proscenium.pricing.v1.PricingService/GetPromotionInfo", "resource_exhausted", traffic.Shadow)

	expect(t, m, `proscenium_stage_duration_seconds_count{stage="tax_selection",traffic="live"}`, `proscenium_stage_duration_seconds_count{stage="tax_selection",traffic="live"} 1`)
	expect(t, m, `proscenium_dependency_calls_total{command="voucher.best_vouchers",outcome="timeout",traffic="live"}`,
		`proscenium_dependency_calls_total{command="voucher.best_vouchers",outcome="timeout",traffic="live"} 1`)
	expect(t, m, `proscenium_dependency_duration_seconds_sum{command="voucher.best_vouchers",traffic="live"}`,
		`proscenium_dependency_duration_seconds_sum{command="voucher.best_vouchers",traffic="live"} 1`)
	expect(t, m, "proscenium_rule_errors_total", `proscenium_rule_errors_total{rule="no_flash_sale",traffic="live"} 1`)
	expect(t, m, "proscenium_policy_refusals_total",
		`proscenium_policy_refusals_total{dry_run="false",layer="breaker",policy="tax.rates@cart",traffic="shadow"} 1`,
		`proscenium_policy_refusals_total{dry_run="true",layer="limit",policy="calls/all",traffic="live"} 1`)
	expect(t, m, "proscenium_breaker_transitions_total", `proscenium_breaker_transitions_total{breaker="tax.rates@cart",to="open",traffic="shadow"} 1`)
	expect(t, m, "proscenium_rpc_errors_total",
		`proscenium_rpc_errors_total{code="resource_exhausted",procedure="/proscenium.pricing.v1.PricingService/GetPromotionInfo",traffic="shadow"} 1`,
		`proscenium_rpc_errors_total{code="unauthenticated",procedure="/proscenium.pricing.v1.PricingService/GetPromotionInfo",traffic="live"} 1`)
}

func TestClassesOfTrafficAreCountedApart(t *testing.T) {
	m := metrics.New()
	shadow := m.Traffic(traffic.Shadow)
	shadow.Call(engine.BestVouchers, engine.OK, time.Second)
	shadow.Scene(shopChat).Priced("", true, 3, time.Millisecond)
	m.Traffic(traffic.Live).Scene(shopChat).Priced("", true, 2, time.Millisecond)
	m.Applied("v1", time.Unix(0, 0))
	expect(t, m, `proscenium_dependency_calls_total{command="voucher.best_vouchers",outcome="ok"`,
		`proscenium_dependency_calls_total{command="voucher.best_vouchers",outcome="ok",traffic="live"} 0`,
		`proscenium_dependency_calls_total{command="voucher.best_vouchers",outcome="ok",traffic="shadow"} 1`)
	expect(t, m, "proscenium_models_priced_total",
		`proscenium_models_priced_total{scene="shop_chat",traffic="live"} 2`, `proscenium_models_priced_total{scene="shop_chat",traffic="shadow"} 3`)
	m.Applied("v2", time.Unix(0, 0))
	expect(t, m, "proscenium_models_priced_total")
}

func TestRecordingIsCounted(t *testing.T) {
	m := metrics.New()
	m.RequestsRecorded(3, 900)
	m.RequestDropped()
	m.RecordingFailed(2)
	m.RecordingFailed(0)
	expect(t, m, "proscenium_recording",
		"proscenium_recording_errors_total 2",
		`proscenium_recording_requests_total{outcome="dropped"} 1`,
		`proscenium_recording_requests_total{outcome="failed"} 2`,
		`proscenium_recording_requests_total{outcome="recorded"} 3`,
		"proscenium_recording_written_bytes_total 900")
}

func TestTheConfigurationIsVisible(t *testing.T) {
	m := metrics.New()
	m.Applied("v1", time.Unix(0, 0))
	m.Loaded(reload.Status{Outcome: reload.Applied, LoadedAt: time.Unix(100, 0)})
	m.Loaded(reload.Status{Outcome: reload.Invalid, LoadedAt: time.Unix(200, 5e8)})
	m.ConfigChanged(reload.Status{Stale: true, Origin: history.FromLastGood, HistoryErr: errors.New("full")})
	expect(t, m, "proscenium_config_origin",
		`proscenium_config_origin{origin="last_good"} 1`, `proscenium_config_origin{origin="rollback"} 0`, `proscenium_config_origin{origin="source"} 0`)
	expect(t, m, "proscenium_config_history_unsaved", "proscenium_config_history_unsaved 1")
	m.RolledBack(reload.Rollback{})
	m.RolledBack(reload.Rollback{Err: errors.New("unknown")})
	expect(t, m, "proscenium_config_rollbacks_total", `proscenium_config_rollbacks_total{outcome="done"} 1`, `proscenium_config_rollbacks_total{outcome="refused"} 1`)
	expect(t, m, "proscenium_config_out_of_sync", "proscenium_config_out_of_sync 1")
	expect(t, m, "proscenium_config_last_load_timestamp_seconds", "proscenium_config_last_load_timestamp_seconds 200.5")

	m.Applied("v2", time.Unix(0, 0))
	m.Loaded(reload.Status{Outcome: reload.Applied, LoadedAt: time.Unix(300, 0)})
	m.ConfigChanged(reload.Status{Origin: history.FromSource})
	expect(t, m, "proscenium_config_out_of_sync", "proscenium_config_out_of_sync 0")
	expect(t, m, "proscenium_config_info", `proscenium_config_info{version="v2"} 1`)
	expect(t, m, "proscenium_config_loads_total",
		`proscenium_config_loads_total{outcome="applied"} 2`,
		`proscenium_config_loads_total{outcome="held"} 0`,
		`proscenium_config_loads_total{outcome="invalid"} 1`,
		`proscenium_config_loads_total{outcome="refused"} 0`,
		`proscenium_config_loads_total{outcome="same"} 0`,
		`proscenium_config_loads_total{outcome="unreadable"} 0`)
}

func TestTheSeriesOfASceneEndWithIt(t *testing.T) {
	m := metrics.New()
	gone := engine.SceneLabels{Scene: "gone", Client: "c", Scenario: "s"}
	moved := shopChat
	moved.NeedStock = false
	for _, labels := range []engine.SceneLabels{shopChat, gone} {
		scene := m.Traffic(traffic.Live).Scene(labels)
		scene.Failed("USER_REQUIRED", time.Millisecond)
		scene.Degraded("tax", "timeout")
		scene.Priced("a", true, 1, time.Millisecond)
	}
	m.Applied("v1", time.Unix(0, 0))
	kept := m.Traffic(traffic.Live).Scene(moved)
	m.Applied("v2", time.Unix(0, 0))
	kept.Priced("", true, 1, time.Millisecond)

	expect(t, m, "proscenium_requests_total",
		`proscenium_requests_total{client="chat",code="OK",need_stock="false",scenario="buyer_default",scene="shop_chat",traffic="live"} 1`)
	// The scene lives on under other labels: what has the scene alone as a label goes on counting.
	expect(t, m, "proscenium_request_duration_seconds_count", `proscenium_request_duration_seconds_count{scene="shop_chat",traffic="live"} 3`)
	expect(t, m, "proscenium_degradations_total", `proscenium_degradations_total{cause="timeout",feature="tax",scene="shop_chat",traffic="live"} 1`)
	expect(t, m, "proscenium_experiment_requests_total", `proscenium_experiment_requests_total{group="a",scene="shop_chat",traffic="live"} 1`)
}

func TestLabelsAreBounded(t *testing.T) {
	m := metrics.New()
	scene := m.Traffic(traffic.Live).Scene(shopChat)
	for i := range 200 {
		scene.Failed(fmt.Sprintf("REASON_%d", i), time.Millisecond)
	}
	lines := scrape(t, m, "proscenium_requests_total")
	if len(lines) != 66 { // 64 reasons, other, OK
		t.Errorf("%d series for 200 reasons, want 66", len(lines))
	}
	if !strings.Contains(strings.Join(lines, "\n"), `code="other",need_stock="true",scenario="buyer_default",scene="shop_chat",traffic="live"} 136`) {
		t.Errorf("what is beyond the bound is not counted under other:\n%s", strings.Join(lines, "\n"))
	}
}

func TestCountingIsExactUnderConcurrency(t *testing.T) {
	m := metrics.New()
	scene := m.Traffic(traffic.Live).Scene(shopChat)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 1000 {
				scene.Failed([]string{"A", "B", "C"}[i%3], time.Millisecond)
			}
		})
	}
	group.Wait()
	expect(t, m, `proscenium_request_duration_seconds_count`, `proscenium_request_duration_seconds_count{scene="shop_chat",traffic="live"} 8000`)
	expect(t, m, `proscenium_requests_total{client="chat",code="A"`,
		`proscenium_requests_total{client="chat",code="A",need_stock="true",scenario="buyer_default",scene="shop_chat",traffic="live"} 2672`)
}

func TestCountingDoesNotAllocate(t *testing.T) {
	m := metrics.New()
	scene := m.Traffic(traffic.Live).Scene(shopChat)
	count := func() {
		scene.Priced("b", false, 30, time.Millisecond)
		scene.Failed("USER_REQUIRED", time.Millisecond)
		scene.Degraded("tax", "timeout")
		m.Traffic(traffic.Live).Stage(engine.StageTax, time.Millisecond)
		m.Traffic(traffic.Live).Call(engine.BestVouchers, engine.OK, time.Millisecond)
		m.Traffic(traffic.Live).Cache(engine.PriceStockCache, engine.CacheLookups{Hits: 7, Misses: 3})
		m.Traffic(traffic.Live).RuleError("no_flash_sale")
		m.Traffic(traffic.Live).Refused(policy.Limit, "calls/all", false)
	}
	count()
	if n := testing.AllocsPerRun(100, count); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

const document = "../docs/reference/metrics.md"

func TestTheDocumentListsWhatTheRegistryHas(t *testing.T) {
	m := metrics.New()
	var b bytes.Buffer
	b.WriteString("# Metrics\n\nThe admin port answers `GET /metrics` in the Prometheus format. Durations are in seconds. " +
		"Beside these there are those of the Go runtime (`go_`), of the process (`process_`) and of the scrapes themselves (`promhttp_`).\n\n" +
		"Series of a scene end when it is taken out of the configuration. Where a label grows as things happen, it is bounded; what is beyond is counted under `other`.\n\n" +
		"| metric | type | labels | counts |\n|---|---|---|---|\n")
	for _, f := range m.Families() {
		labels := make([]string, len(f.Labels))
		for i, label := range f.Labels {
			labels[i] = "`" + label + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, f.Type, strings.Join(labels, ", "), f.Help)
	}
	if *update {
		if err := os.WriteFile(document, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(have)); diff != "" {
		t.Errorf("%s is not what the registry has; write it with go test ./metrics -update (-want +have):\n%s", document, diff)
	}
}

func TestEveryFamilyIsExposedAsListed(t *testing.T) {
	m := metrics.New()
	scene := m.Traffic(traffic.Live).Scene(shopChat)
	scene.Priced("b", false, 30, time.Millisecond)
	scene.Degraded("tax", "timeout")
	m.Traffic(traffic.Live).RuleError("r")
	m.Traffic(traffic.Live).Refused(policy.Quota, "q/d", false)
	m.BreakerChanged(policy.Transition{Breaker: "tax.rates", To: "open"})
	m.Refused("p", "internal", traffic.Live)
	m.Applied("v1", time.Unix(0, 0))
	exposed := map[string]bool{}
	for _, line := range scrape(t, m, "# TYPE proscenium_") {
		exposed[strings.TrimPrefix(line, "# TYPE ")] = true
	}
	listed := map[string]bool{}
	for _, f := range m.Families() {
		listed[f.Name+" "+f.Type] = true
	}
	if diff := cmp.Diff(listed, exposed); diff != "" {
		t.Errorf("-listed +exposed:\n%s", diff)
	}
}
