package assembly_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"proscenium/assembly"
	"proscenium/engine"
	"proscenium/traffic"
)

func TestFailuresOfADependencyAreLoggedOnceInAWhile(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	failed := assembly.LogFailures(slog.New(slog.NewTextHandler(&out, nil)), func() time.Time { return now })
	lines := func() []string {
		defer out.Reset()
		return strings.Split(strings.TrimSpace(out.String()), "\n")
	}
	down := engine.Failure{Scene: "cart", Command: engine.RebateQuery, Outcome: engine.Failed, Err: errors.New("connection refused")}
	for range 5 {
		failed(down)
	}
	if got := lines(); len(got) != 1 || !strings.Contains(got[0], "command=rebate.query") || !strings.Contains(got[0], "connection refused") || !strings.Contains(got[0], "scene=cart") {
		t.Errorf("got %q", got)
	}
	slow := down
	slow.Outcome = engine.TimedOut
	failed(slow)
	if got := lines(); len(got) != 1 || !strings.Contains(got[0], "outcome=timeout") {
		t.Errorf("another outcome is another line: %q", got)
	}
	shadow := down
	shadow.Class = traffic.Shadow
	failed(shadow)
	if got := lines(); len(got) != 1 || !strings.Contains(got[0], "traffic=shadow") {
		t.Errorf("the failures of shadow traffic are told apart: %q", got)
	}
	now = now.Add(10 * time.Second)
	failed(down)
	if got := lines(); len(got) != 1 || !strings.Contains(got[0], "count=5") {
		t.Errorf("what was held back is counted: %q", got)
	}
}
