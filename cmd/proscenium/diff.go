package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"proscenium/impact"
	"proscenium/impact/review"
	"proscenium/recording"
	"proscenium/scenes/diff"
)

// reviewFlags are those of diff and verify.
type reviewFlags struct {
	requests   []string
	format     string
	top        int
	maxChanged float64
}

func (f *reviewFlags) register(cmd *cobra.Command, maxChanged float64) {
	cmd.Flags().StringArrayVar(&f.requests, "requests", nil, "recording: a file, a directory, or a pattern in quotes; may be given again")
	cmd.Flags().StringVar(&f.format, "format", "text", "text, json, or markdown for the comment of a pull request")
	cmd.Flags().IntVar(&f.top, "top", 10, "how many of the largest price changes to show")
	cmd.Flags().Float64Var(&f.maxChanged, "max-changed", maxChanged, "end with 1 if more percent of the answers change")
}

func (f *reviewFlags) check(cmd *cobra.Command) error {
	if err := oneOf("format", f.format, "text", "json", "markdown"); err != nil {
		return err
	}
	if f.top < 0 || f.top > 1000 {
		return fmt.Errorf("--top: %d is not between 0 and 1000", f.top)
	}
	if !(f.maxChanged >= 0 && f.maxChanged <= 100) {
		return fmt.Errorf("--max-changed: %v is no percentage between 0 and 100", f.maxChanged)
	}
	if cmd.Flags().Changed("max-changed") && len(f.requests) == 0 {
		return errors.New("--max-changed: name the requests whose answers may change with --requests")
	}
	return nil
}

// failed says whether the answers fail the check. A check that nothing passed through is no check.
func (f *reviewFlags) failed(p *impact.Report) bool {
	return p != nil && (p.Compared == 0 || p.Above(f.maxChanged))
}

func (f *reviewFlags) write(w io.Writer, r *review.Review) error {
	switch f.format {
	case "json":
		return review.JSON(w, r)
	case "markdown":
		return review.Markdown(w, r)
	default:
		return review.Text{Color: coloured(w)}.Write(w, r)
	}
}

func newDiff() *cobra.Command {
	var flags reviewFlags
	var catalogDir, userKey string
	var exitCode bool
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say what an edit of a configuration changes, and what that does to prices",
		Long: `Diff compares two configurations by what they say: entities added, removed, renamed and changed, with their fields and the scenes that use
them. Order, comments, files, notation and defaults that are written out make no difference.

With --requests it prices recorded requests under both, offline, each at the instant when it was recorded, and tells how the answers
differ: how many, in which scenes and fields, and which prices change most. Providers of other services are not asked: the catalog
answers in their place.

OLD and NEW are directories, single files, or directories of a Git revision: git:REV:PATH, with PATH from the root of the repository.
A difference is no failure: diff ends with 1 if NEW has errors, and where --exit-code or --max-changed ask for it.`,
		Example: `  proscenium diff git:main:configs configs
  proscenium diff git:main:configs configs --requests 'recordings/*.jsonl.gz' --format markdown
  proscenium diff old new --requests recordings --max-changed 5`,
		Args: exactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			r, err := compareConfigs(cmd.Context(), args[0], args[1], impactOptions{flags: flags, catalog: catalogDir, userKey: userKey}, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if err := flags.write(cmd.OutOrStdout(), r); err != nil {
				return err
			}
			if flags.failed(r.Impact) || exitCode && (len(r.Changes) > 0 || r.Impact != nil && r.Impact.Different()) {
				return errFindings
			}
			return nil
		},
	}
	flags.register(cmd, 100)
	cmd.Flags().StringVar(&catalogDir, "catalog", "", "directory of the catalog (default: the folder catalog of each side, or of the one that has it)")
	cmd.Flags().StringVar(&userKey, "user-key", "", "file of the key of the recording's users, to price as the users of the catalog that they are")
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "end with 1 if there is any difference")
	return cmd
}

// impactOptions are what diff was asked for.
type impactOptions struct {
	flags            reviewFlags
	catalog, userKey string
}

// compareConfigs compares two configurations, and the answers to requests if there are any. Findings are written to w.
func compareConfigs(ctx context.Context, oldName, newName string, opts impactOptions, w io.Writer) (r *review.Review, err error) {
	now := time.Now()
	before, err := openSide(ctx, oldName, now, w)
	if errors.Is(err, errFindings) {
		return nil, fmt.Errorf("OLD, %s, has errors: there is nothing to compare with", oldName)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, before.close()) }()
	after, err := openSide(ctx, newName, now, w)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, after.close()) }()
	r = &review.Review{Old: before.summary(), New: after.summary(), Changes: diff.Compare(before.snap.Bundle, after.snap.Bundle)}
	if len(opts.flags.requests) > 0 {
		r.Impact, err = priceBoth(ctx, before, after, opts, now, w)
	}
	return r, err
}

func priceBoth(ctx context.Context, before, after *configSide, opts impactOptions, now time.Time, w io.Writer) (*impact.Report, error) {
	cats, err := openCatalogs(opts.catalog, before, after, w)
	if err != nil {
		return nil, err
	}
	run := impact.Options{Top: opts.flags.top, Done: requestProgress(w)}
	if opts.userKey != "" {
		key, err := recording.LoadKey(opts.userKey)
		if err != nil {
			return nil, fmt.Errorf("--user-key: %w", err)
		}
		run.Restorer = recording.NewRestorer(recording.NewPseudonyms(key), cats.new.Users())
	}
	p, err := impact.Offlines(ctx, recording.Lines(opts.flags.requests),
		impact.Configuration{Snapshot: before.snap, Catalog: cats.old}, impact.Configuration{Snapshot: after.snap, Catalog: cats.new}, now, run)
	if err != nil {
		return nil, err
	}
	if cats.note != "" {
		p.Notes = append(p.Notes, cats.note)
	}
	return p, nil
}

// requestProgress tells on a terminal how far it has come; nil elsewhere.
func requestProgress(w io.Writer) func(int) {
	if !isTerminal(w) {
		return nil
	}
	var last time.Time
	return func(requests int) {
		if now := time.Now(); now.Sub(last) > 200*time.Millisecond {
			last = now
			line := fmt.Sprintf("%d requests", requests)
			_, _ = fmt.Fprintf(w, "\r%s\r", line+strings.Repeat(" ", 8))
		}
	}
}
