package diag

import (
	"strings"

	"proscenium/docs/reference"
)

// Explanation is what the documentation says of a code, in Markdown.
type Explanation struct {
	Cause string
	// Example has a fence of its own: text between two lines of ```.
	Example string
	Fix     string
}

// Explain reads the section of each code in the documentation, by the code.
func Explain() map[Code]Explanation {
	out := map[Code]Explanation{}
	for _, section := range strings.Split(reference.Diagnostics, "\n### ")[1:] {
		code, text, _ := strings.Cut(section, "\n")
		text, _, _ = strings.Cut(text, "\n## ")
		_, text, _ = strings.Cut(text, "Cause: ")
		cause, text, _ := strings.Cut(text, "\n```")
		example, fix, _ := strings.Cut(text, "\n```\n")
		_, fix, _ = strings.Cut(fix, "Fix: ")
		out[Code(code)] = Explanation{
			Cause: strings.TrimSpace(cause), Example: "```" + strings.TrimSpace(example) + "\n```", Fix: strings.TrimSpace(fix),
		}
	}
	return out
}
