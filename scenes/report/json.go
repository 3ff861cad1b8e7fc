package report

import (
	"encoding/json"
	"io"

	"proscenium/scenes/diag"
)

// JSON writes an object with the numbers of errors and warnings, and all findings, each with the page that explains it:
//
//	{"errors": 1, "warnings": 0, "diagnostics": [{"code": "UNKNOWN_FIELD", ..., "page": "docs/reference/diagnostics.md#unknown_field"}]}
func JSON(w io.Writer, findings []diag.Diagnostic) error {
	type finding struct {
		diag.Diagnostic

		Page string `json:"page"`
	}
	errors, warnings := diag.Count(findings)
	all := make([]finding, len(findings))
	for i, d := range findings {
		all[i] = finding{d, d.Code.Page()}
	}
	return writeJSON(w, struct {
		Errors      int       `json:"errors"`
		Warnings    int       `json:"warnings"`
		Diagnostics []finding `json:"diagnostics"`
	}{errors, warnings, all})
}

// writeJSON leaves signs such as < as they are: nobody puts reports into HTML as they are.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
