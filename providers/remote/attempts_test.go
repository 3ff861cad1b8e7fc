package remote

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	"proscenium/engine"
	"proscenium/facts"
	configv1 "proscenium/gen/proscenium/config/v1"
	providerv1 "proscenium/gen/proscenium/provider/v1"
)

// script is what a service does with the attempts of a call, in the order in which they come.
type script []step

type step struct {
	after time.Duration // 0: at once
	err   error         // nil: an answer
}

func unavailable() error { return connect.NewWireError(connect.CodeUnavailable, errors.New("no")) }

// run plays a script to one call of a provider and returns its answer, its attempts and the time that it took. It must run in a bubble.
func run(t *testing.T, ctx context.Context, conf *configv1.ConnectProvider, play script) (answer int64, attempts int64, took time.Duration, err error) { //nolint:revive // t comes first
	t.Helper()
	return runOn(ctx, client(t, conf), play)
}

func client(t testing.TB, conf *configv1.ConnectProvider) *Client {
	t.Helper()
	conf.Url = "http://provider.example"
	c, err := New(conf, Deps{Now: time.Now, After: time.After, Random: func() float64 { return 1 }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func runOn(ctx context.Context, c *Client, play script) (answer int64, attempts int64, took time.Duration, err error) {
	var made, underWay atomic.Int64
	p := NewProvider(c,
		func(ctx context.Context, _ *connect.Request[providerv1.GetGmvRequest]) (*connect.Response[providerv1.GetGmvResponse], error) {
			underWay.Add(1)
			defer underWay.Add(-1)
			n := made.Add(1)
			s := play[min(int(n), len(play))-1]
			select {
			case <-time.After(s.after):
			case <-ctx.Done():
				return nil, connect.NewError(connect.CodeOf(context.Cause(ctx)), ctx.Err())
			}
			if s.err != nil {
				return nil, s.err
			}
			return connect.NewResponse(&providerv1.GetGmvResponse{Models: []*providerv1.ModelGmv{{ModelId: 1, Gmv: n}}}), nil
		}, gmv())
	out := make([]int64, 1)
	start := time.Now()
	err = p.Query(ctx, &engine.Call{Request: &facts.Request{}}, []engine.PriceKey{{ItemID: 1, ModelID: 1}}, out)
	if n := underWay.Load(); n != 0 {
		return 0, 0, 0, fmt.Errorf("%d attempts outlived the call", n)
	}
	return out[0], made.Load(), time.Since(start), err
}

func gmv() Method[engine.PriceKey, int64, int64, providerv1.GetGmvRequest, providerv1.GetGmvResponse] {
	return Method[engine.PriceKey, int64, int64, providerv1.GetGmvRequest, providerv1.GetGmvResponse]{
		ID:     func(k engine.PriceKey) int64 { return k.ModelID },
		Encode: func(*engine.Call, []engine.PriceKey) *providerv1.GetGmvRequest { return &providerv1.GetGmvRequest{} },
		Decode: func(res *providerv1.GetGmvResponse, at *Index[int64], out []int64) error {
			for _, m := range res.GetModels() {
				i, err := at.Take(m.GetModelId())
				if err != nil {
					return err
				}
				out[i] = m.GetGmv()
			}
			return nil
		},
	}
}

func retrying(attempts int32, backoff time.Duration) *configv1.ConnectProvider {
	return &configv1.ConnectProvider{Retries: &configv1.Retries{MaxAttempts: attempts, Backoff: durationpb.New(backoff)}}
}

func hedging(delay time.Duration, attempts int32) *configv1.ConnectProvider {
	c := retrying(attempts, 8*time.Millisecond)
	c.HedgingDelay = durationpb.New(delay)
	return c
}

func TestAttempts(t *testing.T) {
	const ms = time.Millisecond
	refused := connect.NewWireError(connect.CodeInvalidArgument, errors.New("no"))
	for _, tc := range []struct {
		name     string
		conf     *configv1.ConnectProvider
		deadline time.Duration // 0: none
		play     script
		answer   int64
		attempts int64
		took     time.Duration
		code     connect.Code // of the error, 0: none
	}{
		{"an answer ends the call", retrying(5, ms), 0, script{{after: 3 * ms}}, 1, 1, 3 * ms, 0},
		{"without retries the first failure ends it", &configv1.ConnectProvider{}, 0, script{{err: unavailable()}}, 0, 1, 0, connect.CodeUnavailable},
		{"pauses double", retrying(4, 8*ms), 0, script{{err: unavailable()}, {err: unavailable()}, {err: unavailable()}, {}}, 4, 4, (8 + 16 + 32) * ms, 0},
		{"attempts are counted in all", retrying(3, 8*ms), 0, script{{err: unavailable()}}, 0, 3, 24 * ms, connect.CodeUnavailable},
		{"the default pause is 5 ms", &configv1.ConnectProvider{Retries: &configv1.Retries{MaxAttempts: 2}}, 0, script{{err: unavailable()}, {}}, 2, 2, 5 * ms, 0},
		{"no pause", retrying(2, 0), 0, script{{err: unavailable()}, {}}, 2, 2, 0, 0},
		{"a refusal is an answer", retrying(3, ms), 0, script{{err: refused}}, 0, 1, 0, connect.CodeInvalidArgument},
		{"an aborted call is retried", retrying(2, 0), 0, script{{err: connect.NewWireError(connect.CodeAborted, nil)}, {}}, 2, 2, 0, 0},
		{"an exhausted provider is retried", retrying(2, 0), 0, script{{err: connect.NewWireError(connect.CodeResourceExhausted, nil)}, {}}, 2, 2, 0, 0},
		{"a provider out of time is retried", retrying(2, 0), 0, script{{err: connect.NewWireError(connect.CodeDeadlineExceeded, nil)}, {}}, 2, 2, 0, 0},
		{"a lost connection is retried", retrying(2, 0), 0, script{{err: connect.NewError(connect.CodeCanceled, errors.New("reset"))}, {}}, 2, 2, 0, 0},
		{"a retry that would come too late is not waited for", retrying(3, 8*ms), 10 * ms, script{{after: 2 * ms, err: unavailable()}}, 0, 1, 2 * ms, connect.CodeUnavailable},
		{"the deadline ends an attempt", retrying(3, ms), 10 * ms, script{{after: time.Hour}}, 0, 1, 10 * ms, connect.CodeDeadlineExceeded},

		{"a quick answer needs no hedge", hedging(5*ms, 1), 0, script{{after: 4 * ms}}, 1, 1, 4 * ms, 0},
		{"the hedge wins", hedging(5*ms, 1), 0, script{{after: time.Hour}, {after: 2 * ms}}, 2, 2, 7 * ms, 0},
		{"the first wins beside a hedge", hedging(5*ms, 1), 0, script{{after: 6 * ms}, {after: time.Hour}}, 1, 2, 6 * ms, 0},
		{"a failure waits for the other", hedging(5*ms, 1), 0, script{{after: 6 * ms, err: unavailable()}, {after: 4 * ms}}, 2, 2, 9 * ms, 0},
		{"a refusal does not wait for the other", hedging(5*ms, 1), 0, script{{after: 6 * ms, err: refused}, {after: time.Hour}}, 0, 2, 6 * ms, connect.CodeInvalidArgument},
		{"both fail, then a retry", hedging(5*ms, 2), 0, script{{after: 6 * ms, err: unavailable()}, {after: 2 * ms, err: unavailable()}, {}}, 3, 3, 15 * ms, 0},
		{"a call is hedged once", hedging(5*ms, 2), 0, script{{after: 6 * ms, err: unavailable()}, {after: 2 * ms, err: unavailable()}, {after: 20 * ms}}, 3, 3, 35 * ms, 0},
		{"a retry is hedged", hedging(5*ms, 2), 0, script{{err: unavailable()}, {after: time.Hour}, {}}, 3, 3, 13 * ms, 0},
		{"the deadline ends both", hedging(5*ms, 3), 20 * ms, script{{after: time.Hour}}, 0, 2, 20 * ms, connect.CodeDeadlineExceeded},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tc.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.deadline)
					defer cancel()
				}
				answer, attempts, took, err := run(t, ctx, tc.conf, tc.play)
				if (err == nil) != (tc.code == 0) || err != nil && connect.CodeOf(err) != tc.code && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v, want code %v", err, tc.code)
				}
				if timeout := tc.code == connect.CodeDeadlineExceeded; errors.Is(err, context.DeadlineExceeded) != timeout {
					t.Errorf("error %v, want a timeout: %v", err, timeout)
				}
				if answer != tc.answer || attempts != tc.attempts || took != tc.took {
					t.Errorf("answer of attempt %d, %d attempts, %v; want %d, %d, %v", answer, attempts, took, tc.answer, tc.attempts, tc.took)
				}
			})
		})
	}
}

func TestCancellation(t *testing.T) {
	for name, tc := range map[string]struct {
		conf *configv1.ConnectProvider
		play script
	}{
		"in an attempt":  {retrying(3, time.Second), script{{after: time.Hour}}},
		"in a pause":     {retrying(3, time.Hour), script{{err: unavailable()}}},
		"with a hedge":   {hedging(time.Second, 3), script{{after: time.Hour}}},
		"before a hedge": {hedging(time.Hour, 3), script{{after: 2 * time.Hour}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Minute, cancel)
				_, _, took, err := run(t, ctx, tc.conf, tc.play)
				if !errors.Is(err, context.Canceled) || took != time.Minute {
					t.Errorf("%v after %v", err, took)
				}
			})
		})
	}
}

func TestAPanicOfAHedgedAttemptIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := call[int]{
			client: client(t, hedging(time.Second, 1)),
			try:    func(context.Context) (*int, error) { panic("broken") },
			accept: func(*int) error { return nil },
		}
		if err := attempts.run(t.Context()); err == nil {
			t.Error("no error")
		}
	})
}

func TestJitterIsHalfOfThePause(t *testing.T) {
	r := retries{attempts: 3, backoff: 8 * time.Millisecond}
	for _, tc := range []struct {
		attempt int
		random  float64
		want    time.Duration
	}{{1, 0, 4 * time.Millisecond}, {1, 0.5, 6 * time.Millisecond}, {2, 0, 8 * time.Millisecond}, {3, 0.25, 20 * time.Millisecond}} {
		if got := r.pause(tc.attempt, tc.random); got != tc.want {
			t.Errorf("after attempt %d at %v: %v, want %v", tc.attempt, tc.random, got, tc.want)
		}
	}
}

func TestTheBudgetBoundsRetriesAndHedgesTogether(t *testing.T) {
	for _, tc := range []struct {
		name string
		conf *configv1.ConnectProvider
		play script
	}{
		{"retries", &configv1.ConnectProvider{Retries: &configv1.Retries{MaxAttempts: 2, BudgetPercent: 20}}, script{{err: unavailable()}}},
		{"hedges", &configv1.ConnectProvider{
			HedgingDelay: durationpb.New(time.Millisecond), Retries: &configv1.Retries{BudgetPercent: 20},
		}, script{{after: time.Second}}},
		{"both", &configv1.ConnectProvider{
			HedgingDelay: durationpb.New(time.Millisecond), Retries: &configv1.Retries{MaxAttempts: 2, BudgetPercent: 20},
		}, script{{after: 2 * time.Millisecond, err: unavailable()}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, attempts := client(t, tc.conf), int64(0)
				for range 100 {
					_, n, _, _ := runOn(t.Context(), c, tc.play)
					attempts += n
				}
				// Ten at once and a fifth of 100 calls. Of the latter, the first call's share is lost on a full bucket.
				if want := int64(100 + 10 + 19); attempts != want {
					t.Errorf("%d attempts of 100 calls, want %d", attempts, want)
				}
			})
		})
	}
}

func TestTheBudgetIsTenPercentByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, attempts := client(t, &configv1.ConnectProvider{Retries: &configv1.Retries{MaxAttempts: 10}}), int64(0)
		for range 200 {
			_, n, _, _ := runOn(t.Context(), c, script{{err: unavailable()}})
			attempts += n
		}
		if want := int64(200 + 10 + 19); attempts != want {
			t.Errorf("%d attempts of 200 calls, want %d", attempts, want)
		}
	})
}

// In any run of N calls, further attempts are at most ten and the percentage of N, and what calls saved beyond ten is lost.
func TestTheBudgetHoldsInEveryWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		percent := rapid.Int64Range(1, 100).Draw(t, "percent")
		wants := rapid.SliceOfN(rapid.IntRange(0, 12), 1, 200).Draw(t, "attempts wanted by each call")
		b := newBudget(percent)
		got := make([]int64, len(wants))
		for i, n := range wants {
			b.earn()
			for range n {
				if b.spend() {
					got[i]++
				}
			}
		}
		for from := range got {
			var sum int64
			for to := from; to < len(got); to++ {
				sum += got[to]
				if calls := int64(to - from + 1); sum*100 > 1000+calls*percent {
					t.Fatalf("%d further attempts in %d calls at %d%%", sum, calls, percent)
				}
			}
		}
	})
}
