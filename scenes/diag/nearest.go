package diag

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
)

const (
	// longestGuess bounds the words that are compared: the distance is quadratic in their length.
	longestGuess = 64
	// listed is how many names a hint lists where none is near.
	listed = 8
)

// Nearest is the name of have that is most like got, or empty where none is near: where more than a third of the letters would have to change.
// Case and underscores do not count; of equally near names the first wins. It takes a time proportional to the number of names: bound its calls.
func Nearest(got string, have []string) string {
	word := fold(got)
	if word == "" || len(word) > longestGuess {
		return ""
	}
	best, least := "", (len(word)+1)/3
	if len(word) < 3 {
		least = 0
	}
	for _, name := range have {
		folded := fold(name)
		if folded == word {
			return name
		}
		if d := len(folded) - len(word); d > least || -d > least {
			continue
		}
		if d := distance(word, folded); d < least || d == least && best == "" {
			best, least = name, d
		}
	}
	return best
}

// distance is how many letters differ; two that changed places count as one.
func distance(a, b string) int {
	d := levenshtein.ComputeDistance(a, b)
	if d == 2 && len(a) == len(b) {
		x, y := []byte(a), []byte(b)
		slices.Sort(x)
		slices.Sort(y)
		if bytes.Equal(x, y) {
			return 1
		}
	}
	return d
}

func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "") }

// Suggest is a hint for a name that is not one of have: the nearest one, or what there is, at most a few.
func Suggest(got, plural string, have []string) string {
	if near := Nearest(got, have); near != "" {
		return "did you mean " + near + "?"
	}
	return Available(plural, have)
}

// Available is a hint that lists what there is, at most a few.
func Available(plural string, have []string) string {
	if len(have) == 0 {
		return "there are no " + plural
	}
	names := slices.Sorted(slices.Values(have))
	if len(names) <= listed {
		return "there are these " + plural + ": " + strings.Join(names, ", ")
	}
	return "there are " + strconv.Itoa(len(names)) + " " + plural + ", such as " + strings.Join(names[:listed], ", ")
}
