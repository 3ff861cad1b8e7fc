package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
)

// syntaxProblems is the first of the parser's errors as a problem: after it the parser guesses how to go on, and what it then says is about its
// guess.
func (s *source) syntaxProblems(errs []*cel.Error) []Problem {
	var first *Problem
	for _, e := range errs {
		text := strings.TrimPrefix(e.Message, "Syntax error: ")
		if strings.Contains(text, "recursion") || strings.Contains(text, "exceeds limit") {
			return []Problem{s.whole(CodeTooLong, "the expression nests too deep", "leave parentheses out, and split long chains of operators")}
		}
		atEnd := strings.Contains(text, "'<EOF>' expecting") || strings.Contains(text, "at '<EOF>'")
		p := s.syntaxProblem(s.byteAt(e.Location.Line(), e.Location.Column()), text, atEnd)
		if first == nil || p.Offset < first.Offset {
			first = &p
		}
	}
	return []Problem{*first}
}

func (s *source) syntaxProblem(offset int, text string, atEnd bool) Problem {
	if len(s.tokens) == 0 {
		return s.at(CodeSyntax, 0, len(s.text), "the expression is empty", "write an expression, or leave the field out")
	}
	if last := s.tokens[len(s.tokens)-1]; atEnd || offset >= last.end {
		word := s.text[last.start:last.end]
		message, hint := "the expression ends too early", fmt.Sprintf("write what is to follow %s, or take it out", word)
		if missing, found := quoted(text, "missing "); found {
			message, hint = fmt.Sprintf("the expression ends without %s", missing), fmt.Sprintf("write %s where it belongs", missing)
		} else if s.has("?") && !s.has(":") {
			hint = "write condition ? a : b"
		} else if open := s.unclosed(); open != "" && !strings.ContainsAny(word, "&|=<>+-*/%!,.([{") {
			message, hint = fmt.Sprintf("the expression ends without %s", closers[open]), fmt.Sprintf("write %s where it belongs", closers[open])
		}
		return s.at(CodeSyntax, last.start, last.end-last.start, message, hint)
	}
	found := token{offset, offset + 1}
	for _, t := range s.tokens {
		if offset >= t.start && offset < t.end {
			found = t
		}
	}
	word := s.text[found.start:found.end]
	message, hint := "unexpected "+word, cmp.Or(s.habit(found), s.unexpectedHint(found))
	switch {
	case isQuote(word[0]) && strings.HasPrefix(text, "token recognition error"):
		message, hint = "the string has no end, or an unknown escape", "end it with the quote that it begins with; write \\\\ for a backslash"
	case strings.HasPrefix(text, "token recognition error"):
		message, hint = "unknown sign "+word, cmp.Or(s.habit(found), "texts are written in quotes; names have letters, digits and _")
	case strings.HasPrefix(text, "missing "):
		if missing, ok := quoted(text, "missing "); ok {
			message, hint = fmt.Sprintf("%s is missing before %s", missing, word), fmt.Sprintf("write %s, or take %s out", missing, word)
		}
	default:
		for _, known := range parserWords() {
			if strings.HasPrefix(text, known.begins) {
				message, hint = strings.ReplaceAll(known.message, "WORD", word), known.hint
				break
			}
		}
	}
	return s.at(CodeSyntax, found.start, found.end-found.start, message, hint)
}

// parserWords say in other words what the parser finds beside its grammar. WORD stands for the token.
func parserWords() []struct{ begins, message, hint string } {
	const loop = "the first argument of a loop is a name"
	return []struct{ begins, message, hint string }{
		{"invalid int literal", "the number WORD is too large", "whole numbers go to 9223372036854775807"},
		{"invalid uint literal", "the number WORD is too large", "whole numbers go to 9223372036854775807, and are written without u"},
		{"invalid double literal", "the number WORD is too large", "write a smaller one; money is in whole minor units"},
		{"reserved identifier", "WORD is a word of the language and names nothing", "quote it if it is a text, or use another name"},
		{"argument must be a simple name", loop, "such as x, in item.labels.exists(x, x == 'a')"},
		{"argument is not an identifier", loop, "such as x, in item.labels.exists(x, x == 'a')"},
		{"iteration variable overwrites", "WORD cannot be the name of an element", "give it another name, such as x"},
		{"unsupported syntax", "WORD is not part of the language here", "every variable is there: leave out ? and `"},
		{"unterminated quoted identifier", "names are not quoted", "write the name as it is; texts stand in ' or \""},
		{"unexpected quoted identifier", "names are not quoted", "write the name as it is; texts stand in ' or \""},
	}
}

// closers are the brackets that end what others begin.
var closers = map[string]string{"(": ")", "[": "]", "{": "}"}

// unclosed is the innermost bracket that is open at the end of the text; empty if all are closed.
func (s *source) unclosed() string {
	var open []string
	for _, t := range s.tokens {
		word := s.text[t.start:t.end]
		switch {
		case closers[word] != "":
			open = append(open, word)
		case len(open) > 0 && word == closers[open[len(open)-1]]:
			open = open[:len(open)-1]
		}
	}
	if len(open) == 0 {
		return ""
	}
	return open[len(open)-1]
}

// unexpectedHint looks at what stands before a token that does not belong there.
func (s *source) unexpectedHint(found token) string {
	word := s.text[found.start:found.end]
	i := slices.Index(s.tokens, found)
	switch {
	case strings.ContainsAny(word[:1], ")]}"):
		return "take it out, or open it before"
	case i > 0 && syntaxHints()[s.word(s.tokens[i-1])] != "":
		return syntaxHints()[s.word(s.tokens[i-1])]
	case word == "," && s.has("in"):
		return "write the values as a list: x in ['a', 'b']"
	case i > 0 && s.isFunction(s.tokens[i-1]):
		return fmt.Sprintf("write what %s takes in parentheses: %s(%s)", s.word(s.tokens[i-1]), s.word(s.tokens[i-1]), word)
	case s.isFunction(found):
		return fmt.Sprintf("functions are called with a point and parentheses: text.%s('a')", word)
	case isDuration(word):
		return fmt.Sprintf("write duration('%s')", word)
	case i > 0 && (isLetter(word[0]) || isDigit(word[0]) || isQuote(word[0])):
		return fmt.Sprintf("write an operator between %s and %s, such as == or &&, or take one of them out", s.word(s.tokens[i-1]), word)
	case i > 0:
		return fmt.Sprintf("something is missing between %s and %s, or one of them is too much", s.word(s.tokens[i-1]), word)
	default:
		return "an expression begins with a variable, a text in quotes, a number, ! or ("
	}
}

// isDuration knows 6h and 1h30m, which are no numbers of CEL.
func isDuration(word string) bool {
	_, err := time.ParseDuration(word)
	return err == nil && !isDigit(word[len(word)-1])
}

func (s *source) word(t token) string { return s.text[t.start:t.end] }

func (s *source) has(word string) bool {
	return slices.ContainsFunc(s.tokens, func(t token) bool { return s.word(t) == word })
}

// isFunction knows those that are called on a text or a list.
func (s *source) isFunction(t token) bool {
	switch s.word(t) {
	case "contains", "startsWith", "endsWith", "matches", "exists", "all", "size", "filter", "map", "exists_one", "lowerAscii", "upperAscii":
		return true
	}
	return false
}

// habit is a hint for a sign of other languages, of which the token may be a part.
func (s *source) habit(found token) string {
	hints := syntaxHints()
	start, end := found.start, found.end
	for _, t := range s.tokens {
		if t.end == found.start && !isLetter(s.text[t.start]) {
			start = t.start
		}
		if t.start == found.end && !isLetter(s.text[t.start]) {
			end = t.end
		}
	}
	return cmp.Or(hints[s.text[start:end]], hints[s.text[start:found.end]], hints[s.text[found.start:end]], hints[s.word(found)])
}

// quoted is the word in quotes behind a prefix.
func quoted(text, prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(text, prefix+"'")
	if !ok {
		return "", false
	}
	word, _, ok := strings.Cut(rest, "'")
	return word, ok
}

// syntaxHints are for habits of other languages.
func syntaxHints() map[string]string {
	return map[string]string{
		"=":    "use == to compare",
		"and":  "use &&",
		"AND":  "use &&",
		"&":    "use &&",
		"or":   "use ||",
		"OR":   "use ||",
		"|":    "use ||",
		"not":  "use !, as in !(a in b)",
		"NOT":  "use !, as in !(a in b)",
		"IN":   "use in, in lower case",
		"is":   "use ==",
		"like": "use contains, startsWith, endsWith or matches",
		"LIKE": "use contains, startsWith, endsWith or matches",
		"<>":   "use !=",
		"=>":   "use >=",
		"=<":   "use <=",
		"===":  "use ==",
		"!==":  "use !=",
		"&&&":  "use &&",
		"|||":  "use ||",
		";":    "take it out: an expression is all there is",
		"“":    "write ' or \" for quotes",
		"”":    "write ' or \" for quotes",
		"‘":    "write ' or \" for quotes",
		"’":    "write ' or \" for quotes",
		"then": "write condition ? a : b",
	}
}
