package engine_test

import (
	"context"
	"testing"

	"proscenium/engine"
	"proscenium/facts"
	"proscenium/scenes"
	"proscenium/traffic"
)

func TestTheClassOfARequestReachesEveryProvider(t *testing.T) {
	for _, tc := range []struct {
		name   string
		caller traffic.Class
		marked bool // the context
		want   traffic.Class
	}{
		{"a live request", traffic.Live, false, traffic.Live},
		{"a shadow request", traffic.Shadow, false, traffic.Shadow},
		{"a request in a context of shadow traffic", traffic.Live, true, traffic.Shadow},
		{"a class that there is none of is not live", traffic.Count, false, traffic.Shadow},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := fullWorld()
			var opened []traffic.Class
			seen := map[traffic.Class]int{}
			look := func(ctx context.Context, class traffic.Class) {
				seen[class]++
				if traffic.From(ctx) != class {
					t.Errorf("the context says %v where the call says %v", traffic.From(ctx), class)
				}
			}
			var called traffic.Class
			price := w.price.answer
			w.price.answer = func(c *engine.Call, k engine.PriceKey) []facts.Model { called = c.Class; return price(c, k) }
			w.price.fault = func(ctx context.Context, _ []engine.PriceKey, _ [][]facts.Model) error { look(ctx, called); return nil }
			w.tax.fault = func(ctx context.Context, _ []engine.PriceKey, _ []facts.TaxRate) error { look(ctx, called); return nil }
			e := engine.New(engine.Deps{Now: w.clock, Open: func(s *scenes.Snapshot, r *scenes.Region, class traffic.Class) (*engine.Providers, error) {
				opened = append(opened, class)
				return w.providers(s, r, class)
			}})
			if err := e.Apply(load(t, base+scene("s", fullScenario, full))); err != nil {
				t.Fatal(err)
			}
			if len(opened) != 4 { // of two regions
				t.Errorf("providers were opened for %v", opened)
			}
			ctx := t.Context()
			if tc.marked {
				ctx = traffic.With(ctx, traffic.Shadow)
			}
			if _, err := e.Price(ctx, engine.Caller{Class: tc.caller}, asUser(request("s", 1), 7)); err != nil {
				t.Fatal(err)
			}
			if len(seen) != 1 || seen[tc.want] != 2 {
				t.Errorf("the providers saw %v, want twice %v", seen, tc.want)
			}
		})
	}
}
