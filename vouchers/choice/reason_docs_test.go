package choice_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"proscenium/vouchers/choice"
)

func TestTheReferenceListsTheReasonsInTheirOrder(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/voucher-reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed, want []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\|").FindAllSubmatch(text, -1) {
		listed = append(listed, string(row[1]))
	}
	for r := choice.InvalidDefinition; r <= choice.LostTo; r++ {
		want = append(want, r.String())
	}
	if !slices.Equal(listed, want) {
		t.Errorf("the reference lists %v, the code knows %v", listed, want)
	}
}
