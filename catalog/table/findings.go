// Package table reads CSV files by named columns, and reports what is wrong in them: every fault with file, line, column and a hint.
package table

import (
	"fmt"
	"strings"

	"proscenium/scenes/diag"
)

// CSVSyntax is the code of a file that is not CSV.
const CSVSyntax diag.Code = "CSV_SYNTAX"

// maxFindings bounds what is kept; the rest is counted.
const maxFindings = 100

// Findings collects faults, the first hundred of them whole and the others as a number. The zero value is empty. It is not safe for concurrent use.
type Findings struct {
	all  []diag.Diagnostic
	more int
}

// Add keeps a finding, or counts it.
func (f *Findings) Add(d diag.Diagnostic) {
	if len(f.all) == maxFindings {
		f.more++
		return
	}
	d.Severity = diag.Error
	f.all = append(f.all, d)
}

// Err is nil without findings, otherwise an *Error.
func (f *Findings) Err() error {
	if len(f.all) == 0 {
		return nil
	}
	all := f.all
	if f.more > 0 {
		all = append(all[:len(all):len(all)], diag.Diagnostic{
			Code: diag.TooMany, Severity: diag.Error, Message: fmt.Sprintf("%d more findings are not shown", f.more),
			Hint: "mend these and try again",
		})
	}
	return &Error{Findings: all}
}

// Error is everything found wrong in a set of tables.
type Error struct{ Findings []diag.Diagnostic }

// Error writes one line for each finding: file:line:column: message (hint).
func (e *Error) Error() string {
	var b strings.Builder
	for i, d := range e.Findings {
		if i > 0 {
			b.WriteByte('\n')
		}
		if d.File != "" {
			b.WriteString(d.File)
			if d.Line > 0 {
				fmt.Fprintf(&b, ":%d", d.Line)
			}
			if d.Column > 0 {
				fmt.Fprintf(&b, ":%d", d.Column)
			}
			b.WriteString(": ")
		}
		b.WriteString(d.Message)
		if d.Hint != "" {
			fmt.Fprintf(&b, " (%s)", d.Hint)
		}
	}
	return b.String()
}
