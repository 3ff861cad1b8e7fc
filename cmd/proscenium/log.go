package main

import (
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"golang.org/x/term"

	"proscenium/scenes/diag"
	"proscenium/scenes/reload"
	"proscenium/scenes/report"
	"proscenium/settings"
)

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// coloured says whether to write colours: on terminals, unless NO_COLOR is set.
func coloured(w io.Writer) bool { return isTerminal(w) && os.Getenv("NO_COLOR") == "" }

// logFormat is text or json.
func logFormat(p process, s *settings.Settings) string {
	switch {
	case s.Log.Format != "auto":
		return s.Log.Format
	case isTerminal(p.stderr):
		return "text"
	default:
		return "json"
	}
}

// newLog writes to standard error.
func newLog(p process, s *settings.Settings) *slog.Logger {
	level := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}[s.Log.Level]
	options := &slog.HandlerOptions{Level: level}
	if logFormat(p, s) == "text" {
		return slog.New(slog.NewTextHandler(p.stderr, options))
	}
	return slog.New(slog.NewJSONHandler(p.stderr, options))
}

// configLog tells what became of a configuration that was read.
type configLog struct {
	log *slog.Logger
	// text takes findings as people read them, with source lines; nil where the log is for machines, which get one entry for each.
	text   io.Writer
	prefix string
}

func newConfigLog(p process, s *settings.Settings, log *slog.Logger, from *source) *configLog {
	c := &configLog{log: log, prefix: from.prefix()}
	if logFormat(p, s) == "text" {
		c.text = p.stderr
	}
	return c
}

func (c *configLog) tell(status reload.Status) {
	errors, warnings := diag.Count(status.Diagnostics)
	about := []any{slog.String("outcome", string(status.Outcome)), slog.String("serving", status.Version), slog.Int("errors", errors), slog.Int("warnings", warnings)}
	if status.Err != nil {
		about = append(about, slog.String("error", status.Err.Error()))
	}
	switch {
	case !status.Stale:
		c.log.Info("configuration loaded", about...)
	case status.Version == "":
		c.log.Error("configuration rejected", about...)
	default:
		c.log.Error("configuration rejected; the one before serves on", about...)
	}
	if c.text != nil {
		// A log that cannot be written has nobody to tell.
		_ = report.Text{Color: coloured(c.text), Prefix: c.prefix}.Write(c.text, status.Diagnostics)
		return
	}
	for _, d := range status.Diagnostics {
		write := c.log.Error
		if d.Severity == diag.Warning {
			write = c.log.Warn
		}
		write("configuration finding", c.attributes(d)...)
	}
}

// attributes are what is known of a finding: one about the whole configuration has no line, and names no file.
func (c *configLog) attributes(d diag.Diagnostic) []any {
	about := []any{slog.String("code", string(d.Code)), slog.String("finding", d.Message)}
	if d.File != "" {
		about = append(about, slog.String("file", c.prefix+d.File))
	}
	if d.Line > 0 {
		about = append(about, slog.Int("line", d.Line), slog.Int("column", d.Column))
	}
	for _, text := range []struct{ key, value string }{{"path", d.Path}, {"excerpt", d.Excerpt}, {"hint", d.Hint}} {
		if text.value != "" {
			about = append(about, slog.String(text.key, text.value))
		}
	}
	return append(about, slog.String("page", d.Code.Page()))
}

// tuneCollector applies the settings of the garbage collector that the environment leaves open.
func tuneCollector(environ []string, s *settings.Settings) {
	set := func(name string) bool {
		return slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, name+"=") })
	}
	if !set("GOGC") {
		debug.SetGCPercent(s.GCPercent)
	}
	if s.MemoryLimit > 0 && !set("GOMEMLIMIT") {
		debug.SetMemoryLimit(int64(s.MemoryLimit))
	}
}
