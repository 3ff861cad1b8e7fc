package assembly_test

import (
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"proscenium/assembly"
	"proscenium/configs"
	"proscenium/engine"
	"proscenium/engine/policy"
	"proscenium/engine/pricecache"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/scenes"
	"proscenium/traffic"
)

// configured is the reference configuration with one passage of a file replaced.
func configured(t *testing.T, file, passage, by string) *scenes.Snapshot {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(configs.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".yaml") {
			return err
		}
		content, err := fs.ReadFile(configs.FS, name)
		if err != nil {
			return err
		}
		if name == file {
			if !strings.Contains(string(content), passage) {
				t.Fatalf("%s does not have %s", name, passage)
			}
			content = []byte(strings.Replace(string(content), passage, by, 1))
		}
		files[name] = &fstest.MapFile{Data: content}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	read := scenes.Load(files, time.Now())
	if read.Snapshot == nil {
		t.Fatal(read.Diagnostics)
	}
	return read.Snapshot
}

// failures counts rules that failed; it listens to nothing else.
type failures struct {
	mu    sync.Mutex
	rules map[string]int
}

func (f *failures) Traffic(traffic.Class) engine.TrafficObserver         { return f }
func (f *failures) Scene(engine.SceneLabels) engine.SceneObserver        { return nil }
func (f *failures) Stage(engine.Stage, time.Duration)                    {}
func (f *failures) Call(engine.Command, engine.Outcome, time.Duration)   {}
func (f *failures) Cache(engine.CacheName, engine.CacheLookups)          {}
func (f *failures) CachePurged(engine.CacheName, pricecache.Source, int) {}
func (f *failures) CacheRedisFailed(pricecache.Exchange)                 {}
func (f *failures) Refused(policy.Layer, string, bool)                   {}
func (f *failures) CacheEvents(int, int)                                 {}
func (f *failures) Applied(string, time.Time)                            {}
func (f *failures) RuleError(rule string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules[rule]++
}

func TestRulesThatFailAreCountedAndTraced(t *testing.T) {
	catalog, err := fs.Sub(configs.FS, configs.CatalogDir)
	if err != nil {
		t.Fatal(err)
	}
	heard := &failures{rules: map[string]int{}}
	system, err := assembly.Open(assembly.Options{Catalog: catalog, Now: time.Now, Observer: heard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(system.Close)
	snap := configured(t, "eligibility.yaml", `"promo.audience == '' || promo.audience in user.segments"`, `"10 / request.ads_id > 1"`)
	if err := system.Apply(snap); err != nil {
		t.Fatal(err)
	}
	item := itemWithExclusivePrice(t, system, snap)
	req := request("pdp_main")
	req.Explain = true
	req.Items = []*pricingv1.RequestItem{{ItemId: item}}
	resp, err := system.Engine.Price(t.Context(), engine.Caller{}, req)
	if err != nil {
		t.Fatal(err)
	}
	const rule = "eligibility.exclusive_price"
	if traced := resp.Trace.RuleErrors; len(traced) != 1 || traced[0].Rule != rule || traced[0].Error == "" || heard.rules[rule] == 0 {
		t.Errorf("traced %v, counted %v; want %s", traced, heard.rules, rule)
	}
	for _, p := range resp.Trace.Promos {
		if p.PriceRuleType == "exclusive_price" && (p.Kept || p.Reason != "NOT_ELIGIBLE") {
			t.Errorf("what could not be judged is not given: %v", p)
		}
	}
}

// itemWithExclusivePrice finds an item with an exclusive price that is on.
func itemWithExclusivePrice(t *testing.T, system *assembly.System, snap *scenes.Snapshot) int64 {
	t.Helper()
	now := time.Now().UnixNano()
	prices := system.Catalog.Prices(now, snap)
	for id := int64(1000); id < 8000; id++ {
		for _, m := range prices.Models(id, 0) {
			for _, p := range m.Promos {
				if typ := snap.Type(p.Type); typ != nil && typ.Name == "exclusive_price" && p.Start <= now && now < p.End {
					return id
				}
			}
		}
	}
	t.Fatal("the catalog has no exclusive price")
	return 0
}
