package source

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"proscenium/scenes/diag"
)

// fault is what the parser of YAML found, where it noticed it and where the thing begins that it was reading; and what is made of that for people:
// the place where something has to be mended, in plain words.
type fault struct {
	text                    *text
	message, context        string
	line, column            int // where it was noticed
	startLine, startColumn  int // where what was read begins; 0: not known
	atLine, atColumn, width int // to point at
	says, hint              string
	related                 []diag.Related
}

func syntaxFinding(t *text, e *yaml.LoadError) diag.Diagnostic {
	f := fault{text: t, message: e.Message, context: strings.TrimPrefix(strings.TrimPrefix(e.ContextMsg, "while parsing "), "while scanning "), width: 1}
	f.line, f.column = t.clamp(e.Mark.Line, e.Mark.Column)
	if e.ContextMsg != "" && e.ContextMark.Line > 0 {
		f.startLine, f.startColumn = e.ContextMark.Line, max(e.ContextMark.Column, 1)
	}
	f.atLine, f.atColumn = f.line, f.column
	f.says = strings.TrimSpace(e.Message + " " + e.ContextMsg)
	f.hint = "look at indentation, quotes and brackets, here and in the line above"
	f.explain()
	found := t.span(f.atLine, f.atColumn, f.width).Finding(diag.YAMLSyntax, diag.Error, f.says, f.hint)
	found.Related = f.related
	return found
}

// explain knows what people usually did wrong when the parser complains.
func (f *fault) explain() {
	is := func(complaint string) bool { return strings.Contains(f.message, complaint) }
	indent := f.text.line(f.line)[:len(f.text.line(f.line))-len(strings.TrimLeft(f.text.line(f.line), " \t"))]
	switch {
	case f.mergeConflict(), f.foreignSpace():
	case is("tab character"), strings.Contains(indent, "\t"):
		f.says, f.hint = "a tab indents this line", "indent with spaces; YAML does not allow tabs there"
	case is("unexpected end of stream") && f.startLine > 0:
		f.unclosedQuote()
	case is("did not find expected ',' or"), is("did not find expected node content"):
		f.brackets()
	case is("mapping values are not allowed"):
		f.colon()
	case is("did not find expected key"), is("did not find expected '-' indicator"):
		f.outOfLine()
	case is("could not find expected ':'"):
		f.noColon()
	case is("cannot start any token"):
		sign := firstRune(f.text.from(f.line, f.column))
		f.says = fmt.Sprintf("a text cannot begin with %s", sign)
		f.hint = fmt.Sprintf("quote it: %q", shorten(strings.TrimSpace(f.text.from(f.line, f.column))))
	case is("block sequence entries are not allowed"):
		f.says, f.hint = "a list cannot begin here", "put it on lines of its own, each element behind a dash; quote a text that begins with a dash"
	case is("escape character"):
		f.says = fmt.Sprintf("%s is no escape", firstRune(f.text.from(f.line, f.column))+firstRune(f.text.from(f.line, f.column+1)))
		f.hint = `within double quotes write \\ for a backslash, or use single quotes`
	case is("expected comment or line break"):
		f.says, f.hint = "a text cannot begin behind | or >", "begin it in the next line, indented"
	case is("unknown anchor"):
		name := strings.TrimSuffix(strings.TrimPrefix(f.message, "unknown anchor '"), "' referenced")
		f.says, f.hint = "there is no anchor "+name, fmt.Sprintf("write &%s before its use in the same document; quote a text that begins with *", shorten(name))
	case is("incompatible YAML document"):
		f.says, f.hint = "this is of another version of YAML", "take the line that begins with %YAML out"
	case is("exceeded max depth"):
		f.says, f.hint = fmt.Sprintf("the file is nested more than %d deep", maxDepth), "close brackets; the bundle is less than ten levels deep"
	}
}

// at points at a place instead of where the fault was noticed.
func (f *fault) at(line, column int) { f.atLine, f.atColumn = line, column }

func (f *fault) seeAlso(line, column int, message string) {
	f.related = append(f.related, f.text.span(line, column, 1).Related(message))
}

// unclosedQuote points at the quote: the parser reads on to the end of the file.
func (f *fault) unclosedQuote() {
	f.at(f.startLine, f.startColumn)
	quote := firstRune(f.text.from(f.startLine, f.startColumn))
	f.says, f.hint = "this quote is never closed", fmt.Sprintf("write %s at the end of the text", quote)
}

// brackets points at the one that is not closed: the parser notices where the next thing does not fit.
func (f *fault) brackets() {
	noticed := firstRune(f.text.from(f.line, f.column))
	if !strings.Contains(f.message, "',' or") && strings.HasSuffix(f.context, "block node") {
		f.says, f.hint = fmt.Sprintf("a text cannot begin with %s", noticed), "quote it, or take the sign out"
		if noticed == "]" || noticed == "}" {
			f.says, f.hint = fmt.Sprintf("%s closes nothing", noticed), "take it out, or open the bracket before"
		}
		return
	}
	if noticed == "," {
		f.says, f.hint = "an element is missing before this comma", "write it, or take the comma out"
		return
	}
	line, column := f.startLine, f.startColumn
	if !strings.Contains(f.message, "',' or") {
		if line, column = f.text.openBracket(f.line, f.column); line == 0 {
			f.says, f.hint = "an element is missing", "write it, or take the comma out"
			return
		}
	}
	open := firstRune(f.text.from(line, column))
	closer := map[string]string{"[": "]", "{": "}"}[open]
	switch {
	case closer == "":
		return
	case noticed == "]" || noticed == "}":
		f.says, f.hint = fmt.Sprintf("%s cannot close %s", noticed, open), "write "+closer+" here"
		f.seeAlso(line, column, open+" stands here")
	case line == f.line && f.column <= utf8.RuneCountInString(strings.TrimRight(f.text.line(line), " \t")) && strings.Contains(f.text.from(f.line, f.column), closer):
		f.says, f.hint = "a comma is missing before this", "separate elements by commas, or quote the text"
		f.seeAlso(line, column, open+" stands here")
	default:
		f.at(line, column)
		f.says, f.hint = fmt.Sprintf("this %s is not closed", open), fmt.Sprintf("write %s behind the last element", closer)
		if f.line > line {
			f.seeAlso(f.line, f.column, "this does not belong into the brackets")
		}
	}
}

// openBracket is the innermost bracket of flow style that is open at a place, by a look at quotes and comments only; 0 if there is none.
func (t *text) openBracket(line, column int) (atLine, atColumn int) {
	type bracket struct{ line, column int }
	var open []bracket
	var quote rune
	for n := 1; n <= line && n <= len(t.lines); n++ {
		before := ' '
		at := 0
		for _, r := range t.line(n) {
			if at++; n == line && at >= column {
				break
			}
			begins := before == ' ' || strings.ContainsRune("[{,", before)
			switch {
			case quote != 0:
				if r == quote {
					quote = 0
				}
			case (r == '"' || r == '\'') && begins:
				quote = r
			case r == '#' && before == ' ':
				r = '\n'
			case (r == '[' || r == '{') && begins:
				open = append(open, bracket{n, at})
			case (r == ']' || r == '}') && len(open) > 0:
				open = open[:len(open)-1]
			}
			if r == '\n' {
				break
			}
			before = r
		}
	}
	if len(open) == 0 {
		return 0, 0
	}
	return open[len(open)-1].line, open[len(open)-1].column
}

// colon is about one where none may be: in a text without quotes, or in a line that is indented too deep and so belongs to the text above.
func (f *fault) colon() {
	line := f.text.line(f.line)
	before := string([]rune(line)[:min(f.column-1, utf8.RuneCountInString(line))])
	if strings.Contains(before, ": ") {
		_, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		f.says, f.hint = "a text that contains a colon and a space needs quotes", fmt.Sprintf("write %q", shorten(value))
		return
	}
	above, indent := f.above()
	if above == 0 {
		return
	}
	if f.noSpace(above) {
		return
	}
	f.at(f.line, 1+indentOf(line))
	f.width = utf8.RuneCountInString(strings.TrimSpace(before))
	if !strings.Contains(f.text.line(above), ":") || indent >= indentOf(line) {
		f.says, f.hint = "this line goes on a text, and cannot be a field", "the line above is no field: write it as a name, a colon, a space and a value"
		f.seeAlso(above, 1+indentOf(f.text.line(above)), "the line above")
		return
	}
	f.says = fmt.Sprintf("this line is indented by %d, deeper than the field above, so it goes on that field's text", indentOf(line))
	f.hint = fmt.Sprintf("indent it by %d", indent)
	f.seeAlso(above, 1+indent, "the field above")
}

// outOfLine is about what stands behind a value that is complete, or about a line that is indented like none before.
func (f *fault) outOfLine() {
	line := f.text.line(f.line)
	indent := indentOf(line)
	if f.column > indent+1 {
		before := strings.TrimRight(string([]rune(line)[:min(f.column-1, utf8.RuneCountInString(line))]), " ")
		switch last := before[max(len(before)-1, 0):]; last {
		case "'":
			f.says, f.hint = "the text has ended at the quote before this", "put all of it into double quotes, or write '' for a quote within single quotes"
		case `"`:
			f.says, f.hint = "the text has ended at the quote before this", `put all of it into single quotes, or write \" for a quote within double quotes`
		default:
			f.says, f.hint = "this stands behind a value that is complete", "put all of the text into quotes"
		}
		return
	}
	f.width = utf8.RuneCountInString(firstWord(strings.TrimSpace(line)))
	dash := strings.HasPrefix(strings.TrimSpace(line), "- ") || strings.TrimSpace(line) == "-"
	begins := f.startColumn - 1
	switch inList := strings.Contains(f.message, "'-'"); {
	case inList && dash:
		f.says, f.hint = fmt.Sprintf("this dash is indented by %d, those of the list above by %d", indent, begins), fmt.Sprintf("indent it by %d", begins)
	case inList:
		f.says = fmt.Sprintf("this field belongs to no element: it is indented by %d, the dashes of the list by %d", indent, begins)
		f.hint = fmt.Sprintf("indent it by %d, as a field of the element above", begins+2)
		if begins == 0 || indent < begins {
			f.hint += ", or like the fields above the list"
		}
	case dash:
		f.says, f.hint = "an element of a list stands among fields", "put the list below a field of its own"
	default:
		f.says, f.hint = fmt.Sprintf("this line is indented by %d, like none of the fields above it", indent), fmt.Sprintf("indent it by %d", begins)
		if _, above := f.above(); above != begins {
			f.hint = fmt.Sprintf("indent it by %d, as the line above, or by %d, as the fields around that", above, begins)
		}
	}
	f.seeAlso(f.startLine, f.startColumn, "what is above begins here")
}

// noColon points at the line that has none.
func (f *fault) noColon() {
	f.at(f.startLine, f.startColumn)
	line := strings.TrimSpace(f.text.line(f.startLine))
	f.width = utf8.RuneCountInString(line)
	f.says, f.hint = "this is no field: it has no colon", "a field is a name, a colon, a space and a value; a text of several lines is indented deeper than its field"
	if f.noSpace(f.startLine) {
		return
	}
	if element := strings.TrimLeft(line, "-"); element != line {
		f.says, f.hint = "there is no space behind the dash", "write - "+shorten(element)
		return
	}
	above, _ := f.aboveOf(f.startLine)
	if strings.HasPrefix(strings.TrimSpace(f.text.line(above)), "- ") && indentOf(f.text.line(above)) == f.startColumn-1 {
		f.says, f.hint = "this is no element of the list above: it has no dash", "write - "+shorten(line)
	}
}

// mergeConflict is about the marks that version control leaves in a file where two edits meet.
func (f *fault) mergeConflict() bool {
	for n := 1; n <= len(f.text.lines); n++ {
		line := f.text.line(n)
		if strings.HasPrefix(line, "<<<<<<< ") || strings.HasPrefix(line, ">>>>>>> ") || strings.TrimRight(line, " ") == "=======" {
			f.at(n, 1)
			f.width = utf8.RuneCountInString(strings.TrimRight(line, " \t\r"))
			f.says, f.hint = "a merge conflict stands here", "keep one side of =======, and delete the lines of <<<<<<<, ======= and >>>>>>>"
			return true
		}
	}
	return false
}

// foreignSpace is about signs that look like spaces and indent nothing, in the line of the fault or in the one above: text that was copied from elsewhere.
func (f *fault) foreignSpace() bool {
	above, _ := f.above()
	for _, n := range []int{f.line, above} {
		if n == 0 {
			continue
		}
		rest := strings.TrimLeft(f.text.line(n), " \t")
		if sign, _ := utf8.DecodeRuneInString(rest); sign > unicode.MaxASCII && unicode.IsSpace(sign) {
			f.at(n, 1+utf8.RuneCountInString(f.text.line(n))-utf8.RuneCountInString(rest))
			f.says, f.hint = fmt.Sprintf("this looks like a space and is none: it is the sign %U", sign), "delete it, and type spaces"
			return true
		}
	}
	return false
}

// fieldWithoutSpace is one whose colon has no space behind it, or is not the sign of YAML.
var fieldWithoutSpace = regexp.MustCompile(`^(?:- +)*([A-Za-z_][A-Za-z0-9_]*)(:|：\s*)([^\s:/].*)$`)

// noSpace is about a line that would be a field with a space behind its colon, and is a text without.
func (f *fault) noSpace(line int) bool {
	written := strings.TrimSpace(f.text.line(line))
	parts := fieldWithoutSpace.FindStringSubmatch(written)
	if parts == nil || strings.Contains(written, ": ") {
		return false
	}
	f.at(line, 1+indentOf(f.text.line(line)))
	f.width = utf8.RuneCountInString(written)
	f.says, f.hint = "there is no space behind the colon", fmt.Sprintf("write %s: %s", shorten(parts[1]), shorten(parts[3]))
	if parts[2] != ":" {
		f.says = "this colon is another sign than the one of YAML"
	}
	return true
}

// above is the nearest line above the fault that is no comment, and its indentation.
func (f *fault) above() (line, indent int) { return f.aboveOf(f.line) }

func (f *fault) aboveOf(line int) (above, indent int) {
	for n := line - 1; n >= 1; n-- {
		if trimmed := strings.TrimSpace(f.text.line(n)); trimmed != "" && trimmed[0] != '#' {
			indent = indentOf(f.text.line(n))
			for strings.HasPrefix(trimmed, "- ") { // its first field stands behind the dash
				rest := strings.TrimLeft(trimmed[2:], " ")
				indent += len(trimmed) - len(rest)
				trimmed = rest
			}
			return n, indent
		}
	}
	return 0, 0
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

func firstRune(s string) string {
	_, size := utf8.DecodeRuneInString(s)
	return s[:size]
}
