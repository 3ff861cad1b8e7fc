package source_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"proscenium/scenes/source"
)

func stamp(s string) *timestamppb.Timestamp {
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return nil
	}
	return timestamppb.New(at)
}

func length(s string) *durationpb.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		return nil
	}
	return durationpb.New(d)
}

// when is the text of the first rule, and where it is.
func when(text string) (value string, at *source.Place) {
	got := parse(text)
	if len(got.Findings) > 0 || len(got.Bundle.GetExclusionRules()) == 0 {
		return "", nil
	}
	return got.Bundle.GetExclusionRules()[0].GetWhen(), got.Root.Field("exclusion_rules").Index(0).Field("when")
}

func TestAPartOfATextIsFoundInEveryStyle(t *testing.T) {
	for _, c := range []struct {
		name, text   string
		line, column int // of X
	}{
		{"plain", "when: a X b", 2, 11},
		{"plain behind an anchor and a tag", "when: &a !!str a X b", 2, 20},
		{"plain over two lines", "when: a\n     b X", 3, 8},
		{"plain with an empty line", "when: a\n\n     b X", 4, 8},
		{"single quotes", "when: 'a X'", 2, 12},
		{"single quotes with a quote", "when: 'it''s X'", 2, 16},
		{"double quotes", `when: "a X"`, 2, 12},
		{"double quotes with escapes", `when: "\"日\u65e5\" \\ \t X"`, 2, 28},
		{"double quotes over two lines", "when: \"a \\\n     b X\"", 3, 8},
		{"literal", "when: |\n     a\n       b X\n", 4, 10},
		{"literal with a header", "when: |2-  # why\n     a X\n", 3, 8},
		{"folded", "when: >-\n     a\n     b\n\n     X\n", 6, 6},
		{"on the next line", "when:\n     a X", 3, 8},
		{"wide characters", "when: '日本語' == X", 0, 0},
		{"wide characters in quotes", `when: "'日本語' == X"`, 2, 19},
	} {
		t.Run(c.name, func(t *testing.T) {
			value, at := when("exclusion_rules:\n- " + c.text + "\n")
			if c.line == 0 {
				if at != nil {
					t.Errorf("this is no YAML, but was read as %q", value)
				}
				return
			}
			offset := strings.IndexByte(value, 'X')
			if offset < 0 {
				t.Fatalf("the value is %q", value)
			}
			got := at.Inside(offset, 1)
			if got.Line != c.line || got.Column != c.column || got.EndColumn != got.Column+1 {
				t.Errorf("X is at %d:%d-%d, want %d:%d", got.Line, got.Column, got.EndColumn, c.line, c.column)
			}
		})
	}
}

func TestPlacesBeyondATextAreAtItsEnd(t *testing.T) {
	_, at := when("exclusion_rules:\n- when: a b\n")
	for offset, column := range map[int]int{-5: 9, 0: 9, 1: 10, 2: 11, 3: 12, 99: 12} {
		if got := at.Inside(offset, 1); got.Line != 2 || got.Column != column {
			t.Errorf("offset %d is at %d:%d, want 2:%d", offset, got.Line, got.Column, column)
		}
	}
}

// written puts a text into YAML, in a style that keeps it.
func written(style int, words []string) string {
	text := strings.Join(words, " ")
	switch style {
	case 0:
		return "a " + text
	case 1:
		return "'" + strings.ReplaceAll(text, "'", "''") + "'"
	case 2:
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "é", `\xe9`, "日", `\u65e5`).Replace(text) + `"`
	case 3:
		return "|\n    a " + strings.Join(words, "\n    ") + "\n"
	case 4:
		return ">-\n    a " + strings.Join(words, "\n    ") + "\n"
	default:
		return "a " + strings.Join(words, "\n    ")
	}
}

// Every character of an expression that is not blank is found where it was written.
func TestEveryCharacterIsFound(t *testing.T) {
	words := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune(`ab'"\日é.(<&|`)), 1, 6, -1), 1, 6)
	rapid.Check(t, func(t *rapid.T) {
		style := rapid.IntRange(0, 5).Draw(t, "style")
		text := "exclusion_rules:\n- when: " + written(style, words.Draw(t, "words")) + "\n"
		value, at := when(text)
		if at == nil {
			t.Fatalf("not read: %s", text)
		}
		lines := strings.Split(text, "\n")
		for offset, want := range value {
			if unicode.IsSpace(want) {
				continue
			}
			span := at.Inside(offset, len(string(want)))
			line := []rune(lines[span.Line-1])
			got := string(line[span.Column-1:])
			for _, written := range []string{string(want), `\` + string(want), fmt.Sprintf(`\x%x`, want), fmt.Sprintf(`\u%x`, want)} {
				if strings.HasPrefix(got, written) {
					got = ""
				}
			}
			if got != "" {
				t.Fatalf("byte %d (%c) of %q is said to be at %d:%d of\n%s", offset, want, value, span.Line, span.Column, text)
			}
		}
	})
}

func FuzzInside(f *testing.F) {
	f.Add("when: >-\n   a\n   b", 3, 1)
	f.Add(`when: "a \u65e5 \
   b"`, 5, 2)
	f.Add("when: &a\n  |+\n   b\r\n   c", 2, 2)
	f.Fuzz(func(t *testing.T, text string, offset, size int) {
		_, at := when("exclusion_rules:\n- " + text)
		if at == nil {
			return
		}
		got := at.Inside(offset, size)
		if got.Line < 2 || got.Column < 1 || got.EndColumn <= got.Column {
			t.Errorf("nowhere: %+v", got)
		}
	})
}
