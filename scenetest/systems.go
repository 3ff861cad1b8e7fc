package scenetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/assembly"
	"proscenium/engine"
	"proscenium/providers"
	"proscenium/scenes"
)

// systems are the engines of a run: one for each catalog, and over it for each set of commands that fail and features that are off.
type systems struct {
	byKey    map[string]*assembly.System
	coverage *coverage // nil: nobody asks
}

func keyOf(c *testCase) string { return fmt.Sprintf("%q %q %v", c.catalog, c.failing, c.downgrades) }

func (s *systems) of(c *testCase) *assembly.System { return s.byKey[keyOf(c)] }

func (s *systems) close() {
	for _, system := range s.byKey {
		system.Close()
	}
}

// open makes the systems that the cases need.
func (s *Suite) open(cases []*testCase) (*systems, error) {
	out := &systems{byKey: map[string]*assembly.System{}, coverage: s.coverage}
	for _, c := range cases {
		if out.of(c) != nil {
			continue
		}
		opts := assembly.Options{Now: func() time.Time { return s.now }}
		if len(c.failing) > 0 {
			opts.Providers = []providers.Option{providers.Named(failing, refusing(c.failing))}
		}
		system, err := assembly.Over(s.catalogs[c.catalog].cat, opts)
		if err == nil {
			out.byKey[keyOf(c)] = system
			err = system.Apply(downgraded(offline(s.snap, c.failing), c.downgrades))
		}
		if err != nil {
			out.close()
			return nil, fmt.Errorf("%s: %w", s.catalogs[c.catalog].label(), err)
		}
	}
	return out, nil
}

// failing is the name of the providers that fail, beside those of the configuration.
const failing = "scene test: failing"

// offline is a snapshot that calls nobody: commands of remote services are answered by the embedded providers, over the catalog of the test,
// and those that fail by providers that do.
func offline(snap *scenes.Snapshot, commands []string) *scenes.Snapshot {
	local := *snap
	local.Dependencies = maps.Clone(snap.Dependencies)
	for command, dep := range snap.Dependencies {
		d := proto.CloneOf(dep)
		if d.GetProvider().GetConnect() != nil {
			d.Provider = embedded("")
		}
		for region, p := range d.GetRegions() {
			if p.GetConnect() != nil {
				d.Regions[region] = embedded("")
			}
		}
		local.Dependencies[command] = d
	}
	for _, command := range commands {
		d := local.Dependencies[command]
		if d == nil {
			d = &configv1.Dependency{Command: command}
		}
		d.Provider, d.Regions = embedded(failing), nil
		local.Dependencies[command] = d
	}
	return &local
}

// downgraded is the snapshot with features turned off everywhere. The snapshot given is the caller's own.
func downgraded(snap *scenes.Snapshot, features []configv1.DowngradeFeature) *scenes.Snapshot {
	snap.Downgrades = slices.Clone(snap.Downgrades)
	for _, f := range features {
		snap.Downgrades = append(snap.Downgrades, &scenes.Downgrade{Feature: f, Reason: "a scene test", Scope: "all"})
	}
	return snap
}

func embedded(name string) *configv1.Provider {
	return &configv1.Provider{Kind: &configv1.Provider_Embedded{Embedded: &configv1.EmbeddedProvider{Name: name}}}
}

var errFailing = errors.New("the test lets this command fail")

// broken is a provider that fails at once.
type broken[K, V any] struct{}

// Query fails.
func (broken[K, V]) Query(context.Context, *engine.Call, []K, []V) error { return errFailing }

// AnswersFromMemory marks the provider for the engine: failing takes no time.
func (broken[K, V]) AnswersFromMemory() {}

// refusing are providers of the commands that fail.
func refusing(commands []string) engine.Providers {
	var p engine.Providers
	for _, c := range commands {
		switch slices.Index(engine.CommandNames[:], c) {
		case int(engine.PriceQuery):
			p.Price = failed(p.Price)
		case int(engine.StockQuery):
			p.Stock = failed(p.Stock)
		case int(engine.CheckExclusivePrice):
			p.ExclusivePrice = failed(p.ExclusivePrice)
		case int(engine.CheckLiveStream):
			p.LiveStream = failed(p.LiveStream)
		case int(engine.CheckWelcomePackage):
			p.WelcomePackage = failed(p.WelcomePackage)
		case int(engine.ListingItems):
			p.Items = failed(p.Items)
		case int(engine.ListingLabels):
			p.Labels = failed(p.Labels)
		case int(engine.TaxRates):
			p.Tax = failed(p.Tax)
		case int(engine.RebateQuery):
			p.Rebate = failed(p.Rebate)
		case int(engine.BestVouchers):
			p.Voucher = failed(p.Voucher)
		case int(engine.GMVQuery):
			p.GMV = failed(p.GMV)
		case int(engine.DecorationQuery):
			p.Decoration = failed(p.Decoration)
		case int(engine.PackageQuery):
			p.Package = failed(p.Package)
		}
	}
	return p
}

// failed is a provider of the same command that fails.
func failed[K, V any](engine.Provider[K, V]) engine.Provider[K, V] { return broken[K, V]{} }
