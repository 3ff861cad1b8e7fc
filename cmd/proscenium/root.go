package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// The exit codes of all commands.
const (
	exitDone     = 0
	exitFindings = 1 // findings, or a check that failed
	exitUsage    = 2 // wrong usage, or it could not run
)

// process is what a command has of its process.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
}

// errFindings ends a command that has found something wrong and has said so.
var errFindings = errors.New("there are findings")

// run runs a command line, and returns the exit code. It returns when ctx ends.
func run(ctx context.Context, args []string, p process) int {
	root := newRoot(p) //nolint:contextcheck // commands get theirs from ExecuteContext
	root.SetArgs(args)
	switch err := root.ExecuteContext(ctx); {
	case err == nil:
		return exitDone
	case errors.Is(err, errFindings):
		return exitFindings
	default:
		_, _ = fmt.Fprintf(p.stderr, "Error: %v\n", err)
		return exitUsage
	}
}

// exactArgs wants n arguments, and shows which.
func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			given := "1 argument"
			if len(args) != 1 {
				given = fmt.Sprintf("%d arguments", len(args))
			}
			return fmt.Errorf("%s in place of %d; write %s", given, n, cmd.UseLine())
		}
		return nil
	}
}

// knownCommand is asked where no command has the name that was written.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "; see " + cmd.CommandPath() + " --help"
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return fmt.Errorf("unknown command %q%s", args[0], hint)
}

func newRoot(p process) *cobra.Command {
	root := &cobra.Command{
		Use:   "proscenium",
		Short: "A promotion engine: what does this user pay for these items, here, in this scene, and why",
		Long: `Proscenium answers what a user pays for items, in a scene that is configured in YAML.

Exit codes: 0 done, 1 findings or a failed check, 2 wrong usage or could not run.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(
		newServe(p), newValidate(), newPublish(), newTest(), newDiff(), newVerify(p), newExplain(), newEval(), newSchema(), newImport(), newProvide(p), newVersion(),
	)
	return root
}

// oneOf refuses a flag's value that is not one of those allowed.
func oneOf(flag, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("--%s: %q is not one of %v", flag, value, allowed)
}
