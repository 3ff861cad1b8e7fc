package reference_test

import (
	"net/http"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/baggage"
	"google.golang.org/protobuf/types/known/durationpb"

	"proscenium/engine"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/providers"
	"proscenium/providers/reference"
	"proscenium/providers/remote/remotetest"
	"proscenium/traffic"
)

func TestQuestionsOfShadowTrafficAreMarkedAndOthersAreNot(t *testing.T) {
	type mark struct{ Header, Baggage string }
	inTrace, err := baggage.Parse("tenant=a")
	if err != nil {
		t.Fatal(err)
	}
	for name, protocol := range remotetest.Protocols() {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var seen []mark
			unavailable := true
			answer := reference.Handler(known(), remotetest.Snapshot, reference.WithFaults(func(string) reference.Fault {
				mu.Lock()
				defer mu.Unlock()
				defer func() { unavailable = false }()
				if unavailable {
					return reference.Fault{Code: connect.CodeUnavailable}
				}
				return reference.Fault{}
			}))
			url := remotetest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				seen = append(seen, mark{r.Header.Get(traffic.Header), r.Header.Get("Baggage")})
				mu.Unlock()
				answer.ServeHTTP(w, r)
			}))
			snap := remotetest.Snapshot()
			snap.Dependencies = map[string]*configv1.Dependency{"gmv.query": {Command: "gmv.query", Provider: &configv1.Provider{Kind: &configv1.Provider_Connect{
				Connect: &configv1.ConnectProvider{Url: url, Protocol: protocol, Retries: &configv1.Retries{MaxAttempts: 2, Backoff: durationpb.New(1)}},
			}}}}
			registry := providers.New(engine.Providers{}, remotetest.Deps())
			defer registry.Close()
			ask := func(class traffic.Class, carried baggage.Baggage) {
				t.Helper()
				p, err := registry.Open(snap, snap.Regions["US"], class)
				if err != nil {
					t.Fatal(err)
				}
				call := remotetest.Call(snap)
				call.Class = class
				ctx := baggage.ContextWithBaggage(traffic.With(t.Context(), class), carried)
				if err := p.GMV.Query(ctx, call, []engine.PriceKey{{ItemID: 1, ModelID: 2}}, make([]int64, 1)); err != nil {
					t.Fatal(err)
				}
			}
			ask(traffic.Shadow, baggage.Baggage{})
			ask(traffic.Live, inTrace)
			ask(traffic.Shadow, inTrace)
			if len(seen) == 4 && seen[3].Baggage == traffic.BaggageKey+"=1,tenant=a" {
				seen[3].Baggage = "tenant=a," + traffic.BaggageKey + "=1" // in any order
			}
			want := []mark{{"1", "proscenium.shadow=1"}, {"1", "proscenium.shadow=1"}, {"", ""}, {"1", "tenant=a,proscenium.shadow=1"}}
			if diff := cmp.Diff(want, seen); diff != "" {
				t.Errorf("marks of a call and its retry, a live call, and one within a trace (-want +got):\n%s", diff)
			}
		})
	}
}
