// Package assembly puts the parts of a pricing server together: catalog, providers, engine, and the configuration that is on.
package assembly

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"

	"proscenium/catalog"
	"proscenium/codec"
	"proscenium/engine"
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
}

// Options are what a system needs.
type Options struct {
	// Catalog is the directory of the catalog.
	Catalog fs.FS
	Now     func() time.Time
	// Observer may be nil.
	Observer engine.Observer
	// Providers are registered beside the embedded ones.
	Providers []providers.Option
}

// Open loads the catalog. The error of a faulty one is a *table.Error.
func Open(opts Options) (*System, error) {
	cat, err := catalog.Load(opts.Catalog)
	if err != nil {
		return nil, err
	}
	all := embedded.Providers(cat)
	all.Voucher = voucher.NewEmbedded(cat)
	registry := providers.New(all, remote.Deps{
		ReadFile: os.ReadFile,
		Now:      time.Now,
		After:    time.After,
		Random:   rand.Float64,
		Codec:    codec.New(),
	}, opts.Providers...)
	return &System{
		Engine:   engine.New(engine.Deps{Open: registry.Open, Now: opts.Now, Observer: opts.Observer}),
		Catalog:  cat,
		Embedded: all,
		registry: registry,
	}, nil
}

// Apply serves the snapshot from the next request on. On an error nothing has changed.
func (s *System) Apply(snap *scenes.Snapshot) error {
	if err := s.Engine.Apply(snap); err != nil {
		return fmt.Errorf("open the providers: %w", err)
	}
	s.registry.Retain(snap)
	return nil
}

// Close lets go of what the system keeps: caches and connections.
func (s *System) Close() {
	s.Engine.Close()
	s.registry.Close()
}
