package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/report"
	"proscenium/scenetest"
)

func newValidate() *cobra.Command {
	var format string
	var strict bool
	cmd := &cobra.Command{
		Use:   "validate DIR",
		Short: "Check a directory of configuration",
		Long: `Validate checks all of a configuration, offline, exactly as the server does when it loads it: YAML and fields, constraints, references, CEL
expressions, sense. It reports everything that it finds, each with file, line, column, source line and hint. Scene tests beside the configuration
are checked, too, but for their catalogs; proscenium test runs them.

Formats: text for people, json for programs, sarif (2.1.0) for services that scan code, and github for GitHub Actions, which shows findings beside
the changes of a pull request. Run the last two in the root of the repository: they name files from there. Exit code 1: there are errors, or, with
--strict, errors or warnings.`,
		Example: `  proscenium validate configs
  proscenium validate configs --strict
  proscenium validate configs --format json | jq '.diagnostics[].message'
  proscenium validate configs --format sarif > findings.sarif`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", format, "text", "json", "sarif", "github"); err != nil {
				return err
			}
			dir := args[0]
			if info, err := os.Stat(dir); err != nil {
				return fmt.Errorf("read the configuration: %w", err)
			} else if !info.IsDir() {
				return fmt.Errorf("%s is a file; name the directory that it is in", dir)
			}
			read := scenes.Load(os.DirFS(dir), time.Now())
			read.Diagnostics = scenetest.Check(os.DirFS(dir), read)
			errors, warnings := diag.Count(read.Diagnostics)
			found := errors > 0 || strict && warnings > 0
			if found {
				read.Snapshot = nil // not to be called good; it may also be that of tests alone
			}
			if err := writeReport(cmd, format, dir, read); err != nil {
				return err
			}
			if found {
				return errFindings
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text, json, sarif or github")
	cmd.Flags().BoolVar(&strict, "strict", false, "warnings count as errors do")
	return cmd
}

func writeReport(cmd *cobra.Command, format, dir string, read scenes.Result) error {
	out := cmd.OutOrStdout()
	prefix := prefixOf(dir)
	switch format {
	case "json":
		return report.JSON(out, read.Diagnostics)
	case "sarif":
		to := report.SARIF{Version: version(), Prefix: prefix}
		if !filepath.IsLocal(filepath.Clean(dir)) {
			whole, err := filepath.Abs(dir)
			if err != nil {
				return fmt.Errorf("name the directory in the report: %w", err)
			}
			to.Prefix, to.Base = "", (&url.URL{Scheme: "file", Path: filepath.ToSlash(whole) + "/"}).String()
		}
		return to.Write(out, read.Diagnostics)
	case "github":
		if err := (report.GitHub{Prefix: prefix}).Write(out, read.Diagnostics); err != nil {
			return err
		}
	default:
		if err := (report.Text{Color: coloured(out), Prefix: prefix}).Write(out, read.Diagnostics); err != nil {
			return err
		}
	}
	if read.Snapshot == nil {
		return nil
	}
	_, err := fmt.Fprintf(out, "%s: good, %d scenes, version %s\n", dir, len(read.Snapshot.Scenes), read.Snapshot.Version)
	return err
}

// prefixOf is what stands before the names of a directory's files in reports.
func prefixOf(dir string) string {
	if dir = filepath.ToSlash(filepath.Clean(dir)); dir != "." {
		return strings.TrimSuffix(dir, "/") + "/"
	}
	return ""
}
