package report

import (
	"fmt"
	"io"
	"strings"

	"proscenium/scenes/diag"
)

// GitHub writes each finding as a command of GitHub Actions, which shows it beside the line in the changes of a pull request, and a line
// that counts them at the end:
//
//	::error file=configs/scenes.yaml,line=12,endLine=12,col=24,endColumn=29,title=UNKNOWN_REFERENCE::there is no bypass rule vedio%0Adid you mean video?
type GitHub struct {
	// Prefix stands before the names of files, so that they are named from the root of the repository: the directory with a slash, or nothing.
	Prefix string
}

// Write writes the findings to w.
func (g GitHub) Write(w io.Writer, findings []diag.Diagnostic) error {
	var b strings.Builder
	for _, d := range findings {
		g.finding(&b, d)
	}
	if errors, warnings := diag.Count(findings); errors+warnings > 0 {
		fmt.Fprintf(&b, "%s, %s\n", plural(errors, "error"), plural(warnings, "warning"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (g GitHub) finding(b *strings.Builder, d diag.Diagnostic) {
	fmt.Fprintf(b, "::%s ", d.Severity)
	if d.File != "" {
		fmt.Fprintf(b, "file=%s,", property(g.Prefix+d.File))
	}
	if d.File != "" && d.Line > 0 {
		fmt.Fprintf(b, "line=%d,endLine=%d,col=%d,endColumn=%d,", d.Line, d.Line, d.Column, d.EndColumn)
	}
	message := d.Message
	if d.Hint != "" {
		message += "\n" + d.Hint
	}
	for _, r := range d.Related {
		message += fmt.Sprintf("\n%s%s:%d:%d: %s", g.Prefix, r.File, r.Line, r.Column, r.Message)
	}
	fmt.Fprintf(b, "title=%s::%s\n", property(string(d.Code)), data(message))
}

// data escapes the text of a command, which ends with its line.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// property escapes the value of a property, which ends at a comma or a colon too.
func property(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
