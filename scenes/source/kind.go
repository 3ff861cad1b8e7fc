package source

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// kind is what a scalar is by YAML 1.2's core schema. The parser itself keeps to YAML 1.1 in places (octal numbers, underscores, dates),
// where other readers of the same file, such as editors, do not follow.
type kind uint8

const (
	none kind = iota // a list, or fields
	null
	boolean
	integer
	float
	textual
)

func kindOf(n *yaml.Node) kind {
	switch {
	case n.Kind != yaml.ScalarNode:
		return none
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0,
		n.Style&yaml.TaggedStyle != 0 && n.Tag == "!!str", n.Tag == "!":
		return textual
	default:
		return plainKind(n.Value)
	}
}

func isNull(n *yaml.Node) bool { return kindOf(n) == null }

// plainKind is the kind of a scalar without quotes.
func plainKind(s string) kind {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return null
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return boolean
	}
	if strings.HasPrefix(s, "0x") {
		return numberIf(s[2:], "0123456789abcdefABCDEF")
	}
	if strings.HasPrefix(s, "0o") {
		return numberIf(s[2:], "01234567")
	}
	unsigned := s
	if s[0] == '-' || s[0] == '+' {
		unsigned = s[1:]
	}
	switch unsigned {
	case ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN":
		return float
	}
	whole, rest := digits(unsigned)
	if rest == "" && whole > 0 {
		return integer
	}
	fraction := 0
	if strings.HasPrefix(rest, ".") {
		fraction, rest = digits(rest[1:])
	}
	if whole+fraction == 0 {
		return textual
	}
	if rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		power := strings.TrimPrefix(strings.TrimPrefix(rest[1:], "-"), "+")
		if n, tail := digits(power); n > 0 && tail == "" {
			rest = ""
		}
	}
	if rest == "" {
		return float
	}
	return textual
}

func numberIf(s, allowed string) kind {
	if s != "" && strings.Trim(s, allowed) == "" {
		return integer
	}
	return textual
}

// digits counts the leading decimal digits of s, and returns what follows them.
func digits(s string) (int, string) {
	rest := strings.TrimLeft(s, "0123456789")
	return len(s) - len(rest), rest
}
