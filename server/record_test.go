package server

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/engine"
	"proscenium/fault"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/metrics"
	"proscenium/recording"
	"proscenium/traffic"
)

// recorder records every request below dir.
func recorder(t *testing.T, dir string, ratio float64, random func() uint64) (*recording.Recorder, *recording.Pseudonyms) {
	t.Helper()
	key, err := recording.OpenKey(filepath.Join(dir, recording.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	pseudonyms := recording.NewPseudonyms(key)
	r, err := recording.Start(recording.Options{
		SampleRatio: ratio, Directory: filepath.Join(dir, "requests"), MaxBytes: 1 << 30, RotateBytes: 64 << 10,
		Pseudonyms: pseudonyms, Random: random, Now: time.Now, Log: slog.New(slog.DiscardHandler), Observer: metrics.New(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r, pseudonyms
}

func recordsIn(t *testing.T, dir string) (records []*pricingv1.RecordedRequest) {
	t.Helper()
	for line, err := range recording.Lines([]string{filepath.Join(dir, "requests")}) {
		if err != nil || line.Err != nil {
			t.Fatal(err, line.Err)
		}
		records = append(records, line.Record)
	}
	return records
}

// answering answers at an instant, refuses the users whose id is divisible by 5, and does not know those divisible by 7.
func answering(at time.Time) func(context.Context, engine.Caller, *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
	return func(ctx context.Context, caller engine.Caller, req *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
		switch {
		case req.GetUserId()%5 == 0 && req.UserId != nil:
			return nil, fault.New(fault.PermissionDenied, "SCENE_NOT_ALLOWED", "no")
		case req.GetUserId()%7 == 0 && req.UserId != nil:
			return nil, fmt.Errorf("a failure inside")
		}
		res, err := echo(ctx, caller, req)
		res.PricedAt = timestamppb.New(at)
		if req.GetAtTime() != nil {
			res.PricedAt = req.GetAtTime()
		}
		return res, err
	}
}

func TestRequestsOfEveryTransportAreRecordedAsTheyWereSent(t *testing.T) {
	dir := t.TempDir()
	pricedAt := time.Date(2026, 5, 1, 12, 0, 0, 5_000, time.UTC)
	sent := map[int64]*pricingv1.RecordedRequest{} // by user
	var pseudonyms *recording.Pseudonyms
	t.Run("server", func(t *testing.T) {
		var r *recording.Recorder
		r, pseudonyms = recorder(t, dir, 1, rand.Uint64)
		f := start(t, &pricer{price: answering(pricedAt)}, func(d *Deps) { d.Recorder = r })
		user := int64(0)
		var group sync.WaitGroup
		for name, client := range clients(t, f.url) {
			first := user + 1
			user += 50
			for id := first; id <= user; id++ {
				sent[id] = sentBy(id, f.now, pricedAt)
			}
			group.Go(func() {
				for id := first; id <= first+49; id++ {
					call := connect.NewRequest(withUser(id))
					if id%2 == 0 {
						call.Header().Set(ClientHeader, "shop")
					}
					if _, err := client.GetPromotionInfo(t.Context(), call); (err == nil) != (id%5 != 0 && id%7 != 0) {
						t.Errorf("%s, user %d: %v", name, id, err)
					}
					// Malformed, and so not recorded.
					if _, err := client.GetPromotionInfo(t.Context(), connect.NewRequest(request(func(r *pricingv1.GetPromotionInfoRequest) { r.Region = "usa" }))); err == nil {
						t.Errorf("%s: a request without region is answered", name)
					}
				}
			})
		}
		group.Wait()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	})

	restore := recording.NewRestorer(pseudonyms, func(yield func(int64) bool) {
		for id := range sent {
			if !yield(id) {
				return
			}
		}
	})
	got := map[int64]*pricingv1.RecordedRequest{}
	for _, record := range recordsIn(t, dir) {
		if sent[record.GetRequest().GetUserId()] != nil || record.GetUsers() != pricingv1.RecordedRequest_USERS_HASHED {
			t.Fatalf("the user's id is in %v", record)
		}
		if restore.Restore(record) != recording.UserRestored {
			t.Fatalf("a user that nobody has: %v", record)
		}
		got[record.GetRequest().GetUserId()] = record
	}
	if diff := cmp.Diff(sent, got, protocmp.Transform()); diff != "" {
		t.Errorf("-sent +recorded:\n%s", diff)
	}
	for _, secret := range secretsOf(t, dir) {
		for _, record := range got {
			if strings.Contains(record.String(), secret) {
				t.Errorf("%q is in the recording", secret)
			}
		}
	}
}

// secretsOf are the token and the key.
func secretsOf(t *testing.T, dir string) []string {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(dir, recording.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(key)))
	if err != nil {
		t.Fatal(err)
	}
	return []string{"the token", strings.TrimSpace(string(key)), string(raw)}
}

// withUser is a request of a user; each third has a token, each fourth asks for a time.
func withUser(id int64) *pricingv1.GetPromotionInfoRequest {
	return request(func(r *pricingv1.GetPromotionInfoRequest) {
		r.UserId = proto.Int64(id)
		r.Items[0].ItemId = id
		if id%3 == 0 {
			r.Context = &pricingv1.RequestContext{UserPath: "search", LiveStreamDiscountToken: "the token"}
		}
		if id%4 == 0 {
			r.AtTime = timestamppb.New(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
		}
	})
}

// sentBy is the record of a user's request, with the user's own id, that arrived at an instant or, where it was answered, was priced at another.
func sentBy(id int64, arrived, pricedAt time.Time) *pricingv1.RecordedRequest {
	record := &pricingv1.RecordedRequest{RecordedAt: timestamppb.New(pricedAt), Request: withUser(id), Weight: 1}
	if id%2 == 0 {
		record.Client = "shop"
	}
	if id%5 == 0 || id%7 == 0 || id%4 == 0 {
		record.RecordedAt = timestamppb.New(arrived)
	}
	if id%3 == 0 {
		record.Request.Context.LiveStreamDiscountToken, record.TokenRemoved = "", true
	}
	return record
}

func TestGuestsAreRecordedWithoutUser(t *testing.T) {
	dir := t.TempDir()
	r, _ := recorder(t, dir, 1, rand.Uint64)
	f := start(t, &pricer{price: echo}, func(d *Deps) { d.Recorder = r })
	for _, client := range clients(t, f.url) {
		if _, err := client.GetPromotionInfo(t.Context(), connect.NewRequest(request(nil))); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for _, record := range recordsIn(t, dir) {
		if diff := cmp.Diff(request(nil), record.GetRequest(), protocmp.Transform()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestRequestsThatAreNotSampledAreNotRecordedAndCostNothing(t *testing.T) {
	dir := t.TempDir()
	draws := []uint64{0, 1 << 63, 0, 1<<63 + 1, ^uint64(0)}
	r, _ := recorder(t, dir, 0.5, func() uint64 {
		draw := draws[0]
		draws = append(slices.Clone(draws[1:]), draw)
		return draw
	})
	inner := &pricer{price: echo}
	p := recorded{inner, r, time.Now}
	for id := range int64(5) {
		if _, err := p.Price(t.Context(), engine.Caller{}, withUser(id+1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	var items []int64
	for _, record := range recordsIn(t, dir) {
		items = append(items, record.GetRequest().GetItems()[0].GetItemId())
		if record.GetWeight() != 2 {
			t.Errorf("weight %v", record.GetWeight())
		}
	}
	if diff := cmp.Diff([]int64{1, 2, 3}, items); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	never, _ := recorder(t, t.TempDir(), 0.5, func() uint64 { return ^uint64(0) })
	answer := &pricingv1.GetPromotionInfoResponse{}
	inner.price = func(context.Context, engine.Caller, *pricingv1.GetPromotionInfoRequest) (*pricingv1.GetPromotionInfoResponse, error) {
		return answer, nil
	}
	// As the handler has it.
	var priced Pricer = recorded{inner, never, time.Now}
	req, ctx := withUser(1), t.Context()
	if n := testing.AllocsPerRun(1000, func() { _, _ = priced.Price(ctx, engine.Caller{}, req) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTheRecorderEndsWithTheServer(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	r, _ := recorder(t, t.TempDir(), 1, rand.Uint64)
	p := recorded{&pricer{price: echo}, r, time.Now}
	if _, err := p.Price(t.Context(), engine.Caller{}, withUser(1)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// A recording is what users asked: the requests of a stress test are in none.
func TestShadowRequestsAreNotRecorded(t *testing.T) {
	dir := t.TempDir()
	r, _ := recorder(t, dir, 1, rand.Uint64)
	f := start(t, &pricer{price: echo}, func(d *Deps) { d.Recorder = r })
	asked := 0
	for _, client := range clients(t, f.url) {
		for _, mark := range []string{"1", "0"} {
			req := connect.NewRequest(request(nil))
			req.Header().Set(traffic.Header, mark)
			if _, err := client.GetPromotionInfo(t.Context(), req); err != nil {
				t.Fatal(err)
			}
		}
		asked++
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if got := len(recordsIn(t, dir)); got != asked {
		t.Errorf("%d requests are recorded, want the %d of live traffic", got, asked)
	}
}
