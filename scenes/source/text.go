package source

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"proscenium/scenes/diag"
)

const (
	longestExcerpt = 1000
	stride         = 1024
)

// text is one file, split into lines as the parser counts them.
type text struct {
	name  string
	lines []string
	// strides has, for each long line by its index, the byte offsets of every 1024th code point: a file may be one line of megabytes.
	strides map[int][]int
}

// newText splits data, which must be UTF-8, at every line break that YAML 1.1 knows: the parser counts lines so.
func newText(name string, data []byte) *text {
	t := &text{name: name, lines: make([]string, 0, 1+bytes.Count(data, []byte{'\n'})), strides: map[int][]int{}}
	defer t.measure()
	rest := string(data)
	for {
		i := strings.IndexAny(rest, "\n\r\u0085\u2028\u2029")
		if i < 0 {
			t.lines = append(t.lines, rest)
			return t
		}
		t.lines = append(t.lines, rest[:i])
		if strings.HasPrefix(rest[i:], "\r\n") {
			rest = rest[i+2:]
			continue
		}
		_, size := utf8.DecodeRuneInString(rest[i:])
		rest = rest[i+size:]
	}
}

func (t *text) measure() {
	for i, line := range t.lines {
		if len(line) <= stride {
			continue
		}
		points := 0
		for at := range line {
			if points%stride == 0 {
				t.strides[i] = append(t.strides[i], at)
			}
			points++
		}
	}
}

// line is the line of that number, which counts from 1, or empty.
func (t *text) line(number int) string {
	if number < 1 || number > len(t.lines) {
		return ""
	}
	return t.lines[number-1]
}

// from is the part of a line from a column on; both count from 1, columns in code points.
func (t *text) from(line, column int) string {
	rest := t.line(line)
	if marks := t.strides[line-1]; column > stride && (column-1)/stride < len(marks) {
		rest = rest[marks[(column-1)/stride]:]
		column = 1 + (column-1)%stride
	}
	for ; column > 1 && rest != ""; column-- {
		_, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
	}
	return rest
}

// span is a piece of a line.
func (t *text) span(line, column, width int) Span {
	s := Span{File: t.name, Line: line, Column: column, EndColumn: column + max(width, 1)}
	if excerpt := t.line(line); len(excerpt) <= longestExcerpt {
		s.Excerpt = excerpt
	}
	return s
}

// clamp moves a position of the parser's, which may lie behind the end of the file, to the last line that has text.
func (t *text) clamp(line, column int) (int, int) {
	if line < 1 {
		return 1, 1
	}
	if line < len(t.lines) || line == len(t.lines) && t.line(line) != "" {
		return line, max(column, 1)
	}
	for line = len(t.lines); line > 1 && strings.TrimSpace(t.line(line)) == ""; line-- {
		continue
	}
	return line, 1 + utf8.RuneCountInString(strings.TrimRight(t.line(line), " \t"))
}

// Span is a piece of a line of a file. Lines and columns count from 1, columns in Unicode code points; EndColumn is the one behind the last.
type Span struct {
	File                    string
	Line, Column, EndColumn int
	Excerpt                 string // the line; empty if it is longer than 1000 bytes
}

// Finding makes a finding about the span.
func (s Span) Finding(code diag.Code, severity diag.Severity, message, hint string) diag.Diagnostic {
	return diag.Diagnostic{
		Code: code, Severity: severity, Message: message, Hint: hint,
		File: s.File, Line: s.Line, Column: s.Column, EndColumn: s.EndColumn, Excerpt: s.Excerpt,
	}
}

// Related makes the span one that a finding also speaks of.
func (s Span) Related(message string) diag.Related {
	return diag.Related{Message: message, File: s.File, Line: s.Line, Column: s.Column}
}
