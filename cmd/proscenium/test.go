package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"proscenium/scenes/diag"
	"proscenium/scenes/reload"
	"proscenium/scenes/report"
	"proscenium/scenetest"
)

// testCommand is the command test with its options.
type testCommand struct {
	dir, prefix  string
	catalog      fs.FS
	out, stderr  io.Writer
	run          string
	selection    scenetest.Selection
	catalogDir   string
	format       string
	verbose      bool
	trace        bool
	junit        string
	coverage     bool
	coverageFile string
	threshold    float64
	watch        bool
}

func newTest() *cobra.Command {
	var c testCommand
	cmd := &cobra.Command{
		Use:   "test DIR",
		Short: "Run the scene tests of a configuration",
		Long: `Test runs the scene tests that stand beside a configuration: the files *_test.yaml, and all YAML files below folders named tests. They run
offline, on the engine that servers run, over the embedded providers: a command that the configuration gives to a remote service is answered from
the catalog of the test. docs/guides/test-scenes.md tells how to write tests.

What is wrong with the configuration or with a test file is reported as validate does, and then nothing runs.

Coverage counts what of the configuration the tests exercised: scenes that answered, rules that matched a promotion, groups of experiments, voucher
pools and bypass rules that vouchers were chosen under, eligibility rules, and conditions, which are to be true and to be false.`,
		Example: `  proscenium test configs
  proscenium test configs --run 'pdp_main' --verbose
  proscenium test configs --trace
  proscenium test configs --junit results.xml --coverage --threshold 80
  proscenium test configs --watch`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.dir, c.out, c.stderr = args[0], cmd.OutOrStdout(), cmd.ErrOrStderr()
			if err := c.check(cmd.Flags().Changed("threshold")); err != nil {
				return err
			}
			if c.watch {
				return c.follow(cmd.Context())
			}
			return c.once(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&c.run, "run", "", "regular expression: run the tests whose file/test/cell it is found in (default: all)")
	cmd.Flags().StringVar(&c.catalogDir, "catalog", "", "directory of the catalog of tests that name none (default: the folder catalog in DIR)")
	cmd.Flags().StringVar(&c.format, "format", "text", "text, json or github")
	cmd.Flags().BoolVarP(&c.verbose, "verbose", "v", false, "list the tests that pass, too")
	cmd.Flags().BoolVar(&c.trace, "trace", false, "print how the answer of each test that fails came about, as explain does")
	cmd.Flags().StringVar(&c.junit, "junit", "", "write the results to this file, as JUnit XML")
	cmd.Flags().BoolVar(&c.coverage, "coverage", false, "tell what of the configuration no test exercised")
	cmd.Flags().StringVar(&c.coverageFile, "coverage-file", "", "write the coverage to this file, as JSON")
	cmd.Flags().Float64Var(&c.threshold, "threshold", 0, "fail where less than this percentage of the configuration is exercised")
	cmd.Flags().BoolVar(&c.watch, "watch", false, "run again when files change, until interrupted")
	return cmd
}

// check refuses options that make no sense.
func (c *testCommand) check(thresholdGiven bool) error {
	if err := oneOf("format", c.format, "text", "json", "github"); err != nil {
		return err
	}
	if !(c.threshold >= 0 && c.threshold <= 100) {
		return fmt.Errorf("--threshold: %v is not a percentage: write 0 to 100", c.threshold)
	}
	if c.trace && c.format != "text" {
		return fmt.Errorf("--trace is for people: leave --format %s out", c.format)
	}
	if c.watch && c.format != "text" {
		return fmt.Errorf("--watch is for people: leave --format %s out", c.format)
	}
	if c.run != "" {
		var err error
		if c.selection.Name, err = regexp.Compile(c.run); err != nil {
			return fmt.Errorf("--run: %w", err)
		}
	}
	if info, err := os.Stat(c.dir); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("%s is a file; name the directory that it is in", c.dir)
	}
	if c.catalogDir != "" {
		if err := isDirectory("catalog", c.catalogDir); err != nil {
			return err
		}
		c.catalog = os.DirFS(c.catalogDir)
	}
	c.prefix = prefixOf(c.dir)
	c.coverage = c.coverage || c.coverageFile != "" || thresholdGiven
	return nil
}

// once runs the tests and reports. It returns errFindings where there are findings, or a test failed.
func (c *testCommand) once(ctx context.Context) error {
	loaded := scenetest.Load(os.DirFS(c.dir), scenetest.Options{Catalog: c.catalog, Now: time.Now(), Coverage: c.coverage})
	if err := c.findings(loaded.Diagnostics, loaded.Suite == nil); err != nil {
		return err
	}
	if loaded.Suite == nil {
		return errFindings
	}
	results, err := loaded.Suite.Run(ctx, c.selection)
	switch {
	case errors.Is(err, scenetest.ErrNothingMatches) && loaded.Suite.Len() == 0:
		return fmt.Errorf("%s has no scene tests: write one, such as %stests/first_test.yaml; see docs/guides/test-scenes.md", c.dir, c.prefix)
	case errors.Is(err, scenetest.ErrNothingMatches):
		return fmt.Errorf("--run: none of the %d tests matches %q; --verbose lists their names", loaded.Suite.Len(), c.run)
	case err != nil:
		return err
	}
	if err := c.report(results); err != nil {
		return err
	}
	if results.Failed > 0 {
		return errFindings
	}
	if results.Coverage != nil && results.Coverage.Percent("") < c.threshold {
		_, _ = fmt.Fprintf(c.stderr, "coverage is %.1f%%, less than the threshold of %v%%\n", results.Coverage.Percent(""), c.threshold)
		return errFindings
	}
	return nil
}

// findings writes what is wrong with the files. Programs that read results get warnings on stderr.
func (c *testCommand) findings(found []diag.Diagnostic, fatal bool) error {
	if len(found) == 0 {
		return nil
	}
	w := c.out
	switch {
	case c.format == "json" && fatal:
		return report.JSON(w, found)
	case c.format == "github":
		return report.GitHub{Prefix: c.prefix}.Write(w, found)
	case c.format == "json":
		w = c.stderr
	}
	return report.Text{Color: coloured(w), Prefix: c.prefix}.Write(w, found)
}

// report writes the results, where they are wanted.
func (c *testCommand) report(r *scenetest.Report) error {
	var err error
	switch c.format {
	case "json":
		err = writeJSON(c.out, r)
	case "github":
		err = scenetest.GitHub(c.out, r, c.prefix)
	default:
		text := scenetest.Text{Color: coloured(c.out), Verbose: c.verbose, Prefix: c.prefix}
		if c.trace {
			text.Trace = writeTrace
		}
		err = text.Write(c.out, r)
	}
	if err == nil && r.Coverage != nil && c.format != "json" {
		err = r.Coverage.Write(c.out, c.prefix)
	}
	if err == nil && c.junit != "" {
		err = toFile("junit", c.junit, func(w io.Writer) error { return scenetest.JUnit(w, r, c.prefix) })
	}
	if err == nil && c.coverageFile != "" {
		err = toFile("coverage-file", c.coverageFile, func(w io.Writer) error { return writeJSON(w, r.Coverage) })
	}
	return err
}

// follow runs the tests again whenever a file changes, until ctx ends.
func (c *testCommand) follow(ctx context.Context) error {
	return scenetest.Watch(ctx, reload.NewDirectory(c.dir).WithTests(), os.DirFS(c.dir), func(ctx context.Context) error {
		if coloured(c.out) { // a terminal
			_, _ = fmt.Fprint(c.out, "\x1b[2J\x1b[3J\x1b[H")
		}
		if err := c.once(ctx); err != nil && !errors.Is(err, errFindings) && ctx.Err() == nil {
			_, _ = fmt.Fprintf(c.out, "Error: %v\n", err) // such as a catalog that is gone: the next change may mend it
		}
		_, err := fmt.Fprintf(c.out, "\nwatching %s\n", c.dir)
		return err
	})
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// toFile writes a file that a flag names.
func toFile(flag, name string, write func(io.Writer) error) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("--%s: %w", flag, err)
	}
	defer func() {
		if closed := f.Close(); err == nil && closed != nil {
			err = fmt.Errorf("--%s: %w", flag, closed)
		}
	}()
	return write(f)
}
