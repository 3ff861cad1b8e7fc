package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"proscenium/catalog/retail"
)

func newImport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Make a catalog from other data",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newImportRetail())
	return cmd
}

func newImportRetail() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use:   "retail",
		Short: "Make a catalog from a year of a grocery chain",
		Long: `Retail reads models.csv, promotions.csv, campaigns.csv, campaign_households.csv, coupons.csv, households.csv and baskets.csv, and writes a catalog:
weekly cuts become product promotions, coupons become vouchers for the households of their campaign. The same data makes the same catalog,
byte for byte. Files of a catalog that are in the target are replaced.`,
		Example: "  proscenium import retail --from data/retail --to configs/catalog",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := isDirectory("from", from); err != nil {
				return err
			}
			return retail.Import(os.DirFS(from), to, progress(cmd.ErrOrStderr()))
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "directory of the data")
	cmd.Flags().StringVar(&to, "to", "", "directory of the catalog; made if need be")
	for _, flag := range []string{"from", "to"} {
		cobra.CheckErr(cmd.MarkFlagRequired(flag))
	}
	return cmd
}

// progress writes a bar on a terminal, and a line for each step elsewhere.
func progress(w io.Writer) retail.Progress {
	const width = 30
	bar := isTerminal(w)
	return func(step string, done, total int) {
		if !bar {
			_, _ = fmt.Fprintf(w, "[%d/%d] %s\n", done, total, step)
			return
		}
		filled := width
		if total > 0 {
			filled = width * done / total
		}
		_, _ = fmt.Fprintf(w, "\r\x1b[K[%-*s] %s", width, strings.Repeat("#", filled), step)
		if done == total {
			_, _ = fmt.Fprintln(w)
		}
	}
}
