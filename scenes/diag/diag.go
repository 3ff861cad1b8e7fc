// Package diag holds findings about configuration files as data: what is wrong, where, and how to mend it.
// Renderers stand elsewhere, in scenes/report.
package diag

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Severity says whether a finding keeps a configuration from serving.
type Severity uint8

// The severities.
const (
	// Error findings leave no snapshot.
	Error Severity = iota + 1
	// Warning findings do not.
	Warning
)

// String is the severity in lower case, as reports write it.
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// MarshalText writes the severity as String does.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Diagnostic is one finding. Its JSON form is part of the commands' output.
type Diagnostic struct {
	// Code is stable; docs/reference/diagnostics.md has a section for each.
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	// Message says what is wrong, in one sentence without a full stop.
	Message string `json:"message"`
	// File is relative to the configuration's directory, with slashes. It is empty for findings about the configuration as a whole.
	File string `json:"file,omitempty"`
	// Line and Column count from 1, columns in Unicode code points. 0: the finding is about the whole file.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// EndColumn is the column behind the last one of the place, on the same line; larger than Column where that is known.
	EndColumn int `json:"end_column,omitempty"`
	// Path is the place in the bundle, such as scenes[12].voucher.bypass_validation.
	Path string `json:"path,omitempty"`
	// Excerpt is the source line.
	Excerpt string `json:"excerpt,omitempty"`
	// Hint tells how to mend it; it may be empty.
	Hint string `json:"hint,omitempty"`
	// Related are other places that the finding is about, such as the first use of a duplicate name.
	Related []Related `json:"related,omitempty"`
}

// Related is another place that a finding is about.
type Related struct {
	Message string `json:"message"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
}

// Most bounds the findings of one configuration: nobody reads more, and a file of garbage has one for each line.
const Most = 5_000

// List gathers findings, at most about Most of them. Its zero value is empty.
type List struct {
	all     []Diagnostic
	dropped bool
}

// Add adds a finding, or drops it where there are enough.
func (l *List) Add(d Diagnostic) {
	if len(l.all) < Most {
		l.all = append(l.all, d)
		return
	}
	l.dropped = true
}

// Full says whether what is added now would be dropped.
func (l *List) Full() bool { return len(l.all) >= Most }

// All are the findings, with a last one that says so if some were dropped.
func (l *List) All() []Diagnostic {
	if !l.dropped {
		return l.all
	}
	return append(slices.Clip(l.all), Diagnostic{
		Code: TooMany, Severity: Error, Message: "there are more than " + strconv.Itoa(Most) + " findings; the others are not shown", Hint: "mend these first",
	})
}

// HasErrors says whether a finding is an Error.
func HasErrors(all []Diagnostic) bool {
	return slices.ContainsFunc(all, func(d Diagnostic) bool { return d.Severity == Error })
}

// Count returns the numbers of errors and of warnings.
func Count(all []Diagnostic) (errors, warnings int) {
	for _, d := range all {
		if d.Severity == Error {
			errors++
		} else {
			warnings++
		}
	}
	return errors, warnings
}

// Sort orders findings by file, line and column, so that reports are stable and read like the files.
// Findings about the whole configuration come first.
func Sort(all []Diagnostic) {
	slices.SortStableFunc(all, func(a, b Diagnostic) int {
		return cmp.Or(
			strings.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Severity, b.Severity),
			strings.Compare(string(a.Code), string(b.Code)),
			strings.Compare(a.Path, b.Path),
		)
	})
}
