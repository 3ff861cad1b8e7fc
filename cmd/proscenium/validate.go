package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/report"
)

func newValidate() *cobra.Command {
	var format string
	var strict bool
	cmd := &cobra.Command{
		Use:   "validate DIR",
		Short: "Check a directory of configuration",
		Long: `Validate checks all of a configuration, offline, exactly as the server does when it loads it: YAML and fields, constraints, references, CEL
expressions, sense. It reports everything that it finds, each with file, line, column, source line and hint.`,
		Example: `  proscenium validate configs
  proscenium validate configs --strict
  proscenium validate configs --format json | jq '.diagnostics[].message'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			dir := args[0]
			if info, err := os.Stat(dir); err != nil {
				return fmt.Errorf("read the configuration: %w", err)
			} else if !info.IsDir() {
				return fmt.Errorf("%s is a file; name the directory that it is in", dir)
			}
			read := scenes.Load(os.DirFS(dir), time.Now())
			if err := writeReport(cmd, format, dir, read); err != nil {
				return err
			}
			errors, warnings := diag.Count(read.Diagnostics)
			if errors > 0 || strict && warnings > 0 {
				return errFindings
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.Flags().BoolVar(&strict, "strict", false, "warnings count as errors do")
	return cmd
}

func writeReport(cmd *cobra.Command, format, dir string, read scenes.Result) error {
	out := cmd.OutOrStdout()
	if format == "json" {
		return report.JSON(out, read.Diagnostics)
	}
	prefix := filepath.ToSlash(filepath.Clean(dir)) + "/"
	if err := (report.Text{Color: coloured(out), Prefix: prefix}).Write(out, read.Diagnostics); err != nil {
		return err
	}
	if read.Snapshot == nil {
		return nil
	}
	_, err := fmt.Fprintf(out, "%s: good, %d scenes, version %s\n", dir, len(read.Snapshot.Scenes), read.Snapshot.Version)
	return err
}
