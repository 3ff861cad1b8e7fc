package rules

import (
	"strings"
	"unicode/utf8"
)

// token is a part of an expression's text: a name, a number, a string or a sign.
type token struct{ start, end int }

// tokenize cuts a text into tokens, without spaces and comments. It takes every text: what CEL does not know is a sign. It serves to say
// where something is, not what it means.
func tokenize(text string) []token {
	var tokens []token
	for at := 0; at < len(text); {
		var end int
		switch c := text[at]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f':
			at++
			continue
		case strings.HasPrefix(text[at:], "//"):
			line := strings.IndexByte(text[at:], '\n')
			if line < 0 {
				return tokens
			}
			at += line
			continue
		case isLetter(c):
			end = nameEnd(text, at)
			if end < len(text) && isQuote(text[end]) && isStringPrefix(text[at:end]) {
				end = stringEnd(text, end, strings.ContainsAny(text[at:end], "rR"))
			}
		case isDigit(c):
			end = numberEnd(text, at)
		case isQuote(c):
			end = stringEnd(text, at, false)
		default:
			end = signEnd(text, at)
		}
		tokens = append(tokens, token{at, end})
		at = end
	}
	return tokens
}

func isLetter(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isQuote(c byte) bool  { return c == '"' || c == '\'' }

// isStringPrefix knows b (bytes) and r (raw), in either order and case.
func isStringPrefix(s string) bool {
	switch strings.ToLower(s) {
	case "b", "r", "br", "rb":
		return true
	default:
		return false
	}
}

func nameEnd(text string, at int) int {
	for at < len(text) && (isLetter(text[at]) || isDigit(text[at])) {
		at++
	}
	return at
}

// numberEnd covers decimal and hexadecimal integers, the suffix u, fractions and exponents.
func numberEnd(text string, at int) int {
	for at < len(text) {
		c := text[at]
		switch {
		case isDigit(c) || isLetter(c):
			at++
		case c == '.' && at+1 < len(text) && isDigit(text[at+1]):
			at++
		case (c == '+' || c == '-') && (text[at-1] == 'e' || text[at-1] == 'E') && at+1 < len(text) && isDigit(text[at+1]):
			at++
		default:
			return at
		}
	}
	return at
}

// stringEnd is behind the closing quote, or the end of the line or text where that is missing.
func stringEnd(text string, at int, raw bool) int {
	quote := text[at : at+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(text[at:], triple) {
		quote = triple
	}
	for at += len(quote); at < len(text); at++ {
		switch {
		case strings.HasPrefix(text[at:], quote):
			return at + len(quote)
		case text[at] == '\\' && !raw:
			at++
		case text[at] == '\n' && len(quote) == 1:
			return at
		}
	}
	return len(text)
}

func signEnd(text string, at int) int {
	for _, sign := range []string{"==", "!=", "<=", ">=", "&&", "||"} {
		if strings.HasPrefix(text[at:], sign) {
			return at + len(sign)
		}
	}
	_, n := utf8.DecodeRuneInString(text[at:])
	return at + n
}
