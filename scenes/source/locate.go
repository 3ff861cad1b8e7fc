package source

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// locate finds the line and column of a part of a scalar's value in the text, from one byte to another, and the column behind the part's last
// character on that line.
//
// All styles of scalars keep the characters that are not blank, in their order: folding, indentation and chomping change only blanks. So the
// n-th character of the value that is not blank is the n-th such character of the text, once escapes and doubled quotes are counted as the
// character that they stand for. A blank, or the end of the value, is located behind the last character before it.
// The result is not ok where the text does not have the character expected.
func locate(t *text, n *yaml.Node, from, to int) (line, column, end int, ok bool) {
	c, ok := open(t, n)
	if !ok {
		return 0, 0, 0, false
	}
	from = min(max(from, 0), len(n.Value))
	for at, want := range n.Value {
		switch {
		case line > 0 && (at >= to || c.line > line):
			return line, column, end, true
		case isBlank(want) && line == 0 && at >= from:
			return c.line, c.column, c.column, true
		case isBlank(want):
			continue
		}
		startLine, start, got := c.next()
		switch {
		case got != want && line == 0:
			return 0, 0, 0, false
		case line == 0 && at+utf8.RuneLen(want) > from:
			line, column, end = startLine, start, c.column
		case got == want && startLine == line:
			end = c.column
		}
	}
	if line == 0 {
		return c.line, c.column, c.column, true
	}
	return line, column, end, true
}

// cursor walks over the characters of a scalar's text.
type cursor struct {
	text         *text
	rest         string // of the line
	line, column int    // of rest
	style        yaml.Style
}

// open puts a cursor at the first character of a scalar, behind its tag, its anchor, its opening quote, or the header of its block.
func open(t *text, n *yaml.Node) (*cursor, bool) {
	c := &cursor{text: t, rest: t.from(n.Line, n.Column), line: n.Line, column: n.Column, style: n.Style &^ yaml.TaggedStyle}
	for c.rest != "" && (c.rest[0] == '&' || c.rest[0] == '!') {
		c.skip(len(firstWord(c.rest)))
		if !c.toText() {
			return nil, false
		}
	}
	switch {
	case c.style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		c.down()
	case c.style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		c.skip(1)
	}
	return c, c.line <= len(t.lines)
}

// next passes over one character that is not blank, and says where it began. At the end of the text it is utf8.RuneError.
func (c *cursor) next() (line, column int, r rune) {
	for c.toText() {
		line, column = c.line, c.column
		r, size := utf8.DecodeRuneInString(c.rest)
		switch {
		case c.style&yaml.SingleQuotedStyle != 0 && strings.HasPrefix(c.rest, "''"):
			size = 2
		case c.style&yaml.DoubleQuotedStyle != 0 && r == '\\':
			if r, size = escape(c.rest); isBlank(r) {
				c.skip(size)
				continue
			}
		}
		c.skip(size)
		return line, column, r
	}
	return c.line, c.column, utf8.RuneError
}

// escape is the character that an escape of a double-quoted scalar stands for, and the bytes that it takes.
func escape(s string) (rune, int) {
	if len(s) < 2 {
		return ' ', len(s) // a line that is continued
	}
	var digits int
	switch s[1] {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case '0':
		return 0, 2
	case 'a':
		return '\a', 2
	case 'b':
		return '\b', 2
	case 'e':
		return '\x1b', 2
	case 'v':
		return '\v', 2
	case 'f':
		return '\f', 2
	case 't', '\t', 'n', 'r', ' ', 'N', 'L', 'P':
		return ' ', 2
	case '_':
		return '\u00a0', 2
	default:
		r, size := utf8.DecodeRuneInString(s[1:])
		return r, 1 + size
	}
	if len(s) < 2+digits {
		return utf8.RuneError, len(s)
	}
	code, err := strconv.ParseUint(s[2:2+digits], 16, 32)
	if err != nil {
		return utf8.RuneError, 2 + digits
	}
	return rune(code), 2 + digits
}

// toText moves to the next character that is not blank, over ends of lines.
func (c *cursor) toText() bool {
	for c.line <= len(c.text.lines) {
		for i, r := range c.rest {
			if !isBlank(r) {
				c.skip(i)
				return true
			}
		}
		c.down()
	}
	return false
}

// skip passes over that many bytes of the line.
func (c *cursor) skip(size int) {
	c.column += utf8.RuneCountInString(c.rest[:size])
	c.rest = c.rest[size:]
}

func (c *cursor) down() {
	c.line++
	c.column = 1
	c.rest = c.text.line(c.line)
}

// isBlank says whether folding may change the character.
func isBlank(r rune) bool {
	switch r {
	case ' ', '\t', '\n', '\r', '\u0085', '\u2028', '\u2029':
		return true
	}
	return false
}

func firstWord(s string) string {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i]
	}
	return s
}
