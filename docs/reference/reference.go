// Package reference holds pages of the reference that the program itself quotes.
package reference

import _ "embed"

// Diagnostics is the page about findings, in Markdown: a section for each code, with its cause, an example and the fix.
//
//go:embed diagnostics.md
var Diagnostics string
