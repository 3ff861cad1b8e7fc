package scenetest

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// Text writes a report for people: a line for each file, what failed with the lines of the test file around it, and the counts at the end.
type Text struct {
	// Color marks outcomes with ANSI sequences, for terminals.
	Color bool
	// Verbose lists the cases that passed, too.
	Verbose bool
	// Prefix stands before the names of files, such as the directory with a slash.
	Prefix string
	// Trace writes the trace of a case that failed below what does not hold; nil: traces are not written.
	Trace func(io.Writer, *pricingv1.Trace) error
}

// The ANSI sequences of coloured reports.
const (
	red, green, reset = "\x1b[31m", "\x1b[32m", "\x1b[0m"
)

// around is how many lines of a test file are shown before and behind the one that fails.
const around = 2

// Write writes the report to w.
func (t Text) Write(w io.Writer, r *Report) error {
	var b strings.Builder
	for i := range r.Files {
		if err := t.file(&b, &r.Files[i]); err != nil {
			return err
		}
	}
	outcome := t.paint(green, "ok")
	if r.Failed > 0 {
		outcome = t.paint(red, "FAIL")
	}
	fmt.Fprintf(&b, "%s: %d passed, %d failed", outcome, r.Passed, r.Failed)
	if r.Deselected > 0 {
		fmt.Fprintf(&b, ", %d not selected", r.Deselected)
	}
	fmt.Fprintf(&b, " (%s)\n", round(r.Took))
	_, err := io.WriteString(w, b.String())
	return err
}

func (t Text) file(b *strings.Builder, f *FileReport) error {
	failed := f.Failed()
	if failed == 0 {
		fmt.Fprintf(b, "%s   %s%s  %s (%s)\n", t.paint(green, "ok"), t.Prefix, clean(f.Name), plural(len(f.Cases), "test"), round(f.Took))
	} else {
		fmt.Fprintf(b, "%s %s%s  %d of %s failed (%s)\n", t.paint(red, "FAIL"), t.Prefix, clean(f.Name), failed, plural(len(f.Cases), "test"), round(f.Took))
	}
	for i := range f.Cases {
		c := &f.Cases[i]
		switch {
		case len(c.Failures) > 0:
			fmt.Fprintf(b, "  %s %s\n", t.paint(red, "FAIL"), c.title())
			t.failures(b, f, c.Failures)
			if t.Trace == nil || c.Trace == nil {
				continue
			}
			if err := t.Trace(b, c.Trace); err != nil {
				return err
			}
			b.WriteByte('\n')
		case t.Verbose:
			fmt.Fprintf(b, "  %s   %s (%s)\n", t.paint(green, "ok"), c.title(), round(c.Took))
		}
	}
	return nil
}

func (c *CaseReport) title() string {
	if c.Cell == "" {
		return clean(c.Test)
	}
	return clean(c.Test) + " [" + clean(c.Cell) + "]"
}

// failures writes what does not hold of a case, each with its lines of the file; those of one line have them together.
func (t Text) failures(b *strings.Builder, f *FileReport, all []Failure) {
	for i := range all {
		t.failure(b, &all[i])
		if i+1 == len(all) || all[i+1].Line != all[i].Line {
			excerpt(b, f.lines, all[i].Line)
		}
	}
	b.WriteByte('\n')
}

func (t Text) failure(b *strings.Builder, x *Failure) {
	fmt.Fprintf(b, "\n    %s%s:%d:%d", t.Prefix, clean(x.File), x.Line, x.Column)
	if x.Path != "" {
		fmt.Fprintf(b, ": %s", clean(x.Path))
	}
	b.WriteByte('\n')
	if x.Message != "" {
		fmt.Fprintf(b, "      %s\n", t.paint(red, clean(x.Message)))
	}
	if x.Want != "" || x.Got != "" {
		fmt.Fprintf(b, "      want %s\n      got  %s\n", clean(x.Want), t.paint(red, clean(x.Got)))
	}
	elements(b, x.Elements, x.Got)
	for _, p := range x.Parts {
		fmt.Fprintf(b, "      %s = %s\n", clean(p.Text), t.paint(red, clean(p.Value)))
		elements(b, p.Elements, p.Value)
	}
}

// elements writes those of a list, one on a line; length tells how many there are.
func elements(b *strings.Builder, all []string, length string) {
	for i, e := range all {
		fmt.Fprintf(b, "           [%d] %s\n", i, clean(e))
	}
	if len(all) == maxElements && length != plural(maxElements, "element") {
		b.WriteString("           ...\n")
	}
}

// excerpt writes a line of a file with those around it.
func excerpt(b *strings.Builder, lines []string, line int) {
	b.WriteByte('\n')
	for n := max(1, line-around); n <= min(len(lines), line+around); n++ {
		mark := " "
		if n == line {
			mark = ">"
		}
		b.WriteString(strings.TrimRight(fmt.Sprintf("    %s %4d | %s", mark, n, clean(lines[n-1])), " ") + "\n")
	}
}

func (t Text) paint(color, s string) string {
	if !t.Color {
		return s
	}
	return color + s + reset
}

// round keeps times short.
func round(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond)
	default:
		return d.Round(time.Microsecond)
	}
}

// clean keeps control characters of a file from commanding the terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return ' '
		case unicode.IsControl(r) && r != '\t':
			return '\ufffd'
		}
		return r
	}, s)
}
