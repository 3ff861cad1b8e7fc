package scenetest

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Write writes the coverage for people: what was exercised of each kind, and then what was not, with its place. Prefix stands before the names
// of files.
func (c *Coverage) Write(w io.Writer, prefix string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(table, "\ncoverage\n") // the writer keeps its errors for Flush
	for _, kind := range Kinds() {
		if reached, points := c.Count(kind); points > 0 {
			_, _ = fmt.Fprintf(table, "  %ss\t%d of %d\t%.1f%%\n", kind, reached, points, c.Percent(kind))
		}
	}
	reached, points := c.Count("")
	_, _ = fmt.Fprintf(table, "  all\t%d of %d\t%.1f%%\n", reached, points, c.Percent(""))
	if reached < points {
		_, _ = fmt.Fprintf(table, "\nnot exercised\n")
	}
	for _, e := range c.Entries {
		if len(e.Missing) > 0 {
			_, _ = fmt.Fprintf(table, "  %s%s:%d\t%s %s: %s\n", prefix, clean(e.File), e.Line, e.Kind, clean(e.Name), strings.Join(e.Missing, ", "))
		}
	}
	return table.Flush()
}
