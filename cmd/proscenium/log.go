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
	"proscenium/scenes/history"
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
	// data is the directory of the kept versions, for what to do about them.
	data string
	// unsaved and unwatched are what was told last.
	unsaved, unwatched string
}

func newConfigLog(p process, s *settings.Settings, log *slog.Logger, from *source) *configLog {
	c := &configLog{log: log, prefix: from.prefix(), data: s.Data}
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
	case status.Outcome == reload.Held:
		c.log.Warn("the configuration is good, but a rollback from it stands: it serves when the source changes, or by a rollback to it", about...)
	default:
		c.log.Error("configuration rejected; the one before serves on", about...)
	}
	c.findings(status.Diagnostics, c.prefix)
	c.origin(status)
}

// origin says loudly what serves at start instead of what the source holds.
func (c *configLog) origin(status reload.Status) {
	for _, p := range status.Passed {
		errors, _ := diag.Count(p.Diagnostics)
		about := []any{slog.String("version", p.Version), slog.Int("errors", errors)}
		if p.Err != nil {
			about = append(about, slog.String("error", p.Err.Error()))
		}
		c.log.Error("a version of before cannot serve either", about...)
		c.findings(p.Diagnostics, "version "+p.Version+": ")
	}
	switch status.Origin {
	case history.FromLastGood:
		v, _ := status.History.Find(status.Version)
		c.log.Error("serving the last good configuration of an earlier run, for the source holds none that is good; mend it, and it takes over at once",
			slog.String("serving", status.Version), slog.Time("first_served_at", v.FirstServed), slog.String("data", c.data))
	case history.FromRollback:
		if status.Rollback != nil {
			c.log.Warn("a rollback stands", slog.String("serving", status.Version), slog.String("reason", status.Rollback.Reason),
				slog.Time("since", status.Rollback.At))
		}
	}
}

// findings writes them, as people or programs read them. prefix stands before the names of files.
func (c *configLog) findings(findings []diag.Diagnostic, prefix string) {
	if c.text != nil {
		// A log that cannot be written has nobody to tell.
		_ = report.Text{Color: coloured(c.text), Prefix: prefix}.Write(c.text, findings)
		return
	}
	for _, d := range findings {
		write := c.log.Error
		if d.Severity == diag.Warning {
			write = c.log.Warn
		}
		about := []any{slog.String("code", string(d.Code)), slog.String("finding", d.Message)}
		if d.File != "" {
			about = append(about, slog.String("file", prefix+d.File))
		}
		if d.Line > 0 {
			about = append(about, slog.Int("line", d.Line), slog.Int("column", d.Column), slog.String("excerpt", d.Excerpt))
		}
		if d.Hint != "" {
			about = append(about, slog.String("hint", d.Hint))
		}
		write("configuration finding", about...)
	}
}

// changed tells what is wrong around the configuration, once.
func (c *configLog) changed(status reload.Status) {
	unsaved, unwatched := "", ""
	if status.HistoryErr != nil {
		unsaved = status.HistoryErr.Error()
	}
	if status.WatchErr != nil {
		unwatched = status.WatchErr.Error()
	}
	switch {
	case unsaved == c.unsaved:
	case unsaved != "":
		c.log.Warn("the configuration that serves cannot be kept on disk: after a restart with a broken source nothing newer than what is there could serve; it is tried again",
			slog.String("error", unsaved), slog.String("data", c.data))
	default:
		c.log.Info("the configuration that serves is kept on disk again", slog.String("data", c.data))
	}
	if unwatched != c.unwatched && unwatched != "" {
		c.log.Warn("the configuration cannot be watched: it is read every few seconds instead", slog.String("error", unwatched))
	}
	c.unsaved, c.unwatched = unsaved, unwatched
}

// rolledBack tells of a rollback that an operator asked for.
func (c *configLog) rolledBack(r reload.Rollback) {
	about := []any{slog.String("from", r.From), slog.String("to", r.To), slog.String("reason", r.Reason), slog.String("serving", r.Status.Version)}
	switch {
	case r.Err != nil:
		c.log.Error("rollback refused", append(about, slog.String("error", r.Err.Error()))...)
	case r.From == r.To:
		c.log.Info("rollback to what serves already", about...)
	case r.Status.Rollback == nil:
		c.log.Warn("rollback to what the source holds: the source is followed again", about...)
	default:
		c.log.Warn("rolled back: it serves until the source changes", about...)
	}
}

// damaged tells of kept versions that are ignored.
func (c *configLog) damaged(err error) {
	c.log.Warn("the kept configurations are damaged", slog.String("error", err.Error()), slog.String("data", c.data))
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
