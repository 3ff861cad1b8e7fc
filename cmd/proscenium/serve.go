package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"proscenium/assembly"
	"proscenium/metrics"
	"proscenium/recording"
	"proscenium/scenes/history"
	"proscenium/scenes/reload"
	"proscenium/server"
	"proscenium/settings"
)

func newServe(p process) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Serve answers price requests over Connect, gRPC, gRPC-Web and JSON, on one port. Without flags it serves the reference marketplace, which is
built in. A configuration, in a directory or at an address in etcd, is watched: an edit takes effect with the next request, and one that has
errors changes nothing.

Settings come from flags, before PROSCENIUM_ variables, before the settings file, before the defaults: see docs/reference/settings.md.
SIGINT and SIGTERM end the process, once the requests under way are answered.`,
		Example: `  proscenium serve
  proscenium serve --config configs
  proscenium serve --config etcd://127.0.0.1:2379/proscenium/market --catalog configs/catalog
  proscenium serve --settings settings.yaml --log-format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := settings.Load(settings.Sources{File: file, Environ: p.environ, Flags: cmd.Flags()})
			if err != nil {
				return err
			}
			return serve(cmd.Context(), p, &s)
		},
	}
	cmd.Flags().StringVar(&file, "settings", "", "YAML file of settings")
	settings.AddFlags(cmd.Flags())
	return cmd
}

// serve runs the server until ctx ends.
func serve(ctx context.Context, p process, s *settings.Settings) (err error) {
	log := newLog(p, s)
	tuneCollector(p.environ, s)
	source, err := openSource(s.Config, s.Catalog)
	if err != nil {
		return err
	}
	listeners, err := server.Listen(ctx, s.Listen, s.AdminListen)
	if err != nil {
		return err
	}
	defer listeners.Close()

	observed, ready := metrics.New(), &server.Readiness{}
	together, err := openShared(p, s, observed, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, together.close()) }() //nolint:contextcheck // it ends when ctx has ended
	system, err := openSystem(source, assembly.Options{
		Now: time.Now, Observer: observed, Failed: assembly.LogFailures(log, time.Now), Stores: together.stores, Policies: together.policies,
	}, p.stderr)
	if err != nil {
		return err
	}
	defer system.Close()
	operators := openOperations(ctx, s, together, system, log)
	defer operators.end()
	tracer, endTracing, err := openTracer(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, endTracing()) }()
	recorder, endRecording, err := openRecorder(s, observed, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, endRecording()) }()
	main, err := newServer(s, system, together.shedder, observed, ready, log, tracer, recorder) //nolint:contextcheck // streams end with the shutdown, not with ctx
	if err != nil {
		return err
	}

	kept, err := openHistory(source, s)
	if err != nil {
		return err
	}
	config := newConfig(system, source, kept, ready, observed, newConfigLog(p, s, log, source))
	services, err := server.NewAdminServices(server.AdminServicesDeps{ //nolint:contextcheck // streams end with the shutdown, not with ctx
		Configuration: config.reloader, Source: source.name, Ready: ready, Log: log, Observer: observed, Now: time.Now,
		Operations: operators.deps(together, system),
	})
	if err != nil {
		return err
	}
	together.start(ctx)
	operators.start(ctx)
	watching, stop := context.WithCancel(ctx)
	defer config.wait()
	defer stop()
	if !config.start(watching) {
		if ctx.Err() != nil {
			return nil // told to end before it had begun
		}
		log.Error("the process ends, for there is nothing to serve: the source holds no good configuration, and none of an earlier run is kept",
			slog.String("config", source.name), slog.String("data", s.Data))
		return errFindings
	}
	printBanner(p, s, listeners, source, system, config.reloader.Status())
	access := "open"
	if s.AccessRequired() {
		access = "required"
	}
	log.Info("listening", slog.String("address", listeners.Main.Addr().String()), slog.String("admin_address", listeners.Admin.Addr().String()),
		slog.String("access", access), slog.String("config", source.name))
	if !settings.Loopback(s.AdminListen) {
		log.Warn("others can reach the admin port, which has no access control", slog.String("address", s.AdminListen))
	}
	return server.Run(ctx, listeners, server.RunOptions{
		Server:          main,
		Admin:           server.Admin(server.AdminDeps{Ready: ready, Metrics: observed.Handler(), Config: config.status, Services: services, Policies: together.policies}),
		EndAdminStreams: services.EndStreams, Ready: ready, Delay: s.Shutdown.Delay, Grace: s.Shutdown.Grace, Log: log,
	})
}

func newServer(
	s *settings.Settings, system *assembly.System, room server.Room, observed *metrics.Metrics, ready *server.Readiness, log *slog.Logger, tracer *sdktrace.TracerProvider,
	recorder *recording.Recorder,
) (*server.Server, error) {
	deps := server.Deps{
		Pricer: system.Engine, Room: room, Ready: ready, Log: log, Observer: observed, Now: time.Now, Origins: s.Origins(),
		Recorder: recorder, Access: server.Access{Required: s.AccessRequired()},
	}
	if tracer != nil {
		deps.Tracer = tracer
	}
	for _, c := range s.Credentials {
		hash, err := c.Hash()
		if err != nil {
			return nil, err
		}
		deps.Access.Credentials = append(deps.Access.Credentials, server.Credential{ID: c.ID, SHA256: hash, Expires: c.Expires})
	}
	return server.New(deps)
}

// openTracer is nil without an endpoint; end sends what is left.
func openTracer(ctx context.Context, s *settings.Settings) (tracer *sdktrace.TracerProvider, end func() error, err error) {
	if s.Tracing.Endpoint == "" {
		return nil, func() error { return nil }, nil
	}
	tracer, err = server.NewTracer(ctx, s.Tracing.Endpoint, s.Tracing.SampleRatio, version())
	if err != nil {
		return nil, nil, err
	}
	return tracer, func() error {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return tracer.Shutdown(last)
	}, nil
}

// The example is a price request that the reference catalog answers on every day with promotion, vouchers, tax and rebate.
const (
	exampleScene  = "pdp_main"
	exampleRegion = "US"
	exampleItem   = 1637
	exampleBody   = `{"scene_name": "pdp_main", "region": "US", "user_id": 1, "items": [{"item_id": 1637, "models": [{"model_id": 6546065}]}]}`
)

// printBanner tells a person where the server listens, and a request to try.
func printBanner(p process, s *settings.Settings, listeners server.Listeners, source *source, system *assembly.System, status reload.Status) {
	if logFormat(p, s) != "text" && !isTerminal(p.stdout) {
		return
	}
	snap := system.Engine.Snapshot()
	var b strings.Builder
	fmt.Fprintf(&b, "Proscenium serves %s, version %s\n", source.name, snap.Version)
	switch status.Origin {
	case history.FromLastGood:
		fmt.Fprintf(&b, "\n  WARNING: this is the last good version of an earlier run, kept in %s.\n  What the source holds now has errors, see the log; mended, it takes over at once.\n\n", s.Data)
	case history.FromRollback:
		fmt.Fprintf(&b, "\n  WARNING: this is a rollback (%q), not what the source holds.\n\n", status.Rollback.Reason)
	}
	fmt.Fprintf(&b, "  prices  http://%s\n  admin   http://%s\n", listeners.Main.Addr(), listeners.Admin.Addr())
	if len(s.Redis.Addresses) == 0 {
		b.WriteString("  state   a Redis within the process, which ends with it; redis.addresses names one for a fleet\n")
	} else {
		fmt.Fprintf(&b, "  state   Redis at %s\n", redisName(s))
	}
	if snap.ScenesByName[exampleScene] != nil && system.Catalog.Item(exampleItem) != nil && snap.Regions[exampleRegion] != nil {
		key := ""
		if s.AccessRequired() {
			key = "-H 'Authorization: Bearer KEY' "
		}
		fmt.Fprintf(&b, "\nTry:\n  curl -s -H 'Content-Type: application/json' %s-d '%s' \\\n    http://%s/proscenium.pricing.v1.PricingService/GetPromotionInfo\n\n",
			key, exampleBody, listeners.Main.Addr())
	}
	_, _ = fmt.Fprint(p.stdout, b.String())
}
