package rules

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
)

// syntaxProblems turns the parser's errors into problems. After the first one the parser guesses how to go on; what it then says of the next
// token, and of the end of the text, is left out.
func (s *source) syntaxProblems(errs []*cel.Error) []Problem {
	var problems []Problem
	last := 0 // end of the token after the last problem
	for _, e := range errs {
		text := strings.TrimPrefix(e.Message, "Syntax error: ")
		if strings.Contains(text, "recursion") {
			return []Problem{s.whole(CodeTooLong, "the expression nests too deep", "leave parentheses out, and split long chains of operators")}
		}
		atEnd := strings.Contains(text, "'<EOF>' expecting") || strings.Contains(text, "at '<EOF>'")
		if atEnd && len(problems) > 0 {
			continue
		}
		p := s.syntaxProblem(s.byteAt(e.Location.Line(), e.Location.Column()), text, atEnd)
		if p.Offset >= last {
			problems = append(problems, p)
			last = s.endAfter(p.Offset + p.Length)
		}
	}
	return problems
}

// endAfter is the end of the first token at or after an offset.
func (s *source) endAfter(offset int) int {
	for _, t := range s.tokens {
		if t.start >= offset {
			return t.end
		}
	}
	return len(s.text)
}

func (s *source) syntaxProblem(offset int, text string, atEnd bool) Problem {
	if len(s.tokens) == 0 {
		return s.at(CodeSyntax, 0, len(s.text), "the expression is empty", "write an expression, or leave the field out")
	}
	if last := s.tokens[len(s.tokens)-1]; atEnd || offset >= last.end {
		message := "the expression ends too early"
		if missing, found := quoted(text, "missing "); found {
			message = fmt.Sprintf("the expression ends without %s", missing)
		}
		return s.at(CodeSyntax, last.start, last.end-last.start, message, "")
	}
	found := token{offset, offset + 1}
	for _, t := range s.tokens {
		if offset >= t.start && offset < t.end {
			found = t
		}
	}
	word := s.text[found.start:found.end]
	message, hint := "unexpected "+word, syntaxHints()[word]
	switch {
	case isQuote(word[0]) && strings.HasPrefix(text, "token recognition error"):
		message, hint = "the string has no end, or an unknown escape", "end it with the quote that it begins with; write \\\\ for a backslash"
	case strings.HasPrefix(text, "token recognition error"):
		message = "unknown sign " + word
	case strings.HasPrefix(text, "missing "):
		if missing, ok := quoted(text, "missing "); ok {
			message = fmt.Sprintf("%s is missing before %s", missing, word)
		}
	case !strings.Contains(text, "expecting") && !strings.HasPrefix(text, "no viable"):
		message = text // such as an integer that is too large
	}
	return s.at(CodeSyntax, found.start, found.end-found.start, message, hint)
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
	}
}
