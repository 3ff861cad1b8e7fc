// Package report writes findings about configuration files for people and for programs.
package report

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/width"

	"proscenium/scenes/diag"
)

// Text writes each finding with its source line, a caret below the place, and the hint, and a line that counts them at the end; nothing
// where there is no finding.
//
//	scenes.yaml:12:24: error: there is no bypass rule vedio [UNKNOWN_REFERENCE]
//	   12 |     bypass_validation: vedio
//	      |                        ^^^^^
//	      = hint: did you mean video?
type Text struct {
	// Color marks severities and carets with ANSI sequences, for terminals.
	Color bool
	// Prefix stands before the names of files: the directory with a slash, or nothing.
	Prefix string
}

// The ANSI sequences of coloured reports.
const (
	red, yellow, bold, reset = "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[0m"
)

// Write writes the findings to w.
func (t Text) Write(w io.Writer, findings []diag.Diagnostic) error {
	var b strings.Builder
	for _, d := range findings {
		t.finding(&b, d)
	}
	if errors, warnings := diag.Count(findings); errors+warnings > 0 {
		fmt.Fprintf(&b, "%s, %s\n", plural(errors, "error"), plural(warnings, "warning"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t Text) finding(b *strings.Builder, d diag.Diagnostic) {
	color := red
	if d.Severity == diag.Warning {
		color = yellow
	}
	if place := t.place(d.File, d.Line, d.Column); place != "" {
		b.WriteString(t.paint(bold, place+":") + " ")
	}
	fmt.Fprintf(b, "%s %s [%s]\n", t.paint(color, d.Severity.String()+":"), clean(d.Message), d.Code)
	margin := strings.Repeat(" ", max(5, len(fmt.Sprint(d.Line))))
	if d.Excerpt != "" {
		before, under := caret(d.Excerpt, d.Column, d.EndColumn)
		fmt.Fprintf(b, "%5d | %s\n", d.Line, clean(d.Excerpt))
		fmt.Fprintf(b, "%s | %s%s\n", margin, before, t.paint(color, under))
	}
	if d.Hint != "" {
		fmt.Fprintf(b, "%s = hint: %s\n", margin, clean(d.Hint))
	}
	for _, r := range d.Related {
		if place := t.place(r.File, r.Line, r.Column); place != "" {
			fmt.Fprintf(b, "%s = %s: %s\n", margin, place, clean(r.Message))
		}
	}
}

// place is where something is, as terminals make links of. What is in no file is in the directory.
func (t Text) place(file string, line, column int) string {
	switch {
	case file == "":
		return strings.TrimSuffix(t.Prefix, "/")
	case line == 0:
		return t.Prefix + file
	default:
		return fmt.Sprintf("%s%s:%d:%d", t.Prefix, file, line, column)
	}
}

func (t Text) paint(color, s string) string {
	if !t.Color {
		return s
	}
	return color + s + reset
}

// caret is the line below an excerpt: what fills the columns before the place, and the carets below it. Tabs stay tabs, so that both lines
// go equally far; characters take the cells that terminals give them.
func caret(excerpt string, column, end int) (before, under string) {
	var blank strings.Builder
	cells, at := 0, 1
	for _, r := range excerpt {
		switch {
		case at >= column && at < end:
			cells += cellsOf(r)
		case at >= column:
		case r == '\t':
			blank.WriteByte('\t')
		default:
			blank.WriteString(strings.Repeat(" ", cellsOf(r)))
		}
		at++
	}
	return blank.String(), strings.Repeat("^", max(cells, 1))
}

// cellsOf is how many cells of a terminal a character takes.
func cellsOf(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// clean keeps control characters of a file from commanding the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return '\ufffd'
		}
		return r
	}, s)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
