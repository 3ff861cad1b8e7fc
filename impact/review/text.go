package review

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"proscenium/impact"
	"proscenium/scenes/diff"
)

// Text writes a review for terminals.
type Text struct {
	// Color marks what was added and removed with ANSI sequences.
	Color bool
}

// The ANSI sequences of coloured reviews.
const (
	red, green, yellow, bold, reset = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[1m", "\x1b[0m"
)

func (t Text) paint(color, s string) string {
	if !t.Color {
		return s
	}
	return color + s + reset
}

// Write writes the review to w.
func (t Text) Write(w io.Writer, r *Review) error {
	var b strings.Builder
	t.sides(&b, r)
	if !r.New.Server {
		fmt.Fprintf(&b, "\n%s\n", t.paint(bold, editsLine(r.Changes)))
		for _, c := range r.Changes {
			t.change(&b, c)
		}
	}
	if r.Impact != nil {
		t.impact(&b, r.Impact)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t Text) sides(b *strings.Builder, r *Review) {
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, s := range []struct {
		word string
		Side
	}{{"old", r.Old}, {"new", r.New}} {
		version := "version unknown"
		if s.Version != "" {
			version = "version " + s.Version
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", s.word, clean(s.Name), version)
	}
	_ = table.Flush()
}

func (t Text) change(b *strings.Builder, c diff.Change) {
	color := map[diff.Kind]string{diff.Added: green, diff.Removed: red, diff.Changed: yellow}[c.Kind]
	fmt.Fprintf(b, "\n%s %s\n", t.paint(color, string(c.Kind)), t.paint(bold, entity(c)))
	for _, f := range c.Fields {
		path := clean(c.Path(f))
		switch {
		case len(f.Added)+len(f.Removed) > 0:
			fmt.Fprintf(b, "  %s: %s\n", path, setLine(f))
		case f.Expression && f.Old != "" && f.New != "":
			fmt.Fprintf(b, "  %s:\n    %s\n    %s\n", path, t.paint(red, "- "+side(f.Old, f.OldDefault)), t.paint(green, "+ "+side(f.New, f.NewDefault)))
		case c.Kind == diff.Added:
			fmt.Fprintf(b, "  %s: %s\n", path, side(f.New, f.NewDefault))
		case c.Kind == diff.Removed:
			fmt.Fprintf(b, "  %s: %s\n", path, side(f.Old, f.OldDefault))
		default:
			fmt.Fprintf(b, "  %s: %s -> %s\n", path, side(f.Old, f.OldDefault), side(f.New, f.NewDefault))
		}
	}
	if used := usedBy(c); used != "" {
		fmt.Fprintf(b, "  %s\n", used)
	}
}

// setLine says which elements a set gained and lost.
func setLine(f diff.Field) string {
	var words []string
	for _, s := range f.Added {
		words = append(words, "+"+clean(s))
	}
	for _, s := range f.Removed {
		words = append(words, "-"+clean(s))
	}
	return strings.Join(words, " ")
}

func (t Text) impact(b *strings.Builder, p *impact.Report) {
	fmt.Fprintf(b, "\n%s\n", t.paint(bold, impactLine(p)))
	if line := recordingLine(p); line != "" {
		fmt.Fprintf(b, "%s\n", line)
	}
	if p.Changed > 0 {
		for _, c := range p.Prices {
			fmt.Fprintf(b, "%s\n", sumLine(c))
		}
		t.table(b, "scene\trequests\tchanged\t\tdearer\tcheaper", partRows(p.Scenes))
		if len(p.Regions) > 1 {
			t.table(b, "region\trequests\tchanged\t\tdearer\tcheaper", partRows(p.Regions))
		}
		if len(p.Clients) > 1 {
			t.table(b, "client\trequests\tchanged\t\tdearer\tcheaper", partRows(p.Clients))
		}
		t.table(b, "field\tanswers\tvalues\tfor example, amounts in minor units\tat", fieldRows(p.Fields))
		t.table(b, "turns\tvalues", turnRows(p.Turns))
		t.table(b, "refusals\trequests\tscene\tat\t", refusalRows(p.Refusals))
		t.largest(b, "largest price changes", p.Largest)
		t.largest(b, "largest price changes by percent", p.LargestByPercent)
	}
	t.table(b, "refused on both sides\trequests\tscene\tfor example at\t", refusalRows(p.Refused))
	t.table(b, "not compared\trequests\tfor example\tat", failureRows(p.NotCompared))
	for i, note := range p.Notes {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "note: %s\n", tame(note))
	}
}

// table writes a table whose first row is its head; nothing where there are no rows.
func (t Text) table(b *strings.Builder, head string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, head)
	for _, row := range rows {
		_, _ = fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	_ = table.Flush()
	b.WriteByte('\n')
	for i, line := range strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n") {
		line = strings.TrimRight(line, " ")
		if i == 0 {
			line = t.paint(bold, line)
		}
		fmt.Fprintf(b, "%s\n", line)
	}
}

func (t Text) largest(b *strings.Builder, title string, changes []*impact.PriceChange) {
	if len(changes) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", t.paint(bold, title))
	for _, c := range changes {
		fmt.Fprintf(b, "  %s: %s, %s, %s\n", moveOf(c), clean(c.Scene), thingOf(c), whoOf(c))
		for _, why := range c.Because {
			fmt.Fprintf(b, "      %s\n", clean(why))
		}
		fmt.Fprintf(b, "      %s, first at %s\n", plural(c.Requests, "request", "requests"), clean(c.Place))
	}
}

func moveOf(c *impact.PriceChange) string {
	exact := amountsOf(c)
	s := fmt.Sprintf("%s -> %s (%s", exact[0], exact[1], exact[2])
	if c.Old != 0 {
		s += fmt.Sprintf(", %+g%%", c.Percent)
	}
	return s + ")"
}

// amountsOf are old, new and change; the currency stands with the new one.
func amountsOf(c *impact.PriceChange) [3]string {
	bare := func(s string) string { return strings.TrimSuffix(s, " "+c.Currency) }
	return [3]string{bare(amount(c.Old, c.Currency)), amount(c.New, c.Currency), bare(signed(c.New-c.Old, c.Currency))}
}

func thingOf(c *impact.PriceChange) string {
	if c.ModelID == 0 {
		return fmt.Sprintf("item %d", c.ItemID)
	}
	return fmt.Sprintf("item %d model %d", c.ItemID, c.ModelID)
}

// whoOf names who asks. A comment, which more people read than a recording, does not.
func whoOf(c *impact.PriceChange) string {
	switch {
	case c.User == 0:
		return "a guest in " + clean(c.Region)
	case c.Pseudonym:
		return fmt.Sprintf("a user (pseudonym %d) in %s", c.User, clean(c.Region))
	default:
		return fmt.Sprintf("user %d in %s", c.User, clean(c.Region))
	}
}

// recordingLine says what the requests are; empty where there is nothing to say.
func recordingLine(p *impact.Report) string {
	var words []string
	if p.First != nil {
		words = append(words, fmt.Sprintf("requests from %s to %s", p.First.UTC().Format(time.RFC3339), p.Last.UTC().Format(time.RFC3339)))
	}
	if p.StandFor != float64(p.Compared) {
		words = append(words, fmt.Sprintf("a sample that stands for %s requests, by which the percentages go", count(int(p.StandFor+0.5))))
	}
	return strings.Join(words, "; ")
}

func sumLine(c impact.Prices) string {
	return fmt.Sprintf("%s in %s compared: %s dearer (%s in all), %s cheaper (%s in all)", plural(c.Compared, "price", "prices"), c.Currency,
		count(c.Dearer.Prices), signed(c.Dearer.Sum, c.Currency), count(c.Cheaper.Prices), signed(c.Cheaper.Sum, c.Currency))
}
