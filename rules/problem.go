package rules

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// The codes of problems.
const (
	CodeSyntax       = "CEL_SYNTAX"        // it cannot be read
	CodeUnknownName  = "CEL_UNKNOWN_NAME"  // a variable, field or function that does not exist
	CodeNotAvailable = "CEL_NOT_AVAILABLE" // a variable of other places
	CodeType         = "CEL_TYPE"          // an operator or function does not take values of these types
	CodeResultType   = "CEL_RESULT_TYPE"   // the whole expression is not of the type that its place needs
	CodeValue        = "CEL_VALUE"         // a constant that cannot be right, such as a wrong pattern
	CodeCost         = "CEL_COST"          // it may take too long
	CodeTooLong      = "CEL_TOO_LONG"      // it has more than 4,000 characters, or nests too deep
	CodePlace        = "CEL_PLACE"         // the place does not exist: a fault of the caller
	CodeInternal     = "CEL_INTERNAL"      // a fault of this package
)

// Problem is a fault of an expression, found when it compiles.
type Problem struct {
	// Code is stable; it is one of the Code constants.
	Code string
	// Offset is the place in the expression, in bytes; Length is that of the wrong token, in bytes (at least 1). They stay inside the
	// expression, unless that is empty.
	Offset, Length int
	Message        string
	// Hint tells how to mend it, such as "did you mean promo.price?"; may be empty.
	Hint string
}

// sorted orders problems by their places, each once.
func sorted(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), strings.Compare(a.Code, b.Code))
	})
	return slices.CompactFunc(problems, func(a, b Problem) bool {
		return a.Offset == b.Offset && a.Code == b.Code && (a.Code == CodeSyntax || a.Message == b.Message)
	})
}

// source is the text of an expression, with what is needed to say where something is.
type source struct {
	text   string
	tokens []token
	// runes has the byte offset of each character; one more for the end.
	runes []int
	// lines has the number of the first character of each line.
	lines []int
	// info has the places of the nodes, written the nodes before the checker replaced names.
	info    *ast.SourceInfo
	written map[int64]ast.Expr
}

// newSource refuses what no parser should see.
func newSource(text string) (*source, *Problem) {
	src := &source{text: text, lines: []int{0}}
	for at, r := range text {
		if _, n := utf8.DecodeRuneInString(text[at:]); r == utf8.RuneError && n == 1 {
			return nil, &Problem{Code: CodeSyntax, Offset: at, Length: 1, Message: "the expression is not valid UTF-8", Hint: "write it anew in UTF-8"}
		}
		src.runes = append(src.runes, at)
		if r == '\n' {
			src.lines = append(src.lines, len(src.runes))
		}
	}
	if len(src.runes) > maxLength {
		p := src.at(CodeTooLong, src.runes[maxLength], 1, "the expression has more than 4000 characters", "split it: a rule for each part, or a list of labels in the data")
		return nil, &p
	}
	src.runes = append(src.runes, len(text))
	src.tokens = tokenize(text)
	return src, nil
}

// locate remembers the nodes as they were written: the checker replaces them.
func (s *source) locate(parsed *ast.AST) {
	copied := ast.Copy(parsed)
	s.info = copied.SourceInfo()
	s.written = map[int64]ast.Expr{}
	ast.PreOrderVisit(copied.Expr(), ast.NewExprVisitor(func(e ast.Expr) { s.written[e.ID()] = e }))
}

// at keeps the place inside the text.
func (s *source) at(code string, offset, length int, message, hint string) Problem {
	offset = max(min(offset, len(s.text)-1), 0)
	length = max(min(length, len(s.text)-offset), 1)
	return Problem{Code: code, Offset: offset, Length: length, Message: message, Hint: hint}
}

// whole is a problem of all of the expression.
func (s *source) whole(code, message, hint string) Problem {
	if len(s.tokens) == 0 {
		return s.at(code, 0, len(s.text), message, hint)
	}
	first, last := s.tokens[0], s.tokens[len(s.tokens)-1]
	return s.at(code, first.start, last.end-first.start, message, hint)
}

// node is a problem of a node of the expression: of its operator, its function's name, its field, its literal.
func (s *source) node(code string, id int64, message, hint string) Problem {
	t := s.tokenOf(id)
	return s.at(code, t.start, t.end-t.start, message, hint)
}

// value is a problem of a node as a value: of a whole name such as promo.price, otherwise as node has it.
func (s *source) value(code string, id int64, message, hint string) Problem {
	p := s.node(code, id, message, hint)
	e := s.written[id]
	for e != nil && e.Kind() == ast.SelectKind {
		e = e.AsSelect().Operand()
	}
	if e != nil && e.Kind() == ast.IdentKind {
		end := p.Offset + p.Length
		p.Offset = s.tokenOf(e.ID()).start
		p.Length = end - p.Offset
	}
	return p
}

// tokenOf is the token that stands for a node.
func (s *source) tokenOf(id int64) token {
	r, ok := s.info.GetOffsetRange(id)
	if !ok {
		return s.wholeToken()
	}
	start, stop := s.byteOf(int(r.Start)), s.byteOf(int(r.Stop))
	i, found := slices.BinarySearchFunc(s.tokens, start, func(t token, at int) int { return cmp.Compare(t.start, at) })
	if !found {
		return token{start, max(stop, start+1)}
	}
	e := s.written[id]
	switch {
	case e == nil:
	case e.Kind() == ast.SelectKind && i+1 < len(s.tokens):
		return s.tokens[i+1]
	case e.Kind() == ast.ComprehensionKind && i > 0:
		return s.tokens[i-1]
	case e.Kind() == ast.CallKind && callable(e.AsCall().FunctionName()) && i > 0:
		return s.tokens[i-1]
	case e.Kind() == ast.LiteralKind || e.Kind() == ast.IdentKind:
		// The parser's own end counts bytes where the start counts characters.
		if sign := s.text[start]; (sign == '-' || sign == '.') && i+1 < len(s.tokens) {
			return token{start, s.tokens[i+1].end}
		}
	}
	return s.tokens[i]
}

func (s *source) wholeToken() token {
	p := s.whole("", "", "")
	return token{p.Offset, p.Offset + p.Length}
}

// byteOf is the byte offset of a character.
func (s *source) byteOf(char int) int {
	return s.runes[max(min(char, len(s.runes)-1), 0)]
}

// byteAt is the byte offset of a line, from 1, and a column in characters, from 0.
func (s *source) byteAt(line, column int) int {
	return s.byteOf(s.lines[max(min(line, len(s.lines)), 1)-1] + max(column, 0))
}

// symbol is how an operator is written.
func symbol(function string) string {
	switch function {
	case operators.Conditional:
		return "? :"
	case operators.Index:
		return "[ ]"
	case operators.Negate:
		return "-"
	case operators.LogicalNot:
		return "!"
	}
	if text, is := operators.FindReverse(function); is && text != "" {
		return text
	}
	return function
}
