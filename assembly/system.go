// Package assembly puts the parts of a pricing server together: catalog, providers, engine, and the configuration that is on.
package assembly

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"

	"proscenium/catalog"
	"proscenium/catalog/table"
	"proscenium/codec"
	"proscenium/engine"
	"proscenium/engine/policy"
	"proscenium/kv"
	"proscenium/providers"
	"proscenium/providers/embedded"
	"proscenium/providers/remote"
	"proscenium/providers/voucher"
	"proscenium/scenes"
)

// System prices requests over a catalog. It answers nothing before the first Apply.
type System struct {
	Engine  *engine.Engine
	Catalog *catalog.Catalog
	// Embedded are the providers over the catalog, of every command.
	Embedded engine.Providers

	registry *providers.Registry
	vouchers *voucher.Embedded
	now      func() time.Time
}

// Options are what a system needs.
type Options struct {
	// Catalog is the directory of the catalog; [Over] does not read it.
	Catalog fs.FS
	Now     func() time.Time
	// Observer may be nil.
	Observer engine.Observer
	// Failed is told of queries that a dependency did not answer, see LogFailures. It may be nil.
	Failed func(engine.Failure)
	// Stores are for caches that processes share, and Policies keep the state of limits and breakers. nil, as is right offline: there are none.
	Stores   *kv.KV
	Policies *policy.Registry
	// Providers are registered beside the embedded ones.
	Providers []providers.Option
}

// LoadCatalog reads the catalog of a directory and checks it, its expressions too. The error of a faulty one is a *table.Error.
func LoadCatalog(fsys fs.FS) (*catalog.Catalog, error) {
	cat, err := catalog.Load(fsys)
	if err != nil {
		return nil, err
	}
	if findings := cat.CheckExpressions(); len(findings) > 0 {
		return nil, &table.Error{Findings: findings}
	}
	return cat, nil
}

// Open makes a system over the catalog of opts. The error of a faulty one is a *table.Error.
func Open(opts Options) (*System, error) {
	cat, err := LoadCatalog(opts.Catalog)
	if err != nil {
		return nil, err
	}
	return Over(cat, opts)
}

// Over makes a system over a catalog that was loaded before. Systems may share one.
func Over(cat *catalog.Catalog, opts Options) (*System, error) {
	all := embedded.Providers(cat)
	vouchers := voucher.NewEmbedded(cat)
	if problems := vouchers.Check(opts.Now().UnixNano()); len(problems) > 0 {
		return nil, fmt.Errorf("the catalog's vouchers: %s (and %d more problems)", problems[0], len(problems)-1)
	}
	all.Voucher = vouchers
	registry := providers.New(all, remote.Deps{
		ReadFile: os.ReadFile,
		Now:      time.Now,
		After:    time.After,
		Random:   rand.Float64,
		Codec:    codec.New(),
	}, opts.Providers...)
	return &System{
		Engine: engine.New(engine.Deps{
			Open: registry.Open, Now: opts.Now, Observer: opts.Observer, Failed: opts.Failed, Policies: opts.Policies, Stores: opts.Stores,
		}),
		Catalog:  cat,
		Embedded: all,
		registry: registry,
		vouchers: vouchers,
		now:      opts.Now,
	}, nil
}

// Apply serves the snapshot from the next request on. On an error nothing has changed. What the embedded providers build for a configuration
// they build before, so that no request waits for it.
func (s *System) Apply(snap *scenes.Snapshot) error {
	s.warm(snap)
	if err := s.Engine.Apply(snap); err != nil {
		if serving := s.Engine.Snapshot(); serving != nil {
			s.warm(serving) // what is kept is bounded: the refused one may have taken its place
		}
		return fmt.Errorf("open the providers: %w", err)
	}
	s.registry.Retain(snap)
	return nil
}

func (s *System) warm(snap *scenes.Snapshot) {
	now := s.now().UnixNano()
	s.Catalog.Warm(now, snap)
	s.vouchers.Warm(snap, now)
}

// Close lets go of what the system keeps: caches and connections.
func (s *System) Close() {
	s.Engine.Close()
	s.registry.Close()
}
