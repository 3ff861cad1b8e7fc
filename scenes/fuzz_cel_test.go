package scenes_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/tools/txtar"

	"proscenium/rules"
	"proscenium/scenes"
	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// scalar writes an expression as a scalar of YAML, and remembers where each of its characters that are not blank begins and ends.
type scalar struct {
	out          strings.Builder
	line, column int
	starts, ends []spot
}

type spot struct{ line, column int }

func (s *scalar) raw(text string) {
	s.out.WriteString(text)
	for _, r := range text {
		if s.column++; r == '\n' {
			s.line, s.column = s.line+1, 1
		}
	}
}

// char writes a character of the expression in the way that its style has for it.
func (s *scalar) char(r rune, written string) {
	if !unicode.IsSpace(r) {
		s.starts = append(s.starts, spot{s.line, s.column})
	}
	s.raw(written)
	if !unicode.IsSpace(r) {
		s.ends = append(s.ends, spot{s.line, s.column})
	}
}

// The styles of scalars.
const (
	plainStyle = iota
	singleQuoted
	doubleQuoted
	literalBlock
	foldedBlock
	styles
)

// writeScalar puts the expression behind "when: ". What choices says decides where lines are broken and which characters are escaped.
func writeScalar(style int, expr string, choices uint64) *scalar {
	s := &scalar{line: 2, column: 1}
	const indent = "      "
	s.raw("  - id: 1\n    name: r\n    when: ")
	s.raw([]string{"", "'", `"`, "|\n" + indent, ">\n" + indent}[style])
	for i, r := range expr {
		choice := choices>>(i%61)&3 + uint64(i%2)
		switch {
		case (r == '\n' || r == ' ' && choice == 0) && style != doubleQuoted:
			s.raw("\n" + indent)
		case style == singleQuoted && r == '\'':
			s.char(r, "''")
		case style == doubleQuoted:
			s.char(r, escaped(r, choice))
			if choice == 3 && r != ' ' { // a line that is continued
				s.raw("\\\n" + indent)
			}
		default:
			s.char(r, string(r))
		}
	}
	s.raw([]string{"", "'", `"`, "", ""}[style])
	s.raw("\n")
	return s
}

func escaped(r rune, choice uint64) string {
	switch {
	case r == '"' || r == '\\':
		return `\` + string(r)
	case r == '\n':
		return `\n`
	case r == '\t':
		return `\t`
	case choice == 1 && r < 0x100:
		return fmt.Sprintf(`\x%02x`, r)
	case choice == 1 && r < 0x10000:
		return fmt.Sprintf(`\u%04X`, r)
	case choice == 1:
		return fmt.Sprintf(`\U%08x`, r)
	default:
		return string(r)
	}
}

// letters are the characters of a text that are not blank.
func letters(text string) []rune {
	var out []rune
	for _, r := range text {
		if !unicode.IsSpace(r) {
			out = append(out, r)
		}
	}
	return out
}

// In whatever style of scalar an expression is written, what is wrong in it is reported at the place in the file where the wrong part of the
// expression was written, from its first character to its last one on that line.
func FuzzCELPositions(f *testing.F) {
	for _, expr := range []string{
		`promo.prise < 100`, "promo.sold_out\n  && promo.prise < 100", `"日本" == item.brandd`, `'é€🎁' == item.nam || 'it''s' == item.brnd`, `item.name.matches('(')`,
		`promo.price > '1'`, `promo.price`, `(promo.sold_out`, `promo.sold_out and true`, `item.name == 'abc`, `x`, `"\u00e9" == '\x41'`, `promo.type == r'\d'`,
		"item.name == '''a\n b''' || 1", `promo.price = 1`, `item.labels.exists(l, item.categories.exists(c, c == l))`, `1 +`, `""`, `# no`, `a: b`, `- a`, `promo.id in [1, 'a']`,
	} {
		for style := range styles {
			f.Add(expr, uint8(style), uint64(0x9E3779B97F4A7C15)>>style)
		}
	}
	for _, name := range []string{"cel_plain", "cel_block", "cel_kinds", "cel_unit"} {
		archive, err := txtar.ParseFile("testdata/findings/" + name + ".txtar")
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(archive.Files[0].Data)) {
			if _, expr, is := strings.Cut(strings.TrimSpace(line), "when: "); is {
				f.Add(expr, uint8(len(expr)%styles), uint64(len(line)))
			}
		}
	}
	f.Fuzz(func(t *testing.T, expr string, style uint8, choices uint64) {
		if !utf8.ValidString(expr) || len(expr) > 2000 || strings.ContainsFunc(expr, func(r rune) bool { return r == '\ufeff' || !unicode.IsPrint(r) && r != '\n' && r != '\t' }) {
			return // YAML has no way to write it as it is
		}
		written := writeScalar(int(style)%styles, expr, choices)
		file := source.File{Name: "a.yaml", Data: []byte("exclusion_rules:\n" + written.out.String())}
		list := source.Parse([]source.File{file}).Bundle.GetExclusionRules()
		if len(list) != 1 || list[0].GetWhen() == "" || string(letters(list[0].GetWhen())) != string(letters(expr)) {
			return // it is no text, or ends at a comment or a colon, or there is none
		}
		value := list[0].GetWhen()
		_, problems := rules.Compile(rules.PromoRule, value)
		var findings []diag.Diagnostic
		for _, d := range scenes.LoadFiles([]source.File{file}, today).Diagnostics {
			if d.Path == "exclusion_rules[0].when" && d.Severity == diag.Error && strings.HasPrefix(string(d.Code), "CEL_") {
				findings = append(findings, d)
			}
		}
		if len(findings) != len(problems) {
			t.Fatalf("%d problems %+v in %q, findings %+v", len(problems), problems, value, findings)
		}
		for _, p := range problems {
			checkSpot(t, file, written, value, p, findings)
		}
	})
}

// checkSpot wants a finding of the problem where the characters of the problem were written.
func checkSpot(t *testing.T, file source.File, written *scalar, value string, p rules.Problem, findings []diag.Diagnostic) {
	t.Helper()
	token := letters(value[p.Offset : p.Offset+p.Length])
	before := len(letters(value[:p.Offset]))
	if len(token) == 0 {
		return // a blank has no place of its own
	}
	if r, _ := utf8.DecodeRuneInString(value[p.Offset:]); unicode.IsSpace(r) {
		return
	}
	start := written.starts[before]
	end := start
	for _, at := range written.ends[before : before+len(token)] {
		if at.line == start.line {
			end = at
		}
	}
	for _, d := range findings {
		if d.Line == start.line && d.Column == start.column && d.Message == p.Message && d.EndColumn == end.column {
			return
		}
	}
	t.Errorf("%+v of %q was written at %v to %v of\n%s\nfindings: %+v", p, value, start, end, file.Data, findings)
}
