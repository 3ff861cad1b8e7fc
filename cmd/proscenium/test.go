package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"proscenium/scenes/diag"
	"proscenium/scenes/report"
	"proscenium/scenetest"
)

// testFlags are the options of the command test.
type testFlags struct {
	run, catalogDir, format string
	verbose                 bool
}

func newTest() *cobra.Command {
	var f testFlags
	cmd := &cobra.Command{
		Use:   "test DIR",
		Short: "Run the scene tests of a configuration",
		Long: `Test runs the scene tests that stand beside a configuration: the files *_test.yaml, and all YAML files below folders named tests. They run
offline, on the engine that servers run, over the embedded providers: a command that the configuration gives to a remote service is answered from
the catalog of the test. docs/guides/test-scenes.md tells how to write tests.

What is wrong with the configuration or with a test file is reported as validate does, and then nothing runs.`,
		Example: `  proscenium test configs
  proscenium test configs --run 'pdp_main' --verbose`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", f.format, "text", "json"); err != nil {
				return err
			}
			return runTests(cmd.Context(), cmd, args[0], f)
		},
	}
	cmd.Flags().StringVar(&f.run, "run", "", "regular expression: run the tests whose file/test/cell it is found in (default: all)")
	cmd.Flags().StringVar(&f.catalogDir, "catalog", "", "directory of the catalog of tests that name none (default: the folder catalog in DIR)")
	cmd.Flags().StringVar(&f.format, "format", "text", "text or json")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "list the tests that pass, too")
	return cmd
}

func runTests(ctx context.Context, cmd *cobra.Command, dir string, f testFlags) error {
	out := cmd.OutOrStdout()
	var selection scenetest.Selection
	if f.run != "" {
		var err error
		if selection.Name, err = regexp.Compile(f.run); err != nil {
			return fmt.Errorf("--run: %w", err)
		}
	}
	if info, err := os.Stat(dir); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("%s is a file; name the directory that it is in", dir)
	}
	var catalog fs.FS
	if f.catalogDir != "" {
		if err := isDirectory("catalog", f.catalogDir); err != nil {
			return err
		}
		catalog = os.DirFS(f.catalogDir)
	}
	prefix := filepath.ToSlash(filepath.Clean(dir)) + "/"
	loaded := scenetest.Load(os.DirFS(dir), scenetest.Options{Catalog: catalog, Now: time.Now()})
	if loaded.Suite == nil || f.format == "text" && len(loaded.Diagnostics) > 0 {
		if err := writeFindings(cmd, f.format, prefix, loaded.Diagnostics); err != nil {
			return err
		}
	}
	if loaded.Suite == nil {
		return errFindings
	}
	results, err := loaded.Suite.Run(ctx, selection)
	if errors.Is(err, scenetest.ErrNothingMatches) {
		if loaded.Suite.Len() == 0 {
			return fmt.Errorf("%s has no scene tests: write one in %stests/, see docs/guides/test-scenes.md", dir, prefix)
		}
		return fmt.Errorf("--run: none of %d tests matches %q; --verbose lists their names", loaded.Suite.Len(), f.run)
	}
	if err != nil {
		return err
	}
	if err := (scenetest.Text{Color: coloured(out), Verbose: f.verbose, Prefix: prefix}).Write(out, results); err != nil {
		return err
	}
	if results.Failed > 0 {
		return errFindings
	}
	return nil
}

func writeFindings(cmd *cobra.Command, format, prefix string, findings []diag.Diagnostic) error {
	out := cmd.OutOrStdout()
	if format == "json" {
		return report.JSON(out, findings)
	}
	return report.Text{Color: coloured(out), Prefix: prefix}.Write(out, findings)
}
