package recording

import (
	"log/slog"
	"time"
)

// trouble logs errors, once in a while as long as they last: a full disk must not fill the log too.
type trouble struct {
	log *slog.Logger
	// told is when the last line was written; zero: there is no trouble.
	told     time.Time
	requests int // lost since
}

// againAfter is the time between two lines of a trouble that lasts.
const againAfter = time.Minute

func (t *trouble) tell(now time.Time, requests int, err error) {
	t.requests += requests
	if !t.told.IsZero() && now.Sub(t.told) < againAfter {
		return
	}
	t.log.Warn("requests cannot be recorded; they are answered all the same", slog.Any("error", err), slog.Int("requests", t.requests))
	t.told, t.requests = now, 0
}

// over says that it works again; where it comes and goes, not each time.
func (t *trouble) over(now time.Time) {
	if t.told.IsZero() || now.Sub(t.told) < againAfter {
		return
	}
	t.log.Info("requests are recorded again", slog.Int("requests_lost", t.requests))
	t.told, t.requests = time.Time{}, 0
}
