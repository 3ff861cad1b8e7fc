package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/remote/etcd"
	"proscenium/scenes/report"
	filesource "proscenium/scenes/source"
)

// nothing is the version of a configuration that is not there.
const nothing = "none"

// publication is what a call of publish is asked for.
type publication struct {
	dir, to, ifVersion string
	strict, dryRun     bool
}

func newPublish() *cobra.Command {
	var p publication
	cmd := &cobra.Command{
		Use:   "publish DIR",
		Short: "Put a directory of configuration where a fleet reads it",
		Long: `Publish checks a configuration as validate does, and puts it into etcd, where every server with that address as its --config serves it within
moments. With findings it writes nothing. It writes the files that changed and deletes those that are gone, in one transaction: a server finds
the configuration before or the one after, never a mixture, and of two publications at once one fails. The same again writes nothing.

An address is etcd://HOST:PORT,HOST:PORT/PREFIX, or etcds:// where etcd speaks TLS. A file's key is the prefix and its path below DIR. Scene
tests and the catalog stay out.`,
		Example: `  proscenium publish configs --strict --to etcd://10.0.0.1:2379,10.0.0.2:2379/proscenium/market
  proscenium publish configs --to etcd://127.0.0.1:2379/proscenium/market --dry-run
  proscenium publish configs --to etcd://127.0.0.1:2379/proscenium/market --if-version 5e1c1b8d0a8ab4ce`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.dir = args[0]
			return p.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&p.to, "to", "", "address to publish to")
	cmd.Flags().StringVar(&p.ifVersion, "if-version", "", "publish only if this version is there, or "+nothing+" if nothing may be there (default: whatever is)")
	cmd.Flags().BoolVar(&p.strict, "strict", false, "warnings count as errors do")
	cmd.Flags().BoolVar(&p.dryRun, "dry-run", false, "say what would change, and write nothing")
	cobra.CheckErr(cmd.MarkFlagRequired("to"))
	return cmd
}

func (p *publication) run(ctx context.Context, stdout, stderr io.Writer) error {
	address, err := etcd.ParseAddress(p.to)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	if info, err := os.Stat(p.dir); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("%s is a file; name the directory that it is in", p.dir)
	}
	files, version, err := p.check(stderr)
	if err != nil {
		return err
	}
	publisher, err := etcd.NewPublisher(address)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	defer func() { _ = publisher.Close() }() // what was written is known by then
	plan, err := publisher.Plan(ctx, files)
	if err != nil {
		return err
	}
	before := versionOf(plan.Before)
	if p.ifVersion != "" && p.ifVersion != before {
		return fmt.Errorf("--if-version: %s has version %s, not %s; nothing was written", address, before, p.ifVersion)
	}
	if plan.Empty() {
		_, err := fmt.Fprintf(stdout, "%s has version %s already; nothing to write\n", address, version)
		return err
	}
	if err := writePlan(stdout, plan); err != nil {
		return err
	}
	if p.dryRun {
		_, err := fmt.Fprintf(stdout, "%s would get version %s in place of %s; nothing was written\n", address, version, before)
		return err
	}
	revision, err := publisher.Publish(ctx, plan, version)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s has version %s in place of %s, at revision %d\n", address, version, before, revision)
	return err
}

// check reads and validates the directory: what is published is what was checked.
func (p *publication) check(w io.Writer) (files []filesource.File, version string, err error) {
	files, unread := filesource.Read(os.DirFS(p.dir))
	read := scenes.Result{Diagnostics: unread}
	if len(unread) == 0 {
		read = scenes.LoadFiles(files, time.Now())
	}
	if err := (report.Text{Color: coloured(w), Prefix: slashed(p.dir)}).Write(w, read.Diagnostics); err != nil {
		return nil, "", err
	}
	if errors, warnings := diag.Count(read.Diagnostics); errors > 0 || p.strict && warnings > 0 {
		if _, err := fmt.Fprintln(w, "nothing was written"); err != nil {
			return nil, "", err
		}
		return nil, "", errFindings
	}
	return files, read.Snapshot.Version, nil
}

// versionOf is the version of the configuration in files, as far as it has one.
func versionOf(files []filesource.File) string {
	if len(files) == 0 {
		return nothing
	}
	if snap := scenes.LoadFiles(files, time.Now()).Snapshot; snap != nil {
		return snap.Version
	}
	return "broken"
}

func writePlan(w io.Writer, plan *etcd.Plan) error {
	var b strings.Builder
	for _, change := range []struct {
		sign  string
		names []string
	}{{"+", plan.Added}, {"~", plan.Changed}, {"-", plan.Removed}} {
		for _, name := range change.names {
			fmt.Fprintf(&b, "  %s %s\n", change.sign, name)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
