package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"proscenium/impact"
	"proscenium/impact/review"
	"proscenium/recording"
	"proscenium/server"
)

// The environment variables that may have the keys of verify.
const (
	againstKeyVariable = "PROSCENIUM_AGAINST_KEY"
	withKeyVariable    = "PROSCENIUM_WITH_KEY"
)

// verifyFlags are those of verify alone.
type verifyFlags struct {
	against, with               string
	againstKeyFile, withKeyFile string
	concurrency                 int
	rate                        float64
	timeout                     time.Duration
}

func newVerify(p process) *cobra.Command {
	var flags reviewFlags
	var v verifyFlags
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare the answers of two running servers",
		Long: `Verify sends each recorded request to two servers at the same time and compares their answers, as diff does: --against is the one that is
trusted, --with the one that is looked at. Servers price as of now; only requests that name a time in a scene of any time are priced at
that. Both may see an instant on the other side of the start of a promotion: nothing is hidden, so look at what differs.

The keys of servers that require one are read from files, or from the variables PROSCENIUM_AGAINST_KEY and PROSCENIUM_WITH_KEY. Without a
key the client of each request is named in a header, as open servers allow.

Verify ends with 1 if answers differ, or a request is not answered by both.`,
		Example: `  proscenium verify --against https://pricing.internal.example --against-key-file key.txt --requests recordings
  proscenium verify --against http://127.0.0.1:8080 --with http://127.0.0.1:9080 --requests requests.jsonl --rate 50`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(flags.check(cmd), v.check()); err != nil {
				return err
			}
			r, err := verify(cmd.Context(), p, flags, v, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if err := flags.write(cmd.OutOrStdout(), r); err != nil {
				return err
			}
			if flags.failed(r.Impact) || r.Impact.Failed() > 0 {
				return errFindings
			}
			return nil
		},
	}
	flags.register(cmd, 0)
	cmd.Flags().StringVar(&v.against, "against", "", "address of the server that is trusted")
	cmd.Flags().StringVar(&v.with, "with", "http://127.0.0.1:8080", "address of the server that is looked at")
	cmd.Flags().StringVar(&v.againstKeyFile, "against-key-file", "", "file of the key for --against")
	cmd.Flags().StringVar(&v.withKeyFile, "with-key-file", "", "file of the key for --with")
	cmd.Flags().IntVar(&v.concurrency, "concurrency", 8, "requests under way at once")
	cmd.Flags().Float64Var(&v.rate, "rate", 0, "at most so many requests a second to each server (default: no bound)")
	cmd.Flags().DurationVar(&v.timeout, "timeout", 5*time.Second, "of a call")
	cobra.CheckErr(cmd.MarkFlagRequired("against"))
	cobra.CheckErr(cmd.MarkFlagRequired("requests"))
	return cmd
}

func (v *verifyFlags) check() error {
	switch {
	case v.concurrency < 1 || v.concurrency > 1000:
		return fmt.Errorf("--concurrency: %d is not between 1 and 1000", v.concurrency)
	case !(v.rate >= 0 && v.rate <= 1e6) || v.rate > 0 && v.rate < 0.01:
		return fmt.Errorf("--rate: %v is neither 0 nor between 0.01 and 1000000", v.rate)
	case v.timeout <= 0:
		return fmt.Errorf("--timeout: %v is not above 0", v.timeout)
	}
	return nil
}

func verify(ctx context.Context, p process, flags reviewFlags, v verifyFlags, w io.Writer) (*review.Review, error) {
	against, err := v.open(ctx, p, "against", v.against, v.againstKeyFile, againstKeyVariable)
	if err != nil {
		return nil, err
	}
	defer against.Close()
	with, err := v.open(ctx, p, "with", v.with, v.withKeyFile, withKeyVariable)
	if err != nil {
		return nil, err
	}
	defer with.Close()
	found, err := impact.Run(ctx, recording.Lines(flags.requests), against, with, impact.Options{
		Workers: v.concurrency, Top: flags.top, Rate: v.rate, Servers: true, Done: requestProgress(w),
	})
	if err != nil {
		return nil, err
	}
	side := func(address string, r *impact.Remote) review.Side {
		return review.Side{Name: address, Version: strings.Join(r.Versions(), ", "), Server: true}
	}
	return &review.Review{Old: side(v.against, against), New: side(v.with, with), Impact: found}, nil
}

// open reaches a server.
func (v *verifyFlags) open(ctx context.Context, p process, flag, address, keyFile, variable string) (*impact.Remote, error) {
	key, err := keyOf(p, keyFile, variable)
	if err != nil {
		return nil, fmt.Errorf("--%s-key-file: %w", flag, err)
	}
	r, err := impact.NewRemote(address, impact.RemoteOptions{
		Key: key, ClientHeader: server.ClientHeader, Timeout: v.timeout, Connections: v.concurrency,
	})
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	if err := r.Reach(ctx); err != nil {
		return nil, fmt.Errorf("--%s: no server answers at %s: %w", flag, address, err)
	}
	return r, nil
}

// keyOf reads a key from a file, or else from a variable; empty: there is none.
func keyOf(p process, file, variable string) (string, error) {
	if file == "" {
		for _, v := range p.environ {
			if key, ok := strings.CutPrefix(v, variable+"="); ok {
				return strings.TrimSpace(key), nil
			}
		}
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	key := strings.TrimSpace(string(text))
	if key == "" || strings.ContainsAny(key, "\r\n") {
		return "", fmt.Errorf("%s does not have a key on its only line", file)
	}
	return key, nil
}
