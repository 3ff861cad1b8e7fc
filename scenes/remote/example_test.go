package remote_test

import (
	"context"
	"fmt"

	"github.com/knadh/koanf/providers/confmap"

	"proscenium/scenes/remote"
)

// A program that embeds the engine can keep configuration wherever koanf has a provider for: this one has it in memory.
func Example() {
	provider := confmap.Provider(map[string]any{
		"/market/regions.yaml":     "regions: []",
		"/market/scenes/cart.yaml": "scenes: []",
		"/another/regions.yaml":    "regions: []",
	}, "")
	src := remote.New(provider, remote.Options{Prefix: "/market/"}) // Watch: provider.Watch, of a provider that has one
	files, findings := src.Read(context.Background())
	for _, f := range files {
		fmt.Printf("%s: %s\n", f.Name, f.Data)
	}
	fmt.Println(len(findings), "findings")
	// Output:
	// regions.yaml: regions: []
	// scenes/cart.yaml: scenes: []
	// 0 findings
}
