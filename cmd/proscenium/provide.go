package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"proscenium/assembly"
	"proscenium/providers/reference"
	"proscenium/scenes"
	"proscenium/scenes/report"
)

func newProvide(p process) *cobra.Command {
	var configDir, catalogDir, listen string
	cmd := &cobra.Command{
		Use:   "provide",
		Short: "Run the reference provider server over a catalog",
		Long: `Provide answers all services of proscenium.provider.v1 from a catalog, over Connect, gRPC and gRPC-Web. It shows what a provider of your own
answers, and is one to try the connect providers of a configuration against. It has no access control: it is not for production.`,
		Example: `  proscenium provide --listen 127.0.0.1:9090
  # and in the configuration:
  #   dependencies:
  #     - command: price.query
  #       provider: {connect: {url: "http://127.0.0.1:9090"}}`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := openSource(configDir, catalogDir)
			if err != nil {
				return err
			}
			return provide(cmd.Context(), p, from, listen)
		},
	}
	cmd.Flags().StringVar(&configDir, "config", "", "directory of the configuration, or its address etcd://HOST:PORT/PREFIX (default: the reference marketplace, built in)")
	cmd.Flags().StringVar(&catalogDir, "catalog", "", "directory of the catalog (default: the folder catalog in the directory of the configuration)")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:9090", "address to listen on")
	return cmd
}

// provide serves until ctx ends.
func provide(ctx context.Context, p process, from *source, address string) error {
	read := from.load(ctx, time.Now())
	if read.Snapshot == nil {
		if err := (report.Text{Color: coloured(p.stderr)}).Write(p.stderr, read.Diagnostics); err != nil {
			return err
		}
		return errFindings
	}
	system, err := openSystem(from, assembly.Options{Now: time.Now}, p.stderr)
	if err != nil {
		return err
	}
	defer system.Close()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; set another address with --listen", address, err)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler:           reference.Handler(system.Embedded, func() *scenes.Snapshot { return read.Snapshot }),
		Protocols:         &protocols,
		ReadHeaderTimeout: 10 * time.Second,
	}
	stopped := make(chan error, 1)
	defer context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		stopped <- server.Shutdown(grace)
	})()
	_, _ = fmt.Fprintf(p.stdout, "The reference providers answer on http://%s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	}
	return <-stopped
}
