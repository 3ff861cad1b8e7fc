package bench

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"proscenium/engine"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/gen/proscenium/pricing/v1/pricingv1connect"
	"proscenium/server"
)

const (
	rounds = 7 // of each server in turn
	round  = 1500 * time.Millisecond
)

// TestMain is also the main function of the server processes.
func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(kindVariable) {
	case "bare":
		err = serveBare(os.Getenv(answerVariable))
	case "full":
		err = serveFull()
	case "reloading":
		err = serveReloading(os.Getenv(configVariable))
	default:
		debug.SetGCPercent(400) // as the server has it by default
		m.Run()
	}
	if err != nil {
		panic(err) // a server process: its parent sees it on standard error
	}
}

// bare answers with a message that was made before, with connect's own codec: what is below every Connect server in Go.
type bare struct {
	pricingv1connect.UnimplementedPricingServiceHandler
	answer *pricingv1.GetPromotionInfoResponse
}

func (b bare) GetPromotionInfo(context.Context, *connect.Request[pricingv1.GetPromotionInfoRequest]) (*connect.Response[pricingv1.GetPromotionInfoResponse], error) {
	return connect.NewResponse(b.answer), nil
}

func serveBare(answerFile string) error {
	data, err := os.ReadFile(answerFile)
	if err != nil {
		return err
	}
	answer := &pricingv1.GetPromotionInfoResponse{}
	if err := proto.Unmarshal(data, answer); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(pricingv1connect.NewPricingServiceHandler(bare{answer: answer}))
	return serveChild(mux)
}

func serveFull() error {
	system, observed, err := usual.open()
	if err != nil {
		return err
	}
	defer system.Close()
	ready := &server.Readiness{}
	ready.Set(true)
	full, err := server.New(server.Deps{
		Pricer: system.Engine, Ready: ready, Log: slog.New(slog.DiscardHandler), Observer: observed, Now: time.Now, Origins: []string{"*"},
	})
	if err != nil {
		return err
	}
	return serveChild(full.Handler())
}

// servers are a bare and a full one, which give the same answer.
type servers struct {
	bare, full         *child
	bareCall, fullCall []byte
}

func startServers(b *testing.B) *servers {
	b.Helper()
	ctx := b.Context()
	full, err := startChild(ctx, "full")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = full.stop() })
	body, err := proto.Marshal(basket(10, 3))
	if err != nil {
		b.Fatal(err)
	}
	s := &servers{full: full, fullCall: call(full.address, procedure, body)}
	answer, err := once(ctx, full.address, s.fullCall)
	if err != nil {
		b.Fatal(err)
	}
	checkAnswer(b, answer)
	name := filepath.Join(b.TempDir(), "answer")
	if err := os.WriteFile(name, answer, 0o600); err != nil {
		b.Fatal(err)
	}
	if s.bare, err = startChild(ctx, "bare", answerVariable+"="+name); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.bare.stop() })
	s.bareCall = call(s.bare.address, procedure, body)
	b.Logf("request %d bytes, answer %d bytes", len(body), len(answer))
	return s
}

// checkAnswer sees to it that what is measured is a whole answer.
func checkAnswer(b *testing.B, data []byte) {
	b.Helper()
	answer := &pricingv1.GetPromotionInfoResponse{}
	if err := proto.Unmarshal(data, answer); err != nil {
		b.Fatal(err)
	}
	models, vouchers, rebates, taxes, exclusive := 0, 0, 0, 0, 0
	for _, item := range answer.GetItems() {
		for _, model := range item.GetModels() {
			models++
			if model.GetShopVoucherDiscount()+model.GetPlatformVoucherDiscount() > 0 {
				vouchers++
			}
			if model.GetRebate().GetTotalRebate() > 0 {
				rebates++
			}
			if model.GetTax().GetTaxValue() > 0 {
				taxes++
			}
			if model.GetMainPromo().GetPriceRuleType() == "exclusive_price" {
				exclusive++
			}
		}
	}
	if models != 30 || vouchers == 0 || rebates == 0 || taxes == 0 || exclusive == 0 || exclusive == 30 || !answer.GetAccurate() {
		b.Fatalf("%d models, %d with vouchers, %d with rebate, %d with tax, %d with an exclusive price, accurate %v: this is no full answer",
			models, vouchers, rebates, taxes, exclusive, answer.GetAccurate())
	}
}

// What a request costs the server's CPU: 10 items of 3 models, in a full buyer scene, against a bare handler that returns the same answer.
func BenchmarkServerCPU(b *testing.B) {
	s := startServers(b)
	for range b.N {
		for _, warm := range []struct {
			c    *child
			call []byte
		}{{s.bare, s.bareCall}, {s.full, s.fullCall}} {
			if _, err := saturate(b.Context(), warm.c.address, warm.call, connections, round); err != nil {
				b.Fatal(err)
			}
		}
		var bareCost, fullCost, ratios []float64
		for range rounds {
			bareCPU, _, err := s.bare.cost(b.Context(), s.bareCall, round)
			if err != nil {
				b.Fatal(err)
			}
			fullCPU, _, err := s.full.cost(b.Context(), s.fullCall, round)
			if err != nil {
				b.Fatal(err)
			}
			bareCost, fullCost = append(bareCost, micros(bareCPU)), append(fullCost, micros(fullCPU))
			ratios = append(ratios, float64(fullCPU)/float64(bareCPU))
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(median(bareCost), "bare-cpu-us")
		b.ReportMetric(median(fullCost), "full-cpu-us")
		b.ReportMetric(median(ratios), "x-bare")
	}
}

// The latency that callers see at half of the rate that saturates the machine, load and server together.
func BenchmarkServerLatency(b *testing.B) {
	s := startServers(b)
	for range b.N {
		_, bareRate, err := s.bare.cost(b.Context(), s.bareCall, 2*round)
		if err != nil {
			b.Fatal(err)
		}
		_, fullRate, err := s.full.cost(b.Context(), s.fullCall, 2*round)
		if err != nil {
			b.Fatal(err)
		}
		// Windows of both in turn, and the median of them: a burst of something else on the machine spoils one window, not the figure.
		var bareP99, fullP50, fullP99, ratios []float64
		for range rounds {
			bareTimes, err := arrive(b.Context(), s.bare.address, s.bareCall, 4*connections, bareRate/2, round)
			if err != nil {
				b.Fatal(err)
			}
			fullTimes, err := arrive(b.Context(), s.full.address, s.fullCall, 4*connections, fullRate/2, round)
			if err != nil {
				b.Fatal(err)
			}
			bareP99 = append(bareP99, millis(quantile(bareTimes, .99)))
			fullP50 = append(fullP50, millis(quantile(fullTimes, .5)))
			fullP99 = append(fullP99, millis(quantile(fullTimes, .99)))
			ratios = append(ratios, float64(quantile(fullTimes, .99))/float64(quantile(bareTimes, .99)))
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(fullRate, "saturation-rps")
		b.ReportMetric(median(bareP99), "bare-p99-ms")
		b.ReportMetric(median(fullP50), "full-p50-ms")
		b.ReportMetric(median(fullP99), "full-p99-ms")
		b.ReportMetric(median(ratios), "x-bare-p99")
	}
}

// price runs requests through the engine alone, one after the other, and returns the CPU time of one: on a machine that does other things
// too it is steadier than time, and has the collector's work in it.
func price(b *testing.B, e *engine.Engine, req *pricingv1.GetPromotionInfoRequest) time.Duration {
	b.Helper()
	ctx := b.Context()
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		if _, err := e.Price(ctx, engine.Caller{}, req); err != nil {
			b.Fatal(err)
		}
	}
	each := (cpuTime(b) - before) / time.Duration(b.N)
	b.ReportMetric(micros(each), "cpu-us/op")
	return each
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	used, err := ownCPU()
	if err != nil {
		b.Fatal(err)
	}
	return used
}

// The engine without RPC: 30 models with 90 prices. The bar is 60 us and 150 allocations.
func BenchmarkEngine(b *testing.B) {
	system, _, err := usual.open()
	if err != nil {
		b.Fatal(err)
	}
	defer system.Close()
	req := basket(10, 3)
	answer, err := system.Engine.Price(b.Context(), engine.Caller{}, req)
	if err != nil {
		b.Fatal(err)
	}
	data, err := proto.Marshal(answer)
	if err != nil {
		b.Fatal(err)
	}
	checkAnswer(b, data)
	const bar = 60 * time.Microsecond
	b.ReportMetric(float64(price(b, system.Engine, req))/float64(bar), "of-bar")
}

// sizes of a growing request.
var sizes = []struct{ items, models int }{{1, 1}, {1, 3}, {10, 1}, {10, 3}, {20, 5}, {30, 10}, {50, 20}}

// How the engine's CPU time grows with the models of a request; x-30 is that of a model against that at 30 models.
func BenchmarkGrowthModels(b *testing.B) {
	system, _, err := usual.open()
	if err != nil {
		b.Fatal(err)
	}
	defer system.Close()
	var at30 time.Duration
	// 30 models first: they are the measure of the others.
	for _, size := range append([]struct{ items, models int }{{10, 3}}, sizes...) {
		n := size.items * size.models
		name := fmt.Sprintf("models=%d", n)
		if at30 == 0 {
			name = "measure"
		}
		b.Run(name, func(b *testing.B) {
			perModel := price(b, system.Engine, basket(size.items, size.models)) / time.Duration(n)
			if name == "measure" {
				at30 = perModel
				return
			}
			b.ReportMetric(float64(perModel.Nanoseconds()), "ns/model")
			b.ReportMetric(float64(perModel)/float64(at30), "x-30")
		})
	}
}

// How it grows with the vouchers that exist, for 30 models.
func BenchmarkGrowthVouchers(b *testing.B) {
	var first time.Duration
	for _, vouchers := range []int{100, 1_000, 10_000} {
		m := usual
		m.vouchers = vouchers
		system, _, err := m.open()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("vouchers=%d", vouchers), func(b *testing.B) {
			each := price(b, system.Engine, basket(10, 3))
			if vouchers == 100 {
				first = each
			}
			b.ReportMetric(float64(each)/float64(first), "x-100")
		})
		system.Close()
	}
}

// How a request grows with the scenes that exist (it should not), and how long a configuration takes to load and apply.
func BenchmarkGrowthScenes(b *testing.B) {
	var first time.Duration
	for _, n := range []int{10, 100, 1_000, 10_000} {
		m := usual
		m.items, m.scenes = 100, n
		system, _, err := m.open()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("price/scenes=%d", n), func(b *testing.B) {
			each := price(b, system.Engine, basket(10, 3))
			if n == 10 {
				first = each
			}
			b.ReportMetric(float64(each)/float64(first), "x-10")
		})
		b.Run(fmt.Sprintf("load/scenes=%d", n), func(b *testing.B) {
			for b.Loop() {
				snap, err := m.load()
				if err != nil {
					b.Fatal(err)
				}
				if err := system.Apply(snap); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(micros(b.Elapsed()/time.Duration(b.N))/float64(n), "us/scene")
		})
		system.Close()
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
