package providers_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"proscenium/engine"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/providers"
	"proscenium/providers/remote"
	"proscenium/scenes"
	"proscenium/traffic"
)

// flatRebate gives back a tenth of every promotional price.
type flatRebate struct{}

// Query answers rebate.query: out[i] is the rebate of keys[i].
func (flatRebate) Query(_ context.Context, _ *engine.Call, keys []engine.RebateKey, out []int64) error {
	for i, key := range keys {
		out[i] = key.Price / 10
	}
	return nil
}

// AnswersFromMemory tells the engine that it need not guard itself against waiting.
func (flatRebate) AnswersFromMemory() {}

// A provider of the embedding program is registered under a name, and picked by a dependency of the configuration.
func ExampleNamed() {
	registry := providers.New(
		engine.Providers{}, // usually those of the catalog
		remote.Deps{ReadFile: os.ReadFile, Now: time.Now, After: time.After, Random: rand.Float64},
		providers.Named("flat_rebate", engine.Providers{Rebate: flatRebate{}}),
	)
	defer registry.Close()

	// As the configuration says it:
	//
	//	dependencies:
	//	  - command: rebate.query
	//	    provider: {embedded: {name: flat_rebate}}
	region := &scenes.Region{Code: "US"}
	snap := &scenes.Snapshot{Dependencies: map[string]*configv1.Dependency{"rebate.query": {
		Command:  "rebate.query",
		Provider: &configv1.Provider{Kind: &configv1.Provider_Embedded{Embedded: &configv1.EmbeddedProvider{Name: "flat_rebate"}}},
	}}}
	opened, err := registry.Open(snap, region, traffic.Live)
	if err != nil {
		fmt.Println(err)
		return
	}
	rebates := make([]int64, 1)
	if err := opened.Rebate.Query(context.Background(), &engine.Call{Region: region, Snap: snap}, []engine.RebateKey{{Price: 9_000}}, rebates); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rebates[0])
	// Output: 900
}
