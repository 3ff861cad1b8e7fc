package server

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"text/tabwriter"
	"time"

	"proscenium/engine/policy"
)

// policyz is a page for people: what is not as usual first.
func policyz(policies Policies) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		var page bytes.Buffer
		breakersTable(&page, policies.Breakers())
		limitsTable(&page, policies.Limits())
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = page.WriteTo(w) // the reader may be gone; there is nobody else to tell
	}
}

func breakersTable(page *bytes.Buffer, breakers []policy.BreakerStatus) {
	fmt.Fprintln(page, "Breakers of this process; those that are closed and refused nothing are left out")
	t := tabwriter.NewWriter(page, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "COMMAND\tSCENE\tTRAFFIC\tSTATE\tSINCE\tCALLS\tERRORS\tSLOW\tOPENED\tREFUSED")
	quiet := 0
	for _, b := range breakers {
		if b.State == "closed" && b.Refused == 0 && b.Opened == 0 {
			quiet++
			continue
		}
		scene := cmp.Or(b.Scene, "all")
		if b.Downgraded {
			scene += " (downgraded)"
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n",
			b.Command, scene, b.Class, b.State, b.Since.UTC().Format(time.RFC3339), b.Calls, b.Errors, b.Slow, b.Opened, b.Refused)
	}
	_ = t.Flush() // to memory
	fmt.Fprintf(page, "(%d left out)\n\n", quiet)
}

func limitsTable(page *bytes.Buffer, limits []policy.LimitStatus) {
	fmt.Fprintln(page, "Limits and queues, as this process decided since it started; queues: requests a second of it")
	t := tabwriter.NewWriter(page, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "NAME\tTRAFFIC\tALLOWS\tKIND\tALLOWED\tSOFT\tREFUSED\tFALLBACK\tSTATE")
	for i := range limits {
		l := &limits[i]
		allows := fmt.Sprintf("%d in %v", l.Limit, l.Window)
		state := l.State
		if state != "" {
			state += fmt.Sprintf(", granted %.1f, wants %.1f, uses %.1f", float64(l.Granted)/1e3, float64(l.Wanted)/1e3, float64(l.Used)/1e3)
		}
		if l.DryRun {
			state += " dry run"
		}
		_, _ = fmt.Fprintf(t, "%s/%s\t%s\t%s\t%s %s\t%d\t%d\t%d\t%d\t%s\n",
			l.Name, l.Dimension, l.Class, allows, l.Algorithm, l.Precision, l.Allowed, l.Marked, l.Refused, l.Fallback, state)
	}
	_ = t.Flush() // to memory
}
