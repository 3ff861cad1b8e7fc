package main

import (
	"bufio"
	"context"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"proscenium/catalog"
	"proscenium/configs"
	"proscenium/engine"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/providers"
	"proscenium/providers/embedded"
	"proscenium/providers/remote"
	"proscenium/providers/voucher"
	"proscenium/scenes"
)

// start runs the example and returns its URL.
func start(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	read, write := io.Pipe()
	stopped := make(chan error, 1)
	go func() {
		stopped <- run(ctx, []string{"--listen", "127.0.0.1:0"}, write)
		_ = write.Close()
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("the example ended with %v", err)
		}
	})
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(line, "prices on "))
}

// marketplace is the reference configuration with the example's dependencies, at the URL that it listens on.
func marketplace(t *testing.T, url string) *scenes.Snapshot {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(configs.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		content, err := fs.ReadFile(configs.FS, path)
		files[path] = &fstest.MapFile{Data: content}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	yaml, err := os.ReadFile("prices.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const address = "http://127.0.0.1:9191"
	if !strings.Contains(string(yaml), address) {
		t.Fatalf("prices.yaml does not name %s", address)
	}
	files["dependencies.yaml"] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(string(yaml), address, url))}
	loaded := scenes.Load(files, time.Now())
	if loaded.Snapshot == nil {
		t.Fatal(loaded.Diagnostics)
	}
	return loaded.Snapshot
}

func TestTheEnginePricesByTheService(t *testing.T) {
	files, err := fs.Sub(configs.FS, configs.CatalogDir)
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	all := embedded.Providers(cat)
	all.Voucher = voucher.NewEmbedded(cat)
	registry := providers.New(all, remote.Deps{ReadFile: os.ReadFile, Now: time.Now, After: time.After, Random: rand.Float64})
	defer registry.Close()
	e := engine.New(engine.Deps{Open: registry.Open, Now: time.Now})
	defer e.Close()
	if err := e.Apply(marketplace(t, start(t))); err != nil {
		t.Fatal(err)
	}

	res, err := e.Price(t.Context(), engine.Caller{}, &pricingv1.GetPromotionInfoRequest{
		Scene:  &pricingv1.GetPromotionInfoRequest_SceneName{SceneName: "cart_guest"},
		Region: "US",
		Items:  []*pricingv1.RequestItem{{ItemId: 2172}, {ItemId: 1000}},
	})
	if err != nil {
		t.Fatal(err)
	}
	known, unknown := res.GetItems()[0], res.GetItems()[1]
	if len(known.GetModels()) != 1 {
		t.Fatalf("models are %v, want the one of the service", known.GetModels())
	}
	promo := known.GetModels()[0].GetMainPromo()
	if promo.GetPrice() != 499 || promo.GetPriceRuleType() != "flash_sale" {
		t.Errorf("the main promo is %v, want the service's flash sale", promo)
	}
	if unknown.GetStatus() != pricingv1.Status_STATUS_NOT_FOUND {
		t.Errorf("an item that the service does not know is %v", unknown.GetStatus())
	}
	if !res.GetAccurate() {
		t.Errorf("a dependency failed: %v", res.GetDegradations())
	}
}

func TestWrongFlagsAndTakenAddressesAreErrors(t *testing.T) {
	if err := run(t.Context(), []string{"--port", "1"}, io.Discard); err == nil {
		t.Error("an unknown flag was taken")
	}
	taken := strings.TrimPrefix(start(t), "http://")
	if err := run(t.Context(), []string{"--listen", taken}, io.Discard); err == nil {
		t.Error("a taken address was taken")
	}
}

func TestTheGuideShowsThisCode(t *testing.T) {
	guide, err := os.ReadFile("../../docs/guides/write-a-provider.md")
	if err != nil {
		t.Fatal(err)
	}
	var sources strings.Builder
	for _, name := range []string{"main.go", "prices.yaml", "../../providers/example_test.go"} {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sources.Write(content)
	}
	for _, tc := range []struct{ language, begin string }{
		{"go", "func (p *prices) QueryPrices("},
		{"go", "// flatRebate gives back"},
		{"yaml", "dependencies:\n  - command: price.query"},
	} {
		_, rest, found := strings.Cut(string(guide), "```"+tc.language+"\n"+tc.begin)
		block, _, closed := strings.Cut(rest, "```")
		if !found || !closed {
			t.Errorf("the guide has no block that begins with %q", tc.begin)
			continue
		}
		if !strings.Contains(sources.String(), tc.begin+block) {
			t.Errorf("the guide's %q is not what runs:\n%s", tc.begin, block)
		}
	}
}
