package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"proscenium/assembly"
	"proscenium/configs"
	"proscenium/metrics"
	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/history"
	"proscenium/scenes/reload"
	filesource "proscenium/scenes/source"
	"proscenium/server"
	"proscenium/settings"
)

// config keeps a system on its configuration while it changes.
type config struct {
	reloader *reload.Reloader
	source   string
	first    chan bool // whether the first load was good
	running  sync.WaitGroup
}

// newConfig makes the process ready with the first good load, and tells metrics and log of each.
func newConfig(
	system *assembly.System, from *source, kept *history.History, ready *server.Readiness, observed *metrics.Metrics, log *configLog,
) *config {
	c := &config{source: from.name, first: make(chan bool, 1)}
	options := reload.Options{History: kept, OnChange: func(status reload.Status) {
		observed.ConfigChanged(status)
		log.changed(status)
	}, OnRollback: func(r reload.Rollback) {
		observed.RolledBack(r)
		log.rolledBack(r)
	}, OnDamage: log.damaged}
	served := false
	options.OnLoad = func(status reload.Status) {
		if status.Outcome == reload.Applied {
			status.Diagnostics = slices.Concat(status.Diagnostics, catalogWarnings(system, c.reloader.Snapshot()))
		}
		observed.Loaded(status)
		log.tell(status)
		if status.Version != "" && !served { // later, the process may be on its way down
			served = true
			ready.Set(true)
		}
		select {
		case c.first <- status.Version != "":
		default:
		}
	}
	c.reloader = reload.New(from.follow(), system.Apply, options)
	return c
}

// openHistory keeps what serves below the directory of the data, by its source. What is built in needs no keeping.
func openHistory(from *source, s *settings.Settings) (*history.History, error) {
	if from.name == builtIn || s.Data == "" {
		return history.New(s.ConfigHistory, nil), nil
	}
	name := from.name
	if from.dir != "" {
		path, err := filepath.Abs(from.dir)
		if err != nil {
			return nil, fmt.Errorf("--config: %w", err)
		}
		name = path
	}
	return history.New(s.ConfigHistory, history.NewStore(filepath.Join(s.Data, "config"), name)), nil
}

// catalogWarnings are what of the catalog the configuration leaves out.
func catalogWarnings(system *assembly.System, snap *scenes.Snapshot) []diag.Diagnostic {
	warnings := system.Catalog.CheckTypes(snap)
	for i := range warnings {
		warnings[i].File = configs.CatalogDir + "/" + warnings[i].File
	}
	return warnings
}

// start loads the configuration and says whether it serves. It is followed until ctx ends.
func (c *config) start(ctx context.Context) bool {
	c.running.Go(func() { c.reloader.Run(ctx) })
	select {
	case good := <-c.first:
		return good
	case <-ctx.Done():
		return false
	}
}

// wait returns when following has ended.
func (c *config) wait() { c.running.Wait() }

func (c *config) status() server.ConfigStatus {
	return server.StatusOf(c.source, c.reloader.Snapshot(), c.reloader.Status())
}

// still is a source that never changes: what is in the binary.
type still struct{ files fs.FS }

func (s still) Read(context.Context) ([]filesource.File, []diag.Diagnostic) {
	return filesource.Read(s.files)
}

func (still) Watch(ctx context.Context, _ chan<- struct{}) error {
	<-ctx.Done()
	return nil
}
