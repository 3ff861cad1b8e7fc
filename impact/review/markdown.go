package review

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"

	"proscenium/impact"
	"proscenium/scenes/diff"
)

// MaxMarkdown is how many characters a comment on GitHub may have; a review never has more.
const MaxMarkdown = 65_536

// footBytes are kept for what stands at the end of a comment.
const footBytes = 2_000

// Markdown writes a review as the comment of a pull request: what will change for those who buy first, the details folded. A part that does not
// fit is left out, and that is said.
func Markdown(w io.Writer, r *Review) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### Proscenium: what this change does\n\n**%s**\n", escape(Headline(r)))
	add := func(what string, write func(b *strings.Builder, room int)) {
		var part strings.Builder
		room := MaxMarkdown - footBytes - b.Len()
		write(&part, room)
		if part.Len() > room {
			part.Reset()
			fmt.Fprintf(&part, "\n*%s: too much for a comment, see `--format text`.*\n", what)
		}
		b.WriteString(part.String())
	}
	p := r.Impact
	if p != nil {
		add("Scenes", func(b *strings.Builder, _ int) { markdownScenes(b, p) })
		add("Largest price changes", func(b *strings.Builder, _ int) { markdownLargest(b, "Largest price changes", p.Largest) })
		add("Requests that are refused", func(b *strings.Builder, _ int) { markdownRefusals(b, p) })
		add("Not compared", func(b *strings.Builder, _ int) { markdownFailures(b, p) })
	}
	if !r.New.Server {
		add("Edits", func(b *strings.Builder, room int) { markdownEdits(b, r, room) })
	}
	if p != nil {
		add("Details of the answers", func(b *strings.Builder, _ int) { markdownDetails(b, p) })
		add("Notes", func(b *strings.Builder, _ int) { markdownNotes(b, p) })
	}
	fmt.Fprintf(&b, "\n<sub>%s → %s</sub>\n", sideLine(r.Old), sideLine(r.New))
	_, err := io.WriteString(w, b.String())
	return err
}

func sideLine(s Side) string {
	if s.Version == "" {
		return code(s.Name)
	}
	return code(s.Name) + " " + code(s.Version)
}

func markdownScenes(b *strings.Builder, p *impact.Report) {
	if p.Changed > 0 {
		markdownTable(b, []string{"scene", "requests", "changed", "share", "dearer", "cheaper"}, "lrrrrr", partRows(p.Scenes))
	}
}

func markdownLargest(b *strings.Builder, title string, changes []*impact.PriceChange) {
	if len(changes) == 0 {
		return
	}
	fmt.Fprintf(b, "\n**%s**\n", title)
	markdownTable(b, []string{"scene", "what", "old", "new", "change", "requests", "because"}, "llrrrrl", priceRows(changes))
}

func markdownRefusals(b *strings.Builder, p *impact.Report) {
	if rows := refusalRows(p.Refusals); len(rows) > 0 {
		fmt.Fprintf(b, "\n**Requests that are refused, or no longer are**\n")
		markdownTable(b, []string{"outcome", "requests", "scene", "first at", "message"}, "lrlll", rows)
	}
}

func markdownDetails(b *strings.Builder, p *impact.Report) {
	if p.Changed == 0 {
		return
	}
	fold(b, "Details of the answers", func() {
		for _, c := range p.Prices {
			fmt.Fprintf(b, "%s.\n", escape(sumLine(c)))
		}
		markdownTable(b, []string{"field", "answers", "values", "for example, amounts in minor units"}, "lrrl", columns(fieldRows(p.Fields), 4))
		markdownTable(b, []string{"turns", "values"}, "lr", turnRows(p.Turns))
		if len(p.Regions) > 1 {
			markdownTable(b, []string{"region", "requests", "changed", "share", "dearer", "cheaper"}, "lrrrrr", partRows(p.Regions))
		}
		if len(p.Clients) > 1 {
			markdownTable(b, []string{"client", "requests", "changed", "share", "dearer", "cheaper"}, "lrrrrr", partRows(p.Clients))
		}
		markdownLargest(b, "Largest price changes by percent", p.LargestByPercent)
	})
}

// markdownEdits lists as many edits as there is room for, and leaves half of it to what follows.
func markdownEdits(b *strings.Builder, r *Review, room int) {
	if len(r.Changes) == 0 {
		if r.Impact != nil {
			fmt.Fprintf(b, "\n%s\n", editsLine(r.Changes))
		}
		return
	}
	title := strings.TrimSuffix(editsLine(r.Changes), ".")
	fold(b, "Edits: "+title, func() {
		for i, c := range r.Changes {
			text := markdownChange(c)
			if b.Len()+len(text) > room/2 {
				fmt.Fprintf(b, "- ... and %s more, see `--format text`\n", plural(len(r.Changes)-i, "entity", "entities"))
				return
			}
			b.WriteString(text)
		}
	})
}

// maxFields bounds the fields of an entity that are listed.
const maxFields = 40

func markdownChange(c diff.Change) string {
	var b strings.Builder
	fmt.Fprintf(&b, "- **%s %s**", c.Kind, escape(entity(c)))
	if used := usedBy(c); used != "" {
		fmt.Fprintf(&b, ", %s", escape(used))
	}
	b.WriteByte('\n')
	for i, f := range c.Fields {
		if i == maxFields {
			fmt.Fprintf(&b, "  - ... and %s more\n", plural(len(c.Fields)-i, "field", "fields"))
			break
		}
		path := code(c.Path(f))
		switch {
		case len(f.Added)+len(f.Removed) > 0:
			fmt.Fprintf(&b, "  - %s: %s\n", path, code(setLine(f)))
		case c.Kind == diff.Added:
			fmt.Fprintf(&b, "  - %s: %s\n", path, code(side(f.New, f.NewDefault)))
		case c.Kind == diff.Removed:
			fmt.Fprintf(&b, "  - %s: %s\n", path, code(side(f.Old, f.OldDefault)))
		default:
			fmt.Fprintf(&b, "  - %s: %s → %s\n", path, code(side(f.Old, f.OldDefault)), code(side(f.New, f.NewDefault)))
		}
	}
	return b.String()
}

func markdownFailures(b *strings.Builder, p *impact.Report) {
	if rows := failureRows(p.NotCompared); len(rows) > 0 {
		fmt.Fprintf(b, "\n**%s**\n", plural(p.Failed(), "request was not compared", "requests were not compared"))
		markdownTable(b, []string{"why", "requests", "for example", "at"}, "lrll", rows)
	}
}

func markdownNotes(b *strings.Builder, p *impact.Report) {
	lines := append(refusedLines(p), p.Notes...)
	if line := recordingLine(p); line != "" {
		lines = append([]string{line}, lines...)
	}
	if len(lines) > 0 {
		b.WriteByte('\n')
	}
	for _, note := range lines {
		fmt.Fprintf(b, "> %s  \n", escape(tame(note)))
	}
}

// refusedLines count the requests that both sides refuse, by reason.
func refusedLines(p *impact.Report) []string {
	byReason := map[string]int{}
	for _, r := range p.Refused {
		byReason[r.New] += r.Requests
	}
	var lines []string
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		lines = append(lines, fmt.Sprintf("%s refused on both sides: %s", plural(byReason[reason], "request is", "requests are"), clean(reason)))
	}
	return lines
}

// fold puts what body writes below a line that opens it.
func fold(b *strings.Builder, title string, body func()) {
	fmt.Fprintf(b, "\n<details><summary>%s</summary>\n\n", escape(title))
	body()
	b.WriteString("\n</details>\n")
}

// markdownTable writes a table. Each column is l or r: to the left or to the right.
func markdownTable(b *strings.Builder, head []string, align string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n| %s |\n|", strings.Join(head, " | "))
	for _, a := range align {
		b.WriteString(map[rune]string{'l': "---|", 'r': "--:|"}[a])
	}
	b.WriteByte('\n')
	for _, row := range rows {
		b.WriteByte('|')
		for i := range head {
			cell := ""
			if i < len(row) {
				cell = escape(row[i])
			}
			b.WriteString(" " + cell + " |")
		}
		b.WriteByte('\n')
	}
}

func columns(rows [][]string, n int) [][]string {
	out := make([][]string, len(rows))
	for i, row := range rows {
		out[i] = row[:min(n, len(row))]
	}
	return out
}

// kindOf says what kind of caller asks, without naming anybody.
func kindOf(c *impact.PriceChange) string {
	if c.User == 0 {
		return "a guest in " + clean(c.Region)
	}
	return "a user in " + clean(c.Region)
}

func priceRows(changes []*impact.PriceChange) [][]string {
	rows := make([][]string, len(changes))
	for i, c := range changes {
		amounts := amountsOf(c)
		change := amounts[2]
		if c.Old != 0 {
			change += fmt.Sprintf(" (%+g%%)", c.Percent)
		}
		rows[i] = []string{clean(c.Scene), thingOf(c) + ", " + kindOf(c), amounts[0], amounts[1], change, count(c.Requests), clean(strings.Join(c.Because, "; "))}
	}
	return shown(rows)
}

// noWidth is a space of no width. GitHub looks for names of people and numbers of issues in what Markdown was made into, where neither a backslash
// nor a character reference is left to stop it (cmark-gfm's issue 181); this does.
const noWidth = "&#8203;"

// escape keeps what files hold from being read as Markdown or HTML, names from being mentions of people, and numbers from being links to issues.
func escape(s string) string {
	var b strings.Builder
	runes := []rune(strings.ReplaceAll(s, " -> ", " → "))
	for i, r := range runes {
		switch r {
		case '_':
			// Between letters it is no emphasis.
			if i == 0 || i == len(runes)-1 || !isWord(runes[i-1]) || !isWord(runes[i+1]) {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		case '\\', '`', '*', '[', ']', '|', '~', '>':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '<':
			b.WriteString("&lt;")
		case '&':
			b.WriteString("&amp;")
		case '@':
			b.WriteString("@" + noWidth)
		case '#':
			b.WriteString("\\#" + noWidth)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// code is a text in backticks, more of them than it has itself.
func code(s string) string {
	s = clean(s)
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}
