package review

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"proscenium/scenes"
	"proscenium/scenes/diff"
)

// count is a number with commas between thousands.
func count(n int) string { return grouped(strconv.Itoa(n)) }

func grouped(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// share is how many percent part of all are; no part is rounded to nothing or to all.
func share(p float64, part, all int) string {
	switch {
	case p == 0 && part > 0:
		return "below 0.01%"
	case p == 100 && part < all:
		return "above 99.99%"
	}
	return strconv.FormatFloat(p, 'f', -1, 64) + "%"
}

// amount is an amount of minor units as people write it, such as 4.99 USD.
func amount(minor int64, currency string) string {
	exponent, known := scenes.CurrencyExponent(currency)
	if !known {
		return grouped(strconv.FormatInt(minor, 10)) + " " + currency
	}
	sign, digits := "", strconv.FormatInt(minor, 10)
	if minor < 0 {
		sign, digits = "-", digits[1:]
	}
	if missing := exponent + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	whole, rest := digits[:len(digits)-exponent], digits[len(digits)-exponent:]
	if rest != "" {
		rest = "." + rest
	}
	return strings.TrimSpace(sign + grouped(whole) + rest + " " + currency)
}

// signed is an amount with its sign.
func signed(minor int64, currency string) string {
	if minor > 0 {
		return "+" + amount(minor, currency)
	}
	return amount(minor, currency)
}

// maxValue bounds a value that is shown, in characters.
const maxValue = 300

// clean is tame, and keeps long values from hiding the others.
func clean(s string) string {
	s = tame(s)
	if runes := []rune(s); len(runes) > maxValue {
		return string(runes[:maxValue]) + "..."
	}
	return s
}

// tame keeps control characters of a file from commanding the terminal, and puts a text on one line.
func tame(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r):
			return '\ufffd'
		}
		return r
	}, strings.TrimSpace(s))
}

// side is a value of a field: what is written, or holds in its place.
func side(v string, byDefault bool) string {
	switch {
	case v == "":
		return "(none)"
	case byDefault:
		return clean(v) + " (default)"
	default:
		return clean(v)
	}
}

// entity names what changed.
func entity(c diff.Change) string {
	words := c.Entity
	if c.Name != "" {
		words += " " + clean(c.Name)
	}
	if c.OldName != "" {
		words += ", renamed from " + clean(c.OldName)
	}
	return words
}

// usedBy says which scenes use an entity; empty: that cannot be said, or none does.
func usedBy(c diff.Change) string {
	if len(c.UsedBy) == 0 {
		return ""
	}
	verb := "used by"
	if c.Kind == diff.Removed {
		verb = "was used by"
	}
	if c.EveryScene {
		return fmt.Sprintf("%s every scene (%s)", verb, count(len(c.UsedBy)))
	}
	const shown = 20
	names := tame(strings.Join(c.UsedBy[:min(shown, len(c.UsedBy))], ", "))
	if more := len(c.UsedBy) - shown; more > 0 {
		names += fmt.Sprintf(" and %s more", count(more))
	}
	return fmt.Sprintf("%s %s: %s", verb, plural(len(c.UsedBy), "scene", "scenes"), names)
}
