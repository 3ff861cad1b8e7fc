package review

import (
	"fmt"

	"proscenium/impact"
)

// maxRows bounds the rows of a table for people; JSON has all.
const maxRows = 30

// shown cuts the rows, and says so.
func shown(rows [][]string) [][]string {
	if more := len(rows) - maxRows; more > 0 {
		return append(rows[:maxRows:maxRows], []string{fmt.Sprintf("... and %s more", count(more))})
	}
	return rows
}

// partRows are the parts with changes.
func partRows(parts []impact.Part) [][]string {
	var rows [][]string
	unchanged, requests := 0, 0
	for _, p := range parts {
		if p.Changed == 0 {
			unchanged++
			requests += p.Requests
			continue
		}
		name := clean(p.Name)
		if name == "" {
			name = "(none)"
		}
		rows = append(rows, []string{name, count(p.Requests), count(p.Changed), share(p.Percent, p.Changed, p.Requests), count(p.Dearer), count(p.Cheaper)})
	}
	rows = shown(rows)
	if unchanged > 0 {
		rows = append(rows, []string{fmt.Sprintf("(%s without change)", count(unchanged)), count(requests), "0", "", "", ""})
	}
	return rows
}

func fieldRows(fields []impact.FieldChange) [][]string {
	rows := make([][]string, len(fields))
	for i, f := range fields {
		example := fmt.Sprintf("%s -> %s", side(short(f.Old), false), side(short(f.New), false))
		if f.Old == "" && f.New == "" {
			example = ""
		}
		rows[i] = []string{clean(f.Path), count(f.Answers), count(f.Values), example, clean(f.Place)}
	}
	return shown(rows)
}

// short cuts a value to what fits into a table.
func short(s string) string {
	const most = 60
	s = clean(s)
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-3]) + "..."
	}
	return s
}

func turnRows(turns []impact.Turn) [][]string {
	rows := make([][]string, len(turns))
	for i, t := range turns {
		rows[i] = []string{fmt.Sprintf("%s: %s -> %s", clean(t.Path), side(short(t.Old), false), side(short(t.New), false)), count(t.Values)}
	}
	return shown(rows)
}

func refusalRows(refusals []impact.RefusalChange) [][]string {
	outcome := func(reason string) string {
		if reason == "" {
			return "answered"
		}
		return clean(reason)
	}
	rows := make([][]string, len(refusals))
	for i, r := range refusals {
		what := outcome(r.Old) + " -> " + outcome(r.New)
		if r.Old == r.New {
			what = outcome(r.New)
		}
		rows[i] = []string{what, count(r.Requests), clean(r.Scene), clean(r.Place), clean(r.Message)}
	}
	return shown(rows)
}

func failureRows(failures []impact.Failures) [][]string {
	var rows [][]string
	for _, f := range failures {
		for i, e := range f.Examples {
			row := []string{"", "", clean(e.Message), clean(e.Place)}
			if i == 0 {
				row[0], row[1] = fmt.Sprintf("%s: %s", f.Side, clean(f.Reason)), count(f.Count)
			}
			rows = append(rows, row)
		}
	}
	return shown(rows)
}
