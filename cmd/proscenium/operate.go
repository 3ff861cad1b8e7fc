package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"proscenium/assembly"
	"proscenium/engine"
	"proscenium/operations"
	"proscenium/server"
	"proscenium/settings"
	"proscenium/traffic"
)

// operating is what operators do in this process, and hear of the others.
type operating struct {
	switches *operations.Switches
	audit    *operations.Audit
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// openOperations has the switches of before in force, before anything is served: those that are on disk, and those that other processes know, where Redis
// answers at once.
func openOperations(ctx context.Context, s *settings.Settings, together *shared, system *assembly.System, log *slog.Logger) *operating {
	options := operations.Options{
		Shared: together.stores.Of(traffic.Live).Patient(backgroundPatience), Node: nodeName(s), Now: time.Now, Log: log,
		Changed: func(all []operations.Switch) { system.Engine.SetSwitches(thrown(all)) },
	}
	if s.Data != "" {
		options.Directory = filepath.Join(s.Data, "operations")
	}
	log.Info("operations", slog.String("node", options.Node), slog.String("redis", redisName(s)), slog.String("directory", options.Directory))
	if s.Data == "" && len(s.Redis.Addresses) == 0 {
		log.Warn("switches that operators throw, and the log of what they did, end with the process: there is neither a directory for data nor a Redis")
	}
	o := &operating{switches: operations.OpenSwitches(options), audit: operations.OpenAudit(options, rand.Uint64), stop: func() {}}
	_ = o.switches.Exchange(ctx) // the log has it, and it is tried again
	return o
}

// start keeps in step with the other processes.
func (o *operating) start(ctx context.Context) {
	ctx, o.stop = context.WithCancel(context.WithoutCancel(ctx))
	o.running.Go(func() { o.switches.Run(ctx) })
	o.running.Go(func() { o.audit.Run(ctx) })
}

// end tells what is left to tell.
func (o *operating) end() {
	o.stop()
	o.running.Wait()
}

// deps are what the admin port shows and changes.
func (o *operating) deps(together *shared, system *assembly.System) *server.OperationsDeps {
	return &server.OperationsDeps{
		Policies: together.policies, Engine: system.Engine, Switches: o.switches, Audit: o.audit,
		PurgeShadow: func(ctx context.Context) (int, error) {
			together.policies.PurgeShadow() //nolint:contextcheck // it bounds itself; first, for it adds up what is to be removed
			_, cached := system.Engine.PurgeShadow(ctx)
			removed, err := together.stores.Of(traffic.Shadow).Purge(ctx)
			return removed, errors.Join(cached, err)
		},
	}
}

// thrown are switches as the engine knows them.
func thrown(all []operations.Switch) []engine.Switch {
	switches := make([]engine.Switch, len(all))
	for i, s := range all {
		switches[i] = engine.Switch{Feature: s.Feature, Regions: s.Regions, Scenes: s.Scenes, Until: s.Until}
	}
	return switches
}

// nodeName is the setting or, without one, the name of the machine with something that no other process has.
func nodeName(s *settings.Settings) string {
	if s.Node != "" {
		return s.Node
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return cmp.Or(host, "node") + fmt.Sprintf("-%08x", rand.Uint32())
}

// redisName is where Redis is, for people.
func redisName(s *settings.Settings) string {
	if len(s.Redis.Addresses) == 0 {
		return "embedded"
	}
	return strings.Join(s.Redis.Addresses, ",")
}
