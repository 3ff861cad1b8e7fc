package assembly

import (
	"log/slog"
	"sync"
	"time"

	"proscenium/engine"
	"proscenium/traffic"
)

// failurePause is the least time between two lines about the same command and outcome.
const failurePause = 10 * time.Second

// LogFailures gives a function, for Options.Failed, that warns of dependencies that do not answer: at most one line in ten seconds for a
// class of traffic, command and outcome, with how many there were since the last. It is safe for concurrent use.
func LogFailures(log *slog.Logger, now func() time.Time) func(engine.Failure) {
	type kind struct {
		class   traffic.Class
		command engine.Command
		outcome engine.Outcome
	}
	type seen struct {
		last  time.Time
		since int
	}
	var mu sync.Mutex
	kinds := make(map[kind]*seen)
	return func(f engine.Failure) {
		k, at := kind{f.Class, f.Command, f.Outcome}, now()
		mu.Lock()
		s := kinds[k]
		if s == nil {
			s = new(seen)
			kinds[k] = s
		}
		s.since++
		count := s.since
		quiet := at.Sub(s.last) < failurePause
		if !quiet {
			s.last, s.since = at, 0
		}
		mu.Unlock()
		if quiet {
			return
		}
		log.Warn("a dependency did not answer", slog.String("command", f.Command.String()), slog.String("outcome", f.Outcome.String()),
			slog.String("scene", f.Scene), slog.String("traffic", f.Class.String()), slog.Int("count", count), slog.Any("error", f.Err))
	}
}
